//! A flock of real agents in one process, in bad weather.
