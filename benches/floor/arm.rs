//! One thing that is measured: a program with its settings, and the figures that one run of it gives.
//!
//! Invariant: knows zload by its command line and its JSON alone, so it judges what a user gets.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::Outcome;
use crate::child::{self, Finished, Sample};
use crate::programs::Programs;

/// The scenario that every load is made of, by `--set`; and that of clients alone, without marks that only libzmq has.
const SCENARIO: &str = "configs/hotpath.toml";
const CLIENTS: &str = "configs/engines.toml";
/// zload's own word that a measurement must not be used.
const INVALID: i32 = 3;

/// Figures of one run, by name.
pub(crate) type Readings = BTreeMap<String, f64>;

/// A program with its settings.
#[derive(Debug, Clone)]
pub(crate) struct Arm {
    /// As the comparisons call it.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// `key=value`: for zload as `--set` takes them, for the C program as its arguments.
    pub(crate) settings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Zload,
    /// zload's clients, with zload's server in a process of its own: the process is the client.
    Client,
    Floor,
    Sleeper,
}

/// How long a run warms up and measures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phases {
    pub(crate) warmup_s: f64,
    pub(crate) seconds: f64,
}

/// What one run gave.
pub(crate) struct Measured {
    pub(crate) readings: Readings,
    /// zload said that its figures must not be used.
    pub(crate) doubted: bool,
    /// Cores that other programs kept busy meanwhile.
    pub(crate) others: Option<f64>,
    /// Version, library, kernel and processor, as zload names them.
    pub(crate) environment: Option<Value>,
}

impl Arm {
    pub(crate) fn run(&self, programs: &Programs, phases: Phases) -> Outcome<Measured> {
        let mut command = self.command(programs, phases)?;
        // Thousands of clients take seconds to connect, and a drain may take its two.
        let limit_ns = 1e9 * (phases.warmup_s + phases.seconds + 60.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some minutes")]
        let finished = child::run(&mut command, limit_ns as u64)?;
        let is_zload = matches!(self.kind, Kind::Zload | Kind::Client);
        let allowed = is_zload && finished.status.code() == Some(INVALID);
        if !finished.status.success() && !allowed {
            return Err(format!("{command:?}: {}", finished.status));
        }
        let readings = match self.kind {
            Kind::Zload | Kind::Client => readings_of_zload(&finished, phases)?,
            Kind::Floor | Kind::Sleeper => numbers(&finished.output),
        };
        Ok(Measured {
            readings,
            doubted: allowed,
            others: finished.others(),
            environment: finished.output.get("environment").cloned(),
        })
    }

    fn command(&self, programs: &Programs, phases: Phases) -> Outcome<Command> {
        let Phases { warmup_s, seconds } = phases;
        let milliseconds = |seconds: f64| format!("{:.0}ms", seconds * 1e3);
        let mut command;
        match self.kind {
            Kind::Zload | Kind::Client => {
                let zload = &programs.zload;
                let scenario = if self.kind == Kind::Client { CLIENTS } else { SCENARIO };
                command = Command::new(zload);
                command.args(["run", scenario, "-q", "--format", "json"]);
                if self.kind == Kind::Client {
                    let server = json!([
                        zload,
                        "serve",
                        CLIENTS,
                        "-q",
                        "--set",
                        "proxy.frontend={frontend}"
                    ]);
                    command.args(["--set", "proxy.engine=external"]);
                    command.args(["--set", &format!("server.command={server}")]);
                }
                command.args(["--set", &format!("run.warmup={}", milliseconds(warmup_s))]);
                command.args(["--set", &format!("run.duration={}", milliseconds(seconds))]);
                for setting in &self.settings {
                    command.args(["--set", setting]);
                }
            }
            Kind::Floor => {
                command = Command::new(&programs.floor);
                command.arg(format!("endpoint=tcp://127.0.0.1:{}", free_port()?));
                command.args(["engine=drain", "driver=epoll", "payload=64", "hwm=0"]);
                command.args([format!("warmup={warmup_s}"), format!("seconds={seconds}")]);
                command.args(&self.settings);
            }
            Kind::Sleeper => {
                let own = std::env::current_exe().map_err(|error| error.to_string())?;
                command = Command::new(own);
                command.args(["--sleep-loop", &seconds.to_string()]);
            }
        }
        Ok(command)
    }
}

/// A port that was free a moment ago.
fn free_port() -> Outcome<u16> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port: {error}"))
}

/// All members of an object that are numbers.
fn numbers(object: &Value) -> Readings {
    let members = object.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
}

/// The figures of a zload run that comparisons use; times in microseconds unless the name says otherwise.
fn readings_of_zload(finished: &Finished, phases: Phases) -> Outcome<Readings> {
    let result = &finished.output;
    let number = |path: &str| result.pointer(path).and_then(Value::as_f64);
    if result.pointer("/environment/build") != Some(&json!("release")) {
        return Err("zload is not a release build".into());
    }
    if number("/ledger/requests_lost") != Some(0.0) {
        return Err(format!("requests were lost: {}", result["ledger"]));
    }
    let requests_per_s =
        number("/throughput/requests_per_s").ok_or("the result names no requests_per_s")?;
    let busy = number("/proxy/busy_ratio");
    let scaled = |value: Option<f64>, scale: f64| value.map(|value| value * scale);
    let middle = middle(finished, phases);
    let figures = [
        ("process_ns_per_message", number("/process/cpu_ns_per_message")),
        ("requests_per_s", Some(requests_per_s)),
        ("service_p50_us", scaled(number("/latency/service/p50_ns"), 1e-3)),
        ("slip_p50_us", scaled(number("/latency/slip/p50_ns"), 1e-3)),
        ("slip_p99_us", scaled(number("/latency/slip/p99_ns"), 1e-3)),
        ("driver_ns_per_request", number("/generator/driver_cpu_ns_per_request")),
        ("driver_busy_ratio", number("/generator/driver_busy_ratio")),
        ("proxy_us_per_request", busy.map(|busy| busy * 1e6 / requests_per_s)),
        ("cpu_us_per_request", middle.map(|(_, cpu)| cpu * 1e6 / requests_per_s)),
        ("resident_kib", middle.map(|(resident_kib, _)| resident_kib)),
        ("resident_kib_5s", resident_at(&finished.samples, 5.0)),
        ("resident_kib_60s", resident_at(&finished.samples, 60.0)),
        ("wall_s", Some(finished.took_ns as f64 / 1e9)),
    ];
    let known = figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(known.collect())
}

/// Resident memory and CPUs in use while a run measures, without its start and its end.
///
/// The measured window ends shortly before the process does, so this looks from 80 % to 30 % of its length before the
/// process's end: after the clients have connected, before anything is closed.
fn middle(finished: &Finished, phases: Phases) -> Option<(f64, f64)> {
    let before_end = |share: f64| finished.took_ns as f64 - share * phases.seconds * 1e9;
    let inside =
        |sample: &&Sample| (before_end(0.8)..=before_end(0.3)).contains(&(sample.at_ns as f64));
    let first = finished.samples.iter().find(inside)?;
    let last = finished.samples.iter().rfind(inside)?;
    let took_ns = last.at_ns.checked_sub(first.at_ns).filter(|took_ns| *took_ns > 0)?;
    Some((last.resident_kib, (last.cpu_ns - first.cpu_ns) / took_ns as f64))
}

/// Resident memory this many seconds after the start; `None` if the run was over by then.
fn resident_at(samples: &[Sample], seconds: f64) -> Option<f64> {
    samples
        .iter()
        .find(|sample| sample.at_ns as f64 >= seconds * 1e9)
        .map(|sample| sample.resident_kib)
}
