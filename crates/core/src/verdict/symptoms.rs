//! One cause is one warning: what explains other findings takes them along, and names what else was the case meanwhile.

use super::{Check, CheckStatus};

/// What others were doing. It says nothing about the figures until an effect is found.
const CAUSES: [&str; 3] = ["other_load", "steal", "cpu_wait"];

/// What can be explained by something in the surroundings.
const EFFECTS: [&str; 9] = [
    "throttled",
    "machine_share",
    "slip",
    "late",
    "delivered_each_second",
    "delay_overshoot",
    "level_shift",
    "drift",
    "backlog",
];

/// What is late, or changes, where processors are short.
const LATE: &[&str] =
    &["slip", "late", "delivered_each_second", "delay_overshoot", "level_shift", "drift", "warmup"];

/// Findings, each with those that it explains where both are made. The first that is made takes its symptoms.
const EXPLAINS: [(&str, &[&[&str]]); 6] = [
    ("throttled", &[&["machine_share", "backlog"], LATE]),
    ("backlog", &[&["level_shift", "drift", "warmup"]]),
    ("machine_share", &[LATE]),
    ("slip", &[&["late", "delivered_each_second"]]),
    ("level_shift", &[&["drift", "warmup"]]),
    ("drift", &[&["warmup"]]),
];

/// Marks the symptoms of each finding, and names symptoms and causes in its sentence.
pub(super) fn join(checks: &mut [Check]) {
    for (name, symptoms) in EXPLAINS {
        let Some(status) = found(checks, name) else { continue };
        let mut shown = Vec::new();
        let is_symptom =
            |check: &&mut Check| symptoms.iter().any(|names| names.contains(&check.name.as_str()));
        for check in checks.iter_mut().filter(is_symptom) {
            // What is worse than its explanation decides, and stands for itself.
            if (CheckStatus::Warn..=status).contains(&check.status) && check.symptom_of.is_none() {
                check.symptom_of = Some(name.to_owned());
                shown.push(check.name.clone());
            }
        }
        if !shown.is_empty() {
            add(checks, name, &format!("it shows in {}", shown.join(", ")));
        }
    }
    let causes: Vec<String> = checks
        .iter()
        .filter(|check| check.noted && CAUSES.contains(&check.name.as_str()))
        .map(|check| check.sentence.clone())
        .collect();
    let effect = EFFECTS.into_iter().find(|name| found(checks, name).is_some());
    if let Some(effect) = effect.filter(|_| !causes.is_empty()) {
        add(checks, effect, &format!("meanwhile {}", causes.join(", ")));
    }
}

/// What a check found, if that is a doubt and nobody else's symptom.
fn found(checks: &[Check], name: &str) -> Option<CheckStatus> {
    let check = checks.iter().find(|check| check.name == name)?;
    (check.status >= CheckStatus::Warn && check.symptom_of.is_none()).then_some(check.status)
}

fn add(checks: &mut [Check], name: &str, what: &str) {
    for check in checks.iter_mut().filter(|check| check.name == name) {
        check.sentence += "; ";
        check.sentence += what;
    }
}
