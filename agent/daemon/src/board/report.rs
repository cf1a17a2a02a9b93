//! Reads the board.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use dunlin_protocol::message::{ClockQuality, SystemReport};
use sysinfo::{Components, Disks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Reads what a [`SystemReport`] says.
pub struct Board {
    data_dir: PathBuf,
    system: Mutex<Option<System>>,
    modes: Vec<String>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("modes", &self.modes).finish_non_exhaustive()
    }
}

impl Board {
    /// A board whose agent keeps its data in `data_dir`.
    pub fn new(data_dir: &Path, modes: Vec<String>) -> Self {
        let system = System::new().map_err(|error| tracing::warn!(%error, "the board cannot be read")).ok();
        Self { data_dir: data_dir.to_owned(), system: Mutex::new(system), modes }
    }

    /// Reads the board; `None` where the operating system gives nothing.
    pub fn report(&self) -> Option<SystemReport> {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let system = system.as_mut()?;
        system.refresh_memory();
        system.refresh_cpu_usage();
        let own = Pid::from_u32(std::process::id());
        let kind = ProcessRefreshKind::nothing().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, kind);
        Some(SystemReport {
            cpu: (system.global_cpu_usage() / 100.0).clamp(0.0, 1.0),
            memory_used_bytes: system.used_memory(),
            memory_total_bytes: system.total_memory(),
            agent_bytes: system.process(own).map_or(0, sysinfo::Process::memory),
            disk_free_bytes: disk_free(&self.data_dir).unwrap_or(0),
            temperature_c: temperature(),
            uptime_seconds: System::uptime().unwrap_or(0),
            architecture: std::env::consts::ARCH.to_owned(),
            system: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
        })
    }

    /// What people should know about how it runs.
    pub fn modes(&self, clock: ClockQuality) -> Vec<String> {
        let mut modes = self.modes.clone();
        if clock != ClockQuality::Synchronised {
            modes.push("no-clock".into());
        }
        modes
    }
}

/// The machine's name in the network, where it has one.
pub fn host_name() -> Option<String> {
    System::host_name().ok()
}

/// Free bytes of the disk that holds `path`: the one with the longest mount point above it.
pub fn disk_free(path: &Path) -> Option<u64> {
    let path = path.canonicalize().ok()?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let above = disks.iter().filter(|disk| path.starts_with(disk.mount_point()));
    above.max_by_key(|disk| disk.mount_point().as_os_str().len()).map(sysinfo::Disk::available_space)
}

fn temperature() -> Option<f32> {
    let components = Components::new_with_refreshed_list().ok()?;
    components.iter().filter_map(sysinfo::Component::temperature).filter(|t| t.is_finite()).reduce(f32::max)
}

/// Resident memory of this process, bytes; 0 where it cannot be read.
pub fn resident_bytes() -> u64 {
    let Ok(mut system) = System::new() else { return 0 };
    let own = Pid::from_u32(std::process::id());
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, kind);
    system.process(own).map_or(0, sysinfo::Process::memory)
}
