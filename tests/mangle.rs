//! Mangled scenarios, arguments and results, by a seed: whatever comes in, what comes out is an answer that is safe to show.
//!
//! Commands are carried out in this process, so that many fit into a test; `scripts/mangle` plays as many as it is told to.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use zload::cli::Cli;
use zload::command;
use zload_core::text;

/// How many are played unless `MANGLE_COUNT` says otherwise, from the seed `MANGLE_SEED` on.
const COUNT: u64 = 200;

/// A reader wants no more than this of an error.
const LONGEST_ERROR: usize = 20_000;

const SCENARIOS: [&str; 2] =
    [include_str!("../configs/asyncsrv.toml"), include_str!("../configs/hotpath.toml")];

const RUN: &str = "name = 'a run'\nload = { rate = '3k/s' }\nrun = { duration = '400ms' }\n\
                   workers = { replies = 2 }\nthresholds = { limits = ['first_reply.p99 < 5ms'] }";

const SHORT: &str = "load = { rate = '1k/s' }\nrun = { duration = '10ms', drain = '50ms' }";

const OPTIONS: [&str; 8] = [
    "load.rate=5/s",
    "clients.count=3",
    "workers.replies={uniform=[0,4]}",
    "server.command=['a']",
    "proxy.engine=builtin",
    "thresholds.limits=[]",
    "run.duration=1s",
    "name=x",
];

const THRESHOLDS: [&str; 3] =
    ["first_reply.p99 < 5ms", "series.replies>=1/s", "ledger.requests_lost==0"];

const FORMATS: [&str; 13] = [
    "text",
    "json",
    "markdown",
    "csv",
    "junit",
    "github-action-benchmark-smaller",
    "github-action-benchmark-bigger",
    "bencher",
    "go-bench",
    "otava",
    "otava-header",
    "hgrm",
    "hlog",
];

/// Texts that mean something to some reader.
const TEXTS: [&str; 30] = [
    "\u{1b}[2J\u{1b}]0;x\u{7}",
    "\u{9b}31m",
    "\u{202e}txt",
    "\u{2066}\u{2069}",
    "\u{200b}\u{feff}",
    "\u{2028}",
    "\0",
    "\r\n",
    "\t",
    "::error::x",
    "\n::error::x",
    "##[error]x",
    "=1+1",
    "@octocat",
    "]]>",
    "<script>",
    "`",
    "|",
    "\\",
    "'",
    "\"",
    "{",
    "}",
    "[[",
    "\u{e0041}",
    "NaN",
    "-",
    "1e999",
    "\u{fffe}",
    "=",
];

const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "0.5",
    "18446744073709551615",
    "9223372036854775807",
    "-9223372036854775808",
    "9007199254740993",
    "3600000000001",
    "1e308",
    "-1e308",
    "1e-308",
    "4294967296",
    "65536",
    "-0.0",
    "1e19",
];

/// A stream of numbers that a seed fixes: SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("below a size")
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Good files, and where mangled ones go.
struct Bench {
    folder: TempDir,
    results: Vec<Value>,
}

impl Bench {
    fn new() -> Self {
        let mut bench =
            Self { folder: tempfile::tempdir().expect("a directory"), results: Vec::new() };
        let scenario = bench.write("good.toml", RUN.as_bytes());
        bench.write("short.toml", SHORT.as_bytes());
        let good = bench.path("good.json");
        for args in [
            vec!["run", "--repeat", "2", &scenario, "-q", "-o", &good],
            vec!["ideal", &scenario, "-o", &good],
            vec!["serve", &scenario, "-q", "--duration", "50ms", "-o", &good],
        ] {
            Bench::carry_out(&args);
            let text = std::fs::read_to_string(&good).expect("a result");
            bench.results.push(serde_json::from_str(&text).expect("JSON"));
        }
        let comparison = include_str!("fixtures/comparison.json");
        bench.results.push(serde_json::from_str(comparison).expect("JSON"));
        bench.write("good.json", bench.results[0].to_string().as_bytes());
        bench
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = PathBuf::from(self.path(name));
        std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("writing");
        self.path(name)
    }

    /// Runs a command as the program does, and looks at all that it says.
    fn carry_out(args: &[&str]) {
        let mut out = Vec::new();
        let (code, said) =
            match Cli::try_parse_from(std::iter::once("zload").chain(args.iter().copied())) {
                Err(error) => (2, command::usage(&error)),
                Ok(cli) => match command::execute(&cli, &mut out) {
                    Ok(code) => (code, String::new()),
                    Err(error) => (error.exit_code(), error.report(false)),
                },
            };
        assert!(code <= 3, "{args:?} ends with {code}");
        assert!(said.len() < LONGEST_ERROR, "{args:?}: {} bytes are no error", said.len());
        assert_eq!(said.is_empty(), code != 2, "{args:?}: {code} and {said:?}");
        let out = String::from_utf8(out).expect("output is text");
        for (of, text) in [("output", &out), ("error", &said)] {
            safe(of, args, text);
        }
    }

    fn play(&self, seed: u64) {
        let mut dice = Dice(seed);
        match dice.below(5) {
            0 => {
                let text = mangled_text(dice.of(&SCENARIOS), &mut dice);
                let path = self.write("mangled.toml", &text);
                Self::carry_out(&["check", &path]);
            }
            1 => {
                let path = self.write("scenario.toml", dice.of(&SCENARIOS).as_bytes());
                let options: Vec<String> =
                    (0..=dice.below(3)).map(|_| option("--set", &OPTIONS, &mut dice)).collect();
                let options = options.iter().map(String::as_str);
                Self::carry_out(&["check", &path].into_iter().chain(options).collect::<Vec<_>>());
                let threshold = option("--threshold", &THRESHOLDS, &mut dice);
                Self::carry_out(&["run", &self.path("short.toml"), "-q", &threshold]);
            }
            2 => {
                let which = dice.below(self.results.len());
                let text = self.results[which].to_string();
                let path = self.write("mangled.json", &mangled_text(&text, &mut dice));
                self.show(&path, &mut dice);
            }
            _ => {
                let which = dice.below(self.results.len());
                let mut result = self.results[which].clone();
                for _ in 0..=dice.below(3) {
                    let node = dice.below(nodes(&result));
                    mangle(&mut result, node, &mut dice);
                }
                let path = self.write("mangled.json", result.to_string().as_bytes());
                self.show(&path, &mut dice);
            }
        }
    }

    fn show(&self, path: &str, dice: &mut Dice) {
        let page = self.path("page.html");
        Self::carry_out(&["show", path]);
        Self::carry_out(&["show", path, "--format", dice.of(&FORMATS)]);
        Self::carry_out(&["show", path, "--format", dice.of(&FORMATS), "--html", &page]);
        if let Ok(page) = std::fs::read_to_string(&page) {
            safe("page", &["show", path], &page);
            assert!(!page.contains("<script"), "a script is in the page");
        }
        let format = dice.of(&FORMATS);
        Self::carry_out(&["compare", path, &self.path("good.json"), "--format", format]);
        Self::carry_out(&["compare", &self.path("good.json"), path, "--allow-different-load"]);
    }
}

fn safe(of: &str, args: &[&str], text: &str) {
    let acting = text.chars().find(|c| *c != '\n' && text::acts(*c));
    assert_eq!(acting, None, "in the {of} of {args:?}");
    if of != "page" {
        let command =
            text.lines().find(|line| line.trim_start().starts_with("::") || line.contains("##["));
        assert_eq!(command, None, "in the {of} of {args:?}");
    }
}

/// A mangled option; no argument has a NUL in it.
fn option(name: &str, good: &[&str], dice: &mut Dice) -> String {
    let value = mangled_text(dice.of(good), dice);
    format!("{name}={}", String::from_utf8_lossy(&value).replace('\0', " "))
}

/// Bytes of a text with some of them gone, doubled, exchanged or joined by others.
fn mangled_text(text: &str, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=dice.below(3) {
        let from = dice.below(bytes.len());
        let to = (from + dice.below(12)).min(bytes.len());
        let new = match dice.below(8) {
            0 => Vec::new(),
            1 => vec![u8::try_from(dice.below(256)).expect("a byte")],
            2 => dice.of(&NUMBERS).as_bytes().to_vec(),
            3 => dice.of(&TEXTS).repeat(1 + dice.below(40)).into_bytes(),
            4 => bytes[from..to].repeat(1 + dice.below(200)),
            5 => {
                dice.of(&["[", "{a=", "a.", "(", "{\"a\":"]).repeat(dice.below(40_000)).into_bytes()
            }
            _ => dice.of(&TEXTS).as_bytes().to_vec(),
        };
        bytes.splice(from..to, new);
    }
    if dice.below(10) == 0 {
        bytes.truncate(dice.below(bytes.len()));
    }
    bytes
}

/// How many values there are in this one, itself among them.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum::<usize>(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Mangles the value with this number, in order of their places.
fn mangle(value: &mut Value, mut node: usize, dice: &mut Dice) {
    if node == 0 {
        return exchange(value, dice);
    }
    node -= 1;
    let parts: Vec<(Option<String>, &mut Value)> = match value {
        Value::Array(items) => items.iter_mut().map(|item| (None, item)).collect(),
        Value::Object(fields) => {
            fields.iter_mut().map(|(key, value)| (Some(key.clone()), value)).collect()
        }
        _ => Vec::new(),
    };
    let mut gone = None;
    for (key, part) in parts {
        let size = nodes(part);
        if node < size {
            if node == 0 && dice.below(8) == 0 {
                gone = key;
            } else {
                mangle(part, node, dice);
            }
            break;
        }
        node -= size;
    }
    if let (Some(key), Value::Object(fields)) = (gone, value) {
        fields.remove(&key);
    }
}

/// Puts something else in the place of a value.
fn exchange(value: &mut Value, dice: &mut Dice) {
    let number = |dice: &mut Dice| serde_json::from_str(dice.of(&NUMBERS)).expect("a number");
    *value = match (dice.below(6), &*value) {
        (0..3, Value::String(text)) if text.len() > 100 => histogram(text, dice).into(),
        (0..4, Value::String(text)) => {
            let mut mangled: String = text.chars().take(dice.below(text.len() + 1)).collect();
            write!(mangled, "{}", dice.of(&TEXTS).repeat(1 + dice.below(3))).expect("a string");
            mangled.into()
        }
        (0..4, Value::Number(_)) => number(dice),
        (0..2, Value::Array(items)) => vec![items.clone(); dice.below(20)].concat().into(),
        (2, Value::Array(items)) => items.iter().take(dice.below(3)).cloned().collect(),
        (4, _) => Value::Null,
        _ => match dice.below(8) {
            0 => json!([]),
            1 => Map::new().into(),
            2 => json!(dice.of(&TEXTS)),
            3 => json!(true),
            4 => (0..100).fold(json!(1), |inner, _| json!([inner])),
            5 => json!("x".repeat(100_000)),
            6 => json!("NaN"),
            _ => number(dice),
        },
    };
}

/// A histogram with some bytes changed, outside or inside of what is deflated.
fn histogram(text: &str, dice: &mut Dice) -> String {
    let Ok(mut bytes) = STANDARD.decode(text) else { return text.to_owned() };
    let mut plain = Vec::new();
    if dice.below(4) > 0 && ZlibDecoder::new(&bytes[8..]).read_to_end(&mut plain).is_ok() {
        flip(&mut plain, dice);
        bytes.truncate(8);
        let read = ZlibEncoder::new(&plain[..], Compression::fast()).read_to_end(&mut bytes);
        read.expect("deflating memory");
    } else {
        flip(&mut bytes, dice);
    }
    STANDARD.encode(bytes)
}

fn flip(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let end = if dice.below(2) == 0 { bytes.len().min(60) } else { bytes.len() };
        let at = dice.below(end);
        bytes[at] = [0, 0xff, 0x80, 2, bytes[at] ^ 1][dice.below(5)];
    }
    match dice.below(6) {
        0 => bytes.truncate(dice.below(bytes.len())),
        1 => bytes.extend([0xff; 20]),
        _ => {}
    }
}

#[test]
fn whatever_comes_in_an_answer_comes_out_that_is_safe_to_show() {
    // The program's main thread has as much of a stack; a debug build keeps several copies of a result there.
    let play = std::thread::Builder::new().stack_size(8 << 20).spawn(play_all);
    play.expect("a thread").join().expect("what failed is said above");
}

#[expect(clippy::print_stderr, reason = "the line that plays a failing input again")]
fn play_all() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (count, seed) = (asked("MANGLE_COUNT").unwrap_or(COUNT), asked("MANGLE_SEED").unwrap_or(1));
    let bench = Bench::new();
    let mut failed = Vec::new();
    for seed in (seed..).take(usize::try_from(count).expect("a number that fits")) {
        if catch_unwind(AssertUnwindSafe(|| bench.play(seed))).is_err() {
            eprintln!("again: scripts/mangle 1 {seed}");
            failed.push(seed);
        }
    }
    assert!(
        failed.is_empty(),
        "scripts/mangle 1 {}: {} of {count} failed",
        failed[0],
        failed.len()
    );
}
