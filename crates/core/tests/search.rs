//! Searches whose truth is known, played without a clock: their intervals hold it, whatever is played and in which order.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use rand_xoshiro::SplitMix64;
use zload_core::search::{
    After, Answer, Finding, Next, Outcome, Question, Role, Scale, Slow, State, Trial, answer, next,
};

/// Requests per second that the worker can serve, and the limit that 99 % of them must keep, in seconds.
const MU: f64 = 1_000.0;
const LIMIT: f64 = 0.02;
/// What a rate must be so that 1 % of the requests of an M/M/1 queue take longer.
fn closed_form() -> f64 {
    MU - 100_f64.ln() / LIMIT
}

const RATES: Scale = Scale { more_is_easier: false, whole: false, least: 1.0, most: 1e6 };

fn question(start: f64) -> Question {
    Question {
        goals: 1,
        scale: RATES,
        start,
        step: 0.1,
        width: 0.1,
        confidence: 0.9,
        gate: None,
        seeds: Vec::new(),
        order: 7,
    }
}

/// Slow requests of a trial of 2 s after 0.5 s, by Lindley's recursion; the same seed has the same draws at every rate.
fn mm1(rate: f64, mu: f64, seed: u64) -> Slow {
    let mut random = SplitMix64::seed_from_u64(seed);
    let (mut now, mut wait, mut slow, mut of) = (0.0, 0.0, 0, 0);
    loop {
        let gap: f64 = Exp1.sample(&mut random);
        let work: f64 = Exp1.sample(&mut random);
        now += gap / rate;
        if now > 2.5 {
            break;
        }
        wait = f64::max(wait - gap / rate, 0.0);
        let response = wait + work / mu;
        if now > 0.5 {
            of += 1;
            slow += u64::from(response >= LIMIT);
        }
        wait = response;
    }
    Slow { slow, allowed: of / 100, of }
}

/// Plans of which the quiet queue has the capacity of the long run, within an eighth of the width.
fn typical_seeds() -> Vec<u64> {
    let near = 1.0 + 0.1 / 8.0;
    let is_met = |rate: f64, seed: u64| {
        let Slow { slow, allowed, .. } = mm1(rate, MU, seed);
        slow <= allowed
    };
    let is_typical =
        |seed: &u64| is_met(closed_form() / near, *seed) && !is_met(closed_form() * near, *seed);
    (0..2_500).filter(is_typical).collect()
}

fn number_of(trials: &[Trial]) -> u32 {
    u32::try_from(trials.len()).expect("few")
}

/// Searches: `play` says what a trial at a value with a seed finds; `most` trials.
fn search(
    question: &Question,
    most: u32,
    mut play: impl FnMut(f64, u64) -> (Outcome, Option<Slow>),
) -> Vec<Trial> {
    let mut trials: Vec<Trial> = Vec::new();
    while let Next::Play { goal, value, seed, roles } =
        next(question, &trials, most.saturating_sub(number_of(&trials)))
    {
        let (outcome, slow) = play(value, seed);
        let finding = |role| Finding { role, outcome, slow, overloaded: false, by_generator: true };
        let after = trials.last().map_or(After::Start, |last| last.findings[last.goal].role.into());
        trials.push(Trial {
            number: number_of(&trials) + 1,
            goal,
            value,
            seed,
            after,
            recovery_ns: None,
            findings: roles.into_iter().map(finding).collect(),
        });
    }
    trials
}

fn by_count(slow: Slow) -> (Outcome, Option<Slow>) {
    let outcome = if slow.slow <= slow.allowed { Outcome::Met } else { Outcome::Missed };
    (outcome, Some(slow))
}

fn covers(answer: &Answer, truth: f64) -> bool {
    answer.carried.is_none_or(|bound| bound.value <= truth)
        && answer.missed.is_none_or(|bound| bound.value >= truth)
}

#[test]
fn searches_over_an_mm1_queue_hold_its_closed_form_and_are_mostly_decided() {
    let typical = typical_seeds();
    let (mut covered, mut decided, searches) = (0, 0, 1_000);
    for number in 0..searches {
        let mut random = SplitMix64::seed_from_u64(0xACE5 + number);
        let mut seeds = typical.clone();
        seeds.shuffle(&mut random);
        // The start is off, the machine differs by 2 % from trial to trial.
        let start = closed_form() * (0.9 + 0.2 * random.random::<f64>());
        let question = Question { seeds, order: number, ..question(start) };
        let trials = search(&question, 26, |rate, seed| {
            let noise: f64 = StandardNormal.sample(&mut random);
            by_count(mm1(rate, MU * (1.0 + 0.02 * noise), seed))
        });
        let answer = answer(&question, &trials, 0);
        covered += u32::from(covers(&answer, closed_form()));
        assert!(answer.estimate.is_none_or(|at| covers(&answer, at)), "{answer:?}");
        decided += u32::from(answer.state == State::Decided);
    }
    assert!(covered >= 900, "{covered} of {searches} hold {}", closed_form());
    assert!(decided >= 250, "{decided} of {searches} are decided");
}

/// A system of which a trial at `rate` meets the goal with this chance.
fn by_chance(rate: f64, capacity: f64, steepness: f64, random: &mut SplitMix64) -> Outcome {
    let chance = 1.0 / (1.0 + (steepness * (rate / capacity).ln()).exp());
    if random.random::<f64>() < chance { Outcome::Met } else { Outcome::Missed }
}

#[test]
fn whatever_the_noise_nine_of_ten_intervals_hold_the_capacity() {
    for steepness in [4.0, 20.0, 100.0] {
        let wrong = (0..400_u64).filter(|number| {
            let mut random = SplitMix64::seed_from_u64(number * 3 + 1);
            let question = Question { order: *number, ..question(700.0) };
            // It stops whenever it is decided: the worst moment for a test of a fixed size.
            let trials = search(&question, 60, |rate, _| {
                (by_chance(rate, 770.0, steepness, &mut random), None)
            });
            !covers(&answer(&question, &trials, 0), 770.0)
        });
        assert!(wrong.count() <= 40, "steepness {steepness}");
    }
}

#[test]
fn a_hard_limit_is_found_within_the_width() {
    for (start, limit) in [(1_900.0, 2_000.0), (100.0, 2_000.0), (90_000.0, 2_000.0)] {
        let question = question(start);
        let trials = search(&question, 40, |rate, _| {
            (if rate <= limit { Outcome::Met } else { Outcome::Missed }, None)
        });
        let answer = answer(&question, &trials, 0);
        let (carried, missed) = (answer.carried.unwrap().value, answer.missed.unwrap().value);
        assert!(carried <= limit && limit < missed, "{carried} {missed}");
        assert!(missed / carried <= 1.13, "{carried} {missed} after {}", trials.len());
        assert_eq!((answer.state, answer.monotonic), (State::Decided, Some(true)));
        assert!(trials.len() <= 34, "{}", trials.len());
    }
}

#[test]
fn the_fewest_workers_are_found() {
    let scale = Scale { more_is_easier: true, whole: true, least: 1.0, most: 200.0 };
    let question = Question { scale, ..question(20.0) };
    let trials = search(&question, 40, |workers, _| {
        (if workers >= 6.0 { Outcome::Met } else { Outcome::Missed }, None)
    });
    let answer = answer(&question, &trials, 0);
    let values = [answer.carried, answer.missed].map(|bound| bound.unwrap().value.to_bits());
    assert_eq!(values, [6.0_f64, 5.0].map(f64::to_bits), "{answer:?}");
}

#[test]
fn no_bound_is_invented_beyond_what_was_tried() {
    let scale = Scale { least: 50.0, most: 5_000.0, ..RATES };
    let of = |outcome: Outcome| {
        let question = Question { scale, ..question(500.0) };
        let trials = search(&question, 40, |_, _| (outcome, None));
        answer(&question, &trials, 0)
    };
    let impossible = of(Outcome::Missed);
    assert_eq!((impossible.state, impossible.carried), (State::AllMissed, None));
    assert_eq!(impossible.missed.unwrap().value.to_bits(), 50_f64.to_bits());
    let trivial = of(Outcome::Met);
    assert_eq!((trivial.state, trivial.missed), (State::AllCarried, None));
    assert_eq!(trivial.carried.unwrap().value.to_bits(), 5_000_f64.to_bits());
    let void = of(Outcome::Void);
    assert_eq!((void.state, void.carried, void.missed), (State::Undecided, None, None));
}

#[test]
fn above_what_the_generator_can_do_nothing_is_said_of_the_system() {
    let question = question(500.0);
    let trials = search(&question, 40, |rate, _| {
        (if rate > 3_000.0 { Outcome::Void } else { Outcome::Met }, None)
    });
    let answer = answer(&question, &trials, 0);
    assert_eq!((answer.state, answer.missed), (State::GeneratorLimited, None));
    let carried = answer.carried.unwrap().value;
    assert!((2_000.0..=3_000.0).contains(&carried), "{carried}");
    assert!(answer.beyond_generator.is_some_and(|rate| rate > 3_000.0));
}

#[test]
fn a_gate_is_shown_or_refuted_at_its_value_alone() {
    for (capacity, state) in [(1_000.0, State::CarriedOnly), (640.0, State::MissedOnly)] {
        let question = Question { gate: Some(800.0), ..question(800.0) };
        let trials = search(&question, 40, |rate, _| {
            (if rate <= capacity { Outcome::Met } else { Outcome::Missed }, None)
        });
        assert_eq!(answer(&question, &trials, 0).state, state);
        assert!(trials.iter().all(|trial| trial.value.to_bits() == 800_f64.to_bits()));
        assert!(trials.len() <= 12, "{}", trials.len());
    }
    let question = Question { gate: Some(800.0), ..question(800.0) };
    let trials = search(&question, 40, |_, _| (Outcome::Void, None));
    assert_eq!(answer(&question, &trials, 0).state, State::GeneratorLimited);
    assert_eq!(trials.len(), 2, "the generator cannot do that");
}

#[test]
fn a_floor_at_low_rates_leaves_the_answer_and_is_said() {
    let question = question(500.0);
    let trials = search(&question, 40, |rate, _| {
        let met = (100.0..=600.0).contains(&rate);
        (if met { Outcome::Met } else { Outcome::Missed }, None)
    });
    let answer = answer(&question, &trials, 0);
    assert_eq!((answer.state, answer.monotonic), (State::Decided, Some(false)));
    assert!(answer.carried.unwrap().value > 500.0 && answer.missed_below.unwrap() < 100.0);
}

#[test]
fn a_server_that_overload_spoils_shows_it() {
    let question = question(500.0);
    let mut spoilt = false;
    let trials = search(&question, 60, |rate, _| {
        let met = rate <= 520.0 && !spoilt;
        spoilt = rate > 520.0;
        (if met { Outcome::Met } else { Outcome::Missed }, None)
    });
    let answer = answer(&question, &trials, 0);
    let found = answer.hysteresis.expect("a difference");
    assert!(found.p < 0.05 && found.met_after_missed == 0, "{found:?}");
}

#[test]
fn further_goals_share_the_trials() {
    let question = Question { goals: 2, ..question(500.0) };
    let mut trials: Vec<Trial> = Vec::new();
    while let Next::Play { goal, value, seed, roles } =
        next(&question, &trials, 60 - number_of(&trials))
    {
        let finding = |(role, capacity): (Role, f64)| {
            let outcome = if value <= capacity { Outcome::Met } else { Outcome::Missed };
            Finding { role, outcome, slow: None, overloaded: false, by_generator: true }
        };
        trials.push(Trial {
            number: number_of(&trials) + 1,
            goal,
            value,
            seed,
            after: After::Start,
            recovery_ns: None,
            findings: roles.into_iter().zip([600.0, 630.0]).map(finding).collect(),
        });
    }
    for (goal, truth) in [(0, 600.0), (1, 630.0)] {
        let answer = answer(&question, &trials, goal);
        assert_eq!(answer.state, State::Decided, "{answer:?}");
        assert!(covers(&answer, truth), "{answer:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_answer_is_one_of_the_trials_and_not_of_their_order(seed in 0..1_000_u64, most in 1..50_u32) {
        let mut random = SplitMix64::seed_from_u64(seed);
        let question = question(400.0);
        let mut trials = search(&question, most, |rate, _| match random.random_range(0..10) {
            0 => (Outcome::Void, None),
            _ => (by_chance(rate, 500.0, 9.0, &mut random), None),
        });
        prop_assert!(trials.len() <= most as usize);
        let before = answer(&question, &trials, 0);
        trials.shuffle(&mut random);
        prop_assert_eq!(before, answer(&question, &trials, 0));
    }
}
