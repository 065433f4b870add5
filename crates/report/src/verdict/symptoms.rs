//! One cause is one warning: what explains other findings takes them along, and names what else was the case meanwhile.

use super::{Check, CheckStatus};

/// What others were doing. It says nothing about the figures until an effect is found.
const CAUSES: [&str; 3] = ["other_load", "steal", "cpu_wait"];

/// What can be explained by something in the surroundings.
const EFFECTS: [&str; 10] = [
    "throttled",
    "machine_share",
    "slip",
    "generator_lag",
    "late",
    "delivered_each_second",
    "delay_overshoot",
    "level_shift",
    "drift",
    "backlog",
];

/// What send delay of the generator shows in.
const BUNCHES: [&str; 2] = ["late", "delivered_each_second"];
/// What a system that changes shows in, the plainest first.
const CHANGES: [&str; 3] = ["level_shift", "drift", "warmup"];
/// What waiting for a CPU shows in, beside bunches and changes.
const WAITS: [&str; 3] = ["slip", "generator_lag", "delay_overshoot"];

/// Findings, each with those that it explains where both are made. The first that is made takes its symptoms.
const EXPLAINS: [(&str, &[&[&str]]); 7] = [
    ("throttled", &[&["machine_share", "backlog"], &WAITS, &BUNCHES, &CHANGES]),
    ("backlog", &[&CHANGES]),
    ("machine_share", &[&WAITS, &BUNCHES, &CHANGES]),
    ("slip", &[&BUNCHES]),
    ("generator_lag", &[&["probes"]]),
    ("level_shift", &[&CHANGES]),
    ("drift", &[&["warmup"]]),
];

/// Marks the symptoms of each finding, and names symptoms and causes in its sentence.
pub(super) fn join(checks: &mut [Check]) {
    for (name, symptoms) in EXPLAINS {
        let Some(weight) = found(checks, name) else { continue };
        let mut shown = Vec::new();
        let explained = |check: &&mut Check| {
            check.name != name && symptoms.concat().contains(&check.name.as_str())
        };
        for check in checks.iter_mut().filter(explained) {
            // A check that is worse than its explanation decides by itself.
            if (1..=weight).contains(&weight_of(check)) && check.symptom_of.is_none() {
                check.symptom_of = Some(name.to_owned());
                shown.push(check.name.clone());
            }
        }
        if !shown.is_empty() {
            add(checks, name, &format!("It also explains {}", shown.join(", ")));
        }
    }
    let causes: Vec<String> = checks
        .iter()
        .filter(|check| check.noted && CAUSES.contains(&check.name.as_str()))
        .map(|check| check.sentence.clone())
        .collect();
    let effect = EFFECTS.into_iter().find(|name| found(checks, name).is_some());
    if let Some(effect) = effect.filter(|_| !causes.is_empty()) {
        add(checks, effect, &format!("Meanwhile, {}", causes.join("; ")));
    }
}

/// How much a check found, if anything, and if no other check explains it.
fn found(checks: &[Check], name: &str) -> Option<u8> {
    let check = checks.iter().find(|check| check.name == name)?;
    Some(weight_of(check)).filter(|weight| *weight > 0 && check.symptom_of.is_none())
}

/// 3 of a failure, 2 of a warning, 1 of its own note, else 0.
fn weight_of(check: &Check) -> u8 {
    match check.status {
        CheckStatus::Fail => 3,
        CheckStatus::Warn => 2,
        _ => u8::from(is_named(check)),
    }
}

/// Whether a report should show the sentence of a note: a cause without an effect says nothing about the figures, and figures
/// that rest on too few samples are marked.
pub(super) fn is_named(check: &Check) -> bool {
    check.noted && check.name != "sample_size" && !CAUSES.contains(&check.name.as_str())
}

fn add(checks: &mut [Check], name: &str, what: &str) {
    for check in checks.iter_mut().filter(|check| check.name == name) {
        check.sentence += ". ";
        check.sentence += what;
    }
}
