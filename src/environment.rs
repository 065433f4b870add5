//! Where and with what a run is made, and of which source; read once.

use std::path::Path;

use jiff::Timestamp;

use crate::machine::{cgroup, limits};
use zload_core::{facts::Revision, scenario::in_words};
use zload_report::result::Environment;

/// The environment of now. Before the first run nothing is known of libzmq's sockets: [`with_libzmq`] adds it.
pub(crate) fn describe() -> Environment {
    let system = rustix::system::uname();
    Environment {
        zload: env!("CARGO_PKG_VERSION").to_owned(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        libzmq: libzmq_version(),
        libzmq_eventfd: limits::libzmq_has_eventfd(),
        kernel: format!(
            "{} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy()
        ),
        cpu_model: cpu_model().unwrap_or_else(|| system.machine().to_string_lossy().into_owned()),
        cores: cores(),
        cpu_quota: cgroup::least_cpu_quota(),
        load_average: load_average().unwrap_or(0.0),
        time: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command: Some(command()),
    }
}

/// The environment of a process that another zload started: its command line is not the user's.
pub(crate) fn of_a_player() -> Environment {
    Environment { command: None, ..describe() }
}

/// The name of this host.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The command line of this process, without the folder of the program.
fn command() -> String {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or(&program).to_os_string();
    let arguments = std::iter::once(program).chain(arguments);
    in_words(&arguments.map(|of| of.to_string_lossy().into_owned()).collect::<Vec<_>>())
}

/// The same environment after a run, which has shown how libzmq was compiled.
pub(crate) fn with_libzmq(environment: Environment) -> Environment {
    Environment { libzmq_eventfd: limits::libzmq_has_eventfd(), ..environment }
}

fn libzmq_version() -> String {
    let (major, minor, patch) = zmq::version();
    format!("{major}.{minor}.{patch}")
}

/// The standard library's count takes a quota for fewer CPUs.
fn cores() -> usize {
    let allowed = rustix::thread::sched_getaffinity(None).map(|set| set.count() as usize);
    allowed.or_else(|_| std::thread::available_parallelism().map(Into::into)).unwrap_or(1)
}

/// Whether this process was started with a signal ignored, as `nohup` does.
pub(crate) fn ignores(signal: i32) -> bool {
    let ignored = || {
        let text = std::fs::read_to_string("/proc/self/status").ok()?;
        let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    // Bits count from 0, signals from 1.
    ignored().is_some_and(|mask| {
        mask.checked_shr(signal.unsigned_abs() - 1).is_some_and(|bits| bits & 1 == 1)
    })
}

/// The processor's own name, as Linux knows it.
fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// What the CI says that this runs in. A pull request's own branch comes before the one that GitHub makes of it.
pub(crate) fn revision_of_ci() -> Revision {
    Revision {
        branch: first_set(&[
            "GITHUB_HEAD_REF",
            "GITHUB_REF_NAME",
            "CI_COMMIT_REF_NAME",
            "BUILDKITE_BRANCH",
            "GIT_BRANCH",
        ]),
        commit: first_set(&["GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "GIT_COMMIT"]),
    }
}

/// The value of the first of these variables that has one.
fn first_set(variables: &[&str]) -> String {
    variables
        .iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|value| !value.is_empty())
        .unwrap_or_default()
}
