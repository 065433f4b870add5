//! Every text that people and other tools are shown, as it was when somebody last looked at it.
//!
//! The results in `tests/fixtures` are real ones; what each format makes of each is in `tests/snapshots`. A text that is
//! another than its file fails here, and so does a file that no text belongs to. A change that is meant is written by
//! `INSTA_UPDATE=always cargo test --test program snapshots`, and its difference is part of the commit.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::mistakes::MISTAKES;
use serde_json::Value;
use zload::Error;
use zload_core::facts::Revision;
use zload_core::plan::Plan;
use zload_core::scenario::Scenario;
use zload_report::print::formats::{self, FORMATS, Format, NotPrinted, Printable};
use zload_report::print::{self, Style};
use zload_report::report;
use zload_report::result::{Saved, to_json};

/// Scenarios of which `zload check` has more to say than of those in `configs`.
const SCENARIOS: [(&str, &str); 4] = [
    ("overload", "load = { rate = '2k/s' }\nworkers = { count = 2, delay = '2ms' }"),
    (
        "limits",
        "load = { rate = '1k/s', timeout = '1s' }\nsockets = { sndhwm = 10, maxmsgsize = '1MiB' }\n\
         thresholds = { limits = ['first_reply.p99 < 5ms', 'ledger.requests_lost == 0'] }",
    ),
    (
        "own-server",
        "load = { rate_per_client = '2/s' }\nserver = { command = ['./server', '{frontend}'] }",
    ),
    (
        "draws",
        "load = { model = 'closed', in_flight = 2, think = { normal = { mean = '5ms', sd = '1ms' } }, payload = { choice = [[9, '64B'], [1, '4KiB']] } }\n\
         workers = { delay = { lognormal = { median = '1ms', p99 = '9ms' } }, delay_by = 'spin' }\nrun = { warmup = '1s' }",
    ),
];

/// The texts that were made so far, and those of them that are others than their files.
#[derive(Default)]
struct Seen {
    names: RefCell<BTreeSet<String>>,
    changed: RefCell<Vec<String>>,
}

impl Seen {
    /// Compares a text with its file. All are looked at before the first difference is a failure.
    fn text(&self, name: &str, text: &str) {
        assert!(self.names.borrow_mut().insert(name.to_owned()), "{name} is there twice");
        let same = std::panic::catch_unwind(|| insta::assert_snapshot!(name, text));
        if same.is_err() {
            self.changed.borrow_mut().push(name.to_owned());
        }
    }

    /// A result in every format that there is of it.
    fn result<T: Printable>(&self, name: &str, result: &T) {
        let revision = Revision { branch: "main".to_owned(), commit: "c0ffee".to_owned() };
        let (report, all) = (report::of(result), Style::new(false).verbose(true));
        self.text(&format!("{name}.text-120"), &print::text(&report, all.wide(120)));
        for (columns, which) in [(60, "-60"), (80, ""), (120, "-120"), (200, "-200")] {
            let short = print::text(&report, Style::new(false).wide(columns));
            let lines: Vec<usize> = short.lines().map(|line| line.chars().count()).collect();
            let widest = lines.iter().max().copied().unwrap_or(0);
            let is_short = short != print::text(&report, all.wide(columns));
            assert!(
                widest <= columns || !is_short && columns < 80,
                "{name}: {widest} of {columns}:\n{short}"
            );
            if is_short {
                assert!(
                    columns < 80 || lines.len() <= 24,
                    "{name} has {} lines:\n{short}",
                    lines.len()
                );
                self.text(&format!("{name}.short{which}"), &short);
            }
        }
        for (format, format_name, _) in FORMATS {
            if format == Format::Json || formats::ensure::<T>(format).is_err() {
                continue;
            }
            let text = match formats::form(result, format, all, &revision) {
                Err(why @ NotPrinted::MustNotBeUsed { .. }) => format!("error: {why}"),
                text => text.expect("there is this format of it"),
            };
            let text = if format == Format::Hlog { without_counts(&text) } else { text };
            self.text(&format!("{name}.{format_name}"), &text);
        }
    }

    fn page<T: Printable>(&self, name: &str, result: &T) {
        let page = print::html(&report::of(result));
        // The style is its own file; an element a line, so that a difference shows where it is.
        let (head, rest) = page.split_once("<style>").expect("a style");
        let (_, body) = rest.split_once("</style>").expect("its end");
        self.text(&format!("{name}.html"), &format!("{head}{body}").replace("><", ">\n<"));
    }
}

/// An interval log without its histograms, which `hgrm` shows as numbers.
fn without_counts(log: &str) -> String {
    let line = |line: &str| match line.rsplit_once(',') {
        Some((begin, counts)) if !line.starts_with('#') => {
            format!("{begin},{} letters\n", counts.len())
        }
        _ => format!("{line}\n"),
    };
    log.lines().map(line).collect()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The files of a folder that end so, by their names without that.
fn files(folder: &Path, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder of the repository");
    let names =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    names.filter_map(|name| Some(name.strip_suffix(ending)?.to_owned())).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether all that `less` says is said by `more`, too: results get new fields, and lose none.
fn says(more: &Value, less: &Value) -> bool {
    match (more, less) {
        (Value::Object(more), Value::Object(less)) => less
            .iter()
            .all(|(key, value)| more.get(key).map_or(value.is_null(), |more| says(more, value))),
        (Value::Array(more), Value::Array(less)) => {
            more.len() == less.len() && more.iter().zip(less).all(|(more, less)| says(more, less))
        }
        _ => more == less,
    }
}

fn json_of(saved: &Saved) -> String {
    match saved {
        Saved::Run(result) => to_json(result),
        Saved::Shard(result) => to_json(result),
        Saved::Serve(result) => to_json(result),
        Saved::Ideal(result) => to_json(result),
        Saved::Selftest(result) => to_json(result),
        Saved::Comparison(result) => to_json(result),
        Saved::Calibration(result) => to_json(result),
        Saved::Search(result) => to_json(result),
        Saved::Sweep(result) => to_json(result),
    }
}

fn results(seen: &Seen) {
    for name in files(&folder("fixtures"), ".json") {
        let text = read(&folder("fixtures").join(format!("{name}.json")));
        let saved = Saved::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        match &saved {
            Saved::Run(result) => {
                seen.result(&name, &**result);
                seen.page(&name, &**result);
            }
            Saved::Comparison(result) => {
                seen.result(&name, &**result);
                seen.page(&name, &**result);
            }
            Saved::Shard(result) => seen.result(&name, &**result),
            Saved::Serve(result) => seen.result(&name, &**result),
            Saved::Ideal(result) => seen.result(&name, &**result),
            Saved::Selftest(result) => seen.result(&name, &**result),
            Saved::Calibration(result) => seen.result(&name, &**result),
            Saved::Search(result) => {
                seen.result(&name, &**result);
                seen.page(&name, &**result);
            }
            Saved::Sweep(result) => {
                seen.result(&name, &**result);
                seen.page(&name, &**result);
            }
        }
        let again = json_of(&saved);
        assert_eq!(
            Saved::parse(&again).as_ref(),
            Ok(&saved),
            "{name} is another when it is read again"
        );
        let [again, text] = [&again, &text].map(|text| serde_json::from_str(text).expect("JSON"));
        assert!(says(&again, &text), "{name} has lost something");
    }
}

fn checked(name: &str, text: &str) -> String {
    let scenario = Scenario::parse(&format!("{name}.toml"), text, &[]);
    let scenario = scenario.unwrap_or_else(|problem| panic!("{problem}"));
    let plan = report::plan(&scenario, &Plan::new(&scenario), &[]);
    format!("{name}.toml: ok\n{}\n", print::text(&plan, Style::new(false)))
}

fn refused(text: &str) -> String {
    let problem = Scenario::parse("a.toml", text, &[]).expect_err(text);
    format!("{}\n\n", Error::from(problem).report(false))
}

#[test]
fn what_is_shown_is_what_was_looked_at() {
    // How deep a difference is looked for follows the length of the texts.
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(look);
    thread.expect("a thread").join().expect("no difference");
}

fn look() {
    let seen = Seen::default();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        results(&seen);
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let shipped = files(&configs, ".toml").into_iter().map(|name| {
            let text = read(&configs.join(format!("{name}.toml")));
            (name, text)
        });
        let more = SCENARIOS.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let plans: String = shipped.chain(more).map(|(name, text)| checked(&name, &text)).collect();
        seen.text("check", &plans);
        seen.text(
            "mistakes",
            &MISTAKES.iter().map(|mistake| refused(mistake.text)).collect::<String>(),
        );
    });
    let changed = seen.changed.into_inner();
    assert!(
        changed.is_empty(),
        "these differ from tests/snapshots: {changed:?}; if that is meant, keep it with INSTA_UPDATE=always cargo test \
         --test program snapshots, and look at the difference"
    );
    assert_eq!(files(&folder("snapshots"), ".snap"), seen.names.into_inner(), "files and texts");
    let unseen = files(&folder("snapshots"), ".snap.new");
    assert!(unseen.is_empty(), "differences that nobody has looked at: {unseen:?}");
}
