//! `zload search`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::experiment::at_place;
use super::search_start::{Start, Wanted};
use super::{
    DONE, INTERRUPTED, INVALID, NO, Places, deliver, ensure_format, interruption, load_from,
};
use crate::Error;
use crate::cli::{RestartArg, SearchArgs, SearchFailOnArg};
use crate::experiment::{
    Contender, Search, SearchStanding, TRIAL_OVERHEAD_NS, Trials, begin, in_minutes,
};
use crate::files::{Input, Inputs, load};
use crate::machine::threads::keep_on;
use crate::machine::unique_number;
use crate::progress::{Mode, Progress};
use zload_core::plan::Plan;
use zload_core::quantity::counted;
use zload_core::scenario::load::Override;
use zload_core::scenario::{Model, Nanos, Scenario, Threshold};
use zload_core::search::{Counted, Goal, Key, Role, Template};
use zload_report::result::{
    Gate, Restart, SEARCH_SCHEMA, SearchFailOn, SearchGoal, SearchResult, to_json,
};
use zload_report::search::goals_of;
use zload_report::verdict::Status;

/// Settings that trials take the place of.
const NOT_USED: [&str; 3] = ["run.duration", "run.warmup", "load.requests"];
/// The shortest and the longest search.
const TIMES: [Nanos; 2] = [Nanos::from_secs(2), Nanos::from_secs(86_400)];
/// The shortest trial.
const SHORTEST_TRIAL: Nanos = Nanos(50_000_000);

pub(super) fn search(args: &SearchArgs, out: &mut dyn Write) -> Result<u8, Error> {
    ensure_format::<SearchResult>(&args.output)?;
    ensure_in_range(args)?;
    if let Some(cpus) = args.cpus {
        keep_on(cpus)?;
    }
    let input = load::read_scenario(&args.scenario)?;
    let asked = Asked::new(args, &input)?;
    let inputs = Inputs::of([&args.scenario]).and_server(&asked.scenario);
    let places = Places::reserve(&args.output, &inputs)?;
    let interrupted = interruption()?;
    let mut progress = Progress::new(Mode::choose(args.output.quiet));
    let played = asked.play(args, &input, (&interrupted, &mut progress), &|result| {
        if let Some(place) = &places.result {
            place.save_so_far(|| to_json(result));
        }
    });
    progress.finish();
    let result = played?;
    let delivered = deliver(&result, &args.output, places, out);
    match delivered {
        // How the search ended says more, and decides the exit code.
        Err(Error::NotPrinted { .. }) if result.interrupted || result.failure.is_some() => {}
        delivered => delivered?,
    }
    exit_code(&result)
}

fn exit_code(result: &SearchResult) -> Result<u8, Error> {
    match (&result.failure, result.gate()) {
        (Some(failure), _) => Err(Error::Failed(failure.clone())),
        (None, _) if result.interrupted => Ok(INTERRUPTED),
        (None, Gate::Invalid) => Ok(INVALID),
        (None, Gate::Failed) => Ok(NO),
        (None, Gate::Passed) => Ok(DONE),
    }
}

fn ensure_in_range(args: &SearchArgs) -> Result<(), Error> {
    let wrong = |option: &str, why: String| Err(Error::Failed(format!("{option} {why}")));
    let (width, confidence) = (args.width.value(), args.confidence.value());
    if !(2.0..=50.0).contains(&width) {
        return wrong("--width", format!("must be between 2% and 50%, and is {}", args.width));
    }
    if !(50.0..=99.9).contains(&confidence) {
        let given = args.confidence;
        return wrong("--confidence", format!("must be between 50% and 99.9%, and is {given}"));
    }
    let [shortest, longest] = TIMES;
    if !(shortest..=longest).contains(&args.time) {
        let given = args.time;
        return wrong("--time", format!("must be between {shortest} and 24h, and is {given}"));
    }
    if let Some(trial) = args.trial.filter(|trial| *trial < SHORTEST_TRIAL) {
        return wrong("--trial", format!("must be at least {SHORTEST_TRIAL}, and is {trial}"));
    }
    Ok(())
}

/// What is asked, of a scenario that was read.
struct Asked {
    scenario: Scenario,
    template: Template,
    key: Key,
    current: Option<f64>,
    ends: [Option<f64>; 2],
    gate: Option<f64>,
    goals: Vec<Goal>,
}

impl Asked {
    fn new(args: &SearchArgs, input: &Input) -> Result<Self, Error> {
        let mut overrides = args.overrides.with(&args.load);
        if let Some(used) = overrides.iter().find(|of| NOT_USED.contains(&of.key())) {
            return Err(Error::Failed(format!(
                "{} has no effect: trials have their own lengths; --trial sets the measured part, and warm-up adds a quarter",
                used.setting()
            )));
        }
        overrides.extend(goals(args)?);
        let mut scenario = load_from(input, &overrides)?;
        let over = args.over.clone().or_else(|| scenario.search.over.clone());
        let over = over.unwrap_or_else(|| {
            let of_load =
                if scenario.load.model == Model::Closed { "clients.count" } else { "load.rate" };
            of_load.to_owned()
        });
        if over.starts_with("run.") || over.starts_with("search.") || over == "seed" {
            return Err(Error::Failed(format!("--over {over}: trials set that themselves")));
        }
        if over.starts_with("load.rate") {
            // Of a load that changes only a rate is left, and a closed one has none.
            let rate = [&overrides[..], &[Override::new(&over, "1/s")]].concat();
            let with_rate = load_from(input, &rate)?;
            if scenario.load.changes() {
                (scenario, overrides) = (with_rate, rate);
            }
        }
        if scenario.load.changes() {
            return Err(Error::Failed(
                "the load changes (load.stages, load.replay), so a trial of it has no figures of one load: search over load.rate, or set load.rate".to_owned(),
            ));
        }
        let (key, current) = Key::of(&over, &scenario)
            .map_err(|why| Error::Failed(format!("--over {over}: {why}")))?;
        let read = |option: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let value = key.read(text).map_err(|why| Error::Failed(format!("{option}: {why}")))?;
            // Whether the scenario allows it is said in its own terms.
            let settings =
                [&overrides[..], &[Override::new(&key.name, &key.written(value))]].concat();
            load_from(input, &settings).map(|_| Some(value))
        };
        let ends = [read("--from", &args.from)?, read("--to", &args.to)?];
        if let [Some(from), Some(to)] = ends
            && from >= to
        {
            return Err(Error::Failed(format!(
                "--from {} must be less than --to {}",
                key.shown(from),
                key.shown(to)
            )));
        }
        let gate = read("--at-least", &args.at_least)?;
        let goals = goals_of(&scenario);
        let template = Template::new(&scenario);
        Ok(Self { scenario, template, key, current, ends, gate, goals })
    }

    /// What plays the trials: the scenario as it was resolved, so that settings of a trial meet no others.
    fn contender(&self, input: &Input) -> Result<Contender, Error> {
        let bytes = self.template.text().as_bytes().to_vec();
        let resolved = Input { path: PathBuf::from("-"), bytes };
        at_place(input, self.scenario.clone(), Vec::new(), None, resolved.copied()?)
    }

    fn play(
        &self,
        args: &SearchArgs,
        input: &Input,
        (interrupted, progress): (&Arc<AtomicBool>, &mut Progress),
        save: &dyn Fn(&SearchResult),
    ) -> Result<SearchResult, Error> {
        let clock = begin();
        let contender = self.contender(input)?;
        let environment = contender.side.environment.clone();
        let mut trials = Trials::new(contender, interrupted);
        let limits: Vec<Vec<Threshold>> =
            self.goals.iter().map(|goal| goal.limits.clone()).collect();
        let wanted = Wanted {
            key: &self.key,
            current: self.current,
            ends: self.ends,
            gate: self.gate,
            time: args.time,
            trial: args.trial,
            width: args.width.value() / 100.0,
            scenario: &self.scenario,
            template: &self.template,
            goals: &limits,
        };
        let name = &self.key.name;
        progress.announce(&format!("looking where to begin: {} in all", in_minutes(args.time)));
        let start = wanted.start(&mut trials, interrupted)?;
        let plan_hash = Plan::new(&self.scenario).hash().to_owned();
        let mut result = self.begin(args, start);
        result.plan_hash = plan_hash;
        result.environment = environment;
        for note in &result.notes {
            progress.announce(note);
        }
        let each_ns = result.trial_ns + result.warmup_ns + TRIAL_OVERHEAD_NS;
        let most = (args.time.0.saturating_sub(clock.now_ns())) / each_ns.max(1);
        progress.announce(&format!(
            "{name} from {} on: up to {} of {}, within {}",
            self.key.shown(result.start),
            counted(most, "trial"),
            Nanos(result.trial_ns),
            in_minutes(args.time)
        ));
        let is_external = !self.scenario.has_proxy();
        let search = Search {
            key: &self.key,
            template: &self.template,
            goals: &limits,
            drain: wanted.drain(),
            is_external,
            is_started: self.scenario.server.is_some(),
            clock,
        };
        search.play(&mut trials, &mut result, interrupted, &mut |result, standing| {
            save(result);
            if let Some(standing) = standing {
                self.show(progress, standing);
            }
        })?;
        Ok(result)
    }

    fn show(&self, progress: &mut Progress, standing: SearchStanding) {
        let SearchStanding { played, left, left_ns, value, role } = standing;
        let what = match role {
            Role::Find => "finding",
            Role::Carried => "sustaining",
            Role::Missed => "missing",
            Role::Sentinel => "far below",
        };
        let name = format!("trial {} {what} {}", played + 1, self.key.shown(value));
        progress.toward((played, played.saturating_add(left)), &name, left_ns);
    }

    /// The result before the first trial.
    fn begin(&self, args: &SearchArgs, start: Start) -> SearchResult {
        let goal = |goal: &Goal| SearchGoal {
            name: goal.name.clone(),
            limits: goal.limits.iter().map(ToString::to_string).collect(),
            allowed_slow_ratio: goal
                .limits
                .iter()
                .filter_map(|limit| Some(Counted::of(limit)?.allowed_ratio))
                .reduce(f64::min),
        };
        let mut result = SearchResult {
            schema: SEARCH_SCHEMA.to_owned(),
            scenario: self.scenario.clone(),
            plan_hash: String::new(),
            over: self.key.name.clone(),
            form: self.key.form,
            whole: self.key.whole,
            more_is_easier: start.scale.more_is_easier,
            from: start.scale.least,
            to: start.scale.most,
            start: start.value,
            step: start.step,
            goals: self.goals.iter().map(goal).collect(),
            at_least: self.gate,
            fail_on: args.fail_on.map(|fail_on| match fail_on {
                SearchFailOnArg::Undecided => SearchFailOn::Undecided,
                SearchFailOnArg::Missed => SearchFailOn::Missed,
            }),
            confidence: args.confidence.value() / 100.0,
            width: args.width.value() / 100.0,
            trial_ns: start.trial.0,
            warmup_ns: start.warmup.0,
            time_ns: args.time.0,
            elapsed_ns: 0,
            restart: match args.restart {
                RestartArg::Stuck => Restart::Stuck,
                RestartArg::Each => Restart::Each,
                RestartArg::Never => Restart::Never,
            },
            seeds: start.plans.seeds,
            seeds_tried: start.plans.tried,
            typical: start.plans.typical,
            // Exact in every reader of JSON.
            order: unique_number() >> 11,
            environment: crate::environment::of_a_player(),
            ideal: start.ideal,
            probe: start.probe,
            idle_ns: start.idle_ns,
            trials: Vec::new(),
            stuck: false,
            interrupted: false,
            failure: None,
            notes: start.notes,
            answers: Vec::new(),
            verdict: Status::Valid,
            invalid_because: Vec::new(),
        };
        result.conclude();
        result
    }
}

/// The goals of the command line, in the place of the scenario's.
fn goals(args: &SearchArgs) -> Result<Vec<Override>, Error> {
    let mut overrides = Vec::new();
    if !args.goals.is_empty() {
        overrides.push(Override::limits("--goal", "search.goals", &args.goals));
    }
    let mut also: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for text in &args.also {
        let is_name = |name: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            !name.is_empty() && name.chars().all(plain)
        };
        let (name, limit) = text
            .split_once('=')
            .map(|(name, limit)| (name.trim(), limit))
            .filter(|(name, _)| is_name(name))
            .ok_or_else(|| {
                Error::Failed(format!(
                    "--also {text:?}: write a name of letters and digits, and a limit, as in strict=first_reply.p99 < 5ms"
                ))
            })?;
        also.entry(name).or_default().push(limit.to_owned());
    }
    for (name, limits) in also {
        overrides.push(Override::limits("--also", &format!("search.also.{name}"), &limits));
    }
    Ok(overrides)
}
