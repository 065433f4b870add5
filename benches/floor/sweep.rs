//! The cost model: how rates and CPU per request grow with each dimension of a load, around one load in the middle.
//!
//! One dimension at a time, each point several times, and all points once before any comes again, so that a drift of
//! the machine spreads over all of them. Invariant: a point is shown with the range of its runs.

use std::collections::BTreeMap;

use serde_json::json;

use crate::arm::{Arm, Kind, Phases};
use crate::report::figure;
use crate::rounds::Session;
use crate::statistics::median;
use crate::{Outcome, say};

/// Times that each point is measured.
const REPEATS: usize = 3;

/// The load in the middle, as settings of zload.
const MIDDLE: [(&str, &str); 6] = [
    ("clients.count", "16"),
    ("load.in_flight", "16"),
    ("workers.count", "1"),
    ("workers.replies", "1"),
    ("load.payload", "64B"),
    ("proxy.engine", "batch"),
];

/// What grows.
pub(crate) struct Dimension {
    pub(crate) name: &'static str,
    key: &'static str,
    unit: &'static str,
    pub(crate) values: &'static [u32],
}

/// All that is swept.
pub(crate) const DIMENSIONS: [Dimension; 5] = [
    Dimension {
        name: "clients",
        key: "clients.count",
        unit: "",
        values: &[1, 4, 16, 64, 256, 1_000, 5_000],
    },
    Dimension {
        name: "requests in flight per client",
        key: "load.in_flight",
        unit: "",
        values: &[1, 4, 16, 64, 128, 512],
    },
    Dimension {
        name: "workers",
        key: "workers.count",
        unit: "",
        values: &[1, 2, 4, 8, 16, 32, 64],
    },
    Dimension {
        name: "replies per request",
        key: "workers.replies",
        unit: "",
        values: &[1, 2, 4, 8, 16, 32],
    },
    Dimension {
        name: "payload, bytes",
        key: "load.payload",
        unit: "B",
        values: &[64, 256, 1_024, 4_096, 16_384, 65_536],
    },
];

/// The figures of a point, by their names in a run's readings, and as a reader calls them.
pub(crate) const FIGURES: [(&str, &str); 3] = [
    ("requests_per_s", "requests/s"),
    ("cpu_us_per_request", "CPU of the whole process, µs per request"),
    ("proxy_us_per_request", "CPU of the proxy, µs per request"),
];

/// Where a point lies: its dimension's index, and its value.
pub(crate) type Place = (usize, u32);

/// What the runs of one point gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Range {
    fn of(values: &[f64]) -> Option<Self> {
        let low = values.iter().copied().reduce(f64::min)?;
        let high = values.iter().copied().reduce(f64::max)?;
        Some(Self { median: median(values)?, low, high })
    }
}

/// The points of all sweeps, each with a range for each of [`FIGURES`].
pub(crate) type Points = BTreeMap<Place, [Range; 3]>;

/// Measures every point.
pub(crate) fn play(session: &mut Session) -> Outcome<Points> {
    let mut places: Vec<Place> = DIMENSIONS
        .iter()
        .enumerate()
        .flat_map(|(index, dimension)| dimension.values.iter().map(move |value| (index, *value)))
        .collect();
    let mut values: BTreeMap<Place, [Vec<f64>; 3]> = BTreeMap::new();
    for repeat in 1..=REPEATS {
        for place in &places {
            let dimension = &DIMENSIONS[place.0];
            let arm = Arm { name: "batch", kind: Kind::Zload, settings: settings(*place) };
            let phases = Phases { warmup_s: 0.5, seconds: session.seconds };
            let measured = session.run(&arm, phases, &json!([dimension.name, place.1, repeat]))?;
            let values = values.entry(*place).or_default();
            for (values, (name, _)) in values.iter_mut().zip(FIGURES) {
                let value = measured.readings.get(name);
                values.push(
                    *value.ok_or_else(|| format!("{name} is missing at {}", dimension.name))?,
                );
            }
        }
        places.reverse();
        say(&format!("sweep {repeat} of {REPEATS} is done"));
    }
    let ranges = |values: &[Vec<f64>; 3]| {
        let [rate, cpu, proxy] = values.each_ref().map(|values| Range::of(values));
        Some([rate?, cpu?, proxy?])
    };
    values
        .iter()
        .map(|(place, values)| Some((*place, ranges(values)?)))
        .collect::<Option<Points>>()
        .ok_or_else(|| "a point has no runs".to_owned())
}

/// The load in the middle, with one setting in place of its own.
fn settings((index, value): Place) -> Vec<String> {
    let Dimension { key, unit, .. } = DIMENSIONS[index];
    MIDDLE
        .iter()
        .map(
            |(name, middle)| {
                if *name == key {
                    format!("{key}={value}{unit}")
                } else {
                    format!("{name}={middle}")
                }
            },
        )
        .collect()
}

/// A Markdown table for each dimension.
pub(crate) fn tables(points: &Points) -> String {
    let mut text = String::from(
        "Around 16 clients × 16 in flight, 1 worker, 1 reply, 64 B; each cell is the median of three runs and their \
         range. CPU of the whole process holds clients, proxy, workers and libzmq's threads, over the middle of the run \
         (without start and connect).\n",
    );
    for (index, dimension) in DIMENSIONS.iter().enumerate() {
        text += &format!("\n| {} |", dimension.name);
        text += &FIGURES.map(|(_, name)| format!(" {name} |")).concat();
        text += "\n|--:|---|---|---|\n";
        for (place, ranges) in points.range((index, 0)..=(index, u32::MAX)) {
            let cell = |range: &Range| {
                let [median, low, high] = [range.median, range.low, range.high].map(figure);
                format!(" {median} ({low} – {high}) |")
            };
            text += &format!("| {} |{}\n", place.1, ranges.each_ref().map(cell).concat());
        }
    }
    text
}

/// The points as comma-separated values.
pub(crate) fn csv(points: &Points) -> String {
    let mut text = String::from("dimension,value,figure,median,low,high,runs\n");
    for (place, ranges) in points {
        for ((figure, _), Range { median, low, high }) in FIGURES.iter().zip(ranges) {
            let key = DIMENSIONS[place.0].key;
            text += &format!("{key},{},{figure},{median},{low},{high},{REPEATS}\n", place.1);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_differs_from_the_middle_in_one_setting() {
        let middle = MIDDLE.map(|(name, value)| format!("{name}={value}"));
        for (index, dimension) in DIMENSIONS.iter().enumerate() {
            let mut at_middle = 0;
            for value in dimension.values {
                let settings = settings((index, *value));
                let differing = settings.iter().zip(&middle).filter(|(a, b)| a != b).count();
                assert!(differing <= 1, "{settings:?}");
                at_middle += usize::from(differing == 0);
            }
            assert_eq!(at_middle, 1, "{} goes through the middle once", dimension.name);
        }
    }

    #[test]
    fn tables_and_figures_show_the_range() {
        let range = Range::of(&[3.0, 1.0, 2.0]).expect("there are values");
        assert_eq!(range, Range { median: 2.0, low: 1.0, high: 3.0 });
        let points = Points::from([((4, 256), [range; 3])]);
        assert!(tables(&points).contains("| 256 | 2.00 (1.00 – 3.00) | 2.00 (1.00 – 3.00) |"));
        assert!(csv(&points).contains("\nload.payload,256,cpu_us_per_request,2,1,3,3\n"));
    }
}
