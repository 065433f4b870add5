//! The report of `zload selftest`: every trial with what was expected, what was seen, and whether that is the same.

use super::quantity::{count, counted, duration};
use super::{Style, machine, setting, wrapped};
use crate::result::{Figure, Floor, SelftestResult, Trial, Unit};

/// Width of the columns of names and of what was expected.
const NAME: usize = 38;
const EXPECTED: usize = 22;
/// Blanks before the sentences of a trial.
const SENTENCE_INDENT: usize = 2;

/// What people see of a selftest.
pub fn selftest_report(result: &SelftestResult, style: Style) -> String {
    let mut parts = vec![headline(result, style)];
    parts.extend(result.floor.as_ref().map(|floor| of_floor(floor, style)));
    parts.extend(result.trials.iter().map(|trial| of_trial(trial, style)));
    parts.join("\n")
}

fn headline(result: &SelftestResult, style: Style) -> String {
    let passed = result.trials.iter().filter(|trial| trial.passed).count() as u64;
    let all = result.trials.len() as u64;
    let (code, text) = if result.interrupted {
        ("1;33", format!("interrupted: {} of the trials so far passed", count(passed)))
    } else if result.passed {
        ("1;32", format!("zload measures truly on this machine: all {all} trials passed"))
    } else {
        let failed = result.failed() as u64;
        let unjudged = all - passed - failed;
        let unjudged = (unjudged > 0).then(|| {
            format!(
                "{} of {all} could not be judged: this machine was too busy",
                counted(unjudged, "trial")
            )
        });
        let failed = (failed > 0)
            .then(|| format!("{} of {all} failed: read why below", counted(failed, "trial")));
        let code = if failed.is_some() { "1;31" } else { "1;33" };
        (code, [failed, unjudged].into_iter().flatten().collect::<Vec<_>>().join("; "))
    };
    format!("{}\n{}", style.paint(code, &text), setting("machine", &machine(&result.environment)))
}

fn of_floor(floor: &Floor, style: Style) -> String {
    let step = floor.clock_resolution_ns.map_or_else(|| "unknown".to_owned(), duration);
    let pair =
        |p50_ns, name: &str, ns| format!("p50 {}, {name} {}", duration(p50_ns), duration(ns));
    let rows = [
        ("reading the clock", format!("{:.1} ns, smallest step {step}", floor.clock_read_ns)),
        (
            "sleeps of 1 ms are too long by",
            pair(floor.sleep_overshoot_p50_ns, "p99", floor.sleep_overshoot_p99_ns),
        ),
        (
            "idle round trip, back to back",
            pair(floor.idle_round_trip_p50_ns, "p90", floor.idle_round_trip_p90_ns),
        ),
        (
            "idle round trip after 10 ms of rest",
            pair(floor.rested_round_trip_p50_ns, "p90", floor.rested_round_trip_p90_ns),
        ),
    ];
    let rows = rows.map(|(name, value)| format!("    {name:<NAME$}{value}\n")).concat();
    format!("{}\n{rows}", style.heading("The machine's floor (not judged)"))
}

fn of_trial(trial: &Trial, style: Style) -> String {
    let again =
        if trial.attempts > 1 { format!(" (attempt {})", trial.attempts) } else { String::new() };
    let sign = if trial.judged { mark(trial.passed, style) } else { style.paint("1;33", "?") };
    let mut text = format!("{} {}{again}\n", sign, style.heading(&trial.name));
    let mut say = |sentence: &str| {
        text += &format!("  {}\n", wrapped(sentence, SENTENCE_INDENT));
    };
    say(&trial.planted);
    if let Some(ns) = trial.allowance_ns {
        say(&format!("(the machine's own delays meanwhile allow {})", duration(ns)));
    }
    if let Some(reason) = &trial.reason {
        let what = if trial.judged { "FAILED" } else { "could not be judged" };
        say(&format!("{what}: {reason}"));
    }
    let shown = trial.figures.iter().map(|figure| of_figure(figure, style));
    text + &shown.collect::<String>()
}

fn of_figure(figure: &Figure, style: Style) -> String {
    let value = |number: u64| match figure.unit {
        Unit::Ns => duration(number),
        Unit::Count => count(number),
        Unit::Truth if number == 0 => "no".to_owned(),
        Unit::Truth => "yes".to_owned(),
    };
    let expected = match (figure.at_least, figure.at_most) {
        (Some(least), Some(most)) if least == most => value(least),
        (Some(least), Some(most)) => format!("{} – {}", value(least), value(most)),
        (Some(least), None) => format!("≥ {}", value(least)),
        (None, Some(most)) => format!("≤ {}", value(most)),
        (None, None) => "anything".to_owned(),
    };
    let seen = figure.seen.map_or_else(|| "nothing".to_owned(), value);
    format!("  {} {:<NAME$}{expected:<EXPECTED$}{seen}\n", mark(figure.holds, style), figure.name)
}

fn mark(holds: bool, style: Style) -> String {
    if holds { style.paint("32", "✓") } else { style.paint("1;31", "✗") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_what_was_expected_and_what_was_seen() {
        let plain = Style::new(false);
        let shown = |figure: &Figure| {
            of_figure(figure, plain).split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&Figure::exactly("lost", 1_000, 999)), "✗ lost 1,000 999");
        assert_eq!(
            shown(&Figure::time("p50", 1_000, 2_000, Some(1_500))),
            "✓ p50 1.00 µs – 2.00 µs 1.50 µs"
        );
        assert_eq!(shown(&Figure::time_from("min", 1_000, None)), "✗ min ≥ 1.00 µs nothing");
        assert_eq!(shown(&Figure::time_to("max", 7, Some(7))), "✓ max ≤ 7 ns 7 ns");
        assert_eq!(shown(&Figure::truth("named", true, false)), "✗ named yes no");
    }
}
