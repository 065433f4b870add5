//! Where and with what a run is made; read once, before it.

use jiff::Timestamp;

use crate::result::Environment;
use crate::topology;

/// Looks at the machine.
pub fn describe() -> Environment {
    let system = rustix::system::uname();
    Environment {
        zload: env!("CARGO_PKG_VERSION").to_owned(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        libzmq: topology::libzmq_version(),
        kernel: format!(
            "{} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy()
        ),
        cpu_model: cpu_model().unwrap_or_else(|| system.machine().to_string_lossy().into_owned()),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        load_average: load_average().unwrap_or(0.0),
        time: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
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
