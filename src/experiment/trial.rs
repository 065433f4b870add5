//! One scenario played again and again with other settings, a run at a time: what searches and sweeps are made of.
//!
//! A run needs a process that has not run before, or its figures are of what the run before left: memory, warm code, a
//! queue. [`Trials::afresh`] ends the process; one that is kept keeps the external server that it started.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Deserialize as _;

use super::Contender;
use super::player::Player;
use crate::Error;
use zload_core::scenario::{Nanos, Scenario};
use zload_report::result::RunResult;

/// How long a run may take besides the times that its scenario names: starting, and what is worked out afterwards.
const BESIDES: Duration = Duration::from_secs(30);

/// Plays runs of one scenario.
pub struct Trials<'a> {
    contender: Contender,
    player: Option<Player>,
    interrupted: &'a AtomicBool,
}

impl<'a> Trials<'a> {
    /// Of this scenario; its `settings` hold for every run. Starts nothing yet.
    pub fn new(contender: Contender, interrupted: &'a AtomicBool) -> Self {
        Self { contender, player: None, interrupted }
    }

    /// Plays the scenario once with these `key=value` settings in addition; `scenario` is what is played, by which it is known how
    /// long to wait. `None` if the end was asked for.
    pub fn play(
        &mut self,
        settings: &[String],
        scenario: &Scenario,
    ) -> Result<Option<RunResult>, Error> {
        let player = match &mut self.player {
            Some(player) => player,
            none => none.insert(Player::start(&self.contender)?),
        };
        let told = player.play(settings, patience(scenario), self.interrupted)?;
        let Some(told) = told else {
            self.afresh(true);
            return Ok(None);
        };
        let result = RunResult::deserialize(told).map_err(|reason| {
            let exe = self.contender.exe.display();
            Error::Failed(format!("the result of {exe} cannot be used: {reason}"))
        })?;
        Ok(Some(result))
    }

    /// Ends the process that plays, and the external server that it started: the next run has new ones. In a hurry it gets
    /// little time to end.
    pub fn afresh(&mut self, hurry: bool) {
        if let Some(mut player) = self.player.take() {
            player.dismiss(hurry);
        }
    }
}

fn patience(scenario: &Scenario) -> Duration {
    let ready = scenario.server.as_ref().map_or(Nanos::ZERO, |server| server.ready_timeout);
    [
        scenario.run.warmup,
        // One that ends by a number of requests is not tried: searches and sweeps set the time.
        scenario.duration().unwrap_or(Nanos::ZERO),
        scenario.run.drain,
        scenario.clients.connect_timeout,
        ready,
    ]
    .into_iter()
    .map(|time| Duration::from_nanos(time.0))
    .fold(BESIDES, Duration::saturating_add)
}
