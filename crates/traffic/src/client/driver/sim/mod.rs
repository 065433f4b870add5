//! The simulator: drivers in worlds that are drawn from a seed, and what must hold in each of them after every step.
//!
//! `scripts/simulate` runs many seeds; a seed that fails prints the line that runs it again.

mod connection;
mod faults;
mod server;
mod truth;
mod world;

use std::sync::Arc;
use std::sync::mpsc::channel;

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::SplitMix64;

use self::faults::Faults;
use self::server::{Drawn, Server};
use self::world::{Sim, ZERO_NS};
use super::{Driver, Surroundings};
use crate::client::tracker::{self, Tracker};
use crate::client::{DriverCounters, state::Client, world::World as _};
use crate::wire::Stations;
use zload_core::message::Forms;
use zload_core::plan::{Offered, Plan};
use zload_core::record::{Exchange, Recorded, Trace};
use zload_core::scenario::{Matching, Scenario};
use zload_core::twin::{Limits, Policy, Pool};

const MS: u64 = 1_000_000;
/// Passes after which a run that simulates at most some seconds hangs.
const MOST_PASSES: u64 = 5_000_000;
/// Seeds that every test run uses.
const SEEDS: u64 = 250;

struct Case {
    plan: Arc<Plan>,
    forms: Arc<Forms>,
    workers: usize,
    drivers: u32,
    stamped: bool,
    faults: Faults,
    stop_ns: Option<u64>,
    /// When nothing more is to be sent, while replies are still waited for.
    sending_ends_ns: Option<u64>,
    seed: u64,
}

impl Case {
    fn drawn(seed: u64) -> Self {
        let mut random = SplitMix64::seed_from_u64(seed);
        let faults = Faults::drawn(&mut random).with_ends(seed);
        let request = Drawn::new(&mut random);
        let mut draw = |below: u64| random.next_u64() % below;
        let duration_ms = 20 + draw(400);
        let warmup_ms = [0, draw(100)][usize::from(draw(3) == 0)];
        let clients = 1 + draw(12);
        // From a handful to some thousand requests; some of them all at once.
        let rate = [5, 50, 500, 5_000, 20_000][usize::try_from(draw(5)).expect("small")];
        let load = if draw(2) == 0 {
            let arrivals = ["periodic", "poisson"][usize::from(draw(2) == 0)];
            format!("rate = '{}/s'\narrivals = '{arrivals}'", 1 + draw(rate * 2))
        } else {
            let think = ["", "think = '0ms'", "think = { uniform = ['0ms', '9ms'] }"]
                [usize::try_from(draw(3)).expect("small")];
            let in_flight = [1 + draw(8), 1 + draw(600)][usize::from(draw(4) == 0)];
            format!("model = 'closed'\nin_flight = {in_flight}\n{think}")
        };
        let timeout = match draw(6) {
            0 => format!("timeout = '{}us'", 1_000 + draw(300_000)),
            1 => format!("timeout = '{}us'", 1 + draw(5_000)),
            _ => String::new(),
        };
        // Some loads end by a number of requests.
        let (length, number) = match draw(4) {
            0 => (String::new(), format!("requests = {}", clients + draw(100))),
            _ => (format!("duration = '{duration_ms}ms', "), String::new()),
        };
        let replies = ["1", "2", "{ uniform = [0, 4] }", "{ choice = [[9, 0], [1, 3]] }"]
            [usize::try_from(draw(4)).expect("small")];
        let order = request.matching == Matching::Order;
        let replies = if order || request.marks_last { "1" } else { replies };
        // Bodies of some kilobytes are stamped when they are written, which takes its time.
        let payload = match draw(8) {
            0 => "{ choice = [[9, '24B'], [1, '4100B']] }".to_owned(),
            _ => format!("'{}B'", 24 + draw(200)),
        };
        let text = format!(
            "seed = {}\nrun = {{ warmup = '{warmup_ms}ms', {length}drain = '{}ms' }}\n\
             clients.count = {clients}\nworkers.replies = {replies}\n\
             workers.delay = {{ exponential = '{}us' }}\n[load]\npayload = {payload}\n{load}\n{timeout}\n{number}\n{}",
            seed % 7,
            draw(1_000),
            1 + draw(20_000),
            request.text,
        );
        let ends_ms = warmup_ms + duration_ms;
        let (plan, forms) = plan(&text);
        let workers = 1 + usize::try_from(draw(5)).expect("small");
        let overlapping = plan.slots_per_client() != 1;
        Self {
            plan,
            // Several would answer in another order.
            workers: if order { 1 } else { workers },
            drivers: 1 + u32::try_from(draw(clients.min(3))).expect("small"),
            stamped: draw(2) == 0 && forms.plain,
            forms,
            faults: request.tolerated(faults, overlapping),
            stop_ns: (draw(3) == 0).then(|| draw((ends_ms + 300) * MS)),
            sending_ends_ns: None,
            seed,
        }
    }

    /// One driver in a world without faults and costs.
    fn faultless(text: &str, workers: usize) -> Self {
        let ((plan, forms), faults) = (plan(text), Faults::none());
        let sending_ends_ns = None;
        Self {
            plan,
            forms,
            workers,
            drivers: 1,
            stamped: true,
            faults,
            stop_ns: None,
            sending_ends_ns,
            seed: 1,
        }
    }

    /// Plays the case and checks everything; gives what all drivers recorded.
    fn play(&self) -> Recorded {
        let mut merged = Recorded::default();
        for driver in 0..self.drivers {
            merged.merge(&self.play_driver(driver).0);
        }
        assert_eq!(merged.ledger.contradiction(), None);
        merged
    }

    /// Plays one driver's share; gives what it recorded, and its world as it ended.
    fn play_driver(&self, number: u32) -> (Recorded, Vec<(u32, u64, u64, u64)>) {
        let plan = &self.plan;
        let numbers: Vec<u32> =
            (0..plan.clients()).filter(|client| client % self.drivers == number).collect();
        let stations = self.stamped.then(|| Arc::new(tracker::stations()));
        let seed = self.seed.wrapping_add(u64::from(number));
        let server = Server { forms: Arc::clone(&self.forms) };
        let (of_all, stamps) = ((plan, server), stations.clone());
        let mut world = Sim::new(of_all, stamps, self.faults, self.workers, &numbers, seed);
        world.stop_at_ns = self.stop_ns;
        world.sending_ends_at_ns = self.sending_ends_ns;
        let asked_ns = self.stop_ns.or(self.sending_ends_ns);
        let mut driver = self.driver(world, stations, &numbers, number);
        driver.begin();
        let mut passes = 0;
        while !driver.pass().expect("the world fails in no other way") {
            let following = driver.tracker.following();
            let now = (driver.world.now(), self.slack_ns());
            driver.world.truth.check_held(held(&driver), following, now);
            assert!(driver.world.asked() <= following, "asked for what is not followed");
            self.check_agenda(&driver, numbers.len());
            passes += 1;
            assert!(passes < MOST_PASSES, "it does not end");
            driver.wait().expect("the world fails in no other way");
        }
        let (drain_end_ns, ended_ns) = (driver.drain_end_ns, driver.world.now());
        let planned_end_ns = plan.send_end_ns() + plan.drain_ns();
        let end_ns = self.stop_ns.map_or(u64::MAX, |stop_ns| stop_ns + 200 * MS);
        assert!(ended_ns <= planned_end_ns.min(end_ns) + self.slack_ns(), "it ends too late");
        assert!(ended_ns <= drain_end_ns + self.slack_ns(), "nobody waits after the drain");
        // It heard of the stop, and did not end before.
        let cut_ns = asked_ns.filter(|_| driver.stopping);
        let (recorded, mut world) = driver.finish();
        world.settle();
        let Faults { room, call_ns, starved, ended, .. } = self.faults;
        if asked_ns.is_none() && (room, call_ns, starved, ended) == (usize::MAX, 0, 0, 0) {
            assert_eq!(recorded.ledger.requests_unsent, 0, "nothing kept it from sending");
        }
        world.truth.check(&recorded, (drain_end_ns, ended_ns), cut_ns);
        (recorded, world.truth.responses_ns())
    }

    fn driver(
        &self,
        world: Sim,
        stations: Option<Arc<Stations>>,
        numbers: &[u32],
        number: u32,
    ) -> Driver<Sim> {
        let plan = &self.plan;
        let client = |number: &u32| Client::new(*number, format!("{number:04X}-SIMU"), 7, plan);
        let clients = numbers.iter().map(client).collect();
        // Nobody listens to what happens in each second.
        let (tell, _) = channel();
        let around = Surroundings {
            plan: Arc::clone(plan),
            forms: Arc::clone(&self.forms),
            identities: plan.identities(0),
            counters: Arc::new(DriverCounters::default()),
            tell,
            tracer: None,
        };
        let tracker = Tracker::new(plan, stations, ZERO_NS, (number, self.drivers));
        Driver::new(world, around, tracker, clients)
    }

    /// Whether no timer is one too many, and no slot of a closed load is forgotten.
    fn check_agenda(&self, driver: &Driver<Sim>, clients: usize) {
        let timers = driver.timers.len();
        let free: u64 = driver.clients.iter().map(|client| client.unsent(0, u64::MAX)).sum();
        match self.plan.offered() {
            Offered::Open { .. } => assert!(timers <= clients, "timers that nobody needs"),
            Offered::Closed { in_flight, .. } => {
                let sending =
                    driver.world.now() < self.plan.send_end_ns() && !driver.world.stop_requested();
                // A client that has sent all of its requests leaves its slots alone.
                let sending = sending && driver.clients.iter().all(|client| client.left() > 0);
                let slots = held(driver).count() + timers + usize::try_from(free).expect("few");
                assert!(!sending || slots == clients * *in_flight as usize, "{slots} slots");
            }
        }
    }

    /// How much later than planned a driver may do something: two sleeps, and what a whole pass of all clients' turns may cost.
    fn slack_ns(&self) -> u64 {
        let Faults { call_ns, woken_late_ns, starved, starved_ns, .. } = self.faults;
        let raced_ns = if self.faults.raced > 0 { 50_000 } else { 0 };
        let calls = 1_600 * u64::from(self.plan.clients());
        let stalls = calls.checked_div(starved).map_or(0, |expected| 2 + expected * 3);
        2 * woken_late_ns + (call_ns + raced_ns) * calls + stalls * starved_ns
    }
}

fn held(driver: &Driver<Sim>) -> impl Iterator<Item = &Exchange> {
    driver.clients.iter().flat_map(|client| client.outstanding.iter())
}

fn plan(text: &str) -> (Arc<Plan>, Arc<Forms>) {
    let scenario = Scenario::parse("sim.toml", text, &[]);
    let scenario = scenario.unwrap_or_else(|problem| panic!("{problem}\n{text}"));
    (Arc::new(Plan::new(&scenario)), Arc::new(Forms::new(&scenario)))
}

/// Says how to run a seed again if its test fails.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "the line that is needed to run a failure again")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (from, to) = (self.0, self.0 + 1);
            eprintln!("play it again: ZLOAD_SIM_SEEDS={from}..{to} cargo test --lib sim");
        }
    }
}

/// The seeds to run: those of `ZLOAD_SIM_SEEDS=from..to`, or the first few hundred.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("ZLOAD_SIM_SEEDS") else { return 0..SEEDS };
    let range =
        text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.expect("ZLOAD_SIM_SEEDS is from..to")
}

#[test]
fn whatever_happens_the_records_are_true() {
    for seed in seeds() {
        let _replay = Seed(seed);
        Case::drawn(seed).play();
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..30 {
        let _replay = Seed(seed);
        let [one, two] = [0, 1].map(|_| Case::drawn(seed).play());
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
}

#[test]
fn a_client_that_matches_by_order_starts_anew_after_a_loss() {
    let text = "run = { duration = '500ms', drain = '1s' }\nclients.count = 3\nworkers.delay = '1ms'\n\
                load = { model = 'closed', timeout = '5ms' }\nrequest = { match = 'order', frames = ['{number}'] }";
    let faults = Faults { reply_lost: 5, transit_ns: MS, ..Faults::none() };
    let ledger = Case { faults, ..Case::faultless(text, 1) }.play().ledger;
    assert!(ledger.requests_lost > 10 && ledger.requests_answered > 10, "{ledger:?}");
    assert_eq!(ledger.replies_unexpected, 0, "what is late is lost with its connection");
}

/// A world that costs nothing is that of the simulation: the simulator and the twin are independent.
#[test]
fn without_faults_and_costs_the_world_is_the_twin() {
    let loads = [
        "rate = '2k/s'",
        "rate = '1k/s'\narrivals = 'poisson'",
        "stages = '200ms@1k/s, 100ms@4k/s..0/s, 200ms@2k/s'\narrivals = 'poisson'",
        "model = 'closed'\nin_flight = 3\nthink = { exponential = '2ms' }",
        "requests = 777\nrate = '1k/s'\narrivals = 'poisson'",
        "requests = 777\nmodel = 'closed'\nin_flight = 3\nthink = { exponential = '2ms' }",
    ];
    for load in loads {
        let length = if load.starts_with("requests") { "" } else { "duration = '500ms', " };
        let text = format!(
            "run = {{ warmup = '40ms', {length}drain = '30s' }}\nclients.count = 5\nworkers.replies = {{ uniform = [0, 3] }}\n\
             workers.delay = {{ lognormal = {{ median = '1ms', p99 = '9ms' }} }}\n[load]\n{load}\n"
        );
        let case = Case::faultless(&text, 4);
        let (recorded, mut responses) = case.play_driver(0);
        let mut ideal = Vec::new();
        let pool = Pool { workers: 4, policy: Policy::RoundRobin };
        zload_core::twin::play(&case.plan, pool, Limits::none(), |served| {
            if let (Some(first_ns), Some(last_ns)) = (served.first_ns(), served.last_ns()) {
                ideal.push((served.client, served.request, first_ns, last_ns));
            }
        })
        .expect("there is an ideal");
        ideal.sort_unstable();
        responses.sort_unstable();
        let differ = responses.iter().zip(&ideal).find(|(simulated, ideal)| simulated != ideal);
        assert_eq!(differ, None, "{load}");
        assert_eq!(responses.len(), ideal.len(), "{load}");
        assert_eq!(recorded.slip.max(), Some(0), "{load}");
        let ideal =
            zload_core::twin::ideal(&case.plan, pool, Limits::none()).expect("there is one");
        assert_eq!(recorded.in_flight_at, ideal.in_flight_at, "{load}");
        let [own, twins]: [Vec<_>; 2] = [
            recorded.stages.iter().map(|of| (of.sent, of.first_reply.max())).collect(),
            ideal.stages.iter().map(|of| (of.requests, of.first_reply.max())).collect(),
        ];
        assert_eq!(own, twins, "{load}");
        let [one, other] =
            [recorded.completed, ideal.completed].map(|of| (of.requests, of.replies));
        assert!((one.0 - other.0).abs() < 1e-6, "{load}: {one:?} and {other:?}");
        assert!((one.1 - other.1).abs() < 1e-6, "{load}: {one:?} and {other:?}");
        assert_eq!(recorded.window_end_ns - case.plan.warmup_ns(), ideal.window_ns, "{load}");
    }
}

/// An early end of the sending is no stop: what is outstanding has the whole drain to come.
#[test]
fn what_is_outstanding_when_the_sending_ends_early_still_comes() {
    let text = "run = { duration = '400ms', drain = '5s' }\nclients.count = 3\nload.rate = '200/s'\n\
                workers.delay = '700ms'";
    let case = Case { sending_ends_ns: Some(98 * MS), ..Case::faultless(text, 40) };
    let ledger = case.play().ledger;
    assert_eq!(
        (ledger.requests_answered, ledger.requests_unsent, ledger.requests_lost),
        (20, 60, 0)
    );
}

/// Where all slots take equally long, the rate is the slots over the cycle, whatever window cuts the rounds.
#[test]
fn a_load_in_lockstep_has_the_rate_of_its_cycle_in_any_window() {
    for seed in seeds() {
        let _replay = Seed(seed);
        let mut random = SplitMix64::seed_from_u64(seed);
        let mut draw = |from: u64, to: u64| from + random.next_u64() % (to - from);
        let (clients, in_flight, replies) = (draw(1, 9), draw(1, 4), draw(1, 4));
        let (delay_us, think_us) = (draw(500, 30_000), draw(0, 2) * draw(1, 30_000));
        let cycle_us = replies * delay_us + think_us;
        let warmup_us = draw(0, 2) * draw(1, 3 * cycle_us);
        let window_us = draw(cycle_us, 5 * cycle_us);
        let text = format!(
            "seed = {seed}\nrun = {{ warmup = '{warmup_us}us', duration = '{window_us}us', drain = '{}us' }}\n\
             clients.count = {clients}\nworkers = {{ replies = {replies}, delay = '{delay_us}us' }}\n[load]\n\
             model = 'closed'\nin_flight = {in_flight}\nthink = '{think_us}us'\n",
            draw(0, 2) * 100_000,
        );
        let slots = clients * in_flight;
        let completed =
            Case::faultless(&text, usize::try_from(slots).expect("few")).play().completed;
        let expected = slots as f64 * window_us as f64 / cycle_us as f64;
        assert!(
            (completed.requests / expected - 1.0).abs() < 1e-9,
            "{completed:?}, not {expected}"
        );
    }
}

/// A reply waits for a driver that sleeps until it is woken, and for one that is busy until it has its turn.
#[test]
fn what_waits_in_the_generator_is_apart_from_the_server_and_waking_from_queueing() {
    let text = "run = { duration = '1s', follow_one_in = 1 }\nclients.count = 40\n\
                load.rate = '20k/s'\nworkers.delay = '100us'";
    let parts = |call_ns, woken_late_ns| {
        let faults = Faults { call_ns, woken_late_ns, transit_ns: 30_000, ..Faults::none() };
        let (recorded, _) = Case { faults, ..Case::faultless(text, 40) }.play_driver(0);
        let traces = recorded.traces.kept();
        assert!(traces.len() > 1_000, "{}", traces.len());
        let sum = |of: fn(&Trace) -> Option<u64>| -> u64 {
            traces.iter().map(|trace| of(trace).expect("it is asked")).sum()
        };
        assert!(traces.iter().all(Trace::is_ordered));
        (sum(Trace::waking_ns), sum(Trace::queued_ns), traces.len() as u64)
    };
    assert_eq!(parts(0, 0).0 + parts(0, 0).1, 0, "nothing costs any time");
    let (waking_ns, queued_ns, count) = parts(0, 60_000);
    assert!(waking_ns > 10_000 * count && queued_ns == 0, "{waking_ns} {queued_ns}");
    let (waking_ns, queued_ns, _) = parts(10_000, 0);
    assert!(queued_ns > 10_000 * count && waking_ns * 10 < queued_ns, "{waking_ns} {queued_ns}");
}
