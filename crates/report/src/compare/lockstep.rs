//! Whether comparisons of closed loads in lockstep are true: a grid of delays, simulated, with a known truth.

use super::Metric;
use super::answers::block_difference;
use super::effect::{Criteria, Effect, logarithm};
use super::metrics::metric_named;
use crate::result::{Answer, Direction};
use zload_core::plan::Plan;
use zload_core::scenario::Scenario;
use zload_core::stats;
use zload_core::twin::{Limits, Policy, Pool, ideal};

const CLIENTS: u32 = 8;
const BLOCKS: u64 = 12;
const SLICES: u64 = 3;
const US: u64 = 1_000;

/// How the delays of a side lie around their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Delays {
    Equal,
    /// By 10 % (a standard deviation).
    Spread,
}

/// A closed load whose slice lasts this long, after a sixth of it as warm-up; in microseconds.
#[derive(Debug, Clone, Copy)]
struct Load {
    slice_us: u64,
    delays: Delays,
}

impl Load {
    /// Replies per second of a slice with this mean delay.
    fn rate(self, delay_us: u64, seed: u64) -> f64 {
        let delay = match self.delays {
            Delays::Equal => format!("'{delay_us}us'"),
            Delays::Spread => {
                format!("{{ normal = {{ mean = '{delay_us}us', sd = '{}us' }} }}", delay_us / 10)
            }
        };
        let text = format!(
            "seed = {seed}\nload.model = 'closed'\nclients.count = {CLIENTS}\n\
             run = {{ warmup = '{}us', duration = '{}us' }}\nworkers = {{ count = {CLIENTS}, delay = {delay} }}",
            self.slice_us / 6,
            self.slice_us
        );
        let plan = Plan::new(&Scenario::parse("lockstep", &text, &[]).expect("a scenario"));
        // With one queue and as many workers as clients no request ever waits: the cycle is the delay.
        let pool = Pool { workers: CLIENTS, policy: Policy::SharedQueue };
        let ideal = ideal(&plan, pool, Limits::none()).expect("there is an ideal");
        ideal.completed.replies / (self.slice_us * US) as f64 * 1e9
    }

    /// What a comparison of two delays finds.
    fn compare(self, metric: &Metric, [a_us, b_us]: [u64; 2], seed: u64) -> Effect {
        let pair = |seed: u64| [self.rate(a_us, seed), self.rate(b_us, seed)];
        let block = |block: u64| -> Vec<[f64; 2]> {
            (0..SLICES).map(|slice| pair(seed * 1_000 + block * SLICES + slice)).collect()
        };
        let blocks: Vec<Vec<[f64; 2]>> = (0..BLOCKS).map(block).collect();
        let differences: Vec<f64> =
            blocks.iter().filter_map(|pairs| block_difference(pairs)).collect();
        let slice_s = self.slice_us as f64 / 1e6;
        let steps: Vec<f64> =
            blocks.iter().flatten().map(|pair| metric.step(*pair, [slice_s; 2])).collect();
        Effect::paired(&differences).in_steps_of(stats::median(&steps).expect("there are pairs"))
    }
}

fn throughput() -> &'static Metric {
    metric_named("throughput.replies_per_s").expect("it is one")
}

fn answer(effect: &Effect) -> Answer {
    let question = Criteria { better: Direction::Higher, margin_percent: 3.0, admitted: true };
    effect.answer(question)
}

fn percent_of(effect: &Effect) -> f64 {
    effect.estimate.expect("there are blocks enough").value.exp_m1() * 100.0
}

#[test]
fn the_interval_holds_the_truth_over_a_grid_of_delays() {
    let (mut comparisons, mut held) = (0, 0);
    for delays in [Delays::Equal, Delays::Spread] {
        for (number, step) in (0..).zip([0, 1, 2, 3, 4, 6, 8, 10, 12, 20, 30]) {
            // Slices of five to eight cycles, which cut the rounds anyhow.
            for (base_us, slice_us) in [(2_030, 11_300), (20_000, 110_000), (7_100, 55_550)] {
                let load = Load { slice_us, delays };
                let delays_us = [base_us, base_us * (100 + step) / 100];
                let effect = load.compare(throughput(), delays_us, number);
                let truth = (delays_us[0] as f64 / delays_us[1] as f64).ln();
                let interval = effect.estimate.expect("there are blocks enough");
                comparisons += 1;
                held += u32::from((interval.low..=interval.high).contains(&truth));
                let answer = answer(&effect);
                let context = format!("{delays:?}, {delays_us:?}: {effect:?}, truly {truth}");
                assert_ne!(answer, Answer::Better, "{context}");
                assert!(answer != Answer::Same || truth > -logarithm(3.0), "{context}");
                assert!(answer != Answer::Worse || truth < -logarithm(2.0), "{context}");
                assert!(step < 12 || answer == Answer::Worse, "{context}");
                if delays == Delays::Equal {
                    assert!((interval.value - truth).abs() < 1e-6, "{context}");
                }
            }
        }
    }
    assert!(held * 100 >= comparisons * 98, "the truth in {held} of {comparisons} intervals");
}

/// Comparisons that whole rounds answered wrongly.
#[test]
fn what_whole_rounds_made_of_it_is_answered_rightly() {
    let load = |slice_us| Load { slice_us, delays: Delays::Equal };
    let compare = |slice_us, delays_us| {
        let effect = load(slice_us).compare(throughput(), delays_us, 1);
        (answer(&effect), percent_of(&effect))
    };
    let near = |is: f64, expected: f64| (is - expected).abs() < 0.1;
    for (slice_us, delays_us, truth, expected) in [
        // It was worse by 16.7 %.
        (110_000, [20_800, 21_000], -1.0, Answer::Unclear),
        // It was the same.
        (110_000, [21_200, 23_800], -10.9, Answer::Worse),
        // They were worse by 16.7 %, unclear, and the same.
        (100_000, [20_000, 21_000], -4.8, Answer::Worse),
        (100_000, [20_000, 22_000], -9.1, Answer::Worse),
        (100_000, [5_000, 5_500], -9.1, Answer::Worse),
        (100_000, [5_000, 5_250], -4.8, Answer::Worse),
    ] {
        let (answer, percent) = compare(slice_us, delays_us);
        assert!(near(percent, truth), "{delays_us:?}: {percent} %, truly {truth} %");
        assert_eq!(answer, expected, "{delays_us:?}: {percent} %");
    }
}
