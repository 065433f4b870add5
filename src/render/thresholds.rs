//! The thresholds of a run, as they stand below the verdict. Invariant: no decision, only words.

use super::{Style, wrapped};
use crate::result::{RunResult, ThresholdOutcome};
use crate::verdict::Status;

/// Blanks before what does not fit into the line of a threshold.
const INDENT: usize = 4;

/// How many are met, then each with its figure; nothing if there are none.
pub(super) fn thresholds(result: &RunResult, style: Style) -> String {
    let outcomes = &result.thresholds;
    if outcomes.is_empty() {
        return String::new();
    }
    let missed = outcomes.iter().filter(|outcome| !outcome.met).count();
    let invalid = result.verdict.status == Status::Invalid;
    let (code, headline) = match missed {
        _ if invalid => {
            ("1;31", "none is met or missed: these figures must not be used".to_owned())
        }
        0 => ("1;32", "met".to_owned()),
        missed => ("1;31", format!("{missed} of {} missed", outcomes.len())),
    };
    let mut text = format!("{}\n", style.paint(code, &format!("Thresholds: {headline}")));
    for outcome in outcomes {
        let (code, mark) = match outcome.met {
            _ if invalid => ("0", "·"),
            true => ("1;32", "✓"),
            false => ("1;31", "✗"),
        };
        let ThresholdOutcome { limit, sentence, .. } = outcome;
        let line = wrapped(&format!("{limit}: {sentence}"), INDENT);
        text += &format!("  {} {line}\n", style.paint(code, mark));
    }
    text
}
