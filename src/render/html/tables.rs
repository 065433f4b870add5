//! The tables that pages of runs and of comparisons share: latencies, ledgers, machines.

use maud::{Markup, html};

use super::scrolled;
use super::value::{counted, nothing, percentile, signed_time, time};
use crate::quantity::duration;
use crate::result::{LatencySummary, Ledger, PERCENTILES};

/// No equation of a ledger has more parts on its right.
const MOST_PARTS: usize = 3;

/// A distribution in a table: its name, its path in the result, its figures.
pub(super) type Row<'a> = (&'a str, String, &'a LatencySummary);

/// A figure of a ledger: its field, what it is called in an equation, and its value.
type Term = (&'static str, &'static str, u64);

/// Distributions, one beneath the other; where there are intervals, they stand beneath their percentiles.
pub(super) fn latencies(id: &str, rows: &[Row]) -> Markup {
    scrolled(&html! {
        table id=(id) {
            thead { tr {
                th {} th { "count" } th { "mean" } @for kind in PERCENTILES { th { (kind.name) } } th { "max" }
            } }
            tbody { @for (name, path, latencies) in rows {
                tr {
                    th scope="row" { (name) }
                    td { (counted(&format!("{path}.count"), latencies.count)) }
                    td { (signed_time(&format!("{path}.mean_ns"), latencies.mean_ns)) }
                    @let other_seeds = latencies.other_seeds.unwrap_or_default();
                    @let beneath = latencies.intervals.ends().into_iter().zip(other_seeds.ends());
                    @for (kind, (interval, other_seeds)) in PERCENTILES.iter().zip(beneath) {
                        td {
                            (percentile(path, latencies, kind))
                            @if let Some([low, high]) = interval {
                                small title="95 % interval" { (range(low, high)) }
                            }
                            @if let Some([low, high]) = other_seeds {
                                small title="with other seeds" { "seeds " (range(low, high)) }
                            }
                        }
                    }
                    td { (time(&format!("{path}.max_ns"), latencies.max_ns)) }
                }
            } }
        }
    })
}

/// Two times with a dash between, and the unit once if it is the same.
fn range(low_ns: u64, high_ns: u64) -> String {
    let (low, high) = (duration(low_ns), duration(high_ns));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, one)), Some((_, other))) if one == other => format!("{number}–{high}"),
        _ => format!("{low} – {high}"),
    }
}

/// A ledger as the equations that hold for it.
pub(super) fn ledger(path: &str, ledger: &Ledger) -> Markup {
    let planned: Term = ("requests_planned", "planned", ledger.requests_planned);
    let sent = ("requests_sent", "sent", ledger.requests_sent);
    let unsent = ("requests_unsent", "unsent", ledger.requests_unsent);
    let answered = ("requests_answered", "answered", ledger.requests_answered);
    let silent = ("requests_silent", "silent", ledger.requests_silent);
    let lost = ("requests_lost", "lost", ledger.requests_lost);
    let expected = ("replies_expected", "expected", ledger.replies_expected);
    let received = ("replies_received", "received", ledger.replies_received);
    let replies_lost = ("replies_lost", "lost", ledger.replies_lost);
    let beyond = [
        ("replies_late", "late", ledger.replies_late),
        ("replies_duplicate", "duplicate", ledger.replies_duplicate),
        ("replies_unexpected", "unexpected", ledger.replies_unexpected),
    ];
    scrolled(&html! {
        table.ledger {
            tbody {
                (equation(path, "requests", planned, &[sent, unsent]))
                (equation(path, "", sent, &[answered, silent, lost]))
                (equation(path, "replies", expected, &[received, replies_lost]))
                tr {
                    th scope="row" { "beyond these" }
                    @for term in beyond {
                        (amount(path, term))
                        td.sign {}
                    }
                    td {}
                }
            }
        }
    })
}

/// What an equation says: the first is the sum of the others.
fn equation(path: &str, name: &str, whole: Term, parts: &[Term]) -> Markup {
    html! {
        tr {
            th scope="row" { (name) }
            (amount(path, whole))
            @for (number, part) in parts.iter().enumerate() {
                td.sign { @if number == 0 { "=" } @else { "+" } }
                (amount(path, *part))
            }
            @for _ in parts.len()..MOST_PARTS { td {} td {} }
        }
    }
}

fn amount(path: &str, (field, name, value): Term) -> Markup {
    // What should not be there catches the eye where it is.
    let harmless =
        ["planned", "sent", "answered", "silent", "expected", "received"].contains(&name);
    let class = if harmless || value == 0 { "amount" } else { "amount alarm" };
    html! { td class=(class) { (counted(&format!("{path}.{field}"), value)) small { (name) } } }
}

/// Names and what belongs to them.
pub(super) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts { @for (name, text) in rows {
            dt { (name) }
            dd { (text) }
        } }
    }
}

/// A text, or a dash where there is none.
pub(super) fn or_nothing(text: Option<&str>) -> Markup {
    text.map_or_else(nothing, |text| html! { code { (text) } })
}
