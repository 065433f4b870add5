//! Plays the rounds of a group until its figures are narrow enough, or until there were enough of them.
//!
//! Each round runs every program once, the next round in the opposite order, so that neither a drift of the machine
//! nor a place in the order favours one. Invariant: every single run is written down as soon as it is over.

use std::fs::File;
use std::io::Write;

use serde_json::{Value, json};

use crate::arm::{Arm, Measured, Phases};
use crate::child::now_ns;
use crate::cores::Cores;
use crate::programs::Programs;
use crate::rows::{Comparison, Goal, Group, Round};
use zload_core::stats::median;

use crate::statistics::Summary;
use crate::{Outcome, say};

/// Half an interval's width, as a share of the median or of a larger limit, at which no more rounds are made.
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
    /// Cores that other programs kept busy, for each run so far.
    pub(crate) others: Vec<f64>,
}

impl Session {
    /// Plays a group and sums up each of its comparisons, in their order.
    pub(crate) fn play(&mut self, group: &Group, cores: Cores) -> Outcome<Vec<Cell>> {
        let started = now_ns();
        let mut values = vec![Vec::new(); group.comparisons.len()];
        let mut doubted = 0;
        let mut index = 0;
        loop {
            let round = self.round(group, cores, index, &mut doubted)?;
            for (comparison, values) in group.comparisons.iter().zip(&mut values) {
                let value = (comparison.value)(&round).filter(|value| value.is_finite());
                values.push(value.ok_or_else(|| {
                    format!("{}: a figure is missing in {round:?}", comparison.what)
                })?);
            }
            let cells = group
                .comparisons
                .iter()
                .zip(&values)
                .map(|(comparison, values)| cell(values, comparison.goal, doubted))
                .collect::<Outcome<Vec<Cell>>>()?;
            let settled = group
                .comparisons
                .iter()
                .zip(&cells)
                .all(|(comparison, cell)| !comparison.goal.decides() || !cell.wide);
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
                return Ok(cells);
            }
            index += 1;
        }
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
            let measured = self.run(arm, phases, &json!([cores.label(), group.load, index + 1]))?;
            *doubted += usize::from(measured.doubted);
            round.insert(arm.name, measured.readings);
        }
        Ok(round)
    }

    /// Runs one program once and writes it down; `place` says where in the whole it is.
    pub(crate) fn run(&mut self, arm: &Arm, phases: Phases, place: &Value) -> Outcome<Measured> {
        let measured = arm.run(&self.programs, phases)?;
        self.others.extend(measured.others);
        self.environment = measured.environment.clone().or_else(|| self.environment.take());
        if let Some(log) = &mut self.log {
            let run = json!({
                "place": place, "program": arm.name, "settings": arm.settings, "seconds": phases.seconds,
                "invalid": measured.doubted, "others": measured.others, "figures": measured.readings,
            });
            writeln!(log, "{run}").map_err(|error| format!("the log of runs: {error}"))?;
        }
        Ok(measured)
    }

    /// What a reader must know about where the figures come from.
    pub(crate) fn origin(&self) -> String {
        let name = |key: &str| {
            let value = self.environment.as_ref().and_then(|environment| environment[key].as_str());
            value.unwrap_or("unknown").to_owned()
        };
        let most = self.others.iter().copied().fold(0.0, f64::max);
        format!(
            "{}, {}; zload {}, libzmq {}. {} {} s a run after 0.5 s of warm-up. Other programs and the hypervisor took \
             {:.2} cores during the median run, {most:.2} during the worst of {}.\n",
            name("cpu_model"),
            name("kernel"),
            name("zload"),
            name("libzmq"),
            self.programs.libraries,
            self.seconds,
            median(&self.others).unwrap_or(0.0),
            self.others.len()
        )
    }
}

fn cell(values: &[f64], goal: Goal, doubted: usize) -> Outcome<Cell> {
    let summary = Summary::of(values).ok_or("no round was played")?;
    Ok(Cell { summary, wide: !summary.is_narrow(NARROW, goal.reach().unwrap_or(0.0)), doubted })
}

/// The latest value of each comparison that has something to reach.
fn tell(group: &Group, values: &[Vec<f64>]) -> String {
    let told = |(comparison, values): (&Comparison, &Vec<f64>)| {
        let last = values.last().filter(|_| comparison.goal.decides())?;
        Some(format!("; row {} {last:.3}", comparison.row))
    };
    group.comparisons.iter().zip(values).filter_map(told).collect()
}
