//! The goals of a scenario, and what a search cannot judge.

use zload_core::scenario::{Scenario, Threshold, ValueError};
use zload_core::search::Goal;

use crate::result::wrong_limit;

/// What the first goal is called.
const GOAL: &str = "goal";

/// The goals that a search of this scenario has, the first one first.
pub fn goals_of(scenario: &Scenario) -> Vec<Goal> {
    let search = &scenario.search;
    let limits = if search.goals.is_empty() { &scenario.thresholds.limits } else { &search.goals };
    let first = Goal { name: GOAL.to_owned(), limits: limits.clone() };
    let further = search.also.iter();
    let further = further.map(|(name, limits)| Goal { name: name.clone(), limits: limits.clone() });
    std::iter::once(first).chain(further).collect()
}

/// The first limit of `[search]` that no trial could meet or miss.
pub fn goal_error(scenario: &Scenario) -> Option<ValueError> {
    let error = |path, item, (message, help): (String, String)| {
        Some(ValueError { path, item, message, help: Some(help) })
    };
    let in_goals = scenario
        .search
        .goals
        .iter()
        .enumerate()
        .find_map(|(item, limit)| error("search.goals", Some(item), wrong(scenario, limit)?));
    in_goals.or_else(|| {
        scenario.search.also.iter().find_map(|(name, limits)| {
            if name == GOAL {
                let help = "give it another name".to_owned();
                return error(
                    "search.also",
                    None,
                    (format!("`{GOAL}` is what the first goal is called"), help),
                );
            }
            if limits.is_empty() {
                let help = format!("write one, as in {name} = [\"first_reply.p99 < 20ms\"]");
                return error("search.also", None, (format!("`{name}` has no limit"), help));
            }
            let wrong = limits.iter().find_map(|limit| wrong(scenario, limit));
            let (message, help) = wrong?;
            error("search.also", None, (format!("{name}: {message}"), help))
        })
    })
}

fn wrong(scenario: &Scenario, limit: &Threshold) -> Option<(String, String)> {
    let field = &limit.field;
    if field.starts_with("series.") || field.starts_with("stages.") {
        let help = "write a figure of a whole trial, as first_reply.p99 or ledger.requests_lost"
            .to_owned();
        return Some((format!("a goal cannot be on `{field}`"), help));
    }
    wrong_limit(scenario, limit)
}
