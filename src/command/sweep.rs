//! `zload sweep`

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::AtomicBool;

use super::experiment::as_contender;
use super::{
    DONE, INTERRUPTED, INVALID, NO, Places, deliver, ensure_format, interruption, load_from,
};
use crate::Error;
use crate::cli::SweepArgs;
use crate::environment;
use crate::experiment::{Point, Window, in_minutes, play_once, play_sweep, settings_of};
use crate::files::{Input, Inputs, load};
use crate::machine;
use crate::machine::threads::keep_on;
use crate::progress::{Mode, Progress};
use zload_core::plan::Plan;
use zload_core::quantity::counted;
use zload_core::scenario::load::Override;
use zload_core::scenario::over::{Grid, Over, value_of};
use zload_core::scenario::{Model, Nanos, Scenario};
use zload_report::result::{
    Outcome, Required, SWEEP_SCHEMA, Saved, SweepKey, SweepPoint, SweepResult, to_json, to_value,
};
use zload_report::sweep;

/// Keys that a sweep sets itself, or that would make its runs unlike.
const NOT_SWEPT: [&str; 5] =
    ["run.duration", "run.warmup", "load.requests", "load.stages", "load.replay"];

/// What the command line asks for, before it is known what that means.
struct Asked<'a> {
    args: &'a SweepArgs,
    input: Input,
    overrides: Vec<Override>,
    /// The scenario with the first values.
    base: Scenario,
    over: Vec<Over>,
}

pub(super) fn sweep(args: &SweepArgs, out: &mut dyn Write) -> Result<u8, Error> {
    ensure_format::<SweepResult>(&args.output)?;
    if let Some(cpus) = args.cpus {
        keep_on(cpus)?;
    }
    let mut asked = Asked::new(args)?;
    let inputs = Inputs::of([&args.scenario]).and_server(&asked.base);
    let places = Places::reserve(&args.output, &inputs)?;
    let before = before(args)?;
    let interrupted = interruption()?;
    let mut progress = Progress::new(Mode::choose(args.output.quiet));
    if !asked.find_values(before.as_ref(), &progress, &interrupted)? {
        progress.finish();
        return Ok(INTERRUPTED);
    }
    let grid = Grid::new(asked.over.clone(), args.time.is_some()).map_err(Error::Failed)?;
    let window = asked.window(&grid, before.as_ref())?;
    let points = asked.points(&grid, window)?;
    let mut result = asked.result(&grid, &points, window)?;
    if let Some(before) = before {
        resume(&mut result, before)?;
    }
    announce(&result, window, &progress);
    let contender = asked.contender(&points[0].scenario)?;
    let played =
        play_sweep(contender, &points, &mut result, &interrupted, &mut |so_far, standing| {
            if let Some(place) = places.result.as_ref().filter(|_| standing.now > 0) {
                place.save_so_far(|| to_json(so_far));
            }
            let each_ns = match standing.now {
                0 => window.each().0,
                now => standing.elapsed_ns / u64::from(now),
            };
            let left_ns = each_ns.saturating_mul(u64::from(standing.of - standing.done));
            let name = format!("pass {}/{}", standing.pass, so_far.passes);
            progress.toward((standing.done, standing.of), &name, left_ns);
        });
    progress.finish();
    played?;
    sweep::conclude(&mut result);
    result.interrupted = result.failure.is_none() && sweep::left(&result) > 0;
    let delivered = deliver(&result, &args.output, places, out);
    match delivered {
        // How it ended says more, and decides the exit code.
        Err(Error::NotPrinted { .. }) if result.interrupted || result.failure.is_some() => {}
        delivered => delivered?,
    }
    exit_code(&result)
}

impl<'a> Asked<'a> {
    fn new(args: &'a SweepArgs) -> Result<Self, Error> {
        let input = load::read_scenario(&args.scenario)?;
        let overrides = args.overrides.with(&args.load);
        let first = |one: &Over| {
            let value = match one.values.first() {
                Some(value) => value,
                None if one.key == "load.rate" => "1/s",
                None => {
                    return Err(Error::Failed(format!(
                        "--over {0} has no values: write some, as in {0}=1,2,4 (only load.rate has values of its own)",
                        one.key
                    )));
                }
            };
            Ok(Override::new(&one.key, value).called("--over"))
        };
        let with = |over: &[Over]| {
            let first = over.iter().map(first).collect::<Result<Vec<_>, _>>()?;
            load_from(&input, &[&overrides[..], &first].concat())
        };
        let base = with(&args.over)?;
        let over = match args.over.as_slice() {
            [] => base.sweep.keys().map_err(Error::Failed)?,
            over => over.to_vec(),
        };
        let over = match over.as_slice() {
            [] if base.load.model == Model::Closed => {
                return Err(Error::Failed(
                    "a closed load has no rate: say what to sweep, as in --over clients.count=1,4,16"
                        .to_owned(),
                ));
            }
            [] => vec!["load.rate".parse().map_err(Error::Failed)?],
            _ => over,
        };
        for one in &over {
            if NOT_SWEPT.contains(&one.key.as_str()) {
                return Err(Error::Failed(format!(
                    "{} cannot be swept: all runs last as long and hold one load; --duration or --time sets how long",
                    one.key
                )));
            }
            if overrides.iter().any(|other| other.key() == one.key) {
                return Err(Error::Failed(format!(
                    "{} is both set and swept: leave out one of them",
                    one.key
                )));
            }
        }
        if overrides.iter().any(|other| other.key() == "load.requests") {
            return Err(Error::Failed(
                "load.requests has no effect: all runs of a sweep last as long; --duration or --time sets how long"
                    .to_owned(),
            ));
        }
        let base = with(&over)?;
        Ok(Self { args, input, overrides, base, over })
    }

    fn contender(&self, scenario: &Scenario) -> Result<crate::experiment::Contender, Error> {
        as_contender(&self.input, scenario.clone(), settings_of(&self.overrides), None)
    }

    /// Gives every key its values: those of the sweep that is resumed, else what the workers or, behind an external server, a closed load
    /// can do. False if the end was asked for.
    fn find_values(
        &mut self,
        before: Option<&SweepResult>,
        progress: &Progress,
        interrupted: &AtomicBool,
    ) -> Result<bool, Error> {
        let Some(place) = self.over.iter().position(|one| one.values.is_empty()) else {
            return Ok(true);
        };
        let key = &self.over[place].key;
        let known = before.and_then(|before| before.over.iter().find(|of| of.key == *key));
        if let Some(known) = known {
            self.over[place].values.clone_from(&known.values);
            return Ok(true);
        }
        let most = match self.base.workers_per_s() {
            None => {
                progress.announce("probing what the system can do with a closed load, for 1 s");
                self.probe(interrupted)?
            }
            known => known,
        };
        let Some(most_per_s) = most else { return Ok(false) };
        self.over[place] = Over::of(key, &sweep::rates_below(most_per_s)).map_err(Error::Failed)?;
        Ok(true)
    }

    /// Requests per second of a closed load; `None` if the end was asked for.
    fn probe(&self, interrupted: &AtomicBool) -> Result<Option<f64>, Error> {
        const CLOSED: [(&str, &str); 5] = [
            ("load.model", "closed"),
            ("load.in_flight", "4"),
            ("run.warmup", "200ms"),
            ("run.duration", "1s"),
            ("load.timeout", "5s"),
        ];
        let closed: Vec<Override> =
            CLOSED.iter().map(|(key, value)| Override::new(key, value)).collect();
        let rest = self
            .over
            .iter()
            .filter_map(|one| Some(Override::new(&one.key, one.values.first()?).called("--over")));
        let overrides: Vec<Override> = closed.into_iter().chain(rest).collect();
        let all = [&self.overrides[..], &overrides].concat();
        let scenario = load_from(&self.input, &all)?;
        let point = Point { settings: settings_of(&overrides), scenario };
        let contender = self.contender(&point.scenario)?;
        let Some(played) = play_once(contender, &point, interrupted)? else { return Ok(None) };
        match played.throughput.requests_per_s {
            per_s if per_s > 0.0 => Ok(Some(per_s)),
            _ => Err(Error::Failed(
                "a closed load got no replies, so it is not known which rates to sweep: give them, as in --over load.rate=100..900/9"
                    .to_owned(),
            )),
        }
    }

    fn window(&self, grid: &Grid, before: Option<&SweepResult>) -> Result<Window, Error> {
        let given = |key: &str| self.overrides.iter().any(|other| other.key() == key);
        let asks = self.args.time.is_some() || given("run.duration") || given("run.warmup");
        let played = before.map(|before| Window {
            warmup: Nanos(before.warmup_ns),
            length: Nanos(before.window_ns),
        });
        if let Some(played) = played.filter(|_| !asks) {
            return Ok(played);
        }
        let runs = grid.points().len() as u64 * u64::from(self.args.passes);
        let own = (given("run.warmup"), given("run.duration"));
        let window = Window::new(&self.base, own, self.args.time, runs).map_err(Error::Failed)?;
        match played.filter(|played| *played != window) {
            Some(played) => Err(Error::Failed(format!(
                "--resume: the runs of that sweep last {}, and those of this one would last {}: leave out --time and --duration",
                played.length, window.length
            ))),
            None => Ok(window),
        }
    }

    fn points(&self, grid: &Grid, window: Window) -> Result<Vec<Point>, Error> {
        let point = |values: &Vec<String>| {
            let own = [window.overrides(), grid.overrides(values)].concat();
            let all = [&self.overrides[..], &own].concat();
            let scenario = load_from(&self.input, &all)?;
            if scenario.load.changes() {
                return Err(Error::Failed(
                    "its load changes (load.stages, load.replay), so no point has one rate: sweep load.rate, or run it whole"
                        .to_owned(),
                ));
            }
            Ok(Point { settings: settings_of(&own), scenario })
        };
        grid.points().iter().map(point).collect()
    }

    /// The result of a sweep that has not begun.
    fn result(&self, grid: &Grid, points: &[Point], window: Window) -> Result<SweepResult, Error> {
        let args = self.args;
        let mut y = args
            .y
            .iter()
            .map(|name| sweep::figure_named(name).map_err(Error::Failed))
            .collect::<Result<Vec<_>, _>>()?;
        if y.is_empty() {
            y = sweep::default_figures(&self.base).map(str::to_owned).to_vec();
            y.dedup();
        }
        // Made again by a seed of the command line; else drawn anew, so that a sweep does not repeat the luck of another.
        let given = self.overrides.iter().any(|other| other.key() == "seed");
        let seed = if given { self.base.seed } else { machine::unique_number() >> 11 };
        let of_point = |(values, point): (Vec<String>, &Point)| SweepPoint {
            values,
            offered_per_s: Plan::new(&point.scenario).summary().requests_per_s,
            bound_per_s: point.scenario.workers_per_s(),
            state: None,
            achieved_per_s: None,
            figures: BTreeMap::new(),
            runs: Vec::new(),
        };
        let key = |one: &Over| SweepKey { key: one.key.clone(), values: one.values.clone() };
        let mut result = SweepResult {
            schema: SWEEP_SCHEMA.to_owned(),
            scenario: points[0].scenario.clone(),
            environment: environment::describe(),
            interrupted: false,
            failure: None,
            over: grid.over.iter().map(key).collect(),
            passes: args.passes,
            seed,
            window_ns: window.length.0,
            warmup_ns: window.warmup.0,
            cpus: args.cpus,
            y,
            order: Vec::new(),
            points: grid.points().into_iter().zip(points).map(of_point).collect(),
            knees: Vec::new(),
            drift: None,
            effects: Vec::new(),
            required: Vec::new(),
            notes: Vec::new(),
        };
        result.order = sweep::orders(&result);
        result.required = required(args, &result)?;
        Ok(result)
    }
}

/// The points that `--require` names.
fn required(args: &SweepArgs, result: &SweepResult) -> Result<Vec<Required>, Error> {
    if !args.require.is_empty() && result.scenario.thresholds.limits.is_empty() {
        return Err(Error::Failed(
            "--require holds points to the scenario's thresholds, and it has none: add [thresholds] limits"
                .to_owned(),
        ));
    }
    let mut places: Vec<u32> = Vec::new();
    for text in &args.require {
        let wrong = |why: String| Error::Failed(format!("--require {text}: {why}"));
        let mut named: Vec<(usize, String)> = Vec::new();
        for part in text.split(',') {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| wrong("write it as KEY=VALUE, as in load.rate=500/s".to_owned()))?;
            let (key, value) = (key.trim(), value_of(key.trim(), value.trim()));
            let place = result.over.iter().position(|of| of.key == key);
            let place = place.ok_or_else(|| wrong(format!("{key} is not swept")))?;
            let values = &result.over[place].values;
            if !values.contains(&value) {
                let there = values.join(", ");
                return Err(wrong(format!("{key} does not get that value; it gets {there}")));
            }
            named.push((place, value));
        }
        let is_named =
            |point: &SweepPoint| named.iter().all(|(place, value)| point.values[*place] == *value);
        places.extend((0..).zip(&result.points).filter(|(_, of)| is_named(of)).map(|of| of.0));
    }
    places.sort_unstable();
    places.dedup();
    let required = |point| Required { point, state: None, missed: Vec::new() };
    Ok(places.into_iter().map(required).collect())
}

/// The sweep to go on with, if there is one.
fn before(args: &SweepArgs) -> Result<Option<SweepResult>, Error> {
    let path = args.output.output.as_deref().filter(|path| args.resume && path.exists());
    let Some(path) = path else { return Ok(None) };
    match load::saved(path)? {
        Saved::Sweep(result) => Ok(Some(*result)),
        _ => Err(Error::Result {
            path: path.to_owned(),
            reason: "it is not a result of `zload sweep -o FILE`, so it cannot be resumed"
                .to_owned(),
        }),
    }
}

/// Takes over what was played before. Fails if it is of another sweep.
fn resume(result: &mut SweepResult, before: SweepResult) -> Result<(), Error> {
    let differs = |what: &str| {
        Err(Error::Failed(format!(
            "--resume: that sweep has {what}, so its runs are not comparable with new ones: sweep into another file"
        )))
    };
    let scenario = |of: &SweepResult| to_value(&Scenario { seed: 0, ..of.scenario.clone() });
    let keys = |of: &SweepResult| of.over.clone();
    if keys(result) != keys(&before) {
        return differs("another grid");
    }
    if scenario(result) != scenario(&before) {
        return differs("another scenario");
    }
    if result.cpus != before.cpus {
        return differs("another --cpus");
    }
    if result.y != before.y {
        return differs("another --y");
    }
    let made_by = |of: &SweepResult| (of.environment.zload.clone(), of.environment.build.clone());
    if made_by(result) != made_by(&before) {
        return differs("another zload");
    }
    result.notes = before.notes;
    result.notes.push(format!("resumed at {}", result.environment.time));
    result.environment = before.environment;
    result.seed = before.seed;
    result.passes = result.passes.max(before.passes);
    result.order = sweep::orders(result);
    for (point, before) in result.points.iter_mut().zip(before.points) {
        point.runs = before.runs;
    }
    Ok(())
}

fn announce(result: &SweepResult, window: Window, progress: &Progress) {
    let left = sweep::left(result) as u64;
    let time = Nanos(window.each().0.saturating_mul(left));
    progress.announce(&format!(
        "{} in {}: {} of {} each after {} of warm-up: about {}",
        counted(result.points.len() as u64, "point"),
        if result.passes == 1 { "1 pass".to_owned() } else { format!("{} passes", result.passes) },
        counted(left, "run"),
        window.length,
        window.warmup,
        in_minutes(time)
    ));
}

fn exit_code(result: &SweepResult) -> Result<u8, Error> {
    let unknown = |of: &Required| of.state.is_none_or(|state| state == Outcome::Void);
    match &result.failure {
        Some(failure) => Err(Error::Failed(failure.clone())),
        None if result.interrupted => Ok(INTERRUPTED),
        None if sweep::is_void(result) => Ok(INVALID),
        None if result.required.iter().any(|of| !of.missed.is_empty()) => Ok(NO),
        None if result.required.iter().any(unknown) => Ok(INVALID),
        None => Ok(DONE),
    }
}
