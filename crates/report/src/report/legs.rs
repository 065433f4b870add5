//! Where the time went: each leg's times, and its share in the time of all requests and of the slowest.

use super::document::{Block, Depth, Row, Section, Span, Table, Words};
use super::plot::{Drawing, Ink, PartedBar, Plot};
use super::value::{percentile, share, time};
use crate::result::{HopFigures, Kind, LatencySummary, OwnerFigures, RunResult, SideFigures};
use zload_core::quantity::{count, counted, duration, percent};
use zload_core::record::Leg;

/// A side of a comparison of which requests were followed.
struct Side<'a> {
    letter: &'static str,
    figures: &'a SideFigures,
    hops: &'a HopFigures,
}

/// The part of a run's report that says which leg accounts for the time; nothing if no request was traced.
pub(super) fn legs(result: &RunResult) -> Option<Section> {
    let hops = result.hops.as_ref()?;
    let bars = hops.owners.iter().map(of_owners).collect();
    let words = "Each leg's share of the response times.";
    let plot = plot("Shares of the legs", words, bars, &|leg| hops.name(leg));
    let mut blocks: Vec<Block> = slowest(hops).map(Block::sentence).into_iter().collect();
    blocks.push(Block::Plot(plot));
    // Of two rows the bars say all.
    if !hops.hides_the_server() || hops.in_generator.is_some() {
        blocks.push(Block::Table(table(result, hops)));
    }
    if hops.skipped > 0 {
        blocks.push(Block::note(format!(
            "{} of the sample were not traced because too many were in flight; figures are of the others",
            counted(hops.skipped, "request")
        )));
    }
    let heading = format!("Where the time went ({})", sample(hops));
    Some(Section::new("where-the-time-went", heading, Depth::Detail, blocks))
}

fn sample(hops: &HopFigures) -> String {
    let requests = counted(hops.sampled, "request");
    if hops.one_in == 1 {
        format!("to the first reply, {requests}")
    } else {
        format!("to the first reply, {requests}, one in {}", count(hops.one_in))
    }
}

fn column_of(owners: &OwnerFigures) -> String {
    if owners.slowest >= 1.0 {
        "of all".to_owned()
    } else {
        format!("slowest {} %", owners.slowest * 100.0)
    }
}

fn table(result: &RunResult, hops: &HopFigures) -> Table {
    let headings = ["", "p50", "p99", "max"].map(str::to_owned);
    let headings = headings.into_iter().chain(hops.owners.iter().map(column_of));
    let slip = (Leg::Slip, Some(&result.latency.slip));
    // A leg that the engine hides is part of the next one.
    let legs = std::iter::once(slip).chain(hops.legs()).filter_map(|(leg, of)| Some((leg, of?)));
    let rows = legs.flat_map(|(leg, latencies)| {
        let path = if leg == Leg::Slip {
            "latency.slip".to_owned()
        } else {
            format!("hops.{}", leg.name())
        };
        let mut row = row(&hops.name(leg), &path, latencies);
        row.cells.extend(hops.owners.iter().enumerate().map(|(number, owners)| {
            let field = format!("hops.owners.{number}.shares.{}", leg.name());
            share(field, owners.shares.get(leg.name()).copied())
        }));
        std::iter::once(row).chain(parts_of(hops, leg))
    });
    Table::of(headings).rows(rows)
}

/// What a leg is made of, where there is something to take apart.
fn parts_of(hops: &HopFigures, leg: Leg) -> Vec<Row> {
    let parts = match leg {
        Leg::ToWorker => [
            ("worker busy", "to_worker_waiting", &hops.to_worker_waiting),
            ("transport", "to_worker_transport", &hops.to_worker_transport),
        ],
        Leg::InWorker => [
            ("planned delay", "in_worker_planned", &hops.in_worker_planned),
            ("on top", "in_worker_overshoot", &hops.in_worker_overshoot),
        ],
        Leg::InGenerator => [
            ("being woken", "in_generator_waking", &hops.in_generator_waking),
            ("driver busy", "in_generator_queue", &hops.in_generator_queue),
        ],
        _ => return Vec::new(),
    };
    let parts = parts.map(|(name, field, part)| {
        let part = part.as_ref().filter(|part| part.max_ns > Some(0))?;
        let mut row = row(name, &format!("hops.{field}"), part);
        row.cells.resize(row.cells.len() + hops.owners.len(), Words::default());
        Some(Row { is_part: true, ..row })
    });
    let parts: Option<Vec<Row>> = parts.into_iter().collect();
    parts.unwrap_or_default()
}

fn row(name: &str, path: &str, latencies: &LatencySummary) -> Row {
    Row::of([
        name.into(),
        percentile(path, latencies, &Kind::P50),
        percentile(path, latencies, &Kind::P99),
        time(format!("{path}.max_ns"), latencies.max_ns),
    ])
}

/// Which leg accounts for the most of the time of the slowest requests, in a sentence.
pub(super) fn slowest(hops: &HopFigures) -> Option<String> {
    let slowest = hops.owners.last().filter(|owners| owners.slowest < 1.0)?;
    let (key, share) = slowest.shares.iter().max_by(|one, other| one.1.total_cmp(other.1))?;
    let leg = Leg::ALL.into_iter().find(|leg| leg.name() == key)?;
    Some(format!(
        "{}: {:.0} % of the time in the slowest {} % ({}, ≥ {})",
        hops.name(leg),
        share * 100.0,
        slowest.slowest * 100.0,
        counted(slowest.requests, "request"),
        duration(slowest.at_least_ns)
    ))
}

fn of_owners(owners: &OwnerFigures) -> PartedBar {
    let whose = if owners.slowest >= 1.0 { "all requests".to_owned() } else { column_of(owners) };
    let parts = Leg::ALL.into_iter().filter_map(|leg| {
        let share = *owners.shares.get(leg.name())?;
        Some((Ink(leg.name()), share, percent(share)))
    });
    PartedBar {
        label: format!(
            "{whose}: {} of at least {}",
            counted(owners.requests, "request"),
            duration(owners.at_least_ns)
        ),
        parts: parts.collect(),
    }
}

fn plot(title: &str, words: &str, bars: Vec<PartedBar>, name: &dyn Fn(Leg) -> String) -> Plot {
    let is_drawn =
        |leg: &Leg| bars.iter().any(|bar| bar.parts.iter().any(|(ink, ..)| ink.0 == leg.name()));
    let keys: Vec<(Ink, String)> =
        Leg::ALL.into_iter().filter(is_drawn).map(|leg| (Ink(leg.name()), name(leg))).collect();
    let named = |ink: &Ink| keys.iter().find(|(key, _)| key == ink).map_or("", |(_, name)| name);
    let of = |bar: &PartedBar| {
        let parts: Vec<String> =
            bar.parts.iter().map(|(ink, _, text)| format!("{} {text}", named(ink))).collect();
        format!("{}: {}", bar.label, parts.join(", "))
    };
    let description: Vec<String> = bars.iter().map(of).collect();
    Plot {
        id: "hops",
        title: title.to_owned(),
        words: words.to_owned(),
        description: description.join("; "),
        keys,
        drawing: Drawing::Bars(bars),
    }
}

/// The medians of each leg of both sides of a comparison, on one scale.
pub(super) fn side_by_side(a: &SideFigures, b: &SideFigures) -> Option<Section> {
    let sides: Vec<Side> = [("a", a), ("b", b)]
        .into_iter()
        .filter_map(|(letter, figures)| {
            Some(Side { letter, figures, hops: figures.hops.as_ref()? })
        })
        .collect();
    let all: Vec<(&SideFigures, Vec<(Leg, u64)>)> =
        sides.iter().map(|side| (side.figures, medians(side))).collect();
    let sum = |parts: &[(Leg, u64)]| parts.iter().map(|(_, ns)| *ns as f64).sum::<f64>();
    let most = all.iter().map(|(_, parts)| sum(parts)).fold(1.0, f64::max);
    let part = |(leg, ns): (Leg, u64)| (Ink(leg.name()), ns as f64 / most, duration(ns));
    let bars: Vec<PartedBar> = all
        .into_iter()
        .map(|(side, parts)| PartedBar {
            label: side.name.clone(),
            parts: parts.into_iter().map(part).collect(),
        })
        .collect();
    if bars.iter().all(|bar| bar.parts.is_empty()) {
        return None;
    }
    let whole = sides.iter().all(|side| side.hops.hides_the_server());
    let name = |leg: Leg| match sides.first() {
        Some(side) if whole => side.hops.name(leg),
        _ => plain_name(leg),
    };
    let words = "Both bars are on the same scale of time.";
    let mut blocks = vec![Block::Plot(plot("Medians of the legs", words, bars, &name))];
    if !whole {
        blocks.push(Block::Table(medians_table(&sides)));
    }
    Some(Section::new("where-the-time-went", "Where the time went", Depth::Appendix, blocks))
}

fn medians(side: &Side) -> Vec<(Leg, u64)> {
    let legs = side.hops.legs().map(|(leg, latencies)| (leg, latencies.and_then(|of| of.p50_ns)));
    std::iter::once((Leg::Slip, side.figures.latency.slip.p50_ns))
        .chain(legs)
        .filter_map(|(leg, ns)| Some((leg, ns?)))
        .collect()
}

fn medians_table(sides: &[Side]) -> Table {
    let headings = sides.iter().map(|side| Span::side(side.letter, &side.figures.name).into());
    let latencies = |side: &Side<'_>, leg| -> Option<LatencySummary> {
        side.hops.legs().into_iter().find(|(other, _)| *other == leg)?.1.cloned()
    };
    // A leg that both hide is part of another one.
    let is_seen = |leg: &Leg| sides.iter().any(|side| latencies(side, *leg).is_some());
    let rows = Leg::ALL.into_iter().filter(is_seen).map(|leg| {
        let of = |side: &Side| {
            let field = format!("{}.hops.{}.p50_ns", side.letter, leg.name());
            time(field, latencies(side, leg).and_then(|latencies| latencies.p50_ns))
        };
        let cells = std::iter::once(plain_name(leg).into()).chain(sides.iter().map(of));
        Row::of(cells)
    });
    let headings = std::iter::once(Words::default()).chain(headings);
    Table::of(headings).rows(rows)
}

/// What a leg is called where several sides are shown.
fn plain_name(leg: Leg) -> String {
    leg.name().replace('_', " ")
}
