//! A search as it is played: trial by trial, as the pure room `search` chooses, until both ends are shown or the time is over.
//!
//! What was played is in the result after each trial, with the answers so far, so that whatever ends a search leaves all of it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Trials;
use super::recovery::Recovery;
use crate::Error;
use crate::machine::Clock;
use zload_core::scenario::{Nanos, Scenario, Threshold};
use zload_core::search::{After, Key, Next, Outcome, Role, Template, next};
use zload_report::result::{
    MOST_TRIALS, Restart, RunResult, SearchFinding, SearchLatency, SearchResult, SearchTrial,
};
use zload_report::search::{Judged, judge};
use zload_report::verdict::CheckStatus;

/// What a trial takes besides its own times, until that is known: a process, handshakes, the drain. In nanoseconds.
pub const TRIAL_OVERHEAD_NS: u64 = 250_000_000;

/// Begins the time that a search may take.
pub fn begin() -> Clock {
    Clock::start()
}

/// What is needed to play a search.
pub struct Search<'a> {
    /// The key.
    pub key: &'a Key,
    /// The scenario, which trials change.
    pub template: &'a Template,
    /// The limits of each goal.
    pub goals: &'a [Vec<Threshold>],
    /// How long a trial waits for replies after its last request.
    pub drain: Nanos,
    /// Whether the server is the user's, and stays from trial to trial.
    pub is_external: bool,
    /// Whether zload started it.
    pub is_started: bool,
    /// Since when the time counts.
    pub clock: Clock,
}

/// How far a search is.
#[derive(Debug, Clone, Copy)]
pub struct SearchStanding {
    /// Trials that were played.
    pub played: u32,
    /// Trials for which there may be time.
    pub left: u32,
    /// The time that is left, in nanoseconds.
    pub left_ns: u64,
    /// The value of the next trial.
    pub value: f64,
    /// What it is for.
    pub role: Role,
}

impl Search<'_> {
    /// Plays trials into `result`, and shows it to `watch` before each of them and at the end.
    pub fn play(
        &self,
        trials: &mut Trials<'_>,
        result: &mut SearchResult,
        interrupted: &AtomicBool,
        watch: &mut dyn FnMut(&SearchResult, Option<SearchStanding>),
    ) -> Result<(), Error> {
        let question = result.question();
        let begun_ns = self.clock.now_ns();
        let mut recovery = Recovery::new(self.template, result.idle_ns);
        let mut after = After::Start;
        let ended = loop {
            if interrupted.load(Ordering::Relaxed) {
                result.interrupted = true;
                break Ok(());
            }
            let left = self.left(result, begun_ns);
            let Next::Play { goal, value, seed, roles } = next(&question, &result.evidence(), left)
            else {
                break Ok(());
            };
            let left_ns = result.time_ns.saturating_sub(self.clock.now_ns());
            let played = u32::try_from(result.trials.len()).unwrap_or(u32::MAX);
            let role = roles[goal];
            watch(result, Some(SearchStanding { played, left, left_ns, value, role }));
            if self.begins_afresh(result.restart) {
                trials.afresh(false);
                after = After::Start;
            } else if !self.is_started {
                // Of zload, not of the server, which is somebody else's.
                trials.afresh(false);
            }
            let run = match self.trial(trials, result, (value, seed)) {
                Ok(Some(run)) => run,
                Ok(None) => {
                    result.interrupted = true;
                    break Ok(());
                }
                Err(error) => break Err(error),
            };
            let mut trial = self.judged(result, &run, (goal, value, seed), &roles);
            trial.after = after;
            after = role.into();
            let is_missed = trial.outcome == Outcome::Missed;
            let failed = run.failure.is_some();
            result.trials.push(trial);
            if failed {
                // A server that died is none to go on with.
                trials.afresh(false);
                after = After::Start;
            } else if is_missed && self.is_external && !self.begins_afresh(result.restart) {
                match recovery.look(trials, interrupted) {
                    Ok(Some(ns)) => {
                        result.trials.last_mut().expect("one was pushed").recovery_ns = Some(ns);
                    }
                    Ok(None) if interrupted.load(Ordering::Relaxed) => {}
                    Ok(None) if result.restart == Restart::Never => {}
                    Ok(None) if self.is_started => {
                        trials.afresh(false);
                        after = After::Start;
                    }
                    Ok(None) => {
                        result.stuck = true;
                        break Ok(());
                    }
                    Err(error) => break Err(error),
                }
            }
            self.conclude(result);
        };
        trials.afresh(interrupted.load(Ordering::Relaxed));
        if let Err(error) = ended {
            result.failure = Some(error.to_string());
        }
        self.conclude(result);
        watch(result, None);
        Ok(())
    }

    /// Whether each trial has a new server: zload's own always.
    fn begins_afresh(&self, restart: Restart) -> bool {
        !self.is_external || (self.is_started && restart == Restart::Each)
    }

    fn conclude(&self, result: &mut SearchResult) {
        result.elapsed_ns = self.clock.now_ns();
        result.conclude();
    }

    /// For how many trials there is time, by what those so far took.
    fn left(&self, result: &SearchResult, begun_ns: u64) -> u32 {
        let now_ns = self.clock.now_ns();
        let planned_ns = result.trial_ns + result.warmup_ns + TRIAL_OVERHEAD_NS;
        let each_ns = match result.trials.len() as u64 {
            0 => planned_ns,
            played => ((now_ns - begun_ns) / played).max(result.trial_ns / 2),
        };
        let left = result.time_ns.saturating_sub(now_ns) / each_ns.max(1);
        let most = u64::from(MOST_TRIALS).saturating_sub(result.trials.len() as u64);
        u32::try_from(left.min(most)).unwrap_or(0)
    }

    fn trial(
        &self,
        trials: &mut Trials<'_>,
        result: &SearchResult,
        (value, seed): (f64, u64),
    ) -> Result<Option<RunResult>, Error> {
        let settings = vec![
            self.key.setting(value),
            format!("seed={seed}"),
            format!("run.warmup={}", Nanos(result.warmup_ns)),
            format!("run.duration={}", Nanos(result.trial_ns)),
            format!("run.drain={}", self.drain),
        ];
        let played = self.played(&settings)?;
        trials.play(&settings, &played)
    }

    fn played(&self, settings: &[String]) -> Result<Scenario, Error> {
        let first_line = |problem: String| problem.lines().next().unwrap_or_default().to_owned();
        self.template
            .with(settings)
            .map_err(|problem| Error::Failed(first_line(problem.to_string())))
    }

    /// What a run says of the goals, as it is kept.
    fn judged(
        &self,
        result: &SearchResult,
        run: &RunResult,
        (goal, value, seed): (usize, f64, u64),
        roles: &[Role],
    ) -> SearchTrial {
        let findings: Vec<Judged> = self.goals.iter().map(|limits| judge(run, limits)).collect();
        let named = |index: usize| result.goals[index].name.clone();
        let others = findings.iter().enumerate().filter(|(index, _)| *index != goal);
        let others = others.map(|(index, of)| SearchFinding {
            goal: named(index),
            role: roles[index],
            outcome: of.outcome,
            why: of.why.clone(),
            slow: of.slow.map(|slow| slow.slow),
            allowed: of.slow.map(|slow| slow.allowed),
        });
        let own = &findings[goal];
        let ledger = &run.ledger;
        let failed = run.verdict.checks.iter().filter(|check| check.status == CheckStatus::Fail);
        let first_reply = &run.latency.first_reply;
        let server_ns = run.server.as_ref().and_then(|server| server.cpu_ns_per_message);
        SearchTrial {
            number: u32::try_from(result.trials.len() + 1).unwrap_or(u32::MAX),
            role: roles[goal],
            goal: named(goal),
            value,
            seed,
            after: After::Start,
            outcome: own.outcome,
            why: own.why.clone(),
            slow: own.slow.map(|slow| slow.slow),
            allowed: own.slow.map(|slow| slow.allowed),
            requests: own.slow.map_or_else(
                || ledger.requests_planned.saturating_sub(ledger.requests_silent),
                |slow| slow.of,
            ),
            lost: ledger.requests_lost,
            overloaded: own.overloaded,
            others: others.collect(),
            verdict: run.verdict.status,
            checks_failed: failed.map(|check| check.name.clone()).collect(),
            achieved_per_s: run.throughput.replies_per_s,
            first_reply: SearchLatency {
                p50_ns: first_reply.p50_ns,
                p90_ns: first_reply.p90_ns,
                p99_ns: first_reply.p99_ns,
            },
            driver_busy_ratio: run.generator.driver_busy_ratio,
            cpu_ns_per_message: server_ns.or(run.proxy.cpu_ns_per_message),
            recovery_ns: None,
        }
    }
}
