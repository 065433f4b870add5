//! Loads that change, against known answers: the arithmetic of a spike, the distribution of moved arrivals, and old plans.

use zload_core::plan::Plan;
use zload_core::scenario::{RecordedArrivals, Scenario};
use zload_core::twin::{Limits, Policy, Pool, ideal};
use zload_report::result::IdealResult;

const SECOND: u64 = 1_000_000_000;

fn scenario(text: &str) -> Scenario {
    Scenario::parse("test.toml", text, &[]).unwrap_or_else(|problem| panic!("{problem}"))
}

/// All instants of a plan, in order.
fn instants(plan: &Plan) -> Vec<u64> {
    let schedules = (0..plan.clients()).filter_map(|client| plan.schedule(client));
    let mut instants: Vec<u64> = schedules.flatten().map(|(_, at_ns)| at_ns).collect();
    instants.sort_unstable();
    instants
}

/// The probability that the largest distance between an exponential distribution and as many draws of it is larger than
/// that of these: Kolmogorov's limit, with Stephens' correction for their number.
fn kolmogorov(mut gaps: Vec<f64>) -> f64 {
    gaps.sort_by(f64::total_cmp);
    let count = gaps.len() as f64;
    let distance = (0..).zip(&gaps).map(|(place, gap)| {
        let (expected, below) = (1.0 - (-gap).exp(), f64::from(place) / count);
        (expected - below).max(below + 1.0 / count - expected)
    });
    let distance = distance.fold(0.0, f64::max);
    let x = distance * (count.sqrt() + 0.12 + 0.11 / count.sqrt());
    let term = |k: i32| 2.0 * (-1.0_f64).powi(k - 1) * (-2.0 * f64::from(k * k) * x * x).exp();
    (1..100).map(term).sum()
}

/// Requests of a load that are expected before `t` seconds.
type Integral = fn(f64) -> f64;

const SHAPES: [(&str, f64, Integral); 4] = [
    ("{ for = '100s', rate = '1k/s' }", 100.0, |t| 1_000.0 * t),
    ("{ for = '100s', rate = '0/s', to = '2k/s' }", 100.0, |t| 10.0 * t * t),
    ("{ for = '100s', rate = '2k/s', to = '0/s' }", 100.0, |t| 2_000.0 * t - 10.0 * t * t),
    ("{ for = '100s', rate = '1k/s', swing = '1k/s', period = '20s' }", 100.0, |t| {
        let omega = std::f64::consts::TAU / 20.0;
        1_000.0 * t + 1_000.0 / omega * (1.0 - (omega * t).cos())
    }),
];

#[test]
fn moved_gaps_are_exponential_and_seconds_have_their_counts() {
    for (seed, (stage, seconds, integral)) in (1..).zip(SHAPES) {
        let text = format!(
            "seed = {seed}\nclients.count = 7\nload = {{ arrivals = 'poisson', stages = [{stage}] }}"
        );
        let plan = Plan::new(&scenario(&text));
        let instants = instants(&plan);
        let total = integral(seconds);
        assert!(
            (instants.len() as f64 - total).abs() < 4.0 * total.sqrt(),
            "{stage}: {}",
            instants.len()
        );
        let at = |ns: u64| integral(ns as f64 / 1e9);
        let gaps = instants.windows(2).map(|pair| at(pair[1]) - at(pair[0])).collect();
        let chance = kolmogorov(gaps);
        assert!(chance > 0.001, "{stage}: {chance}");
        for second in (0..100).step_by(7) {
            let (from, to) = (second * SECOND, (second + 1) * SECOND);
            let count =
                instants.partition_point(|ns| *ns < to) - instants.partition_point(|ns| *ns < from);
            let expected = at(to) - at(from);
            assert!(
                (count as f64 - expected).abs() <= 5.0 * expected.sqrt() + 3.0,
                "{stage}: {count} in second {second}, not {expected}"
            );
        }
        // Each client has its share, whoever runs it.
        for client in 0..7 {
            let own = plan.schedule(client).unwrap().count() as f64;
            assert!(
                (own - total / 7.0).abs() < 5.0 * (total / 7.0).sqrt(),
                "{stage}: client {client} has {own}"
            );
        }
    }
}

#[test]
fn periodic_loads_have_the_counts_of_the_integral() {
    for (stage, seconds, integral) in SHAPES {
        let plan = Plan::new(&scenario(&format!("clients.count = 3\nload.stages = [{stage}]")));
        let instants = instants(&plan);
        assert!((instants.len() as f64 - integral(seconds)).abs() <= 1.0, "{stage}");
        for second in 0..100 {
            let count = instants.partition_point(|ns| *ns < second * SECOND) as f64;
            assert!(
                (count - integral(second as f64)).abs() <= 1.0 + 1e-6,
                "{stage}: {count} before {second} s"
            );
        }
        assert_eq!(plan.requests(), Some(instants.len() as u64), "{stage}: counted as walked");
        assert_eq!(plan.requests_of_stages(), [plan.requests()]);
    }
}

#[test]
fn stages_follow_one_another_and_the_warm_up_has_the_first_rate() {
    let text = "run.warmup = '2s'\nload.stages = '1s@10/s, 1s@0/s, 2s@30/s'";
    let plan = Plan::new(&scenario(text));
    let counts: Vec<Option<u64>> = plan.requests_of_stages();
    assert_eq!(counts, [Some(10), Some(0), Some(60)]);
    let instants = instants(&plan);
    let warmup = instants.iter().filter(|ns| **ns < 2 * SECOND).count();
    assert_eq!((warmup, plan.requests(), instants.len()), (20, Some(70), 90));
    let from = |place: usize| plan.stages()[place].from_ns / SECOND;
    assert_eq!([from(0), from(1), from(2), plan.send_end_ns() / SECOND], [2, 3, 4, 6]);
}

#[test]
fn one_stage_is_the_constant_load() {
    for arrivals in ["periodic", "poisson"] {
        let plan = |load: &str| {
            let text = format!(
                "clients.count = 4\nload = {{ arrivals = '{arrivals}', {load} }}\nrun.duration = '5s'"
            );
            instants(&Plan::new(&scenario(&text)))
        };
        let (constant, staged) = (plan("rate = '700/s'"), plan("stages = '5s@700/s'"));
        assert_eq!(constant.len(), staged.len(), "{arrivals}");
        // Gaps of a constant rate are rounded one by one, and those of a stage are not.
        let apart = constant.iter().zip(&staged).map(|(one, other)| one.abs_diff(*other)).max();
        assert!(apart.unwrap() <= constant.len() as u64, "{arrivals}: {apart:?}");
    }
}

#[test]
fn the_hash_covers_what_changes_the_load_and_no_name() {
    let hash = |text: &str| Plan::new(&scenario(text)).hash().to_owned();
    let base = hash("load.stages = '5s@500/s, 2s@900/s'");
    let named = "[[load.stages]]\nname = 'a'\nfor = '5s'\nrate = '500/s'\n[[load.stages]]\nname = 'b'\nfor = '2s'\nrate = '900/s'";
    assert_eq!(hash(named), base);
    for other in [
        "5s@500/s, 2s@901/s",
        "5s@500/s, 3s@900/s",
        "2s@900/s, 5s@500/s",
        "5s@500/s, 2s@900/s..901/s",
    ] {
        assert_ne!(hash(&format!("load.stages = '{other}'")), base, "{other}");
    }
}

/// 1 ms of work for each request, one worker: three times half its capacity for two seconds.
const SPIKE: &str = "clients.count = 5\nworkers = { count = 1, delay = '1ms' }\n\
                     load.stages = '5s@500/s, 2s@1500/s, 5s@500/s'";

#[test]
fn a_spike_is_what_arithmetic_says() {
    let scenario = scenario(SPIKE);
    let plan = Plan::new(&scenario);
    let pool = Pool { workers: 1, policy: Policy::RoundRobin };
    let figures = ideal(&plan, pool, Limits::none()).unwrap();
    let result = IdealResult::new(&scenario, &plan, &[(Policy::RoundRobin, figures)]);
    let policy = &result.policies[0];
    let [base, spike, after] = &policy.stages[..] else { panic!("three stages") };
    assert_eq!([base.requests, spike.requests, after.requests], [2_500, 3_000, 2_500]);
    assert!(spike.in_flight_at_end.abs_diff(1_000) <= 5, "{}", spike.in_flight_at_end);
    let longest_ns = policy.first_reply.max_ns.unwrap();
    assert!(longest_ns.abs_diff(SECOND) <= SECOND / 100, "{longest_ns}");
    let caught_up_ns = spike.caught_up_after_ns.unwrap();
    assert!(caught_up_ns.abs_diff(2 * SECOND) <= SECOND / 100, "{caught_up_ns}");
    // By the intended instant: the base has none of it, and what came after it waited for it.
    assert_eq!(base.first_reply.p99_ns, Some(1_000_000));
    assert_eq!((base.caught_up_after_ns, after.caught_up_after_ns), (Some(0), Some(0)));
    assert!(after.first_reply.max_ns.unwrap() > SECOND * 9 / 10);
    assert!((spike.utilisation - 1.5).abs() < 0.01 && (base.utilisation - 0.5).abs() < 0.01);
    assert_eq!(
        (policy.first_reply.p50_ns, policy.first_reply.p99_ns),
        (None, None),
        "no load has them"
    );
}

#[test]
fn a_replay_is_the_recorded_instants() {
    let poisson =
        Plan::new(&scenario("clients.count = 4\nload = { rate = '500/s', arrivals = 'poisson' }"));
    let recorded = instants(&poisson);
    let csv: String = recorded.iter().map(|ns| format!("{ns}\n")).collect();
    let replayed = |speed: f64| {
        let mut scenario = scenario("clients.count = 4\nload.replay.file = 'a.csv'");
        let replay = scenario.load.replay.as_mut().unwrap();
        replay.speed = Some(speed);
        let length_ns = replay.supply(format!("at_ns\n{csv}").as_bytes(), 4).unwrap();
        scenario.run.duration = Some(zload_core::scenario::Nanos(length_ns));
        Plan::new(&scenario)
    };
    let (once, twice) = (replayed(1.0), replayed(2.0));
    let since: Vec<u64> = recorded.iter().map(|ns| ns - recorded[0]).collect();
    assert_eq!(instants(&once), since, "to the nanosecond");
    let halved: Vec<u64> = since.iter().map(|ns| ns.div_ceil(2)).collect();
    assert_eq!(instants(&twice), halved);
    assert_ne!(once.hash(), twice.hash());
    assert_eq!(once.requests(), Some(recorded.len() as u64));
    assert_eq!(RecordedArrivals::default().rows(), 0);
}
