//! JUnit XML: what was judged, as test cases.
//!
//! A failure is what a gate must stop at, and nothing else. What is in doubt is skipped, with its sentence: reporters show
//! it, and do not count it as passed. What could not be answered at all is an error. Invariant: a case passes only if it was shown to.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::report;
use crate::result::{
    Answer, ComparisonResult, RunResult, SearchAnswer, SearchFailOn, SearchResult, SelftestResult,
};
use crate::verdict::{Check, CheckStatus, Status};
use zload_core::search::State;

/// A case for each check of the verdict and for each threshold. A warning is skipped as a check without data is: `zload run` ends well with either,
/// and its figures may be used with the doubts named.
pub(super) fn run(result: &RunResult) -> String {
    let mut suite = TestSuite::new(result.scenario.name.as_str());
    for check in &result.verdict.checks {
        let mut case = TestCase::new(check.name.as_str(), status_of(check));
        case.set_classname("zload.verdict").set_system_out(check.sentence.as_str());
        suite.add_test_case(case);
    }
    for outcome in &result.thresholds {
        let status = match (outcome.met, result.verdict.status) {
            (true, _) => TestCaseStatus::success(),
            // The check that failed says it already, and these figures miss nothing either.
            (false, Status::Invalid) => skipped("invalid", &outcome.sentence),
            (false, _) => failure("missed", &outcome.sentence),
        };
        let mut case = TestCase::new(outcome.limit.as_str(), status);
        case.set_classname("zload.threshold").set_system_out(outcome.sentence.as_str());
        suite.add_test_case(case);
    }
    report("zload run", [suite])
}

fn status_of(check: &Check) -> TestCaseStatus {
    match check.status {
        CheckStatus::Pass => TestCaseStatus::success(),
        CheckStatus::Warn => skipped("warn", &check.sentence),
        CheckStatus::NotApplicable => skipped("not_applicable", &check.sentence),
        CheckStatus::Fail => failure("invalid", &check.sentence),
    }
}

/// A case for each gated metric, and one for the measurement itself, which fails if no figure may be used. One suite for
/// each pair of sides.
pub(super) fn comparison(result: &ComparisonResult) -> String {
    report("zload compare", std::iter::once(result).chain(&result.others).map(pair))
}

fn pair(result: &ComparisonResult) -> TestSuite {
    let mut suite = TestSuite::new(format!("{} against {}", result.b.name, result.a.name));
    let mut measurement = TestCase::new("measurement", measurement(result));
    measurement.set_classname("zload.compare");
    suite.add_test_case(measurement);
    for metric in result.metrics.iter().filter(|metric| metric.gated) {
        let status = match metric.verdict {
            Answer::Better | Answer::Same => TestCaseStatus::success(),
            Answer::Unclear if !metric.answered => error("no answer", &metric.sentence),
            Answer::Unclear => skipped("unclear", &metric.sentence),
            Answer::Worse => failure("worse", &metric.sentence),
        };
        let mut case = TestCase::new(metric.name.as_str(), status);
        case.set_classname("zload.compare").set_system_out(metric.sentence.as_str());
        suite.add_test_case(case);
    }
    suite
}

/// Whether there are figures to speak of.
fn measurement(result: &ComparisonResult) -> TestCaseStatus {
    match &result.failure {
        Some(failure) => error("failed", failure),
        None if !result.valid => error("invalid", &result.notes.join("; ")),
        None if result.interrupted => error("interrupted", "ended before all blocks were measured"),
        None => TestCaseStatus::success(),
    }
}

/// A case for each goal. Of a gate what is not shown fails, unless only what is shown to be missed should; without one it is skipped.
pub(super) fn search(result: &SearchResult) -> String {
    let mut suite = TestSuite::new(result.scenario.name.as_str());
    for answer in &result.answers {
        let sentence = report::search_sentence(result, answer);
        let mut case = TestCase::new(answer.goal.as_str(), of_goal(result, answer, &sentence));
        case.set_classname("zload.search").set_system_out(sentence.as_str());
        suite.add_test_case(case);
    }
    report("zload search", [suite])
}

fn of_goal(result: &SearchResult, answer: &SearchAnswer, sentence: &str) -> TestCaseStatus {
    let gate = result.at_least.is_some();
    match answer.state {
        _ if result.failure.is_some() => {
            error("failed", result.failure.as_deref().unwrap_or_default())
        }
        _ if result.verdict == Status::Invalid => {
            error("invalid", &result.invalid_because.join("; "))
        }
        _ if result.interrupted => error("interrupted", sentence),
        State::GeneratorLimited if gate && answer.carried.is_none() => error("invalid", sentence),
        State::MissedOnly | State::AllMissed if gate => failure("missed", sentence),
        State::AllMissed if result.fail_on.is_some() => failure("missed", sentence),
        State::Undecided | State::MissedOnly => match result.fail_on {
            Some(SearchFailOn::Undecided) => failure("undecided", sentence),
            None if gate => failure("undecided", sentence),
            _ => skipped("undecided", sentence),
        },
        _ => TestCaseStatus::success(),
    }
}

/// A case for each trial.
pub(super) fn selftest(result: &SelftestResult) -> String {
    let mut suite = TestSuite::new("selftest");
    for trial in &result.trials {
        let status = if trial.passed {
            TestCaseStatus::success()
        } else if !trial.judged {
            error("not judged", trial.reason.as_deref().unwrap_or(&trial.planted))
        } else {
            failure("failed", trial.reason.as_deref().unwrap_or(&trial.planted))
        };
        let mut case = TestCase::new(trial.name.as_str(), status);
        case.set_classname("zload.selftest").set_system_out(trial.planted.as_str());
        suite.add_test_case(case);
    }
    if result.interrupted {
        suite.add_test_case(TestCase::new(
            "all trials",
            error("interrupted", "ended before all trials were made"),
        ));
    }
    report("zload selftest", [suite])
}

fn skipped(kind: &str, sentence: &str) -> TestCaseStatus {
    said(TestCaseStatus::skipped(), kind, sentence)
}

fn failure(kind: &str, sentence: &str) -> TestCaseStatus {
    said(TestCaseStatus::non_success(NonSuccessKind::Failure), kind, sentence)
}

/// What could not be tried, as opposed to what was tried and failed.
fn error(kind: &str, sentence: &str) -> TestCaseStatus {
    said(TestCaseStatus::non_success(NonSuccessKind::Error), kind, sentence)
}

fn said(mut status: TestCaseStatus, kind: &str, sentence: &str) -> TestCaseStatus {
    status.set_type(kind).set_message(sentence);
    status
}

fn report(name: &str, suites: impl IntoIterator<Item = TestSuite>) -> String {
    let mut report = Report::new(name);
    report.add_test_suites(suites);
    report.to_string().expect("there are no dates or names that XML cannot hold")
}
