//! The knee of a curve: where rate / mean response time is largest.
//!
//! Kleinrock calls it power ("On flow control in computer networks", 1978). It has closed forms (M/M/1: half of the capacity; M/D/1:
//! 2 - √2 of it) and no threshold; detectors by curvature find another knee on other axes.

use super::series;
use crate::result::{Knee, Outcome, SweepPoint, SweepResult};
use zload_core::scenario::over;

/// Points that a curve needs.
const FEWEST: usize = 3;
/// Whose mean it is.
const MEAN: &str = "latency.first_reply.mean";

/// The knee of each series of rates that has enough points.
pub(super) fn knees(result: &SweepResult) -> Vec<Knee> {
    let Some(key) = result.over.iter().position(|of| over::is_rate(&of.key)) else {
        return Vec::new();
    };
    series(result, key)
        .into_iter()
        .filter_map(|series| {
            knee(&series.points).map(|knee| Knee { series: series.others, ..knee })
        })
        .collect()
}

/// The knee of points in the order of their rates.
fn knee(points: &[&SweepPoint]) -> Option<Knee> {
    let rate = |point: &SweepPoint| point.offered_per_s;
    let power = |point: &SweepPoint| {
        let mean = point.figures.get(MEAN).filter(|_| point.state == Some(Outcome::Ok))?;
        (mean.value > 0.0).then(|| rate(point).map(|rate| rate / mean.value)).flatten()
    };
    let powers: Vec<(usize, f64)> = points
        .iter()
        .enumerate()
        .filter_map(|(place, point)| Some((place, power(point)?)))
        .collect();
    if powers.len() < FEWEST {
        return None;
    }
    let (place, _) = powers.into_iter().max_by(|one, other| one.1.total_cmp(&other.1))?;
    let next =
        |place: Option<usize>| place.and_then(|place| points.get(place)).and_then(|of| rate(of));
    Some(Knee {
        series: Vec::new(),
        rate_per_s: rate(points[place])?,
        from_per_s: next(place.checked_sub(1)),
        to_per_s: next(place.checked_add(1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::PointFigure;
    use std::collections::BTreeMap;

    fn curve(mean_s: impl Fn(f64) -> f64, rates: &[f64]) -> Vec<SweepPoint> {
        let point = |rate: &f64| {
            let mean = PointFigure {
                value: mean_s(*rate) * 1e9,
                from: None,
                to: None,
                n: 5,
                uncertain: false,
            };
            SweepPoint {
                values: vec![format!("{rate}/s")],
                offered_per_s: Some(*rate),
                bound_per_s: Some(1000.0),
                state: Some(Outcome::Ok),
                achieved_per_s: Some(*rate),
                figures: BTreeMap::from([(MEAN.to_owned(), mean)]),
                runs: Vec::new(),
            }
        };
        rates.iter().map(point).collect()
    }

    fn of(points: &[SweepPoint]) -> Option<Knee> {
        knee(&points.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_knee_of_a_single_exponential_server_is_half_of_its_capacity() {
        let rates: Vec<f64> = (1..10).map(|tenth| f64::from(tenth) * 100.0).collect();
        let knee = of(&curve(|rate| 1.0 / (1000.0 - rate), &rates)).unwrap();
        assert_eq!(
            (knee.rate_per_s, knee.from_per_s, knee.to_per_s),
            (500.0, Some(400.0), Some(600.0))
        );
    }

    #[test]
    fn the_knee_of_a_server_that_always_takes_as_long_is_at_two_minus_the_root_of_two() {
        // Pollaczek and Khinchine: W = 1/mu + rho / (2 mu (1 - rho)).
        let mean = |rate: f64| {
            let rho = rate / 1000.0;
            (1.0 + rho / (2.0 * (1.0 - rho))) / 1000.0
        };
        let rates: Vec<f64> = (1..1000).map(f64::from).collect();
        let knee = of(&curve(mean, &rates)).unwrap();
        assert!((knee.rate_per_s - 1000.0 * (2.0 - 2.0_f64.sqrt())).abs() <= 1.0, "{knee:?}");
    }

    #[test]
    fn a_knee_at_the_edge_of_the_grid_may_be_beyond_it() {
        let flat = of(&curve(|_| 0.001, &[100.0, 200.0, 300.0])).unwrap();
        assert_eq!((flat.rate_per_s, flat.from_per_s, flat.to_per_s), (300.0, Some(200.0), None));
        let mut points = curve(|_| 0.001, &[100.0, 200.0, 300.0, 400.0]);
        points[3].state = Some(Outcome::Overload);
        let knee = of(&points).unwrap();
        assert_eq!(
            (knee.rate_per_s, knee.to_per_s),
            (300.0, Some(400.0)),
            "it is below what overloads"
        );
        assert_eq!(of(&points[1..]), None, "two points are no curve");
    }
}
