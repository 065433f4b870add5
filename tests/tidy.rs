//! The house rules that a compiler does not check: the direction of the data flow, sizes, and words that do not belong.

use std::path::{Path, PathBuf};

/// The rooms in the order in which data flows; each uses only itself, those before it, and the error.
const ROOMS: [&str; 18] = [
    "text",
    "quantity",
    "stats",
    "scenario",
    "plan",
    "measure",
    "twin",
    "topology",
    "verdict",
    "result",
    "compare",
    "experiment",
    "selftest",
    "environment",
    "render",
    "progress",
    "cli",
    "command",
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

/// The room that a file of `src` belongs to; `None` for those that stand above all rooms.
fn room_of(path: &Path) -> Option<usize> {
    let first = path.strip_prefix("src").ok()?.components().next()?;
    let name = first.as_os_str().to_str()?.trim_end_matches(".rs");
    ROOMS.iter().position(|room| *room == name)
}

/// The rooms that a file names in paths that begin with `crate::`.
fn rooms_named(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.match_indices("crate::").filter_map(|(at, word)| {
        let rest = &text[at + word.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        ROOMS.iter().position(|room| *room == &rest[..end])
    })
}

#[test]
fn data_flows_one_way() {
    for path in files_below("src") {
        let Some(own) = room_of(&path) else { continue };
        for used in rooms_named(&text_of(&path)) {
            assert!(
                used <= own,
                "{} is in {} and uses {}, which comes after it",
                path.display(),
                ROOMS[own],
                ROOMS[used]
            );
        }
    }
}

#[test]
fn what_touches_the_world_is_named_in_one_room_only() {
    for (word, rooms) in [
        ("zmq::", &["topology"][..]),
        ("zmq_sys", &["topology"]),
        ("indicatif", &["progress"]),
        ("std::fs", &["scenario", "topology", "result", "environment"]),
        ("Clock::start", &["topology", "experiment"]),
        ("signal_hook", &["command"]),
    ] {
        for path in files_below("src") {
            let room = room_of(&path).map(|room| ROOMS[room]);
            let allowed = room.is_some_and(|room| rooms.contains(&room));
            assert!(allowed || !text_of(&path).contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn every_file_says_its_job_and_is_short_enough_to_have_one() {
    for path in ["src", "tests", "benches"].into_iter().flat_map(files_below) {
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
    for path in ["src", "tests", "benches", "configs", "scripts"].into_iter().flat_map(files_below)
    {
        let text = text_of(&path);
        for word in forbidden.map(|parts| parts.concat()) {
            assert!(!text.contains(&word), "{} holds {word}", path.display());
        }
    }
}
