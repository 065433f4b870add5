//! What is read and what is written: standard input and pipes are read as files are, and nothing that is read is replaced.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Stdio;

use crate::support::{Ended, Zload};
use tempfile::TempDir;

const SHORT: &str = "load = { rate = '200/s' }\nrun = { duration = '200ms', drain = '1s' }\nproxy = { engine = 'batch' }\n";
const FEW_BLOCKS: [&str; 6] = ["--blocks", "9", "--slices", "1", "--slice", "150ms"];

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        fs::write(folder.0.path().join("a.toml"), SHORT).expect("writing");
        folder
    }

    fn zload(&self, args: &[&str]) -> Zload {
        Zload::new(args).folder(self.0.path())
    }

    /// The same, which reads this file as its standard input, as a file or through a pipe.
    fn fed(&self, file: &str, through_pipe: bool, args: &[&str]) -> Ended {
        let path = self.0.path().join(file);
        if !through_pipe {
            return self.zload(args).stdin(File::open(path).expect("opening")).end();
        }
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let feeder = std::thread::spawn(move || {
            let mut file = File::open(path).expect("opening");
            // A reader that does not read to the end has said why.
            let _broken = std::io::copy(&mut file, &mut writer);
        });
        let ended = self.zload(args).stdin(Stdio::from(reader)).end();
        feeder.join().expect("the feeder ends");
        ended
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(file)).expect("reading")
    }

    /// `r1.json` and `r2.json`
    fn save_results(&self) {
        for file in ["r1.json", "r2.json"] {
            let ended = self.zload(&["run", "a.toml", "-q", "-o", file]).end();
            assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
        }
    }
}

fn assert_fine(ended: &Ended) {
    assert!(matches!(ended.code, Some(0 | 3)), "{:?} {}", ended.code, ended.stderr);
}

#[test]
fn every_command_that_reads_a_scenario_reads_standard_input() {
    let folder = Folder::new();
    let short = |command| [&[command, "-", "-q"], &FEW_BLOCKS[..]].concat();
    let compared = [&["compare", "-", "a.toml", "-q"], &FEW_BLOCKS[..]].concat();
    let commands: [&[&str]; 6] = [
        &["check", "-"],
        &["run", "-", "-q"],
        &["serve", "-", "-q", "--duration", "10ms"],
        &["ideal", "-"],
        &short("calibrate"),
        &compared,
    ];
    for args in commands {
        for through_pipe in [true, false] {
            let ended = folder.fed("a.toml", through_pipe, args);
            assert_fine(&ended);
            assert!(ended.stdout.contains("stdin"), "{args:?}: {}", ended.stdout);
        }
    }
    let ended = folder.fed("a.toml", true, &["run", "/dev/stdin", "-q"]);
    assert_fine(&ended);
}

#[test]
fn what_is_wrong_with_standard_input_is_said_of_it() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("wrong.toml"), "laod = 1").expect("writing");
    for (file, args, part) in [
        ("wrong.toml", &["check", "-"][..], "<stdin>:1:1"),
        ("a.toml", &["check", "-", "-"], "`-` was given twice"),
        ("a.toml", &["compare", "-", "-"], "`-` was given twice"),
        ("a.toml", &["show", "-"], "<stdin>: not a usable result"),
        (
            "a.toml",
            &[
                "serve",
                "-",
                "--set",
                "proxy.engine=external",
                "--set",
                "proxy.frontend=tcp://127.0.0.1:9",
            ],
            "<stdin>: proxy.engine",
        ),
    ] {
        let ended = folder.fed(file, true, args);
        assert_eq!(ended.code, Some(2), "{args:?}");
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
}

#[test]
fn saved_results_are_read_through_pipes() {
    let folder = Folder::new();
    folder.save_results();
    let shown = folder.zload(&["show", "r1.json"]).end();
    for path in ["-", "/dev/stdin"] {
        assert_eq!(folder.fed("r1.json", true, &["show", path]).stdout, shown.stdout);
        for (args, other) in [([path, "r2.json"], "r2.json"), (["r2.json", path], "r2.json")] {
            let ended = folder.fed("r1.json", true, &[&["compare"], &args[..]].concat());
            assert_fine(&ended);
            assert!(ended.stdout.contains(other), "{}", ended.stdout);
        }
    }
}

#[test]
fn no_file_that_is_read_or_run_is_replaced_by_whatever_name() {
    let folder = Folder::new();
    let at = |name: &str| folder.0.path().join(name);
    folder.save_results();
    fs::copy(at("a.toml"), at("b.toml")).expect("copying");
    for (name, script) in [("server.sh", "exit 1"), ("server.conf", "x"), ("other", "exit 1")] {
        fs::write(at(name), script).expect("writing");
    }
    for name in ["a.toml", "r2.json", "server.sh", "server.conf", "other"] {
        fs::hard_link(at(name), at(&format!("{name}.hard"))).expect("a link");
        symlink(name, at(&format!("{name}.soft"))).expect("a link");
    }
    let server = "server.command=['sh', './server.sh', '--config=server.conf', '{frontend}']";
    let shell = "server.command=['sh', '-c', 'sh server.sh <server.conf $0', '{frontend}']";
    let commands: [(&[&str], &[&str]); 12] = [
        (&["run", "a.toml"], &["a.toml"]),
        (&["serve", "a.toml"], &["a.toml"]),
        (&["ideal", "a.toml"], &["a.toml"]),
        (&["calibrate", "a.toml"], &["a.toml"]),
        (&["compare", "b.toml", "a.toml"], &["a.toml"]),
        (&["compare", "r1.json", "r2.json"], &["r2.json"]),
        (&["run", "a.toml", "--set", server], &["server.sh", "server.conf"]),
        (&["run", "a.toml", "--set", shell], &["server.sh"]),
        (&["compare", "b.toml", "a.toml", "--set", server], &["server.sh"]),
        (&["compare", "a.toml", "--exe", "./other", "--exe", "./other"], &["other"]),
        (&["run", "-"], &["a.toml"]),
        (&["run", "/dev/stdin"], &["a.toml"]),
    ];
    for (args, inputs) in commands {
        for input in inputs {
            for target in [input.to_string(), format!("{input}.hard"), format!("./{input}.soft")] {
                let before = folder.text(input);
                let ended = folder.fed("a.toml", false, &[args, &["-q", "-o", &target]].concat());
                assert_eq!(ended.code, Some(2), "{args:?} -o {target}");
                assert!(ended.stderr.contains("would replace an input"), "{}", ended.stderr);
                assert_eq!(folder.text(input), before);
            }
        }
    }
    for (args, option) in [
        (&["run", "a.toml"][..], "--html"),
        (&["run", "a.toml"], "--trace-out"),
        (&["compare", "b.toml", "a.toml"], "--html"),
    ] {
        let ended = folder.zload(&[args, &[option, "a.toml.hard"]].concat()).end();
        assert!(ended.stderr.contains("would replace an input"), "{}", ended.stderr);
    }
    let ended = folder.zload(&["show", "r2.json", "--html", "r2.json.soft"]).end();
    assert!(ended.stderr.contains("would replace an input"), "{}", ended.stderr);
}

#[test]
fn a_link_to_nothing_is_followed_and_a_file_keeps_its_permissions() {
    let folder = Folder::new();
    let at = |name: &str| folder.0.path().join(name);
    fs::create_dir(at("results")).expect("a directory");
    symlink("results/new.json", at("second")).expect("a link");
    symlink("second", at("first")).expect("a link");
    let run = |target| assert_fine(&folder.zload(&["run", "a.toml", "-q", "-o", target]).end());
    run("first");
    assert!(fs::symlink_metadata(at("first")).expect("the link").is_symlink());
    assert!(fs::symlink_metadata(at("second")).expect("the link").is_symlink());
    assert!(folder.text("results/new.json").contains("zload.result"));
    fs::set_permissions(at("results/new.json"), fs::Permissions::from_mode(0o626)).expect("chmod");
    // Held open, so that its number is not given out again.
    let old = File::open(at("results/new.json")).expect("opening");
    let before = old.metadata().expect("the file").ino();
    run("first");
    let after = fs::metadata(at("results/new.json")).expect("the file");
    assert_eq!(after.permissions().mode() & 0o777, 0o626);
    assert_ne!(after.ino(), before, "a new file took its place at once");
    assert_eq!(fs::read_dir(at("results")).expect("the folder").count(), 1);
}

#[test]
fn players_that_misbehave_are_given_up_with_a_sentence() {
    let folder = Folder::new();
    for (name, script, part) in [
        ("deaf", "exec >&-; exec sleep 1000", "it printed nothing"),
        ("endless", "exec cat /dev/zero", "more than 16MiB"),
        ("chatty", "exec yes", "did not write a result"),
    ] {
        let path = folder.0.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writing");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        let exe = format!("./{name}");
        let args = [&["compare", "a.toml", "--exe", &exe, "--exe", &exe][..], &FEW_BLOCKS].concat();
        let ended = folder.zload(&args).end();
        assert_eq!(ended.code, Some(2), "{name}");
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
}
