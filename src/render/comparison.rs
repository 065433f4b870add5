//! The report of a comparison: the answer first, then what speaks for it.

use super::Style;
use crate::result::ComparisonResult;

/// The report of a comparison.
pub fn comparison_report(result: &ComparisonResult, style: Style) -> String {
    let mut text = style.heading(&format!("{} against {}\n", result.b.name, result.a.name));
    for metric in &result.metrics {
        text += &format!("  {:<32}{}\n", metric.name, metric.sentence);
    }
    text
}
