//! Limits of the control group that this process is in, or of one above it: what a container may have, and how often it was
//! made to stand still.

use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";

/// A limit, and how much of it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How much there may be.
    pub most: u64,
    /// How much there is.
    pub used: u64,
}

/// Threads and processes: the limit that leaves the least room.
pub fn pids() -> Option<Limit> {
    tightest(["pids.max", "pids.max"], ["pids.current", "pids.current"], "pids")
}

/// Memory, in bytes, page cache included: the limit that leaves the least room.
pub fn memory() -> Option<Limit> {
    let most = ["memory.limit_in_bytes", "memory.max"];
    tightest(most, ["memory.usage_in_bytes", "memory.current"], "memory")
}

/// A quota of CPU time, and how often it was used up so far: then every thread of the group stands still until the next
/// period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuQuota {
    /// CPU time per time: 0.5 is half a CPU.
    pub cpus: f64,
    /// Periods in which the group ran.
    pub periods: u64,
    /// Those of them in which it stood still.
    pub throttled: u64,
    /// For how long, in nanoseconds, over all CPUs.
    pub throttled_ns: u64,
}

/// The quota of each group that has one, from this process's own upwards.
pub fn cpu_quotas() -> Vec<CpuQuota> {
    let Ok(groups) = std::fs::read_to_string("/proc/self/cgroup") else { return Vec::new() };
    let folders = |version| folders(&groups, version, "cpu", Path::new(MOUNT));
    [1, 2].into_iter().flat_map(folders).filter_map(|folder| cpu_quota(&folder)).collect()
}

/// `None` where there is no quota.
fn cpu_quota(folder: &Path) -> Option<CpuQuota> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    // Version 2: quota and period in one file, and "max" for none. Version 1: -1 for none.
    let (quota, period) = match read("cpu.max") {
        Some(both) => {
            let mut both = both.split_whitespace();
            (both.next()?.parse::<f64>().ok()?, both.next()?.parse::<f64>().ok()?)
        }
        None => (
            read("cpu.cfs_quota_us")?.trim().parse().ok()?,
            read("cpu.cfs_period_us")?.trim().parse().ok()?,
        ),
    };
    let stat = read("cpu.stat")?;
    let number = |name: &str| -> Option<u64> {
        let words = stat.lines().filter_map(|line| line.split_once(' '));
        words.filter(|(word, _)| *word == name).find_map(|(_, number)| number.trim().parse().ok())
    };
    let throttled_ns =
        number("throttled_usec").map(|us| us * 1_000).or_else(|| number("throttled_time"));
    (quota > 0.0 && period > 0.0).then_some(CpuQuota {
        cpus: quota / period,
        periods: number("nr_periods")?,
        throttled: number("nr_throttled")?,
        throttled_ns: throttled_ns.unwrap_or(0),
    })
}

/// The names of the files are those of version 1 and of version 2.
fn tightest(most: [&str; 2], used: [&str; 2], controller: &str) -> Option<Limit> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits = [(1, most[0], used[0]), (2, most[1], used[1])].into_iter().flat_map(
        |(version, most, used)| {
            let folders = folders(&groups, version, controller, Path::new(MOUNT));
            folders.into_iter().filter_map(move |folder| limit(&folder, most, used))
        },
    );
    limits.min_by_key(|limit| limit.most.saturating_sub(limit.used))
}

/// The directories of the group of `controller` and of those above it, as far as they can be seen from here.
///
/// In a container the group's path may be that of the host, of which only the mount itself is to be seen.
fn folders(groups: &str, version: u8, controller: &str, mount: &Path) -> Vec<PathBuf> {
    let path = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_it = match version {
            1 => controllers.split(',').any(|name| name == controller),
            _ => controllers.is_empty(),
        };
        is_it.then(|| path.trim_start_matches('/'))
    });
    let Some(path) = path else { return Vec::new() };
    let roots = match version {
        1 => vec![mount.join(controller)],
        _ => vec![mount.to_owned(), mount.join("unified")],
    };
    let above = |root: PathBuf| {
        let group = root.join(path);
        let groups = group.ancestors().take_while(|folder| folder.starts_with(&root));
        groups.map(Path::to_owned).collect::<Vec<_>>()
    };
    roots.into_iter().flat_map(above).collect()
}

/// `None` where there is no such limit.
fn limit(folder: &Path, most: &str, used: &str) -> Option<Limit> {
    let number = |name: &str| -> Option<u64> {
        std::fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()
    };
    // "max" is no number. Version 1 says a huge one instead, which is no limit to anybody either.
    Some(Limit { most: number(most)?, used: number(used)? })
}

/// How many CPUs this process may use by the quota of its control group, if it has one: the tightest of several.
pub fn least_cpu_quota() -> Option<f64> {
    cpu_quotas().into_iter().map(|quota| quota.cpus).reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_and_all_above_it_count_in_both_versions() {
        let groups = "9:pids,other:/a/b\n4:memory:/\n0::/c\n";
        let folders = |version, controller| {
            folders(groups, version, controller, Path::new("/m"))
                .into_iter()
                .map(|folder| folder.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(folders(1, "pids"), ["/m/pids/a/b", "/m/pids/a", "/m/pids"]);
        assert_eq!(folders(1, "memory"), ["/m/memory/"]);
        assert_eq!(folders(2, "pids"), ["/m/c", "/m", "/m/unified/c", "/m/unified"]);
        assert!(folders(1, "none").is_empty());
    }

    #[test]
    fn no_limit_is_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("used"), "7\n").unwrap();
        assert_eq!(limit(folder.path(), "most", "used"), None);
        std::fs::write(folder.path().join("most"), "max\n").unwrap();
        assert_eq!(limit(folder.path(), "most", "used"), None);
        std::fs::write(folder.path().join("most"), "10\n").unwrap();
        assert_eq!(limit(folder.path(), "most", "used"), Some(Limit { most: 10, used: 7 }));
    }

    #[test]
    fn a_quota_is_read_in_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(cpu_quota(folder.path()), None);
        write("cpu.cfs_quota_us", "-1\n");
        write("cpu.cfs_period_us", "100000\n");
        write("cpu.stat", "nr_periods 94\nnr_throttled 58\nthrottled_time 7000\n");
        assert_eq!(cpu_quota(folder.path()), None);
        write("cpu.cfs_quota_us", "50000\n");
        let quota = CpuQuota { cpus: 0.5, periods: 94, throttled: 58, throttled_ns: 7_000 };
        assert_eq!(cpu_quota(folder.path()), Some(quota));
        write("cpu.max", "max 100000\n");
        assert_eq!(cpu_quota(folder.path()), None);
        write("cpu.max", "150000 100000\n");
        write("cpu.stat", "usage_usec 9\nnr_periods 94\nnr_throttled 58\nthrottled_usec 7\n");
        assert_eq!(cpu_quota(folder.path()), Some(CpuQuota { cpus: 1.5, ..quota }));
    }
}
