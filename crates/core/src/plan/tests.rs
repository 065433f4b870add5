//! Tests of the plan: what its hash covers, and that it is the same everywhere.

use super::*;

fn scenario(text: &str) -> Scenario {
    Scenario::parse("test.toml", text, &[]).unwrap()
}

const EXAMPLE: &str = r#"
    seed = 5570
    load = { rate_per_client = "1/s" }
    workers = { replies = { uniform = [0, 4] }, delay = { uniform = ["1ms", "1s"] } }
"#;

#[test]
fn the_hash_covers_what_decides_the_offered_work_and_nothing_else() {
    let base = Plan::new(&scenario(EXAMPLE));
    let with = |key: &str, value: &str| {
        let overrides = [crate::scenario::load::Override::new(key, value)];
        Plan::new(&Scenario::parse("test.toml", EXAMPLE, &overrides).unwrap()).hash().to_owned()
    };
    let same = [
        ("name", "other"),
        ("clients.threads", "2"),
        ("clients.engine", "zmtp"),
        ("proxy.engine", "batch"),
        ("workers.count", "9"),
        ("sockets.sndhwm", "7"),
        ("run.drain", "9s"),
        ("load.rate", "3/s"),
        ("workers.delay_by", "spin"),
        ("clients.connect_timeout", "1s"),
        ("proxy.io_threads", "2"),
        ("proxy.frontend", "ipc:///x"),
        ("proxy.frontend", "['tcp://127.0.0.1:*', 'tcp://127.0.0.2:*']"),
        ("clients.sources", "['127.0.0.2']"),
    ];
    for (key, value) in same {
        assert_eq!(with(key, value), base.hash(), "{key} = {value} must not change the plan");
    }
    let others = [
        ("seed", "5571"),
        ("clients.count", "4"),
        ("load.rate_per_client", "2/s"),
        ("run.duration", "6s"),
        ("run.warmup", "1s"),
        ("load.payload", "65B"),
        ("workers.replies", "2"),
        ("workers.delay", "1ms"),
        ("load.arrivals", "poisson"),
        ("load.model", "closed"),
    ];
    for (key, value) in others {
        assert_ne!(with(key, value), base.hash(), "{key} = {value} must change the plan");
    }
    assert_eq!(base.hash().len(), 16);
}

const CLOSED: &str = "load = { model = 'closed', in_flight = 50, think = '5ms' }\nclients = { count = 4 }\n\
                      run = { warmup = '2s' }\nworkers = { replies = 2, delay = '10ms' }";

#[test]
fn the_slots_of_a_closed_load_begin_anywhere_in_one_cycle_of_the_warm_up() {
    let begins = |text: &str| -> Vec<u64> {
        let plan = Plan::new(&scenario(text));
        (0..200).map(|slot| plan.slot_begins_ns(slot / 50, slot % 50)).collect()
    };
    let spread = begins(CLOSED);
    assert!(spread.iter().all(|ns| *ns < 25_000_000), "{spread:?}");
    let before = |limit_ns| spread.iter().filter(|ns| **ns < limit_ns).count();
    assert!((80..120).contains(&before(12_500_000)) && (10..32).contains(&before(2_500_000)));
    let short = begins(&CLOSED.replace("'2s'", "'3ms'"));
    assert!(short.iter().all(|ns| *ns < 3_000_000) && short.iter().any(|ns| *ns > 2_000_000));
    let none =
        [CLOSED.replace("'2s'", "'0s'"), "load.model = 'closed'\nrun.warmup = '1s'".to_owned()];
    assert!(none.iter().all(|text| begins(text).iter().all(|ns| *ns == 0)));
    let of_any_workers = CLOSED.replace("delay", "count = 2, delay");
    assert_eq!(begins(&of_any_workers), spread, "they run the work and do not decide it");
}

// Hashes of what offers the same work as ever may never change.
#[test]
fn open_loads_have_the_hashes_that_they_always_had() {
    assert_eq!(Plan::new(&scenario(EXAMPLE)).hash(), "32dc7eb0bc2ae8a8");
    assert_eq!(Plan::new(&scenario(CLOSED)).hash(), "5921c4659bfc2c9d", "since version 2");
}

#[test]
fn the_same_seed_is_the_same_plan() {
    let [one, two] = [(); 2].map(|()| Plan::new(&scenario(EXAMPLE)));
    assert_eq!(one.hash(), two.hash());
    assert_eq!(one.identities(9), two.identities(9));
    for client in 0..3 {
        for request in 0..50 {
            assert_eq!(one.request(client, request), two.request(client, request));
            let key = one.key(client, request);
            assert_eq!(one.delay_ns(key, 3), two.delay_ns(key, 3));
            assert!(one.request(client, request).replies <= 4);
            assert!((1_000_000..=1_000_000_000).contains(&one.delay_ns(key, 0)));
        }
    }
}

#[test]
fn the_summary_says_when_workers_cannot_keep_up() {
    let summary = Plan::new(&scenario(EXAMPLE)).summary();
    // 3 requests a second, 2 replies each, 500.5 ms before each, 5 workers.
    assert!((summary.utilisation.unwrap() - 3.0 * 2.0 * 0.5005 / 5.0).abs() < 1e-9);
    assert_eq!(summary.requests, Some(15.0));
}

#[test]
fn requests_are_counted_as_a_run_counts_them() {
    for (load, expected) in [
        ("load.rate = '0.1/s'\nrun.duration = '1s'", 1),
        ("load.rate = '1/m'\nrun.duration = '2h'", 120),
        ("load.rate = '1/h'\nrun.duration = '2h'", 2),
        ("load.rate = '2.5/s'\nrun.duration = '1s'", 3),
        ("load.rate = '333/s'\nrun.duration = '500ms'\nclients.count = 7", 167),
        ("load.rate = '10/s'\nrun.duration = '1s'\nclients.count = 1000", 10),
        ("load.rate = '2/s'\nrun.duration = '2s'\nrun.warmup = '250ms'", 4),
    ] {
        let plan = Plan::new(&scenario(load));
        let walked = (0..plan.clients()).filter_map(|client| plan.schedule(client)).flatten();
        let counted = walked.filter(|(_, at_ns)| *at_ns >= plan.warmup_ns()).count() as u64;
        assert_eq!((plan.requests(), counted), (Some(expected), expected), "{load}");
    }
    let poisson = Plan::new(&scenario("load = { rate = '300/s', arrivals = 'poisson' }"));
    assert!(poisson.requests() > Some(1_000));
    let many = "load = { rate = '1M/s', arrivals = 'poisson' }\nrun.duration = '1h'";
    assert_eq!(Plan::new(&scenario(many)).requests(), None);
    assert_eq!(Plan::new(&scenario("load.model = 'closed'")).requests(), None);
}

#[test]
fn an_automatic_timeout_leaves_room_for_the_queue() {
    let closed = scenario(
        "load = { model = 'closed', in_flight = 10 }\nclients = { count = 4 }\n\
         workers = { count = 2, delay = '100ms' }",
    );
    // 40 in flight, 2 workers: a request may wait for 20 others of 100 ms each.
    assert_eq!(Plan::new(&closed).timeout_ns(), Some(5_000_000_000 + 10 * 20 * 100_000_000));
}
