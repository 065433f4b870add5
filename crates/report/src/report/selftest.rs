//! The report of `zload selftest`: every trial with what was expected, what was seen, and whether that is the same.

use super::document::{
    Block, Depth, Document, Mark, Row, Section, Span, Status, Table, Tone, Words, words,
};
use super::{Reported, machine, origin};
use crate::result::{Figure, Floor, SelftestResult, Trial, Unit};
use zload_core::quantity::{count, counted, duration};

/// Width of the columns of names and of what was expected.
const NAME: usize = 37;
const EXPECTED: usize = 21;

impl Reported for SelftestResult {
    fn report(&self) -> Document {
        let (meaning, tone) = headline(self);
        let status = Status { of: None, word: String::new(), meaning: meaning.into(), tone };
        let machine = vec![("machine".into(), machine(&self.environment).into())];
        let head = vec![Block::Status(status), Block::Settings(machine)];
        let sections = std::iter::once(Section::bare("verdict", Depth::Answer, head))
            .chain(self.floor.as_ref().map(of_floor))
            .chain((0..).zip(&self.trials).map(of_trial));
        Document {
            origin: origin(&self.environment),
            command: self.environment.command.clone().unwrap_or_default(),
            ..Document::new("Selftest".into(), &self.environment.zload, sections)
        }
    }
}

fn headline(result: &SelftestResult) -> (String, Tone) {
    let passed = result.trials.iter().filter(|trial| trial.passed).count() as u64;
    let all = result.trials.len() as u64;
    if result.interrupted {
        return (
            format!("interrupted: {} of the trials so far passed", count(passed)),
            Tone::Doubt,
        );
    }
    if result.passed {
        let meaning = format!("zload measures correctly on this machine: all {all} trials passed");
        return (meaning, Tone::Good);
    }
    let failed = result.failed() as u64;
    let unjudged = all - passed - failed;
    let of = |number: u64, what: &str| {
        (number > 0).then(|| format!("{} of {all} {what}", counted(number, "trial")))
    };
    let said =
        [of(failed, "failed"), of(unjudged, "could not be judged: this machine was too busy")];
    let tone = if failed > 0 { Tone::Alarm } else { Tone::Doubt };
    (said.into_iter().flatten().collect::<Vec<_>>().join("; "), tone)
}

fn of_floor(floor: &Floor) -> Section {
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
    let rows = rows.map(|(name, said)| Row::of([name, &said]));
    let table = Table::of_words([NAME, 0]).rows(rows);
    let heading = "Baseline of this machine (not judged)";
    Section::new("floor", heading, Depth::Detail, vec![Block::Table(table)])
}

fn of_trial((number, trial): (usize, &Trial)) -> Section {
    let again =
        if trial.attempts > 1 { format!(" (attempt {})", trial.attempts) } else { String::new() };
    let mark = match (trial.judged, trial.passed) {
        (false, _) => Mark::Unknown,
        (true, passed) => holds(passed),
    };
    let allowance = trial
        .allowance_ns
        .map(|ns| format!("(tolerance for the machine's own delays: {})", duration(ns)));
    let reason = trial.reason.as_ref().map(|reason| {
        let what = if trial.judged { "FAILED" } else { "could not be judged" };
        format!("{what}: {reason}")
    });
    let heading = words!(Span::Mark(mark), " ", trial.name.as_str(), again);
    let sentences = [Some(trial.planted.clone()), allowance, reason];
    let rows = trial.figures.iter().map(of_figure);
    let table = Table::of_words([0, NAME, EXPECTED, 0]).rows(rows);
    let blocks = sentences.into_iter().flatten().map(Block::sentence);
    let blocks = blocks.chain([Block::Table(table)]).collect();
    Section::new(&format!("trial-{number}"), heading, Depth::Detail, blocks)
}

fn of_figure(figure: &Figure) -> Row {
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
    let name = figure.name.as_str().into();
    Row::of::<Words>([Span::Mark(holds(figure.holds)).into(), name, expected.into(), seen.into()])
}

fn holds(holds: bool) -> Mark {
    if holds { Mark::Pass } else { Mark::Fail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_what_was_expected_and_what_was_seen() {
        let shown = |figure: &Figure| {
            let cells: Vec<String> =
                of_figure(figure).cells[1..].iter().map(Words::plain).collect();
            cells.join(" ")
        };
        assert_eq!(shown(&Figure::exactly("lost", 1_000, 999)), "lost 1,000 999");
        assert_eq!(
            shown(&Figure::time("p50", 1_000, 2_000, Some(1_500))),
            "p50 1.00 µs – 2.00 µs 1.50 µs"
        );
        assert_eq!(shown(&Figure::time_from("min", 1_000, None)), "min ≥ 1.00 µs nothing");
        assert_eq!(shown(&Figure::time_to("max", 7, Some(7))), "max ≤ 7 ns 7 ns");
        assert_eq!(shown(&Figure::truth("named", true, false)), "named yes no");
    }
}
