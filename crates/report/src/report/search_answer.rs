//! The answer of a search in one sentence, and how good it is.

use super::document::Tone;
use crate::result::{SearchAnswer, SearchResult};
use crate::verdict::Status;
use zload_core::search::{Bound, State};

/// Units that are part of the value, so that the key need not be named.
const RATE: &str = "load.rate";

/// The answer for the first goal, then what must not be overlooked of the others.
pub(super) fn sentence(result: &SearchResult) -> (String, Tone) {
    if let Some(failure) = &result.failure {
        let known = result.answers.first().map(|answer| known(result, answer));
        let known = known.map_or_else(String::new, |known| format!("; so far {known}"));
        return (format!("FAILED: {failure}{known}"), Tone::Alarm);
    }
    if result.verdict == Status::Invalid {
        return (format!("INVALID: {}", result.invalid_because.join("; ")), Tone::Alarm);
    }
    let Some(first) = result.answers.first() else {
        return ("UNDECIDED: there is no goal".to_owned(), Tone::Doubt);
    };
    of_goal(result, first)
}

/// The answer for a goal, which begins with the scenario's name or with what is the matter.
pub(super) fn of_goal(result: &SearchResult, answer: &SearchAnswer) -> (String, Tone) {
    let sure = percent(result.confidence);
    let said = known(result, answer);
    let (mut text, tone) = match answer.state {
        State::Decided | State::CarriedOnly | State::AllCarried => {
            (format!("{said} ({sure})"), Tone::Good)
        }
        State::AllMissed => (format!("{said} ({sure})"), Tone::Alarm),
        State::GeneratorLimited => (format!("GENERATOR-LIMITED: {said} ({sure})"), Tone::Doubt),
        State::MissedOnly if result.at_least.is_some() => (format!("{said} ({sure})"), Tone::Alarm),
        State::MissedOnly => {
            (format!("UNDECIDED: {said} ({sure}); what it does is not shown"), Tone::Doubt)
        }
        State::Undecided => (format!("UNDECIDED: {said}"), Tone::Doubt),
    };
    if result.stuck {
        text = format!("UNDECIDED: stuck after overload, so the search ended; {said}");
    }
    if answer.hysteresis.is_some() {
        text += ", but not after overload";
    }
    if let Some(value) = answer.missed_below {
        text += &format!(", but missed the goal at {}", shown(result, value));
    }
    if result.interrupted {
        text += " [interrupted]";
    }
    (text, if result.stuck { Tone::Doubt } else { tone })
}

/// What is known of a goal, without doubts and confidence.
fn known(result: &SearchResult, answer: &SearchAnswer) -> String {
    let name = &result.scenario.name;
    let is_rate = result.over == RATE;
    let value = |bound: &Bound| shown(result, bound.value);
    let (does, does_not) = if is_rate {
        ("sustains".to_owned(), "does not sustain".to_owned())
    } else {
        (
            format!("meets the goal at {}", result.over),
            format!("misses the goal at {}", result.over),
        )
    };
    let of = if is_rate { "" } else { "= " };
    let (highest, lowest) = if result.more_is_easier {
        ("the least value tried", "the largest value tried")
    } else {
        ("the highest value tried", "the lowest value tried")
    };
    match (&answer.carried, &answer.missed, answer.state) {
        (Some(carried), _, State::AllCarried) => {
            format!("{name} {does} {of}{}, {highest}", value(carried))
        }
        (_, Some(missed), State::AllMissed) => {
            format!("{name} {does_not} {of}{}, {lowest}", value(missed))
        }
        (Some(carried), Some(missed), _) => {
            let (carried, missed) = (value(carried), value(missed));
            format!("{name} {does} {of}{carried}, and not {missed}")
        }
        (Some(carried), None, State::GeneratorLimited) => {
            format!("{name} {does} {of}{} at least; above, zload is the limit", value(carried))
        }
        (Some(carried), None, _) if result.at_least.is_some() => {
            format!("{name} {does} {of}{}, as asked", value(carried))
        }
        (Some(carried), None, _) => {
            let least = if result.more_is_easier { "" } else { " at least" };
            format!("{name} {does} {of}{}{least}", value(carried))
        }
        (None, Some(missed), _) => format!("{name} {does_not} {of}{}", value(missed)),
        (None, None, State::GeneratorLimited) => {
            format!("zload cannot offer {} here", asked(result))
        }
        (None, None, _) if result.at_least.is_some() => {
            format!("it is not shown whether {name} {does} {of}{}", asked(result))
        }
        (None, None, _) => match answer.estimate {
            Some(estimate) => format!(
                "{name}: about {} by estimate, and neither end is shown",
                shown(result, estimate)
            ),
            None => format!("{name}: nothing is shown yet"),
        },
    }
}

fn asked(result: &SearchResult) -> String {
    result.at_least.map_or_else(String::new, |value| shown(result, value))
}

/// A value of the key.
pub(super) fn shown(result: &SearchResult, value: f64) -> String {
    result.form.shown(value)
}

/// A confidence: `90 %`.
pub(super) fn percent(ratio: f64) -> String {
    let percent = (ratio * 1e4).round() / 1e2;
    format!("{percent} %")
}
