//! Waves, gates, control group and going back.
