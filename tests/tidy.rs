//! The house rules that a compiler does not check: who imports whom, dead files, sizes, and words that do not belong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::imports::{Module, Sources};

/// The rooms of each crate in the order in which data flows; each uses only itself and those before it.
const ROOMS: [(&str, &[&str]); 4] = [
    (
        "crates/core/src",
        &[
            "sum", "text", "zmtp", "quantity", "problem", "stats", "scenario", "plan", "message",
            "record", "facts", "twin", "search",
        ],
    ),
    (
        "crates/report/src",
        &["verdict", "result", "compare", "merge", "search", "sweep", "report", "print"],
    ),
    ("crates/traffic/src", &["error", "leftovers", "machine", "wire", "client", "server"]),
    (
        "src",
        &[
            "environment",
            "files",
            "process",
            "gather",
            "launcher",
            "engine",
            "experiment",
            "selftest",
            "progress",
            "cli",
            "command",
        ],
    ),
];

/// Longer files have more than one job.
const MOST_LINES: usize = 500;

fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no files");
    files
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a text file")
}

/// Where the room of a module is in the order; `None` for the root, which is above all.
fn room_of(module: &[String], rooms: &[&str]) -> Option<usize> {
    let name = module.first()?;
    let room = rooms.iter().position(|room| room == name);
    Some(room.unwrap_or_else(|| panic!("{name} is no room: give it its place in ROOMS")))
}

fn sources(root: &str) -> Sources {
    let mut files = files_below(root);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    Sources::of(Path::new(root), files)
}

#[test]
fn data_flows_one_way() {
    for (root, rooms) in ROOMS {
        for (module, imports) in sources(root).imports() {
            let Some(own) = room_of(&module, rooms) else { continue };
            for used in imports {
                let room = room_of(&used, rooms);
                assert!(
                    room.is_none_or(|room| room <= own),
                    "{} uses {}, whose room comes after its own",
                    module.join("::"),
                    used.join("::")
                );
            }
        }
    }
}

/// Every module that `from` leads to.
fn reached<'a>(
    from: &'a Module,
    imports: &'a BTreeMap<Module, BTreeSet<Module>>,
) -> BTreeSet<&'a Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        let new =
            imports.get(module).into_iter().flatten().filter(|import| reached.insert(*import));
        next.extend(new.collect::<Vec<_>>());
    }
    reached
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let mut imports: BTreeMap<_, _> =
        ROOMS.iter().flat_map(|(root, _)| sources(root).imports()).collect();
    // A room's front is the table of its contents: what it defines may be used by all of them, and it may name each.
    for (module, named) in &mut imports {
        named.retain(|import| !import.starts_with(module));
    }
    let circles = imports.iter().flat_map(|(module, named)| {
        let is_back = |import: &&Module| reached(import, &imports).contains(module);
        named
            .iter()
            .filter(is_back)
            .map(|import| format!("{} uses {}", module.join("::"), import.join("::")))
    });
    let circles: Vec<String> = circles.collect();
    assert!(circles.is_empty(), "each of these leads back to where it began: {circles:#?}");
}

#[test]
fn no_file_is_dead() {
    for root in ROOMS.iter().map(|(root, _)| *root).chain(["tests"]) {
        assert_eq!(sources(root).undeclared(), Vec::<&Path>::new(), "no `mod` names them");
    }
}

#[test]
fn what_touches_the_world_is_named_where_it_belongs() {
    const ENGINE: [&str; 7] =
        ["machine", "wire", "client", "server", "process", "gather", "engine"];
    for (word, rooms) in [
        ("zmq::", &["environment", "machine", "wire", "client", "server", "process", "gather"][..]),
        ("zmq_sys", &["wire"]),
        ("unsafe {", &["machine", "wire"]),
        ("indicatif", &["progress"]),
        ("std::fs", &["environment", "files", "machine", "wire", "process"]),
        ("Clock::start", &[&ENGINE[..], &["experiment"]].concat()),
        ("signal_hook", &["process", "command"]),
        ("std::thread", &[&ENGINE[..], &["environment", "experiment", "command"]].concat()),
    ] {
        for path in ["src", "crates"].into_iter().flat_map(files_below) {
            // A program of its own.
            if path.iter().any(|part| part == "examples") {
                continue;
            }
            let inner =
                path.strip_prefix("src").or_else(|_| path.strip_prefix("crates/traffic/src"));
            let inner = inner.unwrap_or(&path).with_extension("");
            let room = inner.iter().next().and_then(|name| name.to_str());
            let allowed = room.is_some_and(|room| rooms.contains(&room));
            assert!(allowed || !text_of(&path).contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn every_file_says_its_job_and_is_short_enough_to_have_one() {
    for path in ["src", "crates", "tests", "benches"].into_iter().flat_map(files_below) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = text_of(&path);
        assert!(text.starts_with("//! "), "{} does not say its job", path.display());
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_behind() {
    // Put together here, so that this file does not hold them.
    let forbidden = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["dbg", "!("], ["#[igno", "re"]];
    for path in ["src", "crates", "tests", "benches", "configs", "scripts"]
        .into_iter()
        .flat_map(files_below)
    {
        // Histograms in base64 hold any word.
        if path.extension().is_some_and(|extension| extension == "json") {
            continue;
        }
        let text = text_of(&path);
        for word in forbidden.map(|parts| parts.concat()) {
            assert!(!text.contains(&word), "{} holds {word}", path.display());
        }
    }
}

/// Words of this project's past, for which docs/glossary.md has the usual ones.
const PRIVATE_WORDS: [&str; 20] = [
    "as you like",
    "carries",
    "cannot be meant",
    "fit to compare",
    "for there is no such",
    "held against",
    "in the air",
    "is carried",
    "of ours",
    "of your own",
    "ours",
    "said to be",
    "settle it",
    "so many",
    "speaks against",
    "the begin",
    "toss of a coin",
    "user's own",
    "whole gap",
    "worth",
];

#[test]
fn sentences_and_comments_use_the_words_of_the_glossary() {
    for path in ["src", "crates"].into_iter().flat_map(files_below) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        // Names with underscores are one word, and no sentence; a line ends no sentence.
        let word = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == '\'';
        let text = text_of(&path).to_lowercase();
        let words: Vec<&str> = text.split(|sign| !word(sign)).filter(|it| !it.is_empty()).collect();
        let text = format!(" {} ", words.join(" "));
        for private in PRIVATE_WORDS {
            assert!(!text.contains(&format!(" {private} ")), "{} says {private}", path.display());
        }
    }
}
