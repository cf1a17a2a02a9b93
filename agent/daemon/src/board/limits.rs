//! What the service may use: memory and processors, from its control group (cgroup v2) and those above it.

use std::{fs, path::Path};

/// Limits of this process; `None` where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Processors, as a number that may be a fraction.
    pub processors: Option<f64>,
}

/// Reads the limits below `root`, which is `/` on a board. The tightest on the way up counts.
pub fn read(root: &Path) -> Limits {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    own_group(&own).map_or_else(Limits::default, |group| of(root, group))
}

/// Reads the limits of a group, named without a leading slash, below `root`.
pub fn of(root: &Path, group: &str) -> Limits {
    let top = root.join("sys/fs/cgroup");
    let mut limits = Limits::default();
    for group in top.join(group).ancestors().take_while(|group| group.starts_with(&top)) {
        let file = |name| fs::read_to_string(group.join(name)).unwrap_or_default();
        let memory = file("memory.max").trim().parse().ok();
        limits.memory_bytes = [limits.memory_bytes, memory].into_iter().flatten().min();
        let processors = processors(&file("cpu.max"));
        limits.processors = [limits.processors, processors].into_iter().flatten().reduce(f64::min);
    }
    limits
}

/// The path of this process's group within the tree of version 2, without the leading slash.
fn own_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// `QUOTA PERIOD` in microseconds; `max` is no limit.
fn processors(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota.is_finite() && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::tree;

    #[test]
    fn the_tightest_limit_on_the_way_up_counts() {
        let root = tree(&[
            ("proc/self/cgroup", "1:name=systemd:/x\n0::/system.slice/dunlin-agent.service\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "268435456\n"),
            ("sys/fs/cgroup/system.slice/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/system.slice/dunlin-agent.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/dunlin-agent.service/cpu.max", "50000 100000\n"),
        ]);
        assert_eq!(read(root.path()), Limits { memory_bytes: Some(268_435_456), processors: Some(0.5) });
    }

    #[test]
    fn a_container_sees_itself_at_the_top() {
        let root = tree(&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "67108864\n")]);
        assert_eq!(read(root.path()), Limits { memory_bytes: Some(67_108_864), processors: None });
    }

    #[test]
    fn without_a_control_group_there_is_no_limit() {
        assert_eq!(read(tree(&[]).path()), Limits::default());
        assert_eq!(read(tree(&[("proc/self/cgroup", "4:memory:/old\n")]).path()), Limits::default());
    }
}
