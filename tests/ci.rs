//! The recipes for CI: their shell bodies as they are written, with a stub in zload's place for each exit code, and with
//! zload itself and a fault of each kind; and the sentence that each leads to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Where the stub stands in for zload, of the folders that the recipes build in.
const PROGRAMS: [&str; 4] = [
    "base/target/release/zload",
    "head/target/release/zload",
    "base-target/release/zload",
    "target/release/zload",
];

/// The lines of the block that begins below the line `start`, which comes after the line `after`.
fn block(file: &str, after: &str, start: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).expect("the recipe");
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| line.trim() != after);
    let head = lines.find(|line| line.trim() == start).expect("the block's first line");
    let of_block = |line: &&str| line.is_empty() || indent(line) > indent(head);
    let lines: Vec<&str> = lines.take_while(of_block).collect();
    let cut = lines.iter().filter(|line| !line.is_empty()).map(|line| indent(line)).min();
    let cut = cut.expect("a body");
    lines.iter().map(|line| format!("{}\n", line.get(cut..).unwrap_or(""))).collect()
}

/// A folder in which every zload ends with `code`, and `compare` and `run` save a result unless that is 2.
fn folder(code: i32) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stub = format!(
        "#!/bin/sh\n[ \"$1\" != show ] || {{ echo \"the answer\"; exit 0; }}\n[ \"$1\" != --version ] || exit 0\n\
         printf '%s\\n' \"$@\" > told\nwhile [ $# -gt 1 ]; do shift; done\n\
         [ {code} = 2 ] || echo '{{}}' > \"$1\"\nexit {code}\n"
    );
    for program in PROGRAMS {
        executable(&folder.path().join(program), &stub);
    }
    folder
}

fn executable(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, script).expect("the script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
}

/// Runs a body as the runners do: all of it with one shell that ends with the first failure.
fn run(body: &str, folder: &Path, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", body])
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("GITHUB_OUTPUT", "output")
        .env("GITHUB_STEP_SUMMARY", "summary")
        .envs(variables.iter().copied())
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    (status.code(), said)
}

fn text_of(folder: &TempDir, file: &str) -> String {
    fs::read_to_string(folder.path().join(file)).unwrap_or_default()
}

#[test]
fn each_exit_code_leads_to_its_sentence_in_the_workflow() {
    let file = "docs/ci/compare.yml";
    for (code, sentence) in [
        (0, ""),
        (1, "The head is worse than the base."),
        (2, "could not run the comparison (exit code 2)"),
        (3, "No answer: the runner was too noisy"),
        (130, "could not run the comparison (exit code 130)"),
    ] {
        let folder = folder(code);
        let (ended, said) = run(&block(file, "- name: Compare", "run: |"), folder.path(), &[]);
        assert_eq!(ended, Some(0), "the step Judge must run: {said}");
        let output = text_of(&folder, "output");
        assert_eq!(output, format!("code={code}\n"));
        let told = text_of(&folder, "told");
        assert!(told.contains("--fail-on\nworse\n"), "{told}");
        if folder.path().join("comparison.json").exists() {
            run(&block(file, "- name: Show the answer", "run: |"), folder.path(), &[]);
            assert_eq!(text_of(&folder, "summary"), "the answer\n");
        }
        let judge = block(file, "- name: Judge", "run: |");
        let (ended, said) = run(&judge, folder.path(), &[("CODE", &code.to_string())]);
        assert_eq!(ended, Some(i32::from(code != 0)), "{said}");
        assert!(said.contains(sentence) && (code == 0) == said.is_empty(), "{code}: {said}");
    }
    // The job that can write runs nothing of the pull request.
    let comment = block(file, "jobs:", "comment:");
    assert!(comment.contains("pull-requests: write"));
    assert!(!comment.contains("checkout") && !comment.contains("zload "), "{comment}");
}

#[test]
fn each_exit_code_leads_to_its_sentence_at_gitlab() {
    for (code, sentence) in [
        (0, "not shown to be worse"),
        (1, "The head is worse than the base."),
        (2, "could not run the comparison (exit code 2)"),
        (3, "No answer: the runner was too noisy"),
    ] {
        let folder = folder(code);
        let body = block("docs/ci/gitlab.yml", "script:", "- |");
        let (ended, said) = run(&body, folder.path(), &[]);
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(sentence), "{code}: {said}");
        assert_eq!(text_of(&folder, "junit.xml").is_empty(), code == 2);
    }
}

#[test]
fn each_exit_code_leads_to_its_sentence_in_the_action() {
    let body = block("action.yml", "- name: Run zload", "run: |");
    for (command, code, no_answer_fails, sentence) in [
        ("run", 0, "true", ""),
        ("run", 1, "true", "::error::A threshold was missed."),
        ("run", 3, "true", "::error::No answer"),
        ("run", 3, "false", "::warning::No answer"),
        ("compare", 1, "false", "::error::The change is worse than its base."),
        ("compare", 2, "false", "::error::zload could not run (exit code 2)"),
        ("run", 130, "true", "::error::zload was interrupted."),
    ] {
        let folder = folder(code);
        let variables = [
            ("PROGRAM", PROGRAMS[3]),
            ("COMMAND", command),
            ("ARGUMENTS", "a.toml\n\n--threshold=first_reply.p99 < 5ms\n"),
            ("NO_ANSWER_FAILS", no_answer_fails),
            ("RESULT", "result.json"),
        ];
        let (ended, said) = run(&body, folder.path(), &variables);
        assert!(said.contains(sentence) && (code == 0) == said.is_empty(), "{code}: {said}");
        assert_eq!(ended, Some(i32::from(said.contains("::error::"))), "{said}");
        assert_eq!(text_of(&folder, "output"), format!("code={code}\nresult=result.json\n"));
        assert_eq!(text_of(&folder, "summary").is_empty(), code == 2);
        let told =
            format!("{command}\na.toml\n--threshold=first_reply.p99 < 5ms\n-o\nresult.json\n");
        assert_eq!(text_of(&folder, "told"), told);
    }
    let (ended, said) = run(&body, folder(0).path(), &[("COMMAND", "serve"), ("ARGUMENTS", "")]);
    assert_eq!((ended, said.contains("run or compare")), (Some(1), true), "{said}");
}

#[test]
fn the_action_takes_a_zload_that_is_installed() {
    let folder = folder(0);
    let body = block("action.yml", "- name: Install zload", "run: |");
    let (ended, said) = run(&body, folder.path(), &[("ZLOAD", PROGRAMS[3])]);
    assert_eq!(ended, Some(0), "{said}");
    assert_eq!(text_of(&folder, "output"), format!("program={}\n", PROGRAMS[3]));
}

/// A folder for the recipes in which zload is zload, and the head plays `slow`; `base` is the scenario that they compare.
/// A comparison is made short, which is all that is added to what the recipe says.
fn real(base: &str, slow: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let own = env!("CARGO_BIN_EXE_zload");
    let slow_file = folder.path().join("slow.toml");
    fs::write(&slow_file, slow).expect("the slow scenario");
    let configs = folder.path().join("base/configs");
    fs::create_dir_all(&configs).expect("folders");
    fs::write(configs.join("hotpath.toml"), base).expect("the scenario");
    let judge = format!(
        "#!/bin/sh\n[ \"$1\" = compare ] || exec '{own}' \"$@\"\nexec '{own}' \"$@\" -q --slices 1 --slice 80ms\n"
    );
    let head = format!(
        "#!/bin/sh\n[ \"$1\" = slices ] || exit 9\nshift 2\nexec '{own}' slices '{}' \"$@\"\n",
        slow_file.display()
    );
    for (program, script) in PROGRAMS.iter().zip([&judge, &head, &judge, &head]) {
        executable(&folder.path().join(program), script);
    }
    folder
}

const FAST: &str =
    "load = { model = 'closed' }\nclients.count = 2\nworkers = { count = 2, delay = '2ms' }\n";
const SLOW: &str =
    "load = { model = 'closed' }\nclients.count = 2\nworkers = { count = 2, delay = '6ms' }\n";
const BROKEN: &str = "client.count = 2\n";
/// More than one processor can send, whichever it is, even in the time in which late requests may leave.
const UNFIT: &str = "load = { rate = '50M/s' }\nclients.count = 2\nrun.drain = '20ms'\n";

#[test]
fn a_regression_a_broken_scenario_and_an_unfit_machine_are_told_apart() {
    for (base, slow, code, sentence, at_gitlab) in [
        (FAST, SLOW, 1, "::error::The head is worse than the base.", "The head is worse than"),
        (BROKEN, BROKEN, 2, "::error::zload could not run the comparison", "could not run the"),
        (UNFIT, UNFIT, 3, "::error::No answer: the runner was too noisy", "No answer: the runner"),
    ] {
        let file = "docs/ci/compare.yml";
        let folder = real(base, slow);
        let (ended, said) = run(&block(file, "- name: Compare", "run: |"), folder.path(), &[]);
        assert_eq!(ended, Some(0), "{said}");
        assert_eq!(text_of(&folder, "output"), format!("code={code}\n"), "{said}");
        assert_eq!(folder.path().join("comparison.json").exists(), code != 2, "{said}");
        if code != 2 {
            let (ended, said) =
                run(&block(file, "- name: Show the answer", "run: |"), folder.path(), &[]);
            assert_eq!(ended, Some(0), "{said}");
            assert!(!text_of(&folder, "summary").is_empty());
        }
        let judge = block(file, "- name: Judge", "run: |");
        let (ended, said) = run(&judge, folder.path(), &[("CODE", &code.to_string())]);
        assert_eq!(ended, Some(1), "{said}");
        assert!(said.starts_with(sentence), "{code}: {said}");

        let folder = real(base, slow);
        let body = block("docs/ci/gitlab.yml", "script:", "- |");
        let (ended, said) = run(&body, folder.path(), &[]);
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(at_gitlab), "{code}: {said}");
        let junit = text_of(&folder, "junit.xml");
        assert_eq!(junit.contains("<testsuite"), code != 2, "{junit}");
    }
}

#[test]
fn a_missed_threshold_a_broken_scenario_and_an_unfit_machine_are_told_apart_by_the_action() {
    let body = block("action.yml", "- name: Run zload", "run: |");
    for (scenario, threshold, code, sentence) in [
        (FAST, "--threshold=first_reply.min < 1us", 1, "::error::A threshold was missed."),
        (BROKEN, "", 2, "::error::zload could not run (exit code 2)"),
        (UNFIT, "", 3, "::error::No answer: the measurement cannot be trusted"),
    ] {
        let arguments = format!("a.toml\n-q\n--duration=20ms\n{threshold}\n");
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("a.toml"), scenario).expect("the scenario");
        let variables = [
            ("PROGRAM", env!("CARGO_BIN_EXE_zload")),
            ("COMMAND", "run"),
            ("ARGUMENTS", arguments.as_str()),
            ("NO_ANSWER_FAILS", "true"),
            ("RESULT", "result.json"),
        ];
        let (ended, said) = run(&body, folder.path(), &variables);
        assert_eq!(ended, Some(1), "{said}");
        assert!(said.contains(sentence), "{code}: {said}");
        assert_eq!(text_of(&folder, "output"), format!("code={code}\nresult=result.json\n"));
        assert_eq!(text_of(&folder, "summary").is_empty(), code == 2);
    }
}
