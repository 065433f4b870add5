//! What the runs of a point say together: its state, and each figure in their middle with its bar.

use std::collections::BTreeMap;

use crate::result::{Outcome, PointFigure, SweepPoint, SweepRun};
use zload_core::stats;

/// Runs of which a range is shown.
const RANGE_OF: usize = 3;
/// Runs of which an interval can be had.
const INTERVAL_OF: usize = 6;
/// Confidence of the interval.
const CONFIDENCE: f64 = 0.95;

/// Works out all of a point that follows from its runs.
pub(super) fn conclude(point: &mut SweepPoint) {
    point.state = state(&point.runs);
    let telling: Vec<&SweepRun> = match point.state {
        None | Some(Outcome::Void) => Vec::new(),
        Some(state) => point.runs.iter().filter(|run| run.outcome == state).collect(),
    };
    let achieved: Vec<f64> = telling.iter().filter_map(|run| run.achieved_per_s).collect();
    point.achieved_per_s = stats::median(&achieved);
    // How long requests took under overload says how long the run was.
    let is_time = |name: &&String| name.starts_with("latency.") || name.starts_with("ideal.");
    let overloaded = point.state == Some(Outcome::Overload);
    let names = telling.iter().flat_map(|run| run.figures.keys());
    let names = names.filter(|name| !(overloaded && is_time(name)));
    let of = |name: &String| Some((name.clone(), figure(name, &telling)?));
    point.figures = names.filter_map(of).collect::<BTreeMap<_, _>>();
}

/// Thresholds that more than half of the runs that tell missed.
pub(super) fn missed(point: &SweepPoint) -> Vec<String> {
    let telling = || point.runs.iter().filter(|run| run.outcome != Outcome::Void);
    let mut limits: Vec<&String> = telling().flat_map(|run| &run.missed).collect();
    limits.sort_unstable();
    limits.dedup();
    let often = |limit: &&String| {
        telling().filter(|run| run.missed.contains(limit)).count() * 2 > telling().count()
    };
    limits.into_iter().filter(often).cloned().collect()
}

/// Void if more than half of the runs are, else what most of the others say; at a tie it is overloaded.
fn state(runs: &[SweepRun]) -> Option<Outcome> {
    let count = |outcome| runs.iter().filter(|run| run.outcome == outcome).count();
    let (ok, overload, void) = (count(Outcome::Ok), count(Outcome::Overload), count(Outcome::Void));
    if runs.is_empty() {
        None
    } else if void * 2 > runs.len() {
        Some(Outcome::Void)
    } else if overload >= ok {
        Some(Outcome::Overload)
    } else {
        Some(Outcome::Ok)
    }
}

/// A figure that at least half of the runs have: one that few have is none of the point.
fn figure(name: &str, runs: &[&SweepRun]) -> Option<PointFigure> {
    let having: Vec<&&SweepRun> =
        runs.iter().filter(|run| run.figures.contains_key(name)).collect();
    if having.len() * 2 < runs.len() {
        return None;
    }
    let mut values: Vec<f64> = having.iter().map(|run| run.figures[name]).collect();
    values.sort_unstable_by(f64::total_cmp);
    let value = stats::median(&values)?;
    let ends = match values.len() {
        0..RANGE_OF => None,
        RANGE_OF..INTERVAL_OF => Some((values[0], values[values.len() - 1])),
        // The median may lie beyond the interval of another measure of the middle.
        _ => stats::shift(&values, CONFIDENCE).map(|of| (of.low.min(value), of.high.max(value))),
    };
    let uncertain = having.iter().filter(|run| run.uncertain.iter().any(|of| of == name)).count();
    Some(PointFigure {
        value,
        from: ends.map(|ends| ends.0),
        to: ends.map(|ends| ends.1),
        n: u32::try_from(values.len()).unwrap_or(u32::MAX),
        uncertain: uncertain * 2 > values.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::failed_run;
    use super::*;
    use proptest::prelude::*;

    fn run(outcome: Outcome, p99: Option<f64>) -> SweepRun {
        let figure = |p99| [("p99".to_owned(), p99), ("latency.first_reply.p99".to_owned(), p99)];
        let figures = p99.into_iter().flat_map(figure).collect();
        SweepRun { outcome, figures, achieved_per_s: p99, ..failed_run(1, String::new()) }
    }

    fn point(runs: Vec<SweepRun>) -> SweepPoint {
        let mut point = SweepPoint {
            values: vec!["1".to_owned()],
            offered_per_s: None,
            bound_per_s: None,
            state: None,
            achieved_per_s: None,
            figures: BTreeMap::new(),
            runs,
        };
        conclude(&mut point);
        point
    }

    #[test]
    fn a_point_is_what_most_of_its_runs_say() {
        use Outcome::{Ok, Overload, Void};
        for (outcomes, expected) in [
            (&[][..], None),
            (&[Ok, Ok, Overload], Some(Ok)),
            (&[Ok, Overload, Overload], Some(Overload)),
            (&[Ok, Overload], Some(Overload)),
            (&[Void, Ok], Some(Ok)),
            (&[Void, Void, Ok], Some(Void)),
            (&[Void, Overload, Ok], Some(Overload)),
        ] {
            let runs = outcomes.iter().map(|outcome| run(*outcome, None)).collect();
            assert_eq!(point(runs).state, expected, "{outcomes:?}");
        }
    }

    #[test]
    fn a_figure_is_the_median_of_the_runs_of_the_points_own_state() {
        use Outcome::{Ok, Overload, Void};
        let of = point(vec![
            run(Ok, Some(3.0)),
            run(Overload, Some(900.0)),
            run(Ok, Some(1.0)),
            run(Void, Some(700.0)),
            run(Ok, Some(2.0)),
        ]);
        let figure = of.figures["latency.first_reply.p99"];
        assert_eq!(
            (figure.value, figure.from, figure.to, figure.n),
            (2.0, Some(1.0), Some(3.0), 3)
        );
        assert_eq!(of.achieved_per_s, Some(2.0));
        assert!(point(vec![run(Void, Some(7.0))]).figures.is_empty(), "a void point has none");
        let beyond = point(vec![run(Overload, Some(9.0))]).figures;
        assert_eq!(beyond.keys().collect::<Vec<_>>(), ["p99"], "no time of an overloaded point");
    }

    #[test]
    fn few_runs_have_no_bar_and_what_few_carry_is_no_figure() {
        use Outcome::Ok;
        let two = point(vec![run(Ok, Some(1.0)), run(Ok, Some(2.0))]);
        assert_eq!((two.figures["p99"].value, two.figures["p99"].from), (1.5, None));
        let seldom = point(vec![run(Ok, Some(1.0)), run(Ok, None), run(Ok, None)]);
        assert!(seldom.figures.is_empty());
    }

    proptest! {
        #[test]
        fn the_value_is_within_its_bar(values in prop::collection::vec(0.0..1e9_f64, 3..20)) {
            let runs = values.iter().map(|value| run(Outcome::Ok, Some(*value))).collect();
            let figure = point(runs).figures["p99"];
            let (from, to) = (figure.from.unwrap(), figure.to.unwrap());
            prop_assert!(from <= figure.value && figure.value <= to);
            let (least, most) = values.iter().fold((f64::MAX, 0.0_f64), |(least, most), value| {
                (least.min(*value), most.max(*value))
            });
            prop_assert!(least <= from && to <= most);
        }
    }
}
