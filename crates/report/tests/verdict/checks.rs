//! The verdict on synthetic runs: what is wrong is named by the check that is there for it, and nothing else is invented.

use proptest::prelude::*;
use zload_core::facts::Role;
use zload_core::scenario::Scenario;
use zload_report::verdict::{
    CeilingBy, CheckStatus, Evidence, Percentiles, Status, Twin, Verdict, judge,
};

use crate::evidence::{
    MS, after, check, clean, is_noted, judged, lose, named, percentiles, rewritten, status_of,
    thread,
};

fn ceiling_by(verdict: &Verdict) -> CeilingBy {
    verdict.ceiling.as_ref().expect("requests were sent").by
}

#[test]
fn clean_runs_are_never_invalid_and_seldom_suspect() {
    let mut suspect = 0;
    for seed in 0..250 {
        let verdict = judged(&clean(seed));
        assert!(verdict.status < Status::Invalid, "{seed}: {verdict:#?}");
        assert_eq!(ceiling_by(&verdict), CeilingBy::OfferedLoad, "{seed}: {verdict:#?}");
        if verdict.status == Status::Suspect {
            suspect += 1;
        }
    }
    assert!(suspect <= 12, "{suspect} of 250");
}

#[test]
fn every_check_has_data_in_a_complete_run_and_none_passes_without() {
    let complete = judged(&clean(1));
    for check in &complete.checks {
        // A run that was not played in shards, and without probes.
        let is_elsewhere =
            ["complete", "aligned", "alike", "probes"].contains(&check.name.as_str());
        let expected = if is_elsewhere { CheckStatus::NotApplicable } else { CheckStatus::Pass };
        assert_eq!(check.status, expected, "{check:#?}");
    }
    let nothing = judged(&Evidence::default());
    let without_data = ["ending", "build", "conservation", "window", "clipped"];
    for check in &nothing.checks {
        let expected = check.status == CheckStatus::NotApplicable;
        assert!(expected || without_data.contains(&check.name.as_str()), "{check:?}");
        assert!(!check.sentence.is_empty());
    }
}

#[test]
fn a_rate_above_what_the_sender_can_do_is_the_generators_fault() {
    let mut evidence = clean(2);
    // Each request left later than the one before, up to two seconds.
    for (at, value) in evidence.responses.values.iter_mut().enumerate() {
        *value += at as f64 * 1e6;
    }
    evidence.response = percentiles(&evidence.responses.values, evidence.response.count);
    let open = evidence.open.as_mut().unwrap();
    open.slip = Percentiles { count: 1_000, p50_ns: Some(1_000 * MS), p99_ns: Some(1_980 * MS) };
    open.late = Some(evidence.ledger.requests_sent * 9 / 10);
    open.seconds.iter_mut().for_each(|second| second.sent = second.planned * 8 / 10);
    let host = evidence.host.as_mut().unwrap();
    host.threads[0] = thread(Role::Driver, 0.99, 0.01, host.span_ns);
    let verdict = judged(&evidence);
    assert_eq!(verdict.status, Status::Invalid);
    for name in ["slip", "generator_saturated"] {
        assert_eq!(status_of(&verdict, name), CheckStatus::Fail, "{name}");
    }
    for name in ["late", "delivered_each_second"] {
        assert_eq!(status_of(&verdict, name), CheckStatus::Warn, "{name}");
    }
    assert_eq!(ceiling_by(&verdict), CeilingBy::Generator);
    assert_eq!(status_of(&verdict, "backlog"), CheckStatus::Pass, "the system kept up");
}

#[test]
fn a_rate_above_what_the_workers_can_do_is_a_backlog() {
    let mut evidence = clean(3);
    let owed = evidence.ledger.replies_expected as f64;
    let steps = evidence.in_flight.values.len() as f64;
    for (at, value) in evidence.in_flight.values.iter_mut().enumerate() {
        *value += 0.2 * owed * at as f64 / steps;
    }
    evidence.replies_per_s *= 0.8;
    evidence.worker_busy_share = Some(0.99);
    evidence.flow = None;
    let verdict = judged(&evidence);
    assert_eq!((verdict.status, named(&verdict)), (Status::Invalid, vec!["backlog"]));
    assert_eq!(ceiling_by(&verdict), CeilingBy::System);
    let backlog = check(&verdict, "backlog");
    assert!(backlog.sentence.starts_with("unstable: "), "{}", backlog.sentence);
}

#[test]
fn what_is_lost_at_the_end_of_an_overload_is_a_backlog_and_what_is_dropped_is_none() {
    // Four times what the workers can do: three quarters are lost at the end, and what was served last had waited for
    // three quarters of the window. Or three quarters are dropped, and nobody waits.
    let with = |waits: bool| {
        let mut evidence = clean(3);
        let ledger = &mut evidence.ledger;
        ledger.replies_lost = ledger.replies_expected * 3 / 4;
        let lost = ledger.replies_lost as f64;
        let steps = evidence.in_flight.values.len() as f64;
        for (at, value) in evidence.in_flight.values.iter_mut().enumerate() {
            *value += lost * at as f64 / steps;
        }
        let (waited_ns, count) =
            (0.75 * evidence.window_ns as f64, evidence.responses.values.len() as f64);
        for (at, value) in evidence.responses.values.iter_mut().enumerate() {
            *value += if waits { waited_ns * at as f64 / count } else { 0.0 };
        }
        evidence.replies_per_s /= 4.0;
        status_of(&judged(&evidence), "backlog")
    };
    assert_eq!(with(true), CheckStatus::Fail);
    assert_eq!(with(false), CheckStatus::Pass);
}

#[test]
fn a_drift_a_shift_and_a_slow_start_are_distinguished() {
    let drift = rewritten(|at| 1.0 + at);
    assert!(drift.status == Status::Suspect && named(&drift).contains(&"drift"), "{drift:#?}");
    let shift = rewritten(|at| if at < 0.7 { 1.0 } else { 2.0 });
    assert!(
        shift.status == Status::Suspect && named(&shift).contains(&"level_shift"),
        "{shift:#?}"
    );
    let begin = rewritten(|at| if at < 0.1 { 4.0 } else { 1.0 });
    assert!(begin.status == Status::Suspect && named(&begin).contains(&"warmup"), "{begin:#?}");
    assert_eq!(status_of(&begin, "drift"), CheckStatus::Pass);
}

#[test]
fn what_the_plan_itself_does_is_neither_drift_nor_shift_nor_warm_up() {
    let with = |factor: fn(f64) -> f64| {
        let mut evidence = clean(5);
        let count = evidence.responses.values.len() as f64;
        // The queues of the plan: ten times the response times at one end of the window.
        let queues: Vec<f64> = (0..evidence.responses.values.len())
            .map(|at| 1e8 * factor(at as f64 / count))
            .collect();
        for (value, queue) in evidence.responses.values.iter_mut().zip(&queues) {
            *value += queue;
        }
        evidence.response = percentiles(&evidence.responses.values, evidence.response.count);
        evidence.service = evidence.response;
        let before = named(&judged(&evidence)).len();
        evidence.twin = Some(Twin {
            utilisation: 0.9,
            queue_grows: false,
            responses: queues,
            of_stages: Vec::new(),
        });
        (before, named(&judged(&evidence)).len())
    };
    for factor in
        [|at| at, |at| if at < 0.6 { 0.1 } else { 1.0 }, |at| if at < 0.1 { 1.0 } else { 0.1 }]
    {
        let (before, with_twin) = with(factor);
        assert!(before > 0 && with_twin == 0, "{before} {with_twin}");
    }
}

#[test]
fn nothing_falls_by_more_than_all_of_it_and_getting_slower_is_no_warm_up() {
    let value = |verdict: &Verdict, name: &str| check(verdict, name).value.unwrap();
    let fell = rewritten(|at| if at < 0.3 { 100.0 } else { 1.0 });
    let by = value(&fell, "level_shift");
    assert!((0.9..=1.0).contains(&by), "{by}");
    let falls = rewritten(|at| 100.0 * (1.001 - at));
    assert!((0.5..=1.0).contains(&value(&falls, "drift")), "{falls:#?}");
    let slower = rewritten(|at| if at < 0.1 { 1.0 } else { 50.0 });
    assert_eq!(status_of(&slower, "warmup"), CheckStatus::Pass);
    assert_eq!(status_of(&slower, "level_shift"), CheckStatus::Warn);
}

#[test]
fn a_run_of_two_seconds_is_too_short() {
    let mut evidence = clean(6);
    evidence.window_ns = 2_000 * MS;
    evidence.in_flight.values.truncate(5);
    evidence.requests_per_s = evidence.ledger.requests_sent as f64 / 2.0;
    evidence.replies_per_s = evidence.requests_per_s;
    evidence.flow = None;
    let verdict = judged(&evidence);
    assert_eq!((verdict.status, named(&verdict)), (Status::Suspect, vec!["window"]));
    assert_eq!(status_of(&verdict, "backlog"), CheckStatus::NotApplicable);
}

#[test]
fn a_stalled_worker_is_named() {
    let mut evidence = clean(7);
    evidence.delays.as_mut().unwrap().overshoot.p99_ns = Some(800 * MS);
    let verdict = judged(&evidence);
    assert_eq!((verdict.status, named(&verdict)), (Status::Suspect, vec!["delay_overshoot"]));
    evidence.delays.as_mut().unwrap().overshoot.p99_ns = Some(3 * MS);
    let rare = judged(&evidence);
    assert_eq!((rare.status, is_noted(&rare, "delay_overshoot")), (Status::Valid, true));
    evidence.delays.as_mut().unwrap().overshoot =
        Percentiles { count: 900, p50_ns: Some(2 * MS), p99_ns: None };
    assert_eq!(named(&judged(&evidence)), ["delay_overshoot"]);
}

#[test]
fn lost_replies_are_a_doubt_however_many_they_are() {
    let with_lost = |share: u64| {
        let mut evidence = clean(8);
        let lost = evidence.ledger.replies_expected * share / 1_000;
        lose(&mut evidence.ledger, lost);
        evidence
    };
    assert_eq!(judged(&with_lost(1)).status, Status::Suspect);
    let many = with_lost(20);
    assert_eq!((judged(&many).status, named(&judged(&many))), (Status::Suspect, vec!["lost"]));
    let cut_short = Evidence { interrupted: true, ..many };
    assert_eq!(named(&judged(&cut_short)), ["ending", "lost"]);
    assert_eq!(judged(&cut_short).status, Status::Suspect, "they were on their way");
}

#[test]
fn counts_that_contradict_each_other_make_a_run_invalid() {
    let with = |change| after(9, change);
    let invalid = (Status::Invalid, "conservation".to_owned());
    assert_eq!(with(|evidence| evidence.ledger.requests_silent += 1), invalid);
    let foreign = with(|evidence| evidence.server.as_mut().unwrap().requests_taken += 1);
    assert_eq!(foreign, (Status::Suspect, "conservation".to_owned()), "another client's");
    assert_eq!(with(|evidence| evidence.server.as_mut().unwrap().requests_taken -= 1), invalid);
    assert_eq!(with(|evidence| evidence.server.as_mut().unwrap().replies_sent -= 1), invalid);
    let explained = with(|evidence| {
        let server = evidence.server.as_mut().unwrap();
        server.requests_taken -= 1;
        server.may_be_missing = 1;
    });
    assert_eq!(explained, (Status::Valid, String::new()));
    // A proxy of somebody else may lose and double messages: the ledger says so, and zload counted well.
    let lossy = with(|evidence| {
        let server = evidence.server.as_mut().unwrap();
        (server.proxy_is_foreign, server.requests_taken) = (true, server.requests_taken - 1);
    });
    let doubling = with(|evidence| {
        let server = evidence.server.as_mut().unwrap();
        (server.proxy_is_foreign, server.replies_sent) = (true, server.replies_sent - 1);
    });
    assert_eq!((&lossy, &doubling), (&explained, &explained));
    let little = with(|evidence| evidence.flow.as_mut().unwrap().mean_in_flight *= 1.5);
    assert_eq!(little, (Status::Invalid, "littles_law".to_owned()));
    let little = with(|evidence| evidence.flow.as_mut().unwrap().mean_in_flight *= 1.06);
    assert_eq!(little, (Status::Suspect, "littles_law".to_owned()));
}

#[test]
fn neither_an_interrupted_nor_a_failed_run_is_ever_valid() {
    for seed in 0..20 {
        let interrupted = judged(&Evidence { interrupted: true, ..clean(seed) });
        assert_eq!(status_of(&interrupted, "ending"), CheckStatus::Warn);
        assert_eq!(interrupted.status, Status::Suspect);
        let failed =
            judged(&Evidence { failure: Some("a driver failed".to_owned()), ..clean(seed) });
        assert_eq!(failed.status, Status::Invalid);
    }
}

#[test]
fn what_can_be_wrong_with_build_clock_and_histogram_is_named() {
    let with = |change| after(10, change);
    let suspect = |name: &str| (Status::Suspect, name.to_owned());
    assert_eq!(with(|evidence| evidence.debug_build = true), suspect("build"));
    assert_eq!(with(|evidence| evidence.slow_libzmq = true), suspect("build"));
    assert_eq!(with(|evidence| evidence.clock_resolution_ns = Some(4 * MS)), suspect("clock"));
    assert_eq!(
        with(|evidence| evidence.host.as_mut().unwrap().realtime_step_ns = -2_000_000_000),
        suspect("clock")
    );
    assert_eq!(
        with(|evidence| evidence.host.as_mut().unwrap().suspended_ns = 10_000 * MS),
        (Status::Invalid, "clock".to_owned())
    );
    assert_eq!(with(|evidence| evidence.clipped = 1), suspect("clipped"));
    assert_eq!(with(|evidence| evidence.clipped = evidence.response.count / 10).0, Status::Invalid);
}

#[test]
fn a_percentile_whose_effective_sample_is_too_small_is_noted() {
    for (size, said) in [(Some(381.4), "for p99 is 381 (of "), (None, "for p99 is unknown")] {
        let mut evidence = clean(11);
        evidence.effective_sizes[2].size = size;
        let verdict = judged(&evidence);
        assert!(is_noted(&verdict, "sample_size"), "{verdict:#?}");
        assert_eq!(verdict.status, Status::Valid, "it doubts figures and not the run");
        let check = check(&verdict, "sample_size");
        assert!(check.sentence.contains(said), "{check:?}");
        assert_eq!((check.value, check.limit), (size.map(f64::floor), Some(726.0)));
    }
}

#[test]
fn requests_that_zeromq_held_back_are_not_the_generators_fault() {
    let mut evidence = clean(12);
    evidence.response =
        Percentiles { count: 5_000, p50_ns: Some(900 * MS), p99_ns: Some(1_800 * MS) };
    assert_eq!(status_of(&judged(&evidence), "slip"), CheckStatus::Fail);
    evidence.open.as_mut().unwrap().held_back = evidence.ledger.requests_sent / 2;
    assert_eq!(status_of(&judged(&evidence), "slip"), CheckStatus::NotApplicable);
}

#[test]
fn send_delay_in_the_p99_alone_doubts_that_figure_and_not_the_run() {
    let mut evidence = clean(12);
    let of =
        |p99_us: u64| Percentiles { count: 5_000, p50_ns: Some(MS), p99_ns: Some(p99_us * 1_000) };
    evidence.response = of(8_000);
    let mut with = |service: Percentiles| {
        evidence.service = service;
        judged(&evidence)
    };
    let tail = with(of(6_000));
    assert_eq!((tail.status, is_noted(&tail, "slip")), (Status::Valid, true), "{tail:#?}");
    let said = tail.findings();
    assert!(said.iter().any(|check| check.sentence.contains("25.0 % of the p99")), "{said:?}");
    assert_eq!(named(&with(of(3_000))), ["slip"], "it is most of the p99");
    let none = with(of(7_900));
    assert!(none.findings().is_empty() && !is_noted(&none, "slip"), "{none:#?}");
}

#[test]
fn a_small_change_is_said_and_doubts_nothing() {
    let mut evidence = clean(3);
    let values = evidence.responses.values.clone();
    let count = values.len() as f64;
    let mut drifting_by = |share: f64| {
        let rising = |(at, value): (usize, &f64)| value * (1.0 + share * at as f64 / count);
        evidence.responses.values = values.iter().enumerate().map(rising).collect();
        evidence.twin = None;
        judged(&evidence)
    };
    let small = drifting_by(0.18);
    assert_eq!(small.status, Status::Valid, "{small:#?}");
    let said: Vec<&str> = small.findings().iter().map(|check| check.name.as_str()).collect();
    assert!(said == ["drift"] || said == ["level_shift"], "one change, said once: {said:?}");
    assert_eq!(drifting_by(0.6).status, Status::Suspect);
}

#[test]
fn a_busy_generator_in_a_closed_load_makes_throughput_a_lower_bound() {
    let mut evidence = Evidence { open: None, ..clean(13) };
    let with = |evidence: &mut Evidence, driver: f64, proxy: f64| {
        let host = evidence.host.as_mut().unwrap();
        host.threads[0] = thread(Role::Driver, driver, 0.0, host.span_ns);
        host.threads[3] = thread(Role::Proxy, proxy, 0.0, host.span_ns);
        judged(evidence)
    };
    let generator = with(&mut evidence, 0.99, 0.5);
    assert_eq!(
        (generator.status, named(&generator)),
        (Status::Suspect, vec!["generator_saturated"])
    );
    assert_eq!(ceiling_by(&generator), CeilingBy::Generator);
    assert!(generator.ceiling.unwrap().sentence.starts_with("at least "));
    let host = evidence.host.as_mut().unwrap();
    host.threads[1] = thread(Role::ClientIo, 0.1, 0.4, host.span_ns);
    let system = with(&mut evidence, 0.4, 0.99);
    assert_eq!((system.status, ceiling_by(&system)), (Status::Valid, CeilingBy::System));
    assert_eq!(ceiling_by(&with(&mut evidence, 0.99, 0.99)), CeilingBy::Unknown);
    assert_eq!(ceiling_by(&with(&mut evidence, 0.2, 0.2)), CeilingBy::Unknown);
}

#[test]
fn limits_from_the_scenario_move_the_line_of_doubt() {
    let limits = |text: &str| {
        let file = format!("load = {{ rate = '1/s' }}\nverdict = {{ {text} }}");
        Scenario::parse("test.toml", &file, &[]).expect("valid").verdict
    };
    let status = |evidence: &Evidence, name: &str, text: &str| {
        status_of(&judge(evidence, &limits(text)), name)
    };
    let evidence = clean(14);
    assert_eq!(status(&evidence, "slip", ""), CheckStatus::Pass);
    assert_eq!(status(&evidence, "slip", "max_slip = '1us'"), CheckStatus::Warn);
    assert_eq!(status(&evidence, "slip", "max_slip = '1ms'"), CheckStatus::Pass);
    assert_eq!(
        status(&evidence, "generator_saturated", "max_generator_cpu = 0"),
        CheckStatus::Warn
    );
    for (name, text) in [
        ("steal", "max_steal = 0"),
        ("other_load", "max_other_load = 0"),
        ("cpu_wait", "max_cpu_wait = 0"),
    ] {
        assert!(!is_noted(&judge(&evidence, &limits("")), name), "{name}");
        assert!(is_noted(&judge(&evidence, &limits(text)), name), "{name}");
    }
    assert_eq!(status(&evidence, "machine_share", "max_machine_share = 0"), CheckStatus::Warn);
    assert_eq!(status(&evidence, "late", "max_late = 0"), CheckStatus::Warn);
    assert_eq!(
        status(&evidence, "delay_overshoot", "max_delay_overshoot = 0.01"),
        CheckStatus::Warn
    );
    assert_eq!(status(&evidence, "window", "min_window = '1h'"), CheckStatus::Warn);
    let mut lossy = evidence.clone();
    lossy.ledger.replies_lost = lossy.ledger.replies_expected / 20;
    assert_eq!(status(&lossy, "lost", ""), CheckStatus::Warn);
    assert_eq!(status(&lossy, "lost", "max_lost = 0.001"), CheckStatus::Warn);
    assert_eq!(
        status(&lossy, "lost", "max_lost = 0.1"),
        CheckStatus::Pass,
        "who allows it wants no failure"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// Whatever was measured, or was not, there is a verdict that can be saved.
    #[test]
    fn there_is_a_verdict_on_every_evidence(
        seed in 0..1_000_u64,
        kept in 0..200_usize,
        factor in prop_oneof![Just(0.0), Just(1e-9), Just(1.0), Just(1e9)],
        count in prop_oneof![Just(0), Just(1), Just(700), Just(1 << 50)],
        closed: bool,
        interrupted: bool,
    ) {
        let mut evidence = clean(seed);
        evidence.interrupted = interrupted;
        if closed {
            evidence.open = None;
        }
        for values in [&mut evidence.responses.values, &mut evidence.in_flight.values] {
            values.truncate(kept);
            for value in values.iter_mut() {
                *value *= factor;
            }
        }
        evidence.response.count = count;
        evidence.clipped = count / 2;
        evidence.window_ns = count;
        evidence.host.as_mut().unwrap().span_ns = count / 3;
        evidence.ledger.replies_lost = count;
        evidence.delays.as_mut().unwrap().planned_mean_ns = count;
        let verdict = judged(&evidence);
        prop_assert!(!interrupted || verdict.status != Status::Valid);
        for check in &verdict.checks {
            let known = check.status != CheckStatus::NotApplicable;
            prop_assert_eq!(check.value.is_some_and(f64::is_finite), known, "{:?}", check);
            prop_assert_eq!(check.limit.is_some_and(f64::is_finite), known, "{:?}", check);
        }
        let text = serde_json::to_string(&verdict).unwrap();
        let again: Verdict = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(again.status, verdict.status);
    }
}
