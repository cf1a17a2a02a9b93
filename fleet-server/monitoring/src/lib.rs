//! Drift, sensor faults and alerts from window statistics.
