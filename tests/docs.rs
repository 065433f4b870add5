//! README and docs: every link leads somewhere, every command works, every key of a scenario is described.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Zload;
use clap::Parser as _;
use serde_json::Value;
use tempfile::TempDir;
use zload::cli::Cli;

/// Commands that take minutes are only parsed. What they save is a result from tests/fixtures.
const SLOW: [(&str, &str); 4] = [
    ("search", "search.json"),
    ("compare", "comparison.json"),
    ("calibrate", "calibration.json"),
    ("selftest", "selftest.json"),
];

/// Commands with one of these words are only parsed: they need a server, or shards, that are not here.
const SERVED_ELSEWHERE: [&str; 4] =
    ["configs/external.toml", "tcp://127.0.0.1:5555", "echo.py", "out/*.json"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn is_of_type(path: impl AsRef<Path>, extension: &str) -> bool {
    path.as_ref().extension().is_some_and(|its| its == extension)
}

/// README.md and every page of docs/.
fn pages() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("docs")).expect("docs/");
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    pages.retain(|page| is_of_type(page, "md"));
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

/// A page in two: its lines outside code blocks, and its code blocks with their languages.
fn parts(text: &str) -> (Vec<&str>, Vec<(&str, Vec<&str>)>) {
    let (mut prose, mut blocks, mut in_block) = (Vec::new(), Vec::new(), false);
    for line in text.lines() {
        // A block in a list is indented with its item.
        match (line.trim_start().strip_prefix("```"), in_block) {
            (Some(language), false) => blocks.push((language, Vec::new())),
            (None, true) => blocks.last_mut().expect("a begun block").1.push(line),
            (None, false) => prose.push(line),
            (Some(_), true) => {}
        }
        in_block ^= line.trim_start().starts_with("```");
    }
    assert!(!in_block, "a code block does not end");
    (prose, blocks)
}

/// The targets of a page's links and images.
fn links(text: &str) -> Vec<String> {
    let prose = parts(text).0.join("\n");
    // What is between backticks is no link.
    let plain: String = prose.split('`').step_by(2).collect();
    let targets = plain.split("](").skip(1);
    targets.map(|rest| rest[..rest.find(')').expect("a link ends")].to_owned()).collect()
}

/// The anchors of a page's headings, as GitHub and mdbook name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = parts(text).0.into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        for link in links(&text_of(&page)) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() {
                page.clone()
            } else {
                page.parent().expect("a directory").join(file)
            };
            assert!(file.exists(), "{} links to {link}", page.display());
            assert!(
                anchor.is_empty() || anchors(&text_of(&file)).contains(anchor),
                "{} links to {link}, which has no such heading",
                page.display()
            );
        }
    }
}

#[test]
fn the_book_has_every_page() {
    let docs = root().join("docs");
    let listed: BTreeSet<PathBuf> =
        links(&text_of(&docs.join("SUMMARY.md"))).iter().map(|link| docs.join(link)).collect();
    let mut pages: BTreeSet<PathBuf> = pages().into_iter().collect();
    pages.retain(|page| page.starts_with(&docs) && !page.ends_with("SUMMARY.md"));
    assert_eq!(listed, pages);
}

/// The words of a line of shell, without quotes; a comment ends it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c == ' ' => words.extend(word.take()),
            None if c == '#' && word.is_none() => break,
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The commands of a page's shell blocks that are `zload`'s or jq's, in its order and in words; also those behind
/// `cargo run`, a pipe or `||`.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for (_, lines) in parts(text).1.into_iter().filter(|(language, _)| *language == "sh") {
        for line in lines.join("\n").replace("\\\n", " ").lines() {
            let line = line.replace("cargo run -- ", "zload ");
            let words = words(&line);
            let parts = words.split(|word| ["|", "||"].contains(&word.as_str()));
            let known =
                |part: &&[String]| part.first().is_some_and(|it| it == "zload" || it == "jq");
            commands.extend(parts.filter(known).map(|part| {
                let redirected = part.iter().position(|word| word.starts_with('>'));
                part[..redirected.unwrap_or(part.len())].to_vec()
            }));
        }
    }
    commands
}

/// Gives every scenario that a command names and nobody has: that of the first run.
fn provide_scenarios(command: &[String], folder: &Path) {
    for name in command.iter().filter(|word| is_of_type(word, "toml")) {
        let path = folder.join(name);
        if !path.exists() {
            std::fs::copy("configs/first.toml", path).expect("a copy");
        }
    }
}

/// The command as it is played here: for a moment, and on a free port.
fn shortened(command: &[String]) -> Vec<String> {
    let mut short = command[1..].to_vec();
    let moment = "200ms".to_owned();
    if let Some(at) = short.iter().position(|word| word == "--duration") {
        short[at + 1] = moment;
    } else if ["run", "serve", "ideal"].contains(&short[0].as_str()) {
        short.extend(["--duration".to_owned(), moment]);
    }
    if ["run", "serve"].contains(&short[0].as_str()) {
        let settings = ["--set", "proxy.frontend=tcp://127.0.0.1:*", "--set", "run.warmup=0s"];
        short.extend(settings.map(str::to_owned));
    }
    short
}

/// Runs a page's commands one after the other in a folder of their own, so that what one saves the next may show. Each
/// must be understood by the program's own parser and do what it is meant to: exit code 2 is the one that says it could not.
fn play(page: &Path) -> usize {
    let folder = TempDir::new().expect("a directory");
    std::os::unix::fs::symlink(root().join("configs"), folder.path().join("configs"))
        .expect("a link to configs");
    let commands = commands(&text_of(page));
    for command in &commands {
        let shown = format!("{}: {}", page.display(), command.join(" "));
        if command[0] == "jq" {
            // Not everybody has it; CI does.
            let mut jq = Command::new("jq");
            if let Ok(ended) = jq.args(&command[1..]).current_dir(folder.path()).output() {
                assert!(ended.status.success(), "{shown}");
            }
            continue;
        }
        if let Err(error) = Cli::try_parse_from(command) {
            panic!("{shown}\n{error}");
        }
        if let Some((_, fixture)) = SLOW.iter().find(|(slow, _)| *slow == command[1]) {
            if let Some(at) = command.iter().position(|word| word == "-o") {
                let fixture = root().join("tests/fixtures").join(fixture);
                std::fs::copy(fixture, folder.path().join(&command[at + 1])).expect("a copy");
            }
        } else if !command.iter().any(|word| SERVED_ELSEWHERE.contains(&word.as_str())) {
            provide_scenarios(command, folder.path());
            let args = shortened(command);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let ended = Zload::new(&args).folder(folder.path()).end();
            assert!([0, 1, 3].map(Some).contains(&ended.code), "{shown}\n{}", ended.stderr);
        }
    }
    commands.len()
}

#[test]
fn every_command_works() {
    let played: usize = std::thread::scope(|scope| {
        let pages = pages().into_iter().map(|page| scope.spawn(move || play(&page)));
        let playing: Vec<_> = pages.collect();
        playing.into_iter().map(|page| page.join().expect("all of its commands work")).sum()
    });
    assert!(played > 30, "{played} commands: are they still found?");
}

#[test]
fn every_piece_of_a_scenario_is_valid() {
    let folder = TempDir::new().expect("a directory");
    for page in pages() {
        let text = text_of(&page);
        for (_, lines) in parts(&text).1.into_iter().filter(|(language, _)| *language == "toml") {
            let path = folder.path().join("piece.toml");
            std::fs::write(&path, lines.join("\n")).expect("a file");
            let path = path.to_str().expect("UTF-8");
            // Pieces need not say the rate.
            let rate: &[&str] =
                if lines.contains(&"model = \"closed\"") { &[] } else { &["--rate", "1k/s"] };
            let ended = Zload::new(&["check", path]).args(rate).end();
            assert_eq!(ended.code, Some(0), "{}\n{}", page.display(), ended.stderr);
        }
    }
}

/// The dotted names of all keys below a schema's object.
fn keys(schema: &Value, of: &Value, name: &str, found: &mut BTreeSet<String>) {
    if let Some(reference) = of["$ref"].as_str() {
        // Described once, with the first key that has one.
        if reference.ends_with("/Condition") {
            found.insert(name.to_owned());
            return;
        }
        let defined = reference.strip_prefix('#').and_then(|pointer| schema.pointer(pointer));
        return keys(schema, defined.expect("a definition"), name, found);
    }
    // A table that may be left out is itself or null.
    if let [table, null] = of["anyOf"].as_array().map_or(&[][..], Vec::as_slice)
        && null["type"] == "null"
    {
        return keys(schema, table, name, found);
    }
    match of["properties"].as_object() {
        Some(properties) => {
            for (key, of) in properties {
                let dot = if name.is_empty() { "" } else { "." };
                keys(schema, of, &format!("{name}{dot}{key}"), found);
            }
        }
        None => {
            found.insert(name.to_owned());
        }
    }
}

#[test]
fn every_key_of_a_scenario_is_described() {
    let text = Zload::new(&["schema", "scenario"]).end().stdout;
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let mut known = BTreeSet::new();
    keys(&schema, &schema, "", &mut known);
    // docs/verdict.md describes these, and crates/report/tests/verdict/documented.rs holds it to that.
    known.retain(|key| !key.starts_with("verdict."));
    known.insert("verdict.*".to_owned());
    let page = text_of(&root().join("docs/scenario.md"));
    let rows = parts(&page).0.into_iter().filter_map(|line| line.strip_prefix("| `"));
    let described: BTreeSet<String> =
        rows.filter_map(|row| row.split_once('`')).map(|(key, _)| key.to_owned()).collect();
    assert_eq!(described, known);
}
