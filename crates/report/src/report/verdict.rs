//! The verdict on a run and its thresholds, above all figures. Invariant: no decision,
//! only words.

use super::document::{Block, Depth, Mark, Section, Span, Status, Tone, Words, words};
use crate::result::{RunResult, ThresholdOutcome};
use crate::verdict::{self, Check, CheckStatus, Verdict};
use zload_core::quantity::counted;

/// What a reader must know before any figure.
pub(super) fn ended(result: &RunResult) -> Vec<Block> {
    let failed =
        result.failure.iter().map(|why| words!(Span::strong("FAILED"), ": ", why.as_str()));
    let interrupted = result.interrupted.then(|| {
        words!(Span::strong("INTERRUPTED"), ": ", "the figures cover the time until then")
    });
    let stopped = result.stopped.iter().map(|why| {
        words!(
            Span::strong("STOPPED"),
            " by run.stop_when: ",
            why.as_str(),
            "; the figures cover the time until then"
        )
    });
    failed.chain(interrupted).chain(stopped).map(Block::alarm).collect()
}

/// The answer in a word.
pub(super) fn verdict(verdict: &Verdict) -> Section {
    let (word, meaning, tone) = headline(verdict.status);
    let against: Vec<&str> = match verdict.status {
        verdict::Status::Valid => Vec::new(),
        verdict::Status::Suspect => names(verdict, CheckStatus::Warn),
        verdict::Status::Invalid => names(verdict, CheckStatus::Fail),
    };
    let meaning = match against.as_slice() {
        [] => meaning.to_owned(),
        names => format!("{meaning} ({})", names.join(", ")),
    };
    let status = Status { of: None, word: word.to_owned(), meaning: meaning.into(), tone };
    Section::bare("verdict", Depth::Answer, vec![Block::Status(status)])
}

/// The checks that found this and that no other check explains.
fn names(verdict: &Verdict, found: CheckStatus) -> Vec<&str> {
    let findings = verdict.findings().into_iter();
    findings.filter(|check| check.status == found).map(|check| check.name.as_str()).collect()
}

/// What did not pass, then how much did.
pub(super) fn checks(verdict: &Verdict) -> Section {
    let findings = verdict.findings();
    let found = |check: &&Check| {
        let (mark, words) = item(check);
        (if check.status < CheckStatus::Warn { Mark::Dot } else { mark }, words)
    };
    let mut said: Vec<(Mark, Words)> = findings.iter().map(found).collect();
    said.extend(verdict.ceiling.iter().map(|of| (Mark::Dot, of.sentence.as_str().into())));
    let is_other = |check: &&Check| findings.iter().all(|found| found.name != check.name);
    let others = verdict.checks.iter().filter(is_other).map(item).collect();
    let others = Block::Folded(tally(verdict).into(), vec![Block::List(others)]);
    Section::new("checks", "Checks", Depth::Answer, vec![Block::List(said), others])
}

/// A status, what it means, and how good that is.
pub(super) fn headline(status: verdict::Status) -> (&'static str, &'static str, Tone) {
    match status {
        verdict::Status::Valid => {
            ("VALID", "no check found a reason to doubt these figures", Tone::Good)
        }
        verdict::Status::Suspect => ("SUSPECT", "some checks found reasons for doubt", Tone::Doubt),
        verdict::Status::Invalid => ("INVALID", "do not use these figures", Tone::Alarm),
    }
}

pub(super) fn item(check: &Check) -> (Mark, Words) {
    let mark = match check.status {
        CheckStatus::Pass => Mark::Pass,
        CheckStatus::NotApplicable => Mark::Unknown,
        CheckStatus::Warn => Mark::Warn,
        CheckStatus::Fail => Mark::Fail,
    };
    (mark, words!(Span::strong(check.name.as_str()), ": ", check.sentence.as_str()))
}

fn tally(verdict: &Verdict) -> String {
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

/// How many thresholds are met, then each with its figure; nothing if there are none.
pub(super) fn thresholds(result: &RunResult) -> Option<Section> {
    let outcomes = &result.thresholds;
    let missed = outcomes.iter().filter(|outcome| !outcome.met).count();
    let invalid = result.verdict.status == verdict::Status::Invalid;
    let (meaning, tone) = match missed {
        _ if invalid => ("not judged, because the run is INVALID".to_owned(), Tone::Alarm),
        0 => ("met".to_owned(), Tone::Good),
        missed => (format!("{missed} of {} missed", outcomes.len()), Tone::Alarm),
    };
    let status = Status { of: None, word: "Thresholds".to_owned(), meaning: meaning.into(), tone };
    let list = Block::List(outcomes.iter().map(|outcome| outcome_of(outcome, invalid)).collect());
    (!outcomes.is_empty())
        .then(|| Section::bare("thresholds", Depth::Answer, vec![Block::Status(status), list]))
}

/// A threshold with its figure; of a run that must not be used none is met or missed.
fn outcome_of(outcome: &ThresholdOutcome, invalid: bool) -> (Mark, Words) {
    let ThresholdOutcome { limit, sentence, met, .. } = outcome;
    let mark = match met {
        _ if invalid => Mark::Dot,
        true => Mark::Pass,
        false => Mark::Fail,
    };
    (mark, words!(Span::strong(limit.as_str()), ": ", sentence.as_str()))
}

/// All thresholds with their figures, the missed ones first.
pub(super) fn outcomes(result: &RunResult) -> Vec<(Mark, Words)> {
    let invalid = result.verdict.status == verdict::Status::Invalid;
    let of = |met: bool| result.thresholds.iter().filter(move |outcome| outcome.met == met);
    of(false).chain(of(true)).map(|outcome| outcome_of(outcome, invalid)).collect()
}
