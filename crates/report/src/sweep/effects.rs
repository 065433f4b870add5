//! What each step of a key changes, over all values of the other keys: the passes are the blocks.
//!
//! Within a pass all points have one seed and a random order, so a step is compared pair by pair, as a comparison does. Rates are left out:
//! what they do is the curve.

use super::series;
use crate::result::{KeyEffect, Outcome, SweepPoint, SweepResult, SweepRun};
use zload_core::scenario::over;
use zload_core::stats;

/// Passes of which an interval can be had.
const FEWEST_PASSES: u32 = 6;
/// Keys of which it makes sense to tell them apart.
const FEWEST_KEYS: usize = 2;
/// Confidence of the interval.
const CONFIDENCE: f64 = 0.95;

/// The effect of each step of each key, their probabilities corrected for their number.
pub(super) fn effects(result: &SweepResult) -> Vec<KeyEffect> {
    if result.passes < FEWEST_PASSES || result.over.len() < FEWEST_KEYS {
        return Vec::new();
    }
    let Some(figure) = result.y.first() else { return Vec::new() };
    let keys = result.over.iter().enumerate().filter(|(_, of)| !over::is_rate(&of.key));
    let mut effects: Vec<KeyEffect> = keys
        .flat_map(|(key, of)| {
            let steps = of.values.windows(2);
            steps.filter_map(move |step| effect(result, figure, key, [&step[0], &step[1]]))
        })
        .collect();
    let probabilities: Vec<f64> = effects.iter().map(|effect| effect.p_value).collect();
    for (effect, corrected) in effects.iter_mut().zip(stats::holm(&probabilities)) {
        effect.p_value = corrected;
    }
    effects
}

/// The effect of one step; `None` if too few passes have both sides of it.
fn effect(
    result: &SweepResult,
    figure: &str,
    key: usize,
    [from, to]: [&String; 2],
) -> Option<KeyEffect> {
    let pairs: Vec<[&SweepPoint; 2]> = series(result, key)
        .iter()
        .filter_map(|series| {
            let at = |value: &String| series.points.iter().find(|of| of.values[key] == *value);
            Some([*at(from)?, *at(to)?])
        })
        .collect();
    let of_pass = |pass: u32| {
        let logarithms: Vec<f64> = pairs
            .iter()
            .filter_map(|[from, to]| {
                Some(value(to, figure, pass)?.ln() - value(from, figure, pass)?.ln())
            })
            .collect();
        (!logarithms.is_empty()).then(|| logarithms.iter().sum::<f64>() / logarithms.len() as f64)
    };
    let of_passes: Vec<f64> = (1..=result.passes).filter_map(of_pass).collect();
    let shift = stats::shift(&of_passes, CONFIDENCE)?;
    let percent = |logarithm: f64| (logarithm.exp() - 1.0) * 100.0;
    Some(KeyEffect {
        key: result.over[key].key.clone(),
        from: from.clone(),
        to: to.clone(),
        figure: figure.to_owned(),
        percent: percent(shift.value),
        ci_low_percent: percent(shift.low),
        ci_high_percent: percent(shift.high),
        p_value: stats::signed_rank_p(&of_passes),
        passes: u32::try_from(of_passes.len()).unwrap_or(u32::MAX),
    })
}

/// The figure at a point in a pass, if the run tells it.
fn value(point: &SweepPoint, figure: &str, pass: u32) -> Option<f64> {
    let tells = |run: &&SweepRun| run.pass == pass && run.outcome == Outcome::Ok;
    let run = point.runs.iter().find(tells)?;
    run.figures.get(figure).copied().filter(|value| *value > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Saved;
    use zload_core::stats::examples::ar1;

    const FIGURE: &str = "latency.first_reply.p50";

    /// A sweep of rates, workers and clients in 6 passes, in which a run's figure is `of` its point's values and its number.
    fn planted(of: impl Fn(&[String], u32) -> f64) -> SweepResult {
        let text = include_str!("../../../../tests/fixtures/sweep-keys.json");
        let Ok(Saved::Sweep(mut result)) = Saved::parse(text) else { panic!("it is a sweep") };
        let noise = ar1(0.0, 200, 7);
        for point in &mut result.points {
            for run in &mut point.runs {
                let noise = 1.0 + 0.02 * noise[run.number as usize];
                run.outcome = Outcome::Ok;
                run.figures.insert(FIGURE.to_owned(), of(&point.values, run.number) * noise);
            }
        }
        *result
    }

    fn is_faster(values: &[String]) -> f64 {
        if values[1] == "2" { 0.8e6 } else { 1e6 }
    }

    #[test]
    fn a_planted_effect_is_that_of_its_key_and_of_no_other() {
        let effects = effects(&planted(|values, _| is_faster(values)));
        let steps: Vec<&str> = effects.iter().map(|effect| effect.key.as_str()).collect();
        assert_eq!(steps, ["workers.count", "clients.count"], "what a rate does is the curve");
        let [workers, clients] = &effects[..] else { panic!("two steps") };
        assert!((workers.percent + 20.0).abs() < 2.0, "{workers:?}");
        assert!(
            workers.ci_low_percent <= -20.0 + 1.0 && workers.ci_high_percent < -15.0,
            "{workers:?}"
        );
        // All of 6 passes the same way have 2 chances of 64, twice for two steps.
        assert!((workers.p_value - 4.0 / 64.0).abs() < 1e-9, "{workers:?}");
        assert!(clients.percent.abs() < 2.0 && clients.p_value > 0.1, "{clients:?}");
    }

    #[test]
    fn a_machine_that_slows_down_halfway_is_no_effect_of_a_key() {
        let slower = |number: u32| if number > 24 { 1.3 } else { 1.0 };
        for effect in effects(&planted(|_, number| 1e6 * slower(number))) {
            let holds_none = effect.ci_low_percent <= 0.0 && effect.ci_high_percent >= 0.0;
            assert!(holds_none && effect.p_value > 0.05, "{effect:?}");
        }
    }

    #[test]
    fn few_passes_or_one_key_have_no_effects() {
        let mut few = planted(|values, _| is_faster(values));
        few.passes = 5;
        assert!(effects(&few).is_empty());
        few.passes = 6;
        few.over.truncate(1);
        assert!(effects(&few).is_empty());
    }
}
