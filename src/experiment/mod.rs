//! Running several sides alternately: fresh processes for each block, short slices in random order.
//!
//! Each side of a block is its own process that runs one slice on request and is silent otherwise, not even
//! listening: every slice connects anew. All sides of a round get the same seed, so they run the same plan, request by
//! request, where their scenarios allow it. Invariant: no process is left behind, whatever ends the experiment.

pub(crate) mod burn_in;
mod design;
mod player;
mod recovery;
mod search;
mod sweep;
mod trial;
mod window;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_xoshiro::SplitMix64;

pub use design::{Design, DesignOverrides, Profile, in_minutes};
pub use recovery::Recovery;
pub use search::{Search, SearchStanding, TRIAL_OVERHEAD_NS, begin};
pub use sweep::{Point, Standing, play_once, play_sweep, settings as settings_of};
pub use trial::Trials;
pub use window::Window;

use crate::Error;
use crate::machine::Clock;
use player::Player;
use zload_core::scenario::Nanos;
use zload_report::compare::{Experiment, Round, Run, Side};
use zload_report::result::Steadiness;

/// One of the things that are compared, and how it is started.
#[derive(Debug, Clone)]
pub struct Contender {
    /// Who it is.
    pub side: Side,
    /// The program that runs its slices.
    pub exe: PathBuf,
    /// The scenario file.
    pub scenario: PathBuf,
    /// What keeps that file there, if anything has to.
    pub kept: Option<Arc<OwnedFd>>,
    /// `key=value` settings in place of the scenario's.
    pub settings: Vec<String>,
}

/// How far the experiment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The current block, from 1.
    pub block: u32,
    /// Slices that have run, over all sides and blocks.
    pub slices: u32,
    /// Slices that will have been.
    pub of: u32,
    /// How long it took until now, in nanoseconds.
    pub elapsed_ns: u64,
}

/// What ran, and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// All whole blocks.
    pub experiment: Experiment,
    /// The end was asked for before the last block was complete.
    pub interrupted: bool,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// Runs the whole design and shows its progress to `watch`.
pub fn play(
    contenders: &[Contender],
    design: &Design,
    machine: Steadiness,
    interrupted: &AtomicBool,
    watch: &mut dyn FnMut(Progress),
) -> Result<Ended, Error> {
    let sides = contenders.iter().map(|contender| contender.side.clone()).collect();
    let mut table = Table {
        contenders,
        design,
        interrupted,
        watch,
        random: SplitMix64::seed_from_u64(design.seed),
        clock: Clock::start(),
        standing: Progress {
            block: 0,
            slices: 0,
            of: design.slices_in_all(contenders.len()),
            elapsed_ns: 0,
        },
    };
    let mut experiment = Experiment::new(sides, design.method(), Some(machine));
    let mut failure = None;
    while table.standing.block < design.blocks && failure.is_none() {
        match table.block() {
            Ok(Some(rounds)) => experiment.add_block(&rounds),
            Ok(None) => break,
            // What the blocks before this one found must not be lost with it.
            Err(error) if table.standing.block > 1 => failure = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(Ended { experiment, interrupted: interrupted.load(Ordering::Relaxed), failure })
}

/// The player of each side, by its index.
type Players = BTreeMap<usize, Player>;

/// Everything that an experiment under way holds.
struct Table<'a> {
    contenders: &'a [Contender],
    design: &'a Design,
    interrupted: &'a AtomicBool,
    watch: &'a mut dyn FnMut(Progress),
    random: SplitMix64,
    clock: Clock,
    standing: Progress,
}

impl Table<'_> {
    /// Plays one block; `None` if the end was asked for.
    fn block(&mut self) -> Result<Option<Vec<Round>>, Error> {
        self.standing.block += 1;
        let mut players = BTreeMap::new();
        let rounds = self.rounds(&mut players);
        // All of them before the first is waited for.
        let hurry = rounds.is_err() || self.interrupted.load(Ordering::Relaxed);
        for player in players.values_mut() {
            player.dismiss(hurry);
        }
        rounds
    }

    fn rounds(&mut self, players: &mut Players) -> Result<Option<Vec<Round>>, Error> {
        let warmup_seed = self.random.next_u64() >> 1;
        for side in self.order() {
            let player = players.entry(side).or_insert(Player::start(&self.contenders[side])?);
            // The first slice of a process is its warm-up: pages are touched, code is loaded.
            let settings = settings(warmup_seed, Nanos::ZERO, self.design.first);
            if player.play(&settings, self.design.patience(), self.interrupted)?.is_none() {
                return Ok(None);
            }
        }
        let mut rounds = Vec::new();
        for slice in 0..self.design.slices {
            let Some(round) = self.round(slice, players)? else { return Ok(None) };
            rounds.push(round);
        }
        Ok(Some(rounds))
    }

    fn round(&mut self, slice: u32, players: &mut Players) -> Result<Option<Round>, Error> {
        let seed = self.random.next_u64() >> 1;
        let settings = settings(seed, self.design.warmup, self.design.slice);
        let mut runs = BTreeMap::new();
        for side in self.order() {
            let offset_ns = self.clock.now_ns();
            self.standing.elapsed_ns = offset_ns;
            (self.watch)(self.standing);
            let player = players.get_mut(&side).expect("every side has a player");
            let told = player.play(&settings, self.design.patience(), self.interrupted)?;
            let Some(result) = told else { return Ok(None) };
            let run = Run::of(&result).map_err(|reason| {
                Error::Failed(format!(
                    "the result of {} cannot be used: {reason}",
                    self.contenders[side].exe.display()
                ))
            })?;
            runs.insert(side, (offset_ns, run));
            self.standing.slices += 1;
        }
        Ok(Some(Round { slice, seed, runs: runs.into_values().collect() }))
    }

    fn order(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.contenders.len()).collect();
        order.shuffle(&mut self.random);
        order
    }
}

/// What a slice has in the place of the scenario's settings.
fn settings(seed: u64, warmup: Nanos, duration: Nanos) -> Vec<String> {
    vec![format!("seed={seed}"), format!("run.warmup={warmup}"), format!("run.duration={duration}")]
}
