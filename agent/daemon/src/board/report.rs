//! Reads the board.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use dunlin_protocol::message::{ClockQuality, SystemReport};
use sysinfo::{Components, Disks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{
    limits::{self, Limits},
    mounts, throttle,
};

/// Reads what a [`SystemReport`] says.
pub struct Board {
    data_dir: PathBuf,
    system: Mutex<Option<System>>,
    modes: Vec<String>,
    root: PathBuf,
    limits: Limits,
    /// Habits that were told of and still hold.
    told: Mutex<Vec<&'static str>>,
}

/// A mode that the board is in by itself, with what people should know of it.
type Habit = (&'static str, &'static str);

const UNDER_VOLTAGE: Habit = (
    "under-voltage",
    "the supply's voltage is too low: the board may stop or lose data; use the supply and cable made for it",
);
const THROTTLED: Habit = (
    "throttled",
    "the processor is held below its full speed; see that the board is cooled and its supply strong enough",
);
const READ_ONLY_ROOT: Habit = (
    "read-only-root",
    "the root file system is mounted read-only; what the agent keeps needs a place that can be written",
);

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("modes", &self.modes).finish_non_exhaustive()
    }
}

impl Board {
    /// A board whose agent keeps its data in `data_dir`.
    pub fn new(data_dir: &Path, modes: Vec<String>) -> Self {
        let system = System::new().map_err(|error| tracing::warn!(%error, "the board cannot be read")).ok();
        Self {
            data_dir: data_dir.to_owned(),
            system: Mutex::new(system),
            modes,
            root: PathBuf::from("/"),
            limits: limits::read(Path::new("/")),
            told: Mutex::default(),
        }
    }

    /// The same board, with `proc` and `sys` below another root.
    #[must_use]
    pub fn below(self, root: &Path) -> Self {
        Self { root: root.to_owned(), limits: limits::read(root), ..self }
    }

    /// What this process may use, as its control group said at the start.
    pub fn limits(&self) -> Limits {
        self.limits
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
        modes.extend(self.habits().iter().map(|(mode, _)| (*mode).to_owned()));
        modes
    }

    /// Modes that began since this was last asked, each with a sentence about it: an event for each is due.
    pub fn begun(&self) -> Vec<(&'static str, &'static str)> {
        let habits = self.habits();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|mode| habits.iter().any(|(habit, _)| habit == mode));
        let begun: Vec<Habit> = habits.into_iter().filter(|(mode, _)| !told.contains(mode)).collect();
        told.extend(begun.iter().map(|(mode, _)| *mode));
        begun
    }

    fn habits(&self) -> Vec<Habit> {
        let throttle = throttle::read(&self.root).unwrap_or_default();
        let mounts = mounts::read(&self.root);
        let read_only = mounts::of(&mounts, Path::new("/")).is_some_and(|root| root.frozen);
        let table = [
            (throttle.under_voltage, UNDER_VOLTAGE),
            (throttle.throttled, THROTTLED),
            (read_only, READ_ONLY_ROOT),
        ];
        table.into_iter().filter(|(holds, _)| *holds).map(|(_, habit)| habit).collect()
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

/// The hottest sensor, degrees Celsius.
pub fn temperature() -> Option<f32> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::tree;

    const FIRMWARE: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";

    #[test]
    fn a_boards_habits_are_modes_and_told_once_when_they_begin() {
        let root =
            tree(&[(FIRMWARE, "0"), ("proc/self/mountinfo", "22 1 179:2 / / ro - ext4 /dev/root ro\n")]);
        let board = Board::new(Path::new("/"), vec!["bench".into()]).below(root.path());
        assert_eq!(board.modes(ClockQuality::Synchronised), ["bench", "read-only-root"]);
        let codes = |board: &Board| board.begun().iter().map(|(code, _)| *code).collect::<Vec<_>>();
        assert_eq!(codes(&board), ["read-only-root"]);
        assert!(codes(&board).is_empty());

        std::fs::write(root.path().join(FIRMWARE), "5").unwrap();
        let modes = board.modes(ClockQuality::Unknown);
        assert_eq!(modes, ["bench", "no-clock", "under-voltage", "throttled", "read-only-root"]);
        assert_eq!(codes(&board), ["under-voltage", "throttled"]);

        std::fs::write(root.path().join(FIRMWARE), "50000").unwrap();
        assert!(codes(&board).is_empty(), "what is over is no event");
        std::fs::write(root.path().join(FIRMWARE), "50005").unwrap();
        assert_eq!(codes(&board), ["under-voltage", "throttled"], "and is told again when it comes again");
    }

    #[test]
    fn a_board_knows_what_its_service_may_use() {
        let root = tree(&[("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/memory.max", "1048576\n")]);
        let board = Board::new(Path::new("/"), vec![]).below(root.path());
        assert_eq!(board.limits().memory_bytes, Some(1 << 20));
    }
}
