//! Where the time went: each leg's part in bars that add up, and its times in a table.

use maud::{Markup, html};

use super::plot::{Caption, Key, WIDTH, at, figure};
use super::scrolled;
use super::value::{nothing, percentile, share, time};
use crate::quantity::{counted, duration, percent};
use crate::record::Leg;
use crate::render::hops::{column_of, owner, sample};
use crate::result::{HopFigures, Kind, LatencySummary, OwnerFigures, RunResult, SideFigures};

/// Height of a bar with its label and the space below it.
const ROW: f64 = 58.0;
/// Height of a bar.
const BAR: f64 = 26.0;
/// Width of a letter of a part's label.
const LETTER: f64 = 6.6;

/// A bar: what it stands for, and its parts with their shares of the whole width.
struct Bar {
    label: String,
    parts: Vec<(Leg, f64, String)>,
}

/// What a leg is called.
type Named<'a> = &'a dyn Fn(Leg) -> String;

/// A side of a comparison of which requests were followed.
struct Side<'a> {
    letter: &'a str,
    figures: &'a SideFigures,
    hops: &'a HopFigures,
}

/// The bars and the table of a run; nothing if no request was followed.
pub(super) fn hops(result: &RunResult) -> Markup {
    let Some(hops) = &result.hops else { return html! {} };
    let bars: Vec<Bar> = hops.owners.iter().map(of_owners).collect();
    let words = format!("Each leg's share of the response times, {}.", sample(hops));
    html! {
        section id="where-the-time-went" {
            h2 { "Where the time went" }
            @if let Some(owner) = owner(hops) { p.sentence { (owner) "." } }
            (drawn("hops", "Shares of the legs", &words, &bars, &|leg| hops.name(leg)))
            // Of two rows the bars say all.
            @if !hops.hides_the_server() { (table(result, hops)) }
            @if hops.skipped > 0 {
                p.note {
                    (counted(hops.skipped, "request")) " of the sample could not be followed, because too many were under \
                     way: what is shown is of the others."
                }
            }
        }
    }
}

/// The medians of each leg of both sides of a comparison, on one scale.
pub(super) fn side_by_side(a: &SideFigures, b: &SideFigures) -> Markup {
    let sides: Vec<Side> = [("a", a), ("b", b)]
        .into_iter()
        .filter_map(|(letter, figures)| {
            Some(Side { letter, figures, hops: figures.hops.as_ref()? })
        })
        .collect();
    let medians = |side: &SideFigures, hops: &HopFigures| -> Vec<(Leg, u64)> {
        std::iter::once((Leg::Slip, side.latency.slip.p50_ns))
            .chain(hops.legs().map(|(leg, latencies)| (leg, latencies.and_then(|of| of.p50_ns))))
            .filter_map(|(leg, ns)| Some((leg, ns?)))
            .collect()
    };
    let sum = |parts: &[(Leg, u64)]| parts.iter().map(|(_, ns)| *ns as f64).sum::<f64>();
    let all: Vec<_> =
        sides.iter().map(|side| (side.figures, medians(side.figures, side.hops))).collect();
    let most = all.iter().map(|(_, parts)| sum(parts)).fold(1.0, f64::max);
    let bars: Vec<Bar> = all
        .into_iter()
        .map(|(side, parts)| Bar {
            label: side.name.clone(),
            parts: parts
                .into_iter()
                .map(|(leg, ns)| (leg, ns as f64 / most, duration(ns)))
                .collect(),
        })
        .collect();
    if bars.iter().all(|bar| bar.parts.is_empty()) {
        return html! {};
    }
    let whole = sides.iter().all(|side| side.hops.hides_the_server());
    let named: Named<'_> = match sides.first() {
        Some(side) if whole => &|leg| side.hops.name(leg),
        _ => &plain_name,
    };
    html! {
        section id="where-the-time-went" {
            h2 { "Where the time went" }
            (drawn("hops", "Medians of the legs", "Both bars are on the same scale of time.", &bars, named))
            @if !whole { (medians_table(&sides)) }
        }
    }
}

fn of_owners(owners: &OwnerFigures) -> Bar {
    let whose = if owners.slowest >= 1.0 { "all requests".to_owned() } else { column_of(owners) };
    let parts = Leg::ALL.into_iter().filter_map(|leg| {
        let share = *owners.shares.get(leg.name())?;
        Some((leg, share, percent(share)))
    });
    Bar {
        label: format!(
            "{whose}: {} of at least {}",
            counted(owners.requests, "request"),
            duration(owners.at_least_ns)
        ),
        parts: parts.collect(),
    }
}

fn drawn(id: &str, title: &str, words: &str, bars: &[Bar], name: Named<'_>) -> Markup {
    let drawing = html! {
        @for (number, bar) in (0_u8..).zip(bars) {
            @let top = f64::from(number) * ROW + 22.0;
            text.label.row x="0" y=(at(top - 8.0)) { (bar.label) }
            (parts(bar, top, name))
        }
    };
    let of = |bar: &Bar| {
        let parts: Vec<String> =
            bar.parts.iter().map(|(leg, _, text)| format!("{} {text}", name(*leg))).collect();
        format!("{}: {}", bar.label, parts.join(", "))
    };
    let description: Vec<String> = bars.iter().map(of).collect();
    let caption = Caption { id, title, words, description: &description.join("; ") };
    let legs = Leg::ALL
        .into_iter()
        .filter(|leg| bars.iter().any(|bar| bar.parts.iter().any(|part| part.0 == *leg)));
    let keys: Vec<(String, String)> =
        legs.map(|leg| (format!("area {}", leg.name()), name(leg))).collect();
    let keys: Vec<Key> = keys.iter().map(|(class, name)| (class.as_str(), name.as_str())).collect();
    figure(&caption, &keys, bars.len() as f64 * ROW, &drawing)
}

/// The parts of a bar side by side, named where the name has room.
fn parts(bar: &Bar, top: f64, name: Named<'_>) -> Markup {
    let mut left = 0.0;
    let placed = bar.parts.iter().map(|(leg, share, text)| {
        let from = left;
        left += share.clamp(0.0, 1.0) * WIDTH;
        (*leg, from, left - from, text)
    });
    html! {
        @for (leg, from, width, text) in placed {
            @let name = name(leg);
            rect class=(format!("area {}", leg.name())) x=(at(from)) y=(at(top)) width=(at(width)) height=(BAR) {
                title { (name) " " (text) }
            }
            @if name.chars().count() as f64 * LETTER + 12.0 < width {
                text.part.minor x=(at(from + 7.0)) y=(at(top + 17.5)) { (name) }
            }
        }
    }
}

fn plain_name(leg: Leg) -> String {
    leg.name().replace('_', " ")
}

fn table(result: &RunResult, hops: &HopFigures) -> Markup {
    let legs = std::iter::once((Leg::Slip, Some(&result.latency.slip))).chain(hops.legs());
    // A leg that the engine hides is part of the next one.
    let legs = legs.filter(|(_, latencies)| latencies.is_some());
    scrolled(&html! {
        table {
            thead { tr {
                th {} th { "p50" } th { "p99" } th { "max" }
                @for owners in &hops.owners { th { (column_of(owners)) } }
            } }
            tbody {
                @for (leg, latencies) in legs {
                    tr {
                        th scope="row" { (hops.name(leg)) }
                        @let path = if leg == Leg::Slip { "latency.slip".to_owned() } else { format!("hops.{}", leg.name()) };
                        (times(&path, latencies))
                        @for (number, owners) in hops.owners.iter().enumerate() {
                            @let field = format!("hops.owners.{number}.shares.{}", leg.name());
                            td { (share(&field, owners.shares.get(leg.name()).copied())) }
                        }
                    }
                    @for (field, part, latencies) in parts_of(hops, leg) {
                        tr.part {
                            th scope="row" { (part) }
                            (times(&format!("hops.{field}"), Some(latencies)))
                            @for _ in &hops.owners { td {} }
                        }
                    }
                }
            }
        }
    })
}

/// What a leg is made of, where there is something to take apart.
fn parts_of(hops: &HopFigures, leg: Leg) -> Vec<(&'static str, &'static str, &LatencySummary)> {
    let parts = match leg {
        Leg::ToWorker => [
            ("to_worker_waiting", "worker busy", &hops.to_worker_waiting),
            ("to_worker_transport", "transport", &hops.to_worker_transport),
        ],
        Leg::InWorker => [
            ("in_worker_planned", "planned delay", &hops.in_worker_planned),
            ("in_worker_overshoot", "on top", &hops.in_worker_overshoot),
        ],
        _ => return Vec::new(),
    };
    let parts: Vec<_> = parts
        .into_iter()
        .filter_map(|(field, name, part)| Some((field, name, part.as_ref()?)))
        .collect();
    if parts.len() == 2 && parts.iter().all(|(.., part)| part.max_ns > Some(0)) {
        parts
    } else {
        Vec::new()
    }
}

fn times(path: &str, latencies: Option<&LatencySummary>) -> Markup {
    let Some(latencies) = latencies else {
        return html! { @for _ in 0..3 { td { (nothing()) } } };
    };
    html! {
        td { (percentile(path, latencies, &Kind::P50)) }
        td { (percentile(path, latencies, &Kind::P99)) }
        td { (time(&format!("{path}.max_ns"), latencies.max_ns)) }
    }
}

fn medians_table(sides: &[Side]) -> Markup {
    let legs = Leg::ALL.into_iter().filter(|leg| *leg != Leg::Slip);
    let of = |hops: &HopFigures, leg: Leg| {
        let legs = hops.legs();
        let found = legs.into_iter().find(|(other, _)| *other == leg);
        found.and_then(|(_, latencies)| latencies?.p50_ns)
    };
    scrolled(&html! {
        table {
            thead { tr { th {} @for side in sides { th { (side.figures.name) } } } }
            tbody {
                @for leg in legs {
                    tr {
                        th scope="row" { (plain_name(leg)) }
                        @for side in sides {
                            @let field = format!("{}.hops.{}.p50_ns", side.letter, leg.name());
                            td { (time(&field, of(side.hops, leg))) }
                        }
                    }
                }
            }
        }
    })
}
