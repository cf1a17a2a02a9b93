//! The Dunlin agent: runs models on a device, reports, and takes signed updates.
