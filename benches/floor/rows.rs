//! The rows of the table: which programs run side by side under which load, which figure of theirs is compared, and
//! what it has to reach.
//!
//! Runs that several rows need are made once: a group is a load with all the programs that run under it in turn.

use std::collections::BTreeMap;

use crate::arm::{Arm, Kind, Readings};

/// Clients of the rows about many clients, and of those that they are compared with.
const MANY: u32 = 5_000;
const FEW: u32 = 100;

/// What the programs of one round gave, by the name of the program.
pub(crate) type Round = BTreeMap<&'static str, Readings>;

/// Programs that run in turn under one load.
pub(crate) struct Group {
    pub(crate) load: String,
    pub(crate) arms: Vec<Arm>,
    pub(crate) comparisons: Vec<Comparison>,
    /// Instead of the seconds asked for, where the figure itself says how long.
    pub(crate) fixed_seconds: Option<f64>,
}

/// One line of the table.
#[derive(Clone)]
pub(crate) struct Comparison {
    pub(crate) row: u8,
    pub(crate) what: String,
    pub(crate) goal: Goal,
    /// The programs that it needs.
    pub(crate) arms: &'static [&'static str],
    /// From the figures of one round; `None` if one is missing.
    pub(crate) value: fn(&Round) -> Option<f64>,
}

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    AtLeast {
        reach: f64,
        aim: f64,
    },
    AtMost {
        reach: f64,
        aim: f64,
    },
    /// An aim alone; the row's other line holds what must be reached.
    Aim(f64),
    /// Shown beside another figure.
    None,
}

impl Goal {
    /// Whether runs go on until this figure's interval is narrow.
    pub(crate) fn decides(self) -> bool {
        self.reach().is_some()
    }

    /// What must be reached.
    pub(crate) fn reach(self) -> Option<f64> {
        match self {
            Self::AtLeast { reach, .. } | Self::AtMost { reach, .. } => Some(reach),
            Self::Aim(_) | Self::None => None,
        }
    }
}

fn figure(round: &Round, arm: &str, name: &str) -> Option<f64> {
    round.get(arm)?.get(name).copied()
}

fn ratio(round: &Round, over: (&str, &str), under: (&str, &str)) -> Option<f64> {
    Some(figure(round, over.0, over.1)? / figure(round, under.0, under.1)?)
}

fn arm(name: &'static str, kind: Kind, settings: &[String]) -> Arm {
    Arm { name, kind, settings: settings.to_vec() }
}

/// All groups, with the lines of the asked rows only; all rows if none is asked for.
pub(crate) fn groups(rows: &[u8]) -> Vec<Group> {
    let mut groups = vec![
        saturated(1, 16, 128, 1),
        saturated(2, 16, 128, 5),
        saturated(2, 3, 16, 1),
        saturated(2, 128, 1, 1),
        one_by_one(),
        many_clients(),
        schedule(),
        endurance(),
        engines(1, 1, 0.4),
        engines(16, 1, 0.4),
        engines(128, 1, 0.4),
        engines(1000, 1, 0.4),
        engines(16, 128, 0.5),
    ];
    for group in &mut groups {
        group.comparisons.retain(|line| rows.is_empty() || rows.contains(&line.row));
        let lines = &group.comparisons;
        group.arms.retain(|arm| lines.iter().any(|line| line.arms.contains(&arm.name)));
    }
    groups.retain(|group| !group.comparisons.is_empty());
    groups
}

/// Closed load, as much as the programs handle; `row` is that of batch against the C program.
fn saturated(row: u8, clients: u32, in_flight: u32, workers: u32) -> Group {
    let load = format!("{clients} clients × {in_flight} in flight, workers: {workers}");
    let floor = [("clients", clients), ("in_flight", in_flight), ("workers", workers)]
        .map(setting)
        .to_vec();
    let zload = |engine: &str| {
        let mut settings = closed(clients, in_flight, workers);
        settings.push(format!("proxy.engine={engine}"));
        settings
    };
    let mut arms = vec![
        arm("batch", Kind::Zload, &zload("batch")),
        arm("floor", Kind::Floor, &floor),
        arm("builtin", Kind::Zload, &zload("builtin")),
    ];
    let mut comparisons = vec![
        Comparison {
            row,
            what: format!("{load}: requests/s, zload batch ÷ C program"),
            goal: Goal::AtLeast { reach: 0.95, aim: 1.05 },
            arms: &["batch", "floor"],
            value: |r| ratio(r, ("batch", "requests_per_s"), ("floor", "requests_per_s")),
        },
        Comparison {
            row: 4,
            what: format!("{load}: requests/s, zload batch ÷ zload builtin"),
            goal: Goal::AtLeast { reach: 1.0, aim: if workers > 1 { 1.25 } else { 1.0 } },
            arms: &["batch", "builtin"],
            value: |r| ratio(r, ("batch", "requests_per_s"), ("builtin", "requests_per_s")),
        },
        Comparison {
            row: 6,
            what: format!("{load}: driver thread's CPU per request, zload batch ÷ C program"),
            goal: Goal::AtMost { reach: 1.5, aim: 1.0 },
            arms: &["batch", "floor"],
            value: |r| ratio(r, ("batch", "driver_ns_per_request"), ("floor", "driver")),
        },
    ];
    if row == 1 {
        arms.push(arm("poll", Kind::Zload, &zload("poll")));
        comparisons.push(Comparison {
            row: 5,
            what: format!("{load}: requests/s, zload batch ÷ zload poll"),
            goal: Goal::AtLeast { reach: 4.0, aim: 6.0 },
            arms: &["batch", "poll"],
            value: |r| ratio(r, ("batch", "requests_per_s"), ("poll", "requests_per_s")),
        });
    }
    Group { load, arms, comparisons, fixed_seconds: None }
}

fn setting((name, value): (&str, u32)) -> String {
    format!("{name}={value}")
}

fn closed(clients: u32, in_flight: u32, workers: u32) -> Vec<String> {
    [("clients.count", clients), ("load.in_flight", in_flight), ("workers.count", workers)]
        .map(setting)
        .to_vec()
}

fn open(clients: u32, rate: &str) -> Vec<String> {
    vec!["load.model=open".into(), format!("load.rate={rate}"), format!("clients.count={clients}")]
}

fn one_by_one() -> Group {
    let load = "1 client × 1 in flight, workers: 1";
    let floor = [("clients", 1), ("in_flight", 1), ("workers", 1)].map(setting);
    Group {
        load: load.into(),
        arms: vec![arm("batch", Kind::Zload, &closed(1, 1, 1)), arm("floor", Kind::Floor, &floor)],
        comparisons: vec![Comparison {
            row: 3,
            what: format!("{load}: zload's median service time ÷ C program's mean round trip"),
            goal: Goal::AtMost { reach: 1.05, aim: 1.0 },
            arms: &["batch", "floor"],
            value: |r| ratio(r, ("batch", "service_p50_us"), ("floor", "mean_round_trip_us")),
        }],
        fixed_seconds: None,
    }
}

fn many_clients() -> Group {
    let floor = [("clients", MANY), ("idle", 1), ("workers", 1)].map(setting);
    Group {
        load: "open, 5,000/s".into(),
        arms: vec![
            arm("many", Kind::Zload, &open(MANY, "5k/s")),
            arm("few", Kind::Zload, &open(FEW, "5k/s")),
            arm("floor", Kind::Floor, &floor),
        ],
        comparisons: vec![
            Comparison {
                row: 7,
                what: "open, 5,000/s: driver thread's CPU per request, 5,000 clients ÷ 100 clients".into(),
                goal: Goal::AtMost { reach: 1.3, aim: 1.1 },
                arms: &["many", "few"],
                value: |r| ratio(r, ("many", "driver_ns_per_request"), ("few", "driver_ns_per_request")),
            },
            Comparison {
                row: 8,
                what: "resident memory per client, zload (growth from 100 to 5,000 clients, under the load of \
                       row 7) ÷ C program (5,000 clients, growth by connecting them)"
                    .into(),
                goal: Goal::AtMost { reach: 1.2, aim: 1.05 },
                arms: &["many", "few", "floor"],
                value: |r| Some(growth_kib(r)? / figure(r, "floor", "kib_per_client")?),
            },
            Comparison {
                row: 8,
                what: "the same, zload alone, KiB per client".into(),
                goal: Goal::None,
                arms: &["many", "few"],
                value: growth_kib,
            },
        ],
        fixed_seconds: None,
    }
}

fn growth_kib(round: &Round) -> Option<f64> {
    let grown = figure(round, "many", "resident_kib")? - figure(round, "few", "resident_kib")?;
    Some(grown / f64::from(MANY - FEW))
}

fn schedule() -> Group {
    let line = |what: &str, goal, arms, value| Comparison {
        row: 9,
        what: format!("open, 2,000/s over 16 clients: {what}"),
        goal,
        arms,
        value,
    };
    Group {
        load: "open, 2,000/s".into(),
        arms: vec![arm("open", Kind::Zload, &open(16, "2k/s")), arm("sleeper", Kind::Sleeper, &[])],
        comparisons: vec![
            line(
                "median slip ÷ median wake-up delay of a loop that only sleeps to each instant",
                Goal::AtMost { reach: 1.0, aim: 1.0 },
                &["open", "sleeper"],
                |r| ratio(r, ("open", "slip_p50_us"), ("sleeper", "late_p50_us")),
            ),
            line("median slip, µs", Goal::Aim(5.0), &["open"], |r| {
                figure(r, "open", "slip_p50_us")
            }),
            line("median wake-up delay of the sleep loop, µs", Goal::None, &["sleeper"], |r| {
                figure(r, "sleeper", "late_p50_us")
            }),
            line("p99 of the slip, µs", Goal::None, &["open"], |r| {
                figure(r, "open", "slip_p99_us")
            }),
            line("p99 of the sleep loop's wake-up delay, µs", Goal::None, &["sleeper"], |r| {
                figure(r, "sleeper", "late_p99_us")
            }),
            line("driver thread's share of a core", Goal::Aim(0.2), &["open"], |r| {
                figure(r, "open", "driver_busy_ratio")
            }),
        ],
        fixed_seconds: None,
    }
}

fn endurance() -> Group {
    let load = "16 clients × 128 in flight, workers: 1, for a minute";
    Group {
        load: load.into(),
        arms: vec![arm("batch", Kind::Zload, &closed(16, 128, 1))],
        comparisons: vec![Comparison {
            row: 10,
            what: format!("{load}: resident memory after 60 s ÷ after 5 s"),
            goal: Goal::AtMost { reach: 1.02, aim: 1.0 },
            arms: &["batch"],
            value: |r| ratio(r, ("batch", "resident_kib_60s"), ("batch", "resident_kib_5s")),
        }],
        fixed_seconds: Some(61.0),
    }
}

/// The same clients by zload's own engine and by libzmq, with the server in a process of its own.
fn engines(clients: u32, in_flight: u32, most_cpu: f64) -> Group {
    let load = format!("{clients} clients × {in_flight} in flight, server apart");
    let settings = |engine: &str| {
        let load = [("clients.count", clients), ("load.in_flight", in_flight)].map(setting);
        load.into_iter().chain([format!("clients.engine={engine}")]).collect::<Vec<_>>()
    };
    let both = &["zmtp", "libzmq"];
    let mut comparisons = vec![
        Comparison {
            row: 11,
            what: format!("{load}: the client's CPU per request, zload's own engine ÷ libzmq"),
            goal: Goal::AtMost { reach: most_cpu, aim: 0.33 },
            arms: both,
            value: |r| {
                ratio(r, ("zmtp", "process_ns_per_message"), ("libzmq", "process_ns_per_message"))
            },
        },
        Comparison {
            row: 12,
            what: format!("{load}: requests/s, zload's own engine ÷ libzmq"),
            goal: Goal::AtLeast { reach: 0.97, aim: 1.0 },
            arms: both,
            value: |r| ratio(r, ("zmtp", "requests_per_s"), ("libzmq", "requests_per_s")),
        },
    ];
    if (clients, in_flight) == (1, 1) {
        comparisons.push(Comparison {
            row: 13,
            what: format!("{load}: median service time, zload's own engine ÷ libzmq"),
            goal: Goal::AtMost { reach: 0.75, aim: 0.7 },
            arms: both,
            value: |r| ratio(r, ("zmtp", "service_p50_us"), ("libzmq", "service_p50_us")),
        });
    }
    let arms = vec![
        arm("zmtp", Kind::Client, &settings("zmtp")),
        arm("libzmq", Kind::Client, &settings("libzmq")),
    ];
    Group { load, arms, comparisons, fixed_seconds: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_there_and_brings_the_programs_it_needs() {
        for row in 1..=13 {
            let groups = groups(&[row]);
            assert!(!groups.is_empty(), "row {row}");
            for group in groups {
                for line in &group.comparisons {
                    assert_eq!(line.row, row);
                    for needed in line.arms {
                        assert!(group.arms.iter().any(|arm| arm.name == *needed), "{needed}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_leaves_out_what_it_does_not_need() {
        let groups = groups(&[5]);
        assert_eq!(groups.len(), 1);
        let names: Vec<_> = groups[0].arms.iter().map(|arm| arm.name).collect();
        assert_eq!(names, ["batch", "poll"]);
    }

    #[test]
    fn memory_per_client_is_the_growth() {
        let of = |kib: f64| Readings::from([("resident_kib".to_owned(), kib)]);
        let round = Round::from([("many", of(149_000.0)), ("few", of(2_000.0))]);
        assert_eq!(growth_kib(&round), Some(30.0));
    }
}
