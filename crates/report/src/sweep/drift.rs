//! Whether the machine changed while the grid was played: whether figures go with time, whatever the point.

use crate::result::{Drift, Outcome, SweepPoint, SweepResult, SweepRun};
use zload_core::stats;

/// Runs below which nothing is said.
const FEWEST: usize = 8;
/// A correlation that chance makes this seldom is a drift.
const CERTAIN: f64 = 0.01;

/// A run's place in time, and how far its figure is from what its point has, as a logarithm.
type Residual = (f64, f64);

/// The drift of the first figure that was asked for; `None` of too few runs.
pub(super) fn drift(result: &SweepResult) -> Option<Drift> {
    let figure = result.y.first()?;
    let groups: Vec<Vec<Residual>> =
        result.points.iter().map(|point| residuals(point, figure)).collect();
    of(&groups)
}

/// Of the runs that tell, all of the point's own state. What a plan owes to its seed is left out, where the lower bound says it.
fn residuals(point: &SweepPoint, figure: &str) -> Vec<Residual> {
    if point.state != Some(Outcome::Ok) {
        return Vec::new();
    }
    let ideal = figure.strip_prefix("latency.").map(|rest| format!("ideal.{rest}"));
    let value = |run: &SweepRun| {
        let own = run.figures.get(figure).copied().filter(|value| *value > 0.0)?;
        let ideal = ideal.as_ref().and_then(|ideal| run.figures.get(ideal));
        Some(own.ln() - ideal.filter(|value| **value > 0.0).map_or(0.0, |value| value.ln()))
    };
    let values: Vec<Residual> = point
        .runs
        .iter()
        .filter(|run| run.outcome == Outcome::Ok)
        .filter_map(|run| Some((f64::from(run.number), value(run)?)))
        .collect();
    if values.len() > 1 { centred(&values) } else { Vec::new() }
}

/// The correlation of ranks over all points, tested against every order of the runs within each point: without a drift, any of a point's
/// runs is as likely to be its slowest.
///
/// The statistic is linear in the ranks, so its mean and variance over these orders are known (Hoeffding, "A combinatorial central limit
/// theorem", 1951).
fn of(groups: &[Vec<Residual>]) -> Option<Drift> {
    let all: Vec<Residual> = groups.iter().flatten().copied().collect();
    if all.len() < FEWEST {
        return None;
    }
    let mut sorted: Vec<f64> = all.iter().map(|of| of.1).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    // Equal ones share the middle of their ranks.
    let rank = |of: f64| {
        let below = sorted.partition_point(|other| *other < of);
        let up_to = sorted.partition_point(|other| *other <= of);
        (below + up_to + 1) as f64 / 2.0
    };
    let mut sum = 0.0;
    let mut variance = 0.0;
    for group in groups.iter().filter(|group| group.len() > 1) {
        let time = group.iter().map(|of| of.0).sum::<f64>() / group.len() as f64;
        let ranks: Vec<Residual> = group.iter().map(|of| (of.0 - time, rank(of.1))).collect();
        let ranks = centred(&ranks);
        sum += ranks.iter().map(|(time, rank)| time * rank).sum::<f64>();
        let squares = |of: fn(&Residual) -> f64| ranks.iter().map(|it| of(it).powi(2)).sum::<f64>();
        variance += squares(|it| it.0) * squares(|it| it.1) / (group.len() as f64 - 1.0);
    }
    if variance <= 0.0 {
        return None;
    }
    let p_value = two_sided(sum / variance.sqrt());
    let (first, last) = all.iter().fold((f64::MAX, 0.0_f64), |(first, last), (number, _)| {
        (first.min(*number), last.max(*number))
    });
    let half = f64::midpoint(first, last);
    // Every late run of a point with every early one.
    let changes = groups.iter().flat_map(|group| {
        let late = group.iter().filter(move |of| of.0 > half);
        let early = || group.iter().filter(move |of| of.0 <= half);
        late.flat_map(move |late| early().map(move |early| late.1 - early.1))
    });
    let change = stats::median(&changes.collect::<Vec<_>>()).unwrap_or(0.0);
    Some(Drift {
        p_value,
        change_percent: (change.exp() - 1.0) * 100.0,
        drifted: p_value < CERTAIN,
    })
}

/// The same with the mean of all at 0.
fn centred(values: &[Residual]) -> Vec<Residual> {
    let mean = values.iter().map(|of| of.1).sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|(number, value)| (*number, value - mean)).collect()
}

/// The share of a normal distribution that is at least this number of standard deviations from its middle.
fn two_sided(deviations: f64) -> f64 {
    libm::erfc(deviations.abs() / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::super::order;
    use super::*;
    use zload_core::stats::examples::ar1;

    /// The points of a sweep whose runs have this noise, and so much more from the middle of the time on.
    fn sweep(points: usize, passes: u32, seed: u64, slower: f64) -> Vec<Vec<Residual>> {
        let noise = ar1(0.0, points * passes as usize, seed);
        let half = noise.len() / 2;
        let mut groups = vec![Vec::new(); points];
        let mut place = 0;
        for pass in 1..=passes {
            for point in order(seed, pass, points) {
                let step = if place >= half { slower.ln() } else { 0.0 };
                let number = f64::from(u32::try_from(place).unwrap());
                groups[point as usize].push((number, 0.05 * noise[place] + step));
                place += 1;
            }
        }
        groups.iter().map(|group| centred(group)).collect()
    }

    #[test]
    fn a_machine_that_slows_down_halfway_is_seen_whatever_the_passes() {
        for (points, passes) in [(9, 3), (9, 4), (9, 5), (6, 5), (30, 2)] {
            let seen = (0..100)
                .filter_map(|seed| of(&sweep(points, passes, seed, 1.3)))
                .filter(|drift| drift.drifted && drift.change_percent > 10.0)
                .count();
            assert!(seen >= 95, "{points} points, {passes} passes: {seen} of 100");
        }
    }

    #[test]
    fn noise_alone_seldom_is_a_drift() {
        let false_alarms = (0..1000)
            .filter_map(|seed| of(&sweep(9, 3, seed, 1.0)))
            .filter(|drift| drift.drifted)
            .count();
        assert!(false_alarms <= 25, "{false_alarms} of 1000");
    }

    #[test]
    fn few_runs_say_nothing() {
        assert_eq!(of(&sweep(3, 2, 1, 1.3)), None);
        assert_eq!(of(&[]), None);
        assert_eq!(
            of(&vec![vec![(1.0, 0.0)]; 20]),
            None,
            "single runs cannot be compared with others"
        );
    }
}
