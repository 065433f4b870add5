//! Results as text: the Markdown table, and its place in a document.
//!
//! Pure but for [`put`]. Invariant: a figure that is not settled says so in its cell.

use std::path::Path;

use crate::Outcome;
use crate::rounds::{Cell, NARROW};
use crate::rows::{Comparison, Goal};

/// A line of the table: what is compared, and what came out on one core and on all.
pub(crate) struct Line {
    pub(crate) comparison: Comparison,
    pub(crate) one: Option<Cell>,
    pub(crate) all: Option<Cell>,
}

/// The table of the lines, ordered by row.
pub(crate) fn table(mut lines: Vec<Line>, cores: u32) -> String {
    lines.sort_by_key(|line| line.comparison.row);
    let mut text = format!(
        "| row | what | reach | aim | pinned to one core | on all {cores} cores |\n|--:|---|--:|--:|---|---|\n"
    );
    for Line { comparison, one, all } in &lines {
        let (reach, aim) = limits(comparison.goal);
        let [one, all] = [one, all].map(|cell| {
            cell.map_or_else(|| "–".to_owned(), |cell| cell_text(&cell, comparison.goal))
        });
        text += &format!(
            "| {} | {} | {reach} | {aim} | {one} | {all} |\n",
            comparison.row, comparison.what
        );
    }
    text += &format!(
        "\nA cell is the median over n rounds, its distribution-free 95 % interval, and how that compares with the limits: \
         `aim` or `reach` if the whole interval meets it, `missed` if the whole interval misses what must be reached, \
         `open` if the interval holds the limit, and `few` where there were too few rounds for an interval. `~`: the \
         interval's half-width is more than {:.0} % of the median or of a larger limit. Rounds went on until it was not, which makes the intervals \
         slightly too narrow, or until their number or time was used up.\n",
        NARROW * 100.0
    );
    text
}

fn limits(goal: Goal) -> (String, String) {
    match goal {
        Goal::AtLeast { reach, aim } => (format!("≥ {reach:.2}"), format!("≥ {aim:.2}")),
        Goal::AtMost { reach, aim } => (format!("≤ {reach:.2}"), format!("≤ {aim:.2}")),
        Goal::Aim(aim) => (String::new(), format!("≤ {aim:.2}")),
        Goal::None => (String::new(), String::new()),
    }
}

fn cell_text(cell: &Cell, goal: Goal) -> String {
    let summary = cell.summary;
    let interval = summary
        .interval
        .map_or_else(String::new, |(low, high)| format!(" [{}, {}]", figure(low), figure(high)));
    let wide = if cell.wide && summary.interval.is_some() { " ~" } else { "" };
    let mut text = format!("{}{interval} n {}{wide}", figure(summary.median), summary.n);
    let stand = standing(summary.interval, goal);
    if !stand.is_empty() {
        text += &format!(" `{stand}`");
    }
    if cell.doubted > 0 {
        text += &format!(" ({} runs called themselves INVALID)", cell.doubted);
    }
    text
}

/// How an interval compares with the limits.
fn standing(interval: Option<(f64, f64)>, goal: Goal) -> &'static str {
    let (reach, aim, sign) = match goal {
        Goal::AtLeast { reach, aim } => (reach, aim, 1.0),
        Goal::AtMost { reach, aim } => (-reach, -aim, -1.0),
        Goal::Aim(aim) => (f64::NEG_INFINITY, -aim, -1.0),
        Goal::None => return "",
    };
    let Some((low, high)) = interval else { return "few" };
    let (worst, best) = if sign > 0.0 { (low, high) } else { (-high, -low) };
    let reachable = reach.is_finite();
    if worst >= aim {
        "aim"
    } else if !reachable {
        if best < aim { "missed" } else { "open" }
    } else if worst >= reach {
        "reach"
    } else if best < reach {
        "missed"
    } else {
        "open"
    }
}

/// Three digits that say something.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Puts `text` between the two marker comments of a document.
pub(crate) fn put(path: &Path, marker: &str, text: &str) -> Outcome<()> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let document = std::fs::read_to_string(path).map_err(fail)?;
    let document = between(&document, marker, text).ok_or_else(|| {
        format!("{} has no markers {marker}:begin and {marker}:end", path.display())
    })?;
    std::fs::write(path, document).map_err(fail)
}

fn between(document: &str, marker: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {marker}:begin -->\n"), format!("<!-- {marker}:end -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_held_against_both_limits() {
        let least = Goal::AtLeast { reach: 0.95, aim: 1.05 };
        let most = Goal::AtMost { reach: 1.5, aim: 1.0 };
        for (goal, low, high, expected) in [
            (least, 1.06, 1.10, "aim"),
            (least, 0.96, 1.10, "reach"),
            (least, 0.94, 0.96, "open"),
            (least, 0.90, 0.94, "missed"),
            (most, 0.90, 0.99, "aim"),
            (most, 0.90, 1.20, "reach"),
            (most, 1.40, 1.60, "open"),
            (most, 1.60, 1.70, "missed"),
            (Goal::Aim(5.0), 4.0, 4.9, "aim"),
            (Goal::Aim(5.0), 4.0, 5.1, "open"),
            (Goal::Aim(5.0), 5.1, 6.0, "missed"),
            (Goal::None, 1.0, 2.0, ""),
        ] {
            assert_eq!(standing(Some((low, high)), goal), expected, "{goal:?} {low} {high}");
        }
        assert_eq!(standing(None, least), "few");
    }

    #[test]
    fn a_text_takes_the_place_of_the_last_one_between_its_markers() {
        let document = "a\n<!-- t:begin -->\nold\n<!-- t:end -->\nb\n";
        let new = between(document, "t", "new\n").expect("the markers are there");
        assert_eq!(new, "a\n<!-- t:begin -->\nnew\n<!-- t:end -->\nb\n");
        assert_eq!(between(&new, "t", "new\n"), Some(new.clone()));
        assert_eq!(between(document, "u", ""), None);
    }
}
