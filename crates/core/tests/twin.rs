//! The simulated twin against what queueing theory knows exactly, against examples worked out by hand, and against the
//! laws that every policy must keep.
//!
//! Everything here is a pure function of scenario and seed, so a test passes always or never. The formulas are those
//! of Kleinrock, "Queueing Systems", volume 1 (1975), chapters 3 and 5.

use proptest::prelude::*;
use zload_core::plan::Plan;
use zload_core::scenario::Scenario;
use zload_core::twin::{
    Course, Excess, Ideal, Limits, MOST_SEEDS, NoIdeal, Observed, Policy, Pool, ideal,
    ideal_and_excess, other_seeds, play,
};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn plan(text: &str) -> Plan {
    Plan::new(&Scenario::parse("test.toml", text, &[]).expect("a valid scenario"))
}

fn pool(workers: u32, policy: Policy) -> Pool {
    Pool { workers, policy }
}

/// A Poisson load of `rate_per_s` for `seconds` from ten clients, with this delay before the one reply.
fn poisson(rate_per_s: u32, seconds: u32, delay: &str) -> Plan {
    plan(&format!(
        "load = {{ rate = '{rate_per_s}/s', arrivals = 'poisson' }}\nclients = {{ count = 10 }}\n\
         run = {{ duration = '{seconds}s' }}\nworkers = {{ delay = {delay} }}"
    ))
}

fn ideal_of(plan: &Plan, workers: u32, policy: Policy) -> Ideal {
    ideal(plan, pool(workers, policy), Limits::none()).expect("a lower bound")
}

fn excess_of(plan: &Plan, pool: Pool, observed: Vec<Observed>) -> Excess {
    let played = ideal_and_excess(plan, pool, Limits::none(), vec![observed]);
    played.expect("a lower bound").1.remove(0)
}

fn mean_ns(ideal: &Ideal) -> f64 {
    ideal.reply.histogram().mean()
}

fn assert_near(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{what}: {found}, expected {expected}");
}

#[test]
fn a_fixed_number_of_requests_is_played_to_its_last_reply() {
    let of = |load: &str| {
        let text =
            format!("load = {{ {load} }}\nworkers = {{ delay = '10ms' }}\nclients.count = 2");
        ideal_of(&plan(&text), 1, Policy::RoundRobin)
    };
    // One worker, all the time at work on two slots: the twenty-first reply comes after 210 ms.
    let closed = of("model = 'closed', requests = 21");
    assert_eq!((closed.requests, closed.replies, closed.window_ns), (21, 21, 210 * MS));
    assert_eq!((closed.completed.requests, closed.completed.replies), (21.0, 21.0));
    assert_near("utilisation", closed.utilisation, 1.0, 1e-9);
    // Requests at 0, 20, 40, … ms.
    let open = of("rate = '50/s', requests = 21");
    assert_eq!((open.requests, open.window_ns), (21, 410 * MS));
    assert_near("utilisation", open.utilisation, 0.5, 1e-9);
    assert!(!open.queue_grows);
    let overload = of("rate = '200/s', requests = 100");
    assert_eq!(overload.window_ns, SECOND);
    assert!(overload.queue_grows, "though the worker catches up after the last request");
}

#[test]
fn one_worker_with_exponential_work_is_an_mm1_queue() {
    let ideal = ideal_of(&poisson(300, 1_000, "{ exponential = '2ms' }"), 1, Policy::RoundRobin);
    // The response time of M/M/1 is exponential with mean 1/(mu - lambda), here 1/(500 - 300) s.
    assert_near("mean", mean_ns(&ideal), 5e6, 0.03);
    let percentile = |quantile| ideal.reply.percentile(quantile).expect("a large sample") as f64;
    assert_near("p50", percentile(0.5), 5e6 * 2.0_f64.ln(), 0.03);
    assert_near("p99", percentile(0.99), 5e6 * 100.0_f64.ln(), 0.05);
    assert_near("utilisation", ideal.utilisation, 0.6, 0.01);
    assert!(!ideal.queue_grows);
}

#[test]
fn one_worker_with_constant_work_waits_half_as_long() {
    let ideal = ideal_of(&poisson(300, 1_000, "'2ms'"), 1, Policy::SharedQueue);
    // Pollaczek and Khinchine: a mean wait of rho / (2 mu (1 - rho)).
    assert_near("wait", mean_ns(&ideal) - 2e6, 0.6 / (2.0 * 500.0 * 0.4) * 1e9, 0.03);
}

#[test]
fn several_workers_on_a_shared_queue_are_an_mmk_queue() {
    let workers = 4;
    let ideal =
        ideal_of(&poisson(1_500, 100, "{ exponential = '2ms' }"), workers, Policy::SharedQueue);
    // Erlang C for an offered load of a = lambda / mu = 3 and k = 4 workers; the mean wait is C / (k mu - lambda).
    let (offered, k) = (3.0_f64, f64::from(workers));
    let terms: Vec<f64> = (0..=workers)
        .scan(1.0, |term, n| {
            if n > 0 {
                *term *= offered / f64::from(n);
            }
            Some(*term)
        })
        .collect();
    let all_busy = terms[4] / (1.0 - offered / k);
    let erlang_c = all_busy / (terms[..4].iter().sum::<f64>() + all_busy);
    assert_near("wait", mean_ns(&ideal) - 2e6, erlang_c / (4.0 * 500.0 - 1_500.0) * 1e9, 0.05);
}

#[test]
fn round_robin_makes_each_worker_a_queue_with_erlang_arrivals() {
    let plan = poisson(1_600, 100, "{ exponential = '2ms' }");
    let wait_ns = |policy| mean_ns(&ideal_of(&plan, 4, policy)) - 2e6;
    // Every fourth request of a Poisson stream: E4/M/1. In GI/M/1 the wait is sigma / (mu (1 - sigma)), where sigma is
    // the root below 1 of sigma = A*(mu - mu sigma), A* the transform of the gaps: (4 r / (4 r + s))^4 at r = 400/s.
    let (rate, service) = (400.0, 500.0);
    let sigma = (0..500)
        .fold(0.5, |sigma: f64, _| (4.0 * rate / (4.0 * rate + service * (1.0 - sigma))).powi(4));
    let round_robin = wait_ns(Policy::RoundRobin);
    assert_near("wait", round_robin, sigma / (service * (1.0 - sigma)) * 1e9, 0.05);
    // The more a policy looks at, the shorter the wait; no look at the workers beats a queue for all.
    let least_loaded = wait_ns(Policy::LeastLoaded);
    assert!(wait_ns(Policy::SharedQueue) < least_loaded);
    assert!(least_loaded < wait_ns(Policy::PowerOfTwo) && least_loaded < round_robin);
}

#[test]
fn above_capacity_the_queue_grows_with_the_run() {
    // One worker, a request every 1 ms, 1.5 ms of work: request n of n in T waits for (n - 1) half milliseconds.
    for (seconds, last_ns) in [(1_u64, 500 * MS), (4, 2_000 * MS)] {
        let plan = plan(&format!(
            "load = {{ rate = '1k/s' }}\nclients = {{ count = 1 }}\nrun = {{ duration = '{seconds}s' }}\n\
             workers = {{ count = 1, delay = '1500us' }}"
        ));
        let ideal = ideal_of(&plan, 1, Policy::RoundRobin);
        assert!(ideal.queue_grows);
        assert_near("utilisation", ideal.utilisation, 1.5, 1e-9);
        // T (rho - 1) until the last one's turn, less half a millisecond, and its own 1.5 ms.
        assert_eq!(ideal.reply.max(), Some(last_ns - MS / 2 + 3 * MS / 2));
        assert_eq!(ideal.reply.min(), Some(3 * MS / 2));
        // The worker is never idle in the window.
        let replies = seconds * SECOND / (3 * MS / 2);
        assert_near("replies", ideal.completed.replies, replies as f64, 1e-9);
    }
}

#[test]
fn below_capacity_an_even_load_never_waits() {
    let plan = plan(
        "load = { rate = '1k/s' }\nrun = { duration = '2s', warmup = '500ms' }\nclients = { count = 7 }\n\
         workers = { delay = '2900us' }",
    );
    for policy in Policy::ALL.into_iter().filter(|policy| *policy != Policy::PowerOfTwo) {
        let ideal = ideal_of(&plan, 3, policy);
        assert_eq!(ideal.requests, 2_000, "the warm-up is not counted");
        assert_eq!(
            (ideal.reply.min(), ideal.reply.max()),
            (Some(2_900_000), Some(2_900_000)),
            "{policy:?}"
        );
    }
}

#[test]
fn a_closed_load_is_as_fast_as_its_slots_or_its_workers() {
    let closed = |in_flight: u32, think: &str| {
        plan(&format!(
            "load = {{ model = 'closed', in_flight = {in_flight}, think = '{think}' }}\nclients = {{ count = 2 }}\n\
             run = {{ duration = '1s' }}\nworkers = {{ delay = '1ms', replies = 2 }}"
        ))
    };
    // Two slots, four workers, 2 ms of work and 3 ms of thinking: a request of each slot every 5 ms, without a wait.
    let ideal = ideal_of(&closed(1, "3ms"), 4, Policy::RoundRobin);
    assert_eq!((ideal.requests, ideal.replies), (400, 800));
    assert_eq!((ideal.first_reply.max(), ideal.last_reply.max()), (Some(MS), Some(2 * MS)));
    // Twenty slots and four workers: 2 ms for each of 4 at a time, so each request is in flight for 10 ms.
    let ideal = ideal_of(&closed(10, "0ms"), 4, Policy::SharedQueue);
    assert_near("rate", ideal.requests as f64, 2_000.0 + 20.0, 0.01);
    assert_eq!(ideal.last_reply.percentile(0.5), ideal.last_reply.max());
    assert_near("response", ideal.last_reply.max().expect("replies") as f64, 10e6, 1e-3);
    assert!(!ideal.queue_grows);
}

/// The example's own shape, small enough for a hand: three clients, two workers, fan-outs of 0 to 4.
#[test]
fn the_example_by_hand() {
    let plan = plan(
        "seed = 5570\nload = { rate_per_client = '1/s' }\nclients = { count = 3 }\nrun = { duration = '1s' }\n\
         workers = { count = 2, replies = { uniform = [0, 4] }, delay = { uniform = ['1ms', '1s'] } }",
    );
    let work = |client: u32| -> Vec<u64> {
        let key = plan.key(client, 0);
        (0..plan.replies(key))
            .scan(0, |sum, reply| {
                *sum += plan.delay_ns(key, reply);
                Some(*sum)
            })
            .collect()
    };
    // Clients send at 0, 1/3 and 2/3 s; worker 0 has the first and the third request, worker 1 the second.
    let [first, second, third] = [0, 1, 2].map(work);
    let intended_ns = [0, 333_333_333, 666_666_667];
    let third_starts_ns = first.last().copied().unwrap_or(0).max(intended_ns[2]);
    let from =
        |start_ns: u64, work: &[u64]| work.iter().map(|ns| start_ns + ns).collect::<Vec<_>>();
    let expected = [
        (0, 0, 0, from(0, &first)),
        (1, 1, intended_ns[1], from(intended_ns[1], &second)),
        (2, 0, third_starts_ns, from(third_starts_ns, &third)),
    ];
    let mut seen = Vec::new();
    play(&plan, pool(2, Policy::RoundRobin), Limits::none(), |served| {
        assert_eq!(served.intended_ns, intended_ns[served.client as usize]);
        seen.push((served.client, served.worker, served.started_ns, served.replies_ns.to_vec()));
    })
    .expect("a lower bound");
    assert_eq!(seen, expected);
}

#[test]
fn loads_that_pass_no_time_have_no_ideal() {
    let closed = |rest: &str, workers: &str| {
        plan(&format!(
            "load = {{ model = 'closed'{rest} }}\nrun = {{ duration = '10ms' }}\nworkers = {{ {workers} }}"
        ))
    };
    let nothing = closed("", "delay = '0ms'");
    let silent = closed("", "replies = { choice = [[1e9, 0], [1, 1]] }, delay = '1ms'");
    let instant = closed("", "delay = { choice = [[1e9, '0ms'], [1, '1ms']] }");
    let huge =
        plan("load = { model = 'closed', in_flight = 1000000 }\nclients = { count = 1000000 }");
    for policy in Policy::ALL {
        let refusal = |plan| ideal(plan, pool(3, policy), Limits::none()).expect_err("no ideal");
        assert_eq!(refusal(&nothing), NoIdeal::InfiniteRate);
        assert!(matches!(refusal(&huge), NoIdeal::TooManyInFlight { .. }));
    }
    for plan in [&silent, &instant] {
        let refusal =
            ideal(plan, pool(3, Policy::RoundRobin), Limits::none()).expect_err("no ideal");
        assert!(matches!(refusal, NoIdeal::StandsStill { at_ns: 0, .. }), "{refusal}");
    }
    // The same with think time passes.
    let thinking = closed(", think = '1ms'", "replies = { choice = [[1e9, 0], [1, 1]] }");
    assert_eq!(ideal_of(&thinking, 3, Policy::RoundRobin).silent, 30);
    // And without work an open load passes, too: its ideal is that everything comes at once.
    let at_once = ideal_of(&plan("load = { rate = '1k/s' }"), 3, Policy::PowerOfTwo);
    assert_eq!((at_once.requests, at_once.reply.max()), (5_000, Some(0)));
}

#[test]
fn excess_is_the_difference_request_by_request() {
    let plan = plan(
        "load = { rate = '1k/s', arrivals = 'poisson' }\nrun = { duration = '1s' }\n\
         workers = { replies = { uniform = [0, 2] }, delay = { exponential = '1ms' } }",
    );
    let pool = pool(2, Policy::RoundRobin);
    let mut observed = Vec::new();
    let mut silent = 0;
    play(&plan, pool, Limits::none(), |served| {
        let Some((first_ns, last_ns)) = served.first_ns().zip(served.last_ns()) else {
            silent += 1;
            return;
        };
        // Seven slower, or three faster where that is possible; every fifth lost its last reply.
        let measured = |ns: u64| match served.request % 2 {
            0 => ns - served.intended_ns + 7_000,
            _ => (ns - served.intended_ns).saturating_sub(3_000),
        };
        observed.push(Observed {
            client: served.client,
            request: served.request,
            first_response_ns: measured(first_ns),
            last_response_ns: (served.request % 5 != 0).then(|| measured(last_ns)),
        });
    })
    .expect("a lower bound");
    let slower = observed.iter().filter(|observed| observed.request % 2 == 0).count() as u64;
    let complete =
        observed.iter().filter(|observed| observed.last_response_ns.is_some()).count() as u64;
    let total = observed.len() as u64;
    // From the end to the beginning, with one that never was, and one of a client that never was.
    observed.reverse();
    let stray = Observed { request: 1 << 40, ..observed[0] };
    observed.extend([stray, Observed { client: 1 << 20, ..stray }]);
    let excess = excess_of(&plan, pool, observed);
    assert_eq!((excess.unmatched, excess.first_reply.histogram.histogram().len()), (2, total));
    assert_eq!(excess.last_reply.histogram.histogram().len(), complete);
    assert_eq!(excess.first_reply.faster, total - slower);
    assert_eq!(excess.first_reply.histogram.max(), Some(7_000));
    assert_eq!(excess.first_reply.histogram.min(), Some(0));
    let mean_ns = (7_000.0 * slower as f64 - 3_000.0 * (total - slower) as f64) / total as f64;
    let off = excess.first_reply.mean_ns().unwrap() as f64 - mean_ns;
    // A few take less than 3 µs, and cannot be faster by as much.
    assert!((-1.0..10.0).contains(&off), "the mean keeps the signs: {off} ns off");
    let above_zero = excess.first_reply.histogram.histogram().count_between(1, u64::MAX);
    assert_eq!(above_zero, slower);
    assert!(silent > 0, "the plan must have silent requests to leave out");
}

#[test]
fn a_closed_load_that_ran_ideally_has_no_excess() {
    let plan = plan(
        "load = { model = 'closed', in_flight = 3, think = { exponential = '1ms' } }\nrun = { duration = '200ms' }\n\
         workers = { replies = { uniform = [0, 2] }, delay = { exponential = '1ms' } }",
    );
    let pool = pool(4, Policy::LeastLoaded);
    let mut observed = Vec::new();
    play(&plan, pool, Limits::none(), |served| {
        observed.extend(served.first_ns().map(|first_ns| Observed {
            client: served.client,
            request: served.request,
            first_response_ns: first_ns - served.intended_ns,
            last_response_ns: served.last_ns().map(|last_ns| last_ns - served.intended_ns),
        }));
    })
    .expect("a lower bound");
    let total = observed.len() as u64;
    let excess = excess_of(&plan, pool, observed);
    assert_eq!(excess.unmatched, 0);
    for differences in [excess.first_reply, excess.last_reply] {
        assert_eq!(differences.histogram.histogram().len(), total);
        assert_eq!((differences.histogram.max(), differences.faster), (Some(0), 0));
    }
}

#[test]
fn a_play_ends_at_its_limit_of_steps_whatever_takes_no_time_and_at_the_flag() {
    use std::sync::atomic::AtomicBool;
    let stop = AtomicBool::new(false);
    let limits = |most_steps| Limits { most_steps, stop: &stop };
    let round_robin = pool(3, Policy::RoundRobin);
    let endless = [
        // Many requests, many replies, many slots at the first instant.
        "load = { model = 'closed', think = '1ns' }\nrun = { duration = '1h' }",
        "load = { model = 'closed', in_flight = 2 }\nworkers = { delay = '1ns' }\nrun = { duration = '1h' }",
        "load = { rate = '1/s' }\nworkers = { replies = 65535, delay = '1ns' }\nrun = { duration = '24h' }",
        "load = { rate = '1M/s' }\nrun = { duration = '24h' }",
        "load = { model = 'closed', in_flight = 1000, think = '1s' }\nclients = { count = 10000 }",
    ];
    for text in endless {
        let mut played = 0;
        let refusal = play(&plan(text), round_robin, limits(100_000), |served| {
            played += 1 + served.replies_ns.len();
        });
        assert_eq!(refusal, Err(NoIdeal::TooLong { most_steps: 100_000 }), "{text}");
        // It is looked at after a few thousand, and before a request's replies are drawn.
        assert!(played <= 100_000 + 5_000, "{played} steps of {text}");
    }
    let few = plan("load = { rate = '1k/s' }\nrun = { duration = '1s' }");
    assert!(ideal(&few, round_robin, limits(2_000)).is_ok(), "a thousand round trips");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let refusal = ideal(&plan(endless[0]), round_robin, limits(u64::MAX)).expect_err("stopped");
    assert_eq!(refusal, NoIdeal::Stopped);
}

#[test]
fn several_runs_of_a_plan_are_held_against_one_play() {
    let plan =
        plan("load = { rate = '100/s' }\nrun = { duration = '1s' }\nworkers = { delay = '1ms' }");
    let observed = |request, extra_ns| Observed {
        client: 0,
        request,
        first_response_ns: MS + extra_ns,
        last_response_ns: None,
    };
    let sets = vec![
        vec![observed(3, 7), observed(0, 5)],
        Vec::new(),
        vec![observed(3, 9), observed(1 << 40, 0)],
    ];
    let (ideal, excess) =
        ideal_and_excess(&plan, pool(9, Policy::RoundRobin), Limits::none(), sets)
            .expect("a lower bound");
    assert_eq!(ideal.requests, 100);
    let found = excess.iter().map(|one| (one.first_reply.histogram.max(), one.unmatched));
    assert_eq!(found.collect::<Vec<_>>(), [(Some(7), 0), (None, 0), (Some(9), 1)]);
}

/// Any small scenario.
fn scenarios() -> impl Strategy<Value = String> {
    let load = prop_oneof![
        (50..5_000_u32).prop_map(|rate| format!("rate = '{rate}/s'")),
        (50..5_000_u32).prop_map(|rate| format!("rate = '{rate}/s', arrivals = 'poisson'")),
        (1..6_u32, 0..3_u32).prop_map(|(in_flight, think)| format!(
            "model = 'closed', in_flight = {in_flight}, think = '{think}ms'"
        )),
    ];
    let replies = prop_oneof![Just("1"), Just("{ uniform = [0, 4] }"), Just("3")];
    let delay = prop_oneof![
        Just("'1ms'"),
        Just("{ exponential = '2ms' }"),
        Just("{ uniform = ['0ms', '5ms'] }")
    ];
    (load, replies, delay, 1..9_u32, 0..1_000_u32).prop_map(|(load, replies, delay, clients, seed)| {
        format!(
            "seed = {seed}\nload = {{ {load} }}\nclients = {{ count = {clients} }}\n\
             run = {{ duration = '200ms', warmup = '50ms' }}\nworkers = {{ replies = {replies}, delay = {delay} }}"
        )
    })
}

/// What a request's course is compared by.
type Figures = (u32, u64, u32, u64, u64, Vec<u64>);

fn courses(plan: &Plan, pool: Pool) -> Vec<Figures> {
    let mut courses = Vec::new();
    play(plan, pool, Limits::none(), |served: &Course<'_>| {
        courses.push((
            served.client,
            served.request,
            served.worker,
            served.intended_ns,
            served.started_ns,
            served.replies_ns.to_vec(),
        ));
    })
    .expect("a lower bound");
    courses
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_policy_keeps_the_laws(text in scenarios(), workers in 1..7_u32, policy in prop::sample::select(&Policy::ALL[..])) {
        let plan = plan(&text);
        let pool = pool(workers, policy);
        let courses = courses(&plan, pool);
        let mut numbers = vec![0; plan.clients() as usize];
        let mut busy_until_ns = vec![0; workers as usize];
        let mut before = (0, 0);
        for (client, request, worker, intended_ns, started_ns, replies_ns) in &courses {
            prop_assert_eq!(*request, numbers[*client as usize], "each client's requests come once, in order");
            numbers[*client as usize] += 1;
            prop_assert!((*intended_ns, *client) >= before, "arrivals come in order");
            before = (*intended_ns, *client);
            prop_assert!(*intended_ns < plan.send_end_ns());
            let busy_until_ns = &mut busy_until_ns[*worker as usize];
            prop_assert_eq!(*started_ns, (*intended_ns).max(*busy_until_ns), "one at a time, and no idling");
            let key = plan.key(*client, *request);
            let planned_ns: Vec<u64> = (0..plan.replies(key)).scan(*started_ns, |ns, reply| {
                *ns += plan.delay_ns(key, reply);
                Some(*ns)
            }).collect();
            prop_assert_eq!(replies_ns, &planned_ns);
            *busy_until_ns = planned_ns.last().copied().unwrap_or(*started_ns);
        }
        for client in 0..plan.clients() {
            if let Some(schedule) = plan.schedule(client) {
                prop_assert_eq!(numbers[client as usize], schedule.count() as u64, "every planned request is served");
            }
        }
        prop_assert_eq!(courses, self::courses(&plan, pool), "the same seed is the same course");
    }

    #[test]
    fn figures_are_those_of_the_courses(text in scenarios(), workers in 1..7_u32, policy in prop::sample::select(&Policy::ALL[..])) {
        let plan = plan(&text);
        let pool = pool(workers, policy);
        let ideal = ideal(&plan, pool, Limits::none()).expect("a lower bound");
        let counted: Vec<Figures> =
            courses(&plan, pool).into_iter().filter(|course| course.3 >= plan.warmup_ns()).collect();
        let responses = |pick: fn(&[u64]) -> Option<&u64>| {
            counted.iter().filter_map(move |course| Some(pick(&course.5)? - course.3))
        };
        prop_assert_eq!(ideal.requests, counted.len() as u64);
        prop_assert_eq!(ideal.replies, counted.iter().map(|course| course.5.len() as u64).sum::<u64>());
        prop_assert_eq!(ideal.silent, counted.iter().filter(|course| course.5.is_empty()).count() as u64);
        prop_assert_eq!(ideal.first_reply.max(), responses(<[u64]>::first).max());
        prop_assert_eq!(ideal.last_reply.max(), responses(<[u64]>::last).max());
        prop_assert_eq!(ideal.first_reply.histogram().len(), ideal.requests - ideal.silent);
        prop_assert_eq!(ideal.reply.histogram().len(), ideal.replies);
    }
}

#[test]
fn other_seeds_are_those_that_follow_in_their_order_or_none_at_all() {
    let text = "seed = 9223372036854775807\nload = { rate = '100/s', arrivals = 'poisson' }\nrun = { duration = '1s' }\n\
                workers = { count = 1, delay = { exponential = '2ms' } }";
    let scenario = Scenario::parse("test.toml", text, &[]).expect("a valid scenario");
    let pool = pool(1, Policy::RoundRobin);
    let played = |most_steps| {
        let limits = Limits { most_steps, ..Limits::none() };
        other_seeds(&scenario, pool, limits, &|work| work(), |ideal| ideal.reply.max())
    };
    let found = played(u64::MAX).expect("ideals");
    assert_eq!(found.len(), MOST_SEEDS);
    for (further, max_ns) in (1..).zip(&found) {
        let plan = Plan::new(&scenario.with_seed_after(further));
        assert_eq!(plan.seed(), further - 1, "after the largest seed comes 0");
        assert_eq!(ideal(&plan, pool, Limits::none()).expect("a lower bound").reply.max(), *max_ns);
    }
    // A step for each request and each reply: some 200 of a seed.
    assert!(matches!(played(20 * 200), Err(NoIdeal::TooLong { .. })));
    let fewer = played(80 * 200).expect("ideals");
    assert!((39..120).contains(&fewer.len()), "{}", fewer.len());
    assert_eq!(fewer, found[..fewer.len()]);
}
