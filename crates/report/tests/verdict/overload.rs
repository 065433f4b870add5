//! How often an overload is detected: the check `backlog` and the sentence of the maximum on queues whose load is known by construction.

use rand::SeedableRng as _;
use rand_distr::{Distribution as _, Exp};
use rand_xoshiro::SplitMix64;
use zload_core::record::Ledger;
use zload_report::verdict::{CeilingBy, CheckStatus, Evidence, OpenLoad, TimeSeries, Twin};

use crate::evidence::{MS, all_answered, clean, judged, lose, status_of};

/// What the one worker does by plan.
const SERVED_PER_S: f64 = 500.0;
/// How often a run looks at its queue.
const LOOK_S: f64 = 0.05;
/// One of this many response times is kept, which makes a verdict cheap.
const THINNED: usize = 20;
const RUNS: u64 = 200;

/// A queue with Poisson arrivals and one worker with exponential work, empty at the start, as in a run: a look at
/// the replies in flight every 50 ms, and what was sent and answered.
fn queue(load: f64, window_s: u32, seed: u64) -> Evidence {
    let random = &mut SplitMix64::seed_from_u64(seed);
    let arrivals = Exp::new(load * SERVED_PER_S).expect("a rate");
    let works = Exp::new(SERVED_PER_S).expect("a rate");
    let seconds = f64::from(window_s);
    let (mut at, mut free) = (0.0, 0.0_f64);
    let (mut intended, mut ended) = (Vec::new(), Vec::new());
    loop {
        at += arrivals.sample(random);
        if at >= seconds {
            break;
        }
        free = free.max(at) + works.sample(random);
        intended.push(at);
        ended.push(free);
    }
    let before = |times: &[f64], at: f64| times.partition_point(|time| *time <= at) as f64;
    let looks = (0..).map(|look| f64::from(look) * LOOK_S).take_while(|at| *at < seconds);
    let in_flight = looks.map(|at| before(&intended, at) - before(&ended, at)).collect();
    let responses = intended.iter().zip(&ended).map(|(from, to)| (to - from) * 1e9);
    let sent = intended.len() as u64;
    Evidence {
        window_ns: MS * 1_000 * u64::from(window_s),
        ledger: all_answered(sent),
        requests_per_s: sent as f64 / seconds,
        replies_per_s: before(&ended, seconds) / seconds,
        open: Some(OpenLoad::default()),
        work_ns: 2 * MS,
        capacity_per_s: Some(SERVED_PER_S),
        in_flight: TimeSeries { values: in_flight, every: 1 },
        responses: TimeSeries {
            values: responses.step_by(THINNED).collect(),
            every: THINNED as u64,
        },
        ..Evidence::default()
    }
}

/// In how many of the runs the queue is called a backlog, and in how many the system handled the load, in percent.
fn called(load: f64, seconds: u32) -> (f64, f64) {
    let (mut backlogs, mut carried) = (0, 0);
    for seed in 0..RUNS {
        let verdict = judged(&queue(load, seconds, seed));
        backlogs += u32::from(status_of(&verdict, "backlog") >= CheckStatus::Warn);
        carried += u32::from(verdict.ceiling.expect("sent").by == CeilingBy::OfferedLoad);
    }
    let percent = |count: u32| f64::from(count) * 100.0 / RUNS as f64;
    (percent(backlogs), percent(carried))
}

/// The table of docs/verdict.md. The twin, which knows what the plan asks for, is left out: this is what a run against
/// somebody's own server can see.
#[test]
fn an_overload_is_seen_as_often_as_the_documentation_says() {
    for (load, seconds, least) in [
        (1.06, 6, 28.0),
        (1.12, 6, 94.0),
        (1.20, 6, 99.5),
        (1.06, 20, 93.0),
        (1.12, 20, 100.0),
        (1.40, 20, 100.0),
    ] {
        let (backlogs, carried) = called(load, seconds);
        assert!(backlogs >= least, "{load} {seconds} s: {backlogs} %");
        assert!(carried <= 100.0 - backlogs, "{load} {seconds} s: {carried} %");
    }
    for (load, seconds) in [(0.8, 6), (0.95, 6), (0.8, 20), (0.95, 20)] {
        let (backlogs, carried) = called(load, seconds);
        assert!(backlogs <= 0.5, "{load} {seconds} s: {backlogs} %");
        assert!(carried >= 95.0, "{load} {seconds} s: {carried} %");
    }
}

#[test]
fn what_the_twin_knows_of_the_plan_needs_no_test() {
    for seed in 0..20 {
        let twin = Twin {
            utilisation: 1.06,
            queue_grows: true,
            responses: Vec::new(),
            of_stages: Vec::new(),
        };
        let verdict = judged(&Evidence { twin: Some(twin), ..queue(1.06, 6, seed) });
        assert!(status_of(&verdict, "backlog") >= CheckStatus::Warn);
        assert_ne!(verdict.ceiling.unwrap().by, CeilingBy::OfferedLoad);
    }
}

#[test]
fn a_ceiling_is_what_was_served_and_no_more_than_the_workers_can_do() {
    let mut evidence = queue(1.4, 6, 1);
    evidence.host = clean(1).host;
    evidence.worker_busy_share = Some(1.0);
    let sentence = |evidence: &Evidence| judged(evidence).ceiling.unwrap().sentence;
    let served = zload_core::quantity::rate(evidence.replies_per_s.min(SERVED_PER_S));
    let said = sentence(&evidence);
    assert!(said.contains(&format!("was the limit at {served} replies")), "{said}");
    evidence.replies_per_s = 540.0;
    let said = sentence(&evidence);
    assert!(said.contains("was the limit at 500/s replies"), "{said}");
}

#[test]
fn nothing_answered_is_no_figure_and_half_answered_is_not_handled() {
    let with_lost = |percent: u64| {
        let mut evidence = queue(0.5, 6, 2);
        let lost = evidence.ledger.replies_expected * percent / 100;
        lose(&mut evidence.ledger, lost);
        evidence.replies_per_s *= 1.0 - percent as f64 / 100.0;
        judged(&evidence)
    };
    let nothing = with_lost(100);
    assert_eq!(status_of(&nothing, "lost"), CheckStatus::Fail);
    assert_ne!(nothing.ceiling.unwrap().by, CeilingBy::OfferedLoad);
    let half = with_lost(50);
    assert_eq!(status_of(&half, "lost"), CheckStatus::Warn);
    assert_ne!(half.ceiling.unwrap().by, CeilingBy::OfferedLoad);
    assert_eq!(with_lost(0).ceiling.unwrap().by, CeilingBy::OfferedLoad);
}

#[test]
fn an_unexpected_message_is_a_doubt_from_the_first_on() {
    let with = |change: fn(&mut Ledger)| {
        let mut evidence = queue(0.5, 6, 3);
        change(&mut evidence.ledger);
        status_of(&judged(&evidence), "unexpected")
    };
    assert_eq!(with(|_| {}), CheckStatus::Pass);
    assert_eq!(with(|ledger| ledger.replies_duplicate = 1), CheckStatus::Warn);
    assert_eq!(with(|ledger| ledger.replies_unexpected = 1), CheckStatus::Warn);
}
