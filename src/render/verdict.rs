//! The verdict, as it stands above all figures of a report. Invariant: no decision, only words.

use super::{Style, wrapped};
use crate::quantity::counted;
use crate::verdict::{Check, CheckStatus, Status, Verdict};

/// Blanks before the sentence of a check.
const SENTENCE_INDENT: usize = 4;

/// The status first of all, then what did not pass, then how much did.
pub fn verdict_report(verdict: &Verdict, style: Style) -> String {
    let code = match verdict.status {
        Status::Valid => "1;32",
        Status::Suspect => "1;33",
        Status::Invalid => "1;31",
    };
    let (word, meaning) = headline(verdict.status);
    let mut text = format!("{}\n", style.paint(code, &format!("{word}: {meaning}")));
    for check in verdict.findings() {
        let mark = mark(check);
        let sentence = format!("{}: {}", check.name, check.sentence);
        text += &format!("  {mark} {}\n", wrapped(&sentence, SENTENCE_INDENT));
    }
    if let Some(ceiling) = &verdict.ceiling {
        text += &format!("  · {}\n", wrapped(&ceiling.sentence, SENTENCE_INDENT));
    }
    text + &format!("  · {}\n", wrapped(&tally(verdict), SENTENCE_INDENT))
}

/// A status, and what it means.
pub(super) fn headline(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Valid => ("VALID", "nothing speaks against these figures"),
        Status::Suspect => ("SUSPECT", "read these figures with the doubts below"),
        Status::Invalid => ("INVALID", "do not use these figures"),
    }
}

/// The sign before a finding: it fails the run, makes it suspect, or is only said.
pub(super) fn mark(check: &Check) -> &'static str {
    match check.status {
        CheckStatus::Fail => "✗",
        CheckStatus::Warn => "!",
        CheckStatus::Pass | CheckStatus::NotApplicable => "·",
    }
}

pub(super) fn tally(verdict: &Verdict) -> String {
    let is = |status| move |check: &&Check| check.status == status && !check.noted;
    let passed = verdict.checks.iter().filter(is(CheckStatus::Pass)).count();
    let names = |checks: Vec<&Check>, what: &str| {
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        if names.is_empty() {
            return String::new();
        }
        format!(", {} {what} ({})", names.len(), names.join(", "))
    };
    let noted = verdict.checks.iter().filter(|check| check.noted).collect();
    let without_data = verdict.checks.iter().filter(is(CheckStatus::NotApplicable)).collect();
    let passed = format!("{} passed", counted(passed as u64, "check"));
    passed + &names(noted, "noted") + &names(without_data, "had no data")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Ceiling, CeilingBy};

    fn check(name: &str, status: CheckStatus) -> Check {
        Check {
            name: name.to_owned(),
            status,
            value: Some(1.0),
            limit: Some(2.0),
            unit: "count".to_owned(),
            sentence: format!("something about the {name}"),
            noted: false,
            symptom_of: None,
        }
    }

    #[test]
    fn what_is_wrong_comes_first_and_what_passed_is_one_line() {
        let verdict = Verdict {
            status: Status::Invalid,
            checks: vec![
                check("build", CheckStatus::Pass),
                check("slip", CheckStatus::Warn),
                check("clock", CheckStatus::NotApplicable),
                check("backlog", CheckStatus::Fail),
            ],
            ceiling: Some(Ceiling {
                by: CeilingBy::Unknown,
                sentence: "at least 5.00/s".to_owned(),
            }),
        };
        let expected = "INVALID: do not use these figures\n  \
                        ✗ backlog: something about the backlog\n  \
                        ! slip: something about the slip\n  \
                        · at least 5.00/s\n  \
                        · 1 check passed, 1 had no data (clock)\n";
        assert_eq!(verdict_report(&verdict, Style::new(false)), expected);
        let coloured = verdict_report(&verdict, Style::new(true));
        assert!(coloured.starts_with("\u{1b}[1;31mINVALID: "), "{coloured}");
    }

    #[test]
    fn a_valid_run_takes_two_lines() {
        let verdict = Verdict {
            status: Status::Valid,
            checks: vec![check("build", CheckStatus::Pass), check("slip", CheckStatus::Pass)],
            ceiling: None,
        };
        let text = verdict_report(&verdict, Style::new(false));
        assert_eq!(text, "VALID: nothing speaks against these figures\n  · 2 checks passed\n");
    }
}
