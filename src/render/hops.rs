//! Where the time went: each leg's times, and its share in the time of all requests and of the slowest.

use super::mark::percentile;
use super::quantity::{count, counted, duration};
use super::run::NOTHING;
use super::table::table;
use super::{Style, wrapped};
use crate::record::Leg;
use crate::result::{HopFigures, Kind, LatencySummary, OwnerFigures, RunResult};

/// The part of a run's report that says which leg owns the time.
pub(super) fn hops(result: &RunResult, style: Style) -> String {
    let Some(hops) = &result.hops else { return String::new() };
    if hops.hides_the_server() && owner(hops).is_none() {
        return String::new();
    }
    let mut header = vec![String::new(), "p50".to_owned(), "p99".to_owned(), "max".to_owned()];
    header.extend(hops.owners.iter().map(column_of));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let heading = format!("Where the time went ({})", sample(hops));
    let mut text = format!("{}\n", style.heading(&heading));
    if !hops.hides_the_server() {
        text += &table(&header, &rows(result, hops));
    }
    if let Some(owner) = owner(hops) {
        text += &format!("  {}\n", wrapped(&owner, 2));
    }
    if hops.skipped > 0 {
        let skipped = format!(
            "{} of the sample could not be followed, because too many were under way: what is shown is of the others",
            counted(hops.skipped, "request")
        );
        text += &format!("  {}\n", wrapped(&skipped, 2));
    }
    text
}

pub(super) fn sample(hops: &HopFigures) -> String {
    let requests = counted(hops.sampled, "request");
    if hops.one_in == 1 {
        format!("to the first reply, {requests}")
    } else {
        format!("to the first reply, {requests}, one in {}", count(hops.one_in))
    }
}

pub(super) fn column_of(owners: &OwnerFigures) -> String {
    if owners.slowest >= 1.0 {
        "of all".to_owned()
    } else {
        format!("slowest {} %", owners.slowest * 100.0)
    }
}

fn rows(result: &RunResult, hops: &HopFigures) -> Vec<Vec<String>> {
    let mut rows = vec![row("slip", Some(&result.latency.slip), &shares(hops, Leg::Slip))];
    for (leg, latencies) in hops.legs() {
        // A leg that the engine hides is part of the next one.
        if latencies.is_none() {
            continue;
        }
        rows.push(row(&hops.name(leg), latencies, &shares(hops, leg)));
        let parts = match leg {
            Leg::ToWorker => [
                ("  worker busy", &hops.to_worker_waiting),
                ("  transport", &hops.to_worker_transport),
            ],
            Leg::InWorker => [
                ("  planned delay", &hops.in_worker_planned),
                ("  on top", &hops.in_worker_overshoot),
            ],
            _ => continue,
        };
        // Parts are worth their lines where there is something to take apart.
        if parts.iter().all(|(_, part)| part.as_ref().is_some_and(|part| part.max_ns > Some(0))) {
            rows.extend(parts.map(|(name, part)| row(name, part.as_ref(), &[])));
        }
    }
    rows
}

fn shares(hops: &HopFigures, leg: Leg) -> Vec<Option<f64>> {
    hops.owners.iter().map(|owners| owners.shares.get(leg.name()).copied()).collect()
}

fn row(name: &str, latencies: Option<&LatencySummary>, shares: &[Option<f64>]) -> Vec<String> {
    let time = |kind| latencies.map_or_else(|| NOTHING.to_owned(), |of| percentile(of, kind));
    let largest = latencies.and_then(|latencies| latencies.max_ns);
    let times =
        [time(&Kind::P50), time(&Kind::P99), largest.map_or_else(|| NOTHING.to_owned(), duration)];
    let shares = shares.iter().map(|share| {
        share.map_or_else(|| NOTHING.to_owned(), |share| format!("{:.1} %", share * 100.0))
    });
    std::iter::once(name.to_owned()).chain(times).chain(shares).collect()
}

/// Who owns the slowest requests, in a sentence.
pub(super) fn owner(hops: &HopFigures) -> Option<String> {
    let slowest = hops.owners.last().filter(|owners| owners.slowest < 1.0)?;
    let (key, share) = slowest.shares.iter().max_by(|one, other| one.1.total_cmp(other.1))?;
    let leg = Leg::ALL.into_iter().find(|leg| leg.name() == key)?;
    Some(format!(
        "{} owns the slowest {} %: {:.0} % of the time of {} of at least {}",
        hops.name(leg),
        slowest.slowest * 100.0,
        share * 100.0,
        counted(slowest.requests, "request"),
        duration(slowest.at_least_ns)
    ))
}
