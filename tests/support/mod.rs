//! What the tests share: the built program as a child process, and foreign servers.
//!
//! Invariant: nothing waits without a limit, and nothing waits by sleeping.

pub(crate) mod imports;
pub(crate) mod mistakes;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use tempfile::NamedTempFile;
use zload::machine::clock::Clock;

/// The longest that any process of a test may take, on the slowest machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What clients may speak with (`clients.engine`).
pub(crate) const ENGINES: [&str; 2] = ["libzmq", "zmtp"];

/// Tests of these functions, each of which is given a clients' engine: with all engines at once, as most of a run is waiting.
macro_rules! with_each_engine {
    ($($name:ident),* $(,)?) => { $(
        mod $name {
            #[test]
            fn with_each_engine() {
                crate::support::each_engine(super::$name);
            }
        }
    )* };
}
pub(crate) use with_each_engine;

/// Does this with all engines at once.
pub(crate) fn each_engine(test: fn(&str)) {
    std::thread::scope(|scope| {
        for engine in ENGINES {
            let named = std::thread::Builder::new().name(engine.to_owned());
            named.spawn_scoped(scope, move || test(engine)).expect("a thread");
        }
    });
}

/// A call of the built program.
pub(crate) struct Zload {
    command: Command,
    scenario: Option<NamedTempFile>,
}

/// A program that is running.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<String>,
    seen: String,
    _scenario: Option<NamedTempFile>,
}

/// What a program left behind.
pub(crate) struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Zload {
    /// `zload` with these arguments.
    pub(crate) fn new(args: &[&str]) -> Self {
        Self::program(env!("CARGO_BIN_EXE_zload"), args)
    }

    /// Another program, which is watched in the same way.
    pub(crate) fn program(name: &str, args: &[&str]) -> Self {
        let mut command = Command::new(name);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, scenario: None }
    }

    /// `zload COMMAND FILE`, where the file holds this scenario.
    pub(crate) fn with_scenario(subcommand: &str, text: &str) -> Self {
        let mut file = NamedTempFile::with_suffix(".toml").expect("a temporary file");
        file.write_all(text.as_bytes()).expect("writing the scenario");
        let path = file.path().to_str().expect("a UTF-8 path").to_owned();
        let mut zload = Self::new(&[subcommand, &path]);
        zload.scenario = Some(file);
        zload
    }

    /// `zload run FILE --format json -q`
    pub(crate) fn run(text: &str) -> Self {
        Self::with_scenario("run", text).args(&["--format", "json", "-q"])
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// With clients of this engine.
    pub(crate) fn engine(self, engine: &str) -> Self {
        self.args(&["--set", &format!("clients.engine={engine}")])
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().expect("the program starts");
        let (tell_stdout, stdout) = channel();
        let (tell_stderr, stderr) = channel();
        let pipe = child.stdout.take();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut bytes).expect("reading stdout");
            }
            let _gone = tell_stdout.send(bytes);
        });
        let pipe = child.stderr.take().expect("stderr is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let _gone = tell_stderr.send(line);
            }
        });
        Running { child, stdout, stderr, seen: String::new(), _scenario: self.scenario }
    }

    pub(crate) fn end(self) -> Ended {
        self.start().end()
    }

    /// Runs to its end, which must be this exit code, and gives the result object.
    pub(crate) fn result(self, code: i32) -> Value {
        self.end().result(code)
    }
}

impl Running {
    /// Waits for a line on stderr that contains `part`.
    pub(crate) fn await_line(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.stderr.recv_timeout(LIMIT) else {
                let _ended = self.child.kill();
                panic!("no line with {part:?} came; stderr was:\n{}", self.seen);
            };
            self.seen += &format!("{line}\n");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits until the program catches this signal.
    pub(crate) fn await_caught(&self, signal: Signal) {
        let clock = Clock::start();
        let caught = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
            let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
            Some(mask >> (signal.as_raw() - 1) & 1 == 1)
        };
        while caught() != Some(true) {
            assert!(u128::from(clock.now_ns()) < LIMIT.as_nanos(), "{signal:?} is not caught");
            std::thread::yield_now();
        }
    }

    pub(crate) fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signalling the child");
    }

    /// Waits for the program's end, by the end of its output.
    pub(crate) fn end(mut self) -> Ended {
        let Ok(stdout) = self.stdout.recv_timeout(LIMIT) else {
            let _ended = self.child.kill();
            panic!("still running after {LIMIT:?}; stderr was:\n{}", self.seen);
        };
        while let Ok(line) = self.stderr.recv_timeout(LIMIT) {
            self.seen += &format!("{line}\n");
        }
        let status = self.child.wait().expect("waiting for the child");
        let stdout = String::from_utf8(stdout).expect("output is UTF-8");
        assert!(!self.seen.contains("panicked"), "a panic reached the user:\n{}", self.seen);
        Ended { code: status.code(), stdout, stderr: self.seen }
    }
}

impl Ended {
    /// The result object, after an end with this exit code. Tests run beside each other on a machine of any kind, so a
    /// run that ended well may have figures that must not be used (3); its counts are right all the same.
    pub(crate) fn result(&self, code: i32) -> Value {
        let well = self.code == Some(code) || (code == 0 && self.code == Some(3));
        assert!(well, "{:?}\nstderr: {}\nstdout: {}", self.code, self.stderr, self.stdout);
        serde_json::from_str(&self.stdout).expect("stdout is one JSON object")
    }
}

/// The processes that a process started and that still are.
pub(crate) fn children(of: i32) -> Vec<Pid> {
    let tasks = Path::new("/proc").join(of.to_string()).join("task");
    let entries = std::fs::read_dir(tasks).into_iter().flatten().flatten();
    entries
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|id| Pid::from_raw(id.parse().ok()?))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Waits until a process is gone.
pub(crate) fn assert_ends(pid: Pid) {
    let over = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return,
        over => over.expect("a descriptor of the process"),
    };
    let limit = Timespec { tv_sec: 30, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&over, PollFlags::IN)], Some(&limit));
    assert_eq!(ready, Ok(1), "{pid:?} is still there");
}

/// A number of the result, by its dotted path.
pub(crate) fn number(result: &Value, path: &str) -> u64 {
    let value = path.split('.').fold(result, |value, key| &value[key]);
    value.as_u64().unwrap_or_else(|| panic!("{path} is {value}"))
}

/// Checks the three equations of the ledger, and gives it.
pub(crate) fn ledger(result: &Value) -> &Value {
    let of = |key: &str| number(result, &format!("ledger.{key}"));
    assert_eq!(of("requests_planned"), of("requests_sent") + of("requests_unsent"));
    assert_eq!(
        of("requests_sent"),
        of("requests_answered") + of("requests_silent") + of("requests_lost")
    );
    assert_eq!(of("replies_expected"), of("replies_received") + of("replies_lost"));
    &result["ledger"]
}

/// A foreign server: a ROUTER on a free port (or the one given), which answers as it is told.
pub(crate) struct ForeignServer {
    pub endpoint: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ForeignServer {
    /// Starts; `answer` is called with the number (from 0) and the body of each request, and gives the bodies to send
    /// back.
    pub(crate) fn start(
        endpoint: &str,
        mut answer: impl FnMut(u64, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        Self::start_multipart(endpoint, move |number, body| {
            answer(number, body).into_iter().map(|reply| vec![reply]).collect()
        })
    }

    /// The same, for replies of several frames.
    pub(crate) fn start_multipart(
        endpoint: &str,
        mut answer: impl FnMut(u64, &[u8]) -> Vec<Vec<Vec<u8>>> + Send + 'static,
    ) -> Self {
        let mut number = 0;
        Self::start_framed(endpoint, move |frames| {
            let [_, body] = frames else { return Vec::new() };
            number += 1;
            answer(number - 1, body)
        })
    }

    /// The same, where `answer` is given all frames of a request, the client's identity first.
    pub(crate) fn start_framed(
        endpoint: &str,
        mut answer: impl FnMut(&[Vec<u8>]) -> Vec<Vec<Vec<u8>>> + Send + 'static,
    ) -> Self {
        let context = zmq::Context::new();
        let router = context.socket(zmq::ROUTER).expect("a ROUTER");
        router.set_linger(0).expect("linger");
        router.set_sndhwm(0).expect("sndhwm");
        router.set_rcvhwm(0).expect("rcvhwm");
        // The stop flag is looked at this often.
        router.set_rcvtimeo(50).expect("rcvtimeo");
        router.bind(endpoint).expect("binding");
        let endpoint = router.get_last_endpoint().expect("endpoint").expect("UTF-8");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok(frames) = router.recv_multipart(0) else { continue };
                for reply in answer(&frames) {
                    let frames = std::iter::once(&frames[0]).chain(&reply);
                    router.send_multipart(frames, 0).expect("replying");
                }
            }
        });
        Self { endpoint, stop, thread: Some(thread) }
    }

    /// Ends as a server that dies: its socket is closed without a word.
    pub(crate) fn kill(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the foreign server ends well");
        }
    }

    /// Settings that make a scenario use this server.
    pub(crate) fn scenario(&self, rest: &str) -> String {
        format!("proxy = {{ engine = \"external\", frontend = \"{}\" }}\n{rest}", self.endpoint)
    }
}

impl Drop for ForeignServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Says of the first reply that these percentiles are no estimates, and of nothing else.
pub(crate) fn mark_uncertain(result: &mut Value, percentiles: &[&str]) {
    match result {
        Value::Object(fields) => {
            fields.remove("uncertain");
            fields.values_mut().for_each(|value| mark_uncertain(value, percentiles));
            if let Some(first_reply) =
                fields.get_mut("first_reply").filter(|_| !percentiles.is_empty())
            {
                first_reply["uncertain"] = percentiles.into();
            }
        }
        Value::Array(values) => {
            for value in values {
                mark_uncertain(value, percentiles);
            }
        }
        _ => {}
    }
}
