//! Plays the rounds of a group until its figures are narrow enough, or until there were enough of them.
//!
//! Each round runs every program once, the next round in the opposite order, so that neither a drift of the machine
//! nor a place in the order favours one. Invariant: every single run is written down as soon as it is over.

use std::fs::File;
use std::io::Write;

use serde_json::{Value, json};

use crate::arm::Phases;
use crate::child::now_ns;
use crate::cores::Cores;
use crate::programs::Programs;
use crate::rows::{Comparison, Group, Round};
use crate::statistics::Summary;
use crate::{Outcome, say};

/// Half an interval's width, as a share of the median, at which no more rounds are made.
pub(crate) const NARROW: f64 = 0.03;

/// When a group is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) minutes: f64,
}

/// A line of the table under one choice of cores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    pub(crate) summary: Summary,
    /// The interval is not as narrow as it should be.
    pub(crate) wide: bool,
    /// Runs of zload in this group that called themselves invalid.
    pub(crate) doubted: usize,
}

/// What stays the same for all groups.
pub(crate) struct Session {
    pub(crate) programs: Programs,
    pub(crate) seconds: f64,
    pub(crate) limits: Limits,
    pub(crate) log: Option<File>,
    /// As zload described it, from the last of its runs.
    pub(crate) environment: Option<Value>,
}

impl Session {
    /// Plays a group and sums up each of its comparisons, in their order.
    pub(crate) fn play(&mut self, group: &Group, cores: Cores) -> Outcome<Vec<Cell>> {
        let started = now_ns();
        let mut values = vec![Vec::new(); group.comparisons.len()];
        let mut doubted = 0;
        for index in 0.. {
            let round = self.round(group, cores, index, &mut doubted)?;
            for (comparison, values) in group.comparisons.iter().zip(&mut values) {
                let value = (comparison.value)(&round).filter(|value| value.is_finite());
                values.push(value.ok_or_else(|| {
                    format!("{}: a figure is missing in {round:?}", comparison.what)
                })?);
            }
            let settled = group
                .comparisons
                .iter()
                .zip(&values)
                .all(|(comparison, values)| !comparison.goal.decides() || narrow(values));
            say(&format!(
                "{}, {}: round {}{}",
                cores.label(),
                group.load,
                index + 1,
                tell(group, &values)
            ));
            let minutes = (now_ns() - started) as f64 / 60e9;
            let limits = self.limits;
            let enough = index + 1 >= limits.least && (settled || minutes >= limits.minutes);
            if enough || index + 1 >= limits.most {
                break;
            }
        }
        values.iter().map(|values| cell(values, doubted)).collect()
    }

    /// Runs every program of the group once.
    fn round(
        &mut self,
        group: &Group,
        cores: Cores,
        index: usize,
        doubted: &mut usize,
    ) -> Outcome<Round> {
        let phases = group.fixed_seconds.map_or(
            Phases { warmup_s: 0.5, seconds: self.seconds },
            |seconds| Phases { warmup_s: 0.0, seconds },
        );
        let mut arms: Vec<_> = group.arms.iter().collect();
        if index % 2 == 1 {
            arms.reverse();
        }
        let mut round = Round::new();
        for arm in arms {
            let measured = arm.run(&self.programs, phases)?;
            *doubted += usize::from(measured.doubted);
            if measured.environment.is_some() {
                self.environment = measured.environment;
            }
            self.write_down(&json!({
                "cores": cores.label(), "load": group.load, "round": index + 1, "program": arm.name,
                "settings": arm.settings, "seconds": phases.seconds, "invalid": measured.doubted,
                "figures": measured.readings,
            }))?;
            round.insert(arm.name, measured.readings);
        }
        Ok(round)
    }

    /// Adds one run to the log, if there is one.
    pub(crate) fn write_down(&mut self, run: &Value) -> Outcome<()> {
        self.log
            .as_mut()
            .map_or(Ok(()), |log| writeln!(log, "{run}"))
            .map_err(|error| format!("the log of runs: {error}"))
    }
}

fn narrow(values: &[f64]) -> bool {
    let width = Summary::of(values).and_then(|summary| summary.relative_half_width());
    width.is_some_and(|width| width <= NARROW)
}

fn cell(values: &[f64], doubted: usize) -> Outcome<Cell> {
    let summary = Summary::of(values).ok_or("no round was played")?;
    Ok(Cell { summary, wide: !narrow(values), doubted })
}

/// The latest value of each comparison that has something to reach.
fn tell(group: &Group, values: &[Vec<f64>]) -> String {
    let told = |(comparison, values): (&Comparison, &Vec<f64>)| {
        let last = values.last().filter(|_| comparison.goal.decides())?;
        Some(format!("; row {} {last:.3}", comparison.row))
    };
    group.comparisons.iter().zip(values).filter_map(told).collect()
}
