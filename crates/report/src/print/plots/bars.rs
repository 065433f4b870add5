//! Bars of parts that add up, named where the names have room.

use maud::{Markup, html};

use super::{WIDTH, at};
use crate::report::plot::{Ink, PartedBar};

/// Height of a bar with its label and the space below it.
const ROW: f64 = 58.0;
/// Height of a bar.
const BAR: f64 = 26.0;
/// Width of a letter of a part's label.
const LETTER: f64 = 6.6;

/// The height of this many bars.
pub(super) fn height(bars: &[PartedBar]) -> f64 {
    bars.len() as f64 * ROW
}

pub(super) fn drawn(bars: &[PartedBar], keys: &[(Ink, String)]) -> Markup {
    html! {
        @for (number, bar) in (0_u8..).zip(bars) {
            @let top = f64::from(number) * ROW + 22.0;
            text.label.row x="0" y=(at(top - 8.0)) { (bar.label) }
            (parts(bar, top, keys))
        }
    }
}

fn parts(bar: &PartedBar, top: f64, keys: &[(Ink, String)]) -> Markup {
    let mut left = 0.0;
    let placed = bar.parts.iter().map(|(ink, share, text)| {
        let from = left;
        left += share.clamp(0.0, 1.0) * WIDTH;
        (ink, from, left - from, text)
    });
    html! {
        @for (ink, from, width, text) in placed {
            @let name = keys.iter().find(|(key, _)| key == ink).map_or("", |(_, name)| name.as_str());
            rect class=(super::class_of(ink.0)) x=(at(from)) y=(at(top)) width=(at(width)) height=(BAR) {
                title { (name) " " (text) }
            }
            @if name.chars().count() as f64 * LETTER + 12.0 < width {
                text.part.minor x=(at(from + 7.0)) y=(at(top + 17.5)) { (name) }
            }
        }
    }
}
