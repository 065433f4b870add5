//! The picture of a search: the slow share of each trial over its value, and both ends of the answer.

use super::plot::{Axes, Drawing, Ink, Layer, Plot, Point};
use super::scale::{Scale, share_label};
use super::search_answer::shown;
use crate::result::SearchResult;
use zload_core::quantity;
use zload_core::search::Outcome;

/// Shares are drawn in millionths, and one below this as this.
const MILLION: f64 = 1e6;
const LEAST: f64 = 100.0;
const HEIGHT: f64 = 260.0;

/// Draws it, if trials have such a share.
pub(super) fn plot(result: &SearchResult) -> Option<Plot> {
    let goal = result.goals.first()?;
    let share = |slow: u64, of: u64| (slow as f64 / of.max(1) as f64 * MILLION).max(LEAST);
    let points: Vec<(Ink, Point)> = result
        .trials
        .iter()
        .filter(|trial| trial.goal == goal.name)
        .filter_map(|trial| {
            let ink = match trial.outcome {
                Outcome::Met => Ink("dot"),
                Outcome::Missed => Ink("dot b"),
                Outcome::Void => return None,
            };
            Some((ink, (trial.value, share(trial.slow?, trial.requests))))
        })
        .collect();
    let allowed = (goal.allowed_slow_ratio? * MILLION).max(LEAST);
    let values = || points.iter().map(|(_, point)| point.0);
    let (least, most) =
        (values().reduce(f64::min)?, values().reduce(f64::max).filter(|most| *most > 0.0)?);
    let highest = points.iter().map(|(_, point)| point.1).fold(allowed, f64::max);
    let (left, right) = (least * 0.9, most * 1.05);
    let x = Scale::exact(left, right);
    let y = Scale::log(LEAST, highest);
    let mut layers = vec![Layer::Grid];
    layers.push(Layer::Line(Ink("third thin"), vec![(left, allowed), (right, allowed)]));
    layers.extend(points.iter().map(|(ink, point)| Layer::Dot(*ink, *point, None)));
    let label: fn(f64) -> String = |value| share_label(value / MILLION);
    let answer = result.answers.first()?;
    let ends: Vec<String> = [answer.carried, answer.missed]
        .into_iter()
        .flatten()
        .map(|bound| shown(result, bound.value))
        .collect();
    Some(Plot {
        id: "capacity",
        title: "Slow requests by trial".to_owned(),
        words: format!(
            "Each dot is a trial: its value of {} and the share of its requests that were slower than the goal allows, lost ones among them.",
            result.over
        ),
        description: format!(
            "{} trials over {}; ends shown: {}.",
            points.len(),
            result.over,
            if ends.is_empty() { "none".to_owned() } else { ends.join(" and ") }
        ),
        keys: vec![
            (Ink("dot"), "met".to_owned()),
            (Ink("dot b"), "missed".to_owned()),
            (Ink("third thin"), "allowed".to_owned()),
        ],
        drawing: Drawing::Axes(
            Axes {
                height: HEIGHT,
                x: (x, |value| quantity::count(quantity::rounded(value))),
                y: (y, label),
            },
            layers,
        ),
    })
}
