//! The generator's own queue, as the kernel's stamps show it, on synthetic runs.

use zload_report::verdict::{Arrivals, CheckStatus, Evidence, Percentiles, Status};

use crate::evidence::{check, clean, is_noted, judged, named};

fn at(p50_ns: u64, p99_ns: u64) -> Percentiles {
    Percentiles { count: 10_000, p50_ns: Some(p50_ns), p99_ns: Some(p99_ns) }
}

/// A run in which replies waited so that service times without it have these percentiles, and 1,000 and 9,000 ns with it.
fn queued(p50_ns: u64, p99_ns: u64) -> Evidence {
    let arrivals = Arrivals {
        service: at(1_000, 9_000),
        without_queue: at(p50_ns, p99_ns),
        in_generator: at(500, 5_000),
    };
    Evidence { arrivals: Some(arrivals), ..clean(1) }
}

#[test]
fn a_queue_in_front_of_the_drivers_is_a_doubt_and_being_woken_is_none() {
    let woken = judged(&queued(1_000, 9_000));
    assert_eq!((woken.status, named(&woken)), (Status::Valid, vec![]));
    assert!(!is_noted(&woken, "generator_lag"));
    let median = judged(&queued(880, 9_000));
    assert_eq!((median.status, named(&median)), (Status::Suspect, vec!["generator_lag"]));
    let found = check(&median, "generator_lag");
    assert!(found.value.is_some_and(|share| (share - 0.12).abs() < 1e-9), "{found:?}");
    for words in ["12.0 % of the median", "p99 from arrival to reading: 5.00 µs", "clients.threads"]
    {
        assert!(found.sentence.contains(words), "{words}: {}", found.sentence);
    }
}

#[test]
fn a_queue_that_only_the_p99_shows_is_noted_and_a_doubt_where_it_is_most_of_it() {
    let some = judged(&queued(990, 7_000));
    assert_eq!(some.status, Status::Valid);
    assert!(is_noted(&some, "generator_lag"), "{some:#?}");
    let most = judged(&queued(990, 4_000));
    assert_eq!((most.status, named(&most)), (Status::Suspect, vec!["generator_lag"]));
    assert!(check(&most, "generator_lag").sentence.contains("of the p99"), "{most:#?}");
}

#[test]
fn in_a_closed_load_what_waits_for_the_driver_waits_for_no_server() {
    let closed = |p50_ns| judged(&Evidence { open: None, ..queued(p50_ns, 9_000) });
    let some = closed(880);
    assert!(some.status == Status::Valid && is_noted(&some, "generator_lag"), "{some:#?}");
    assert_eq!(named(&closed(400)), vec!["generator_lag"], "the generator is the bottleneck");
}

#[test]
fn what_the_kernel_does_not_say_is_not_judged_and_says_why() {
    let hidden = "libzmq does not tell";
    for (arrivals_hidden, arrivals, why) in [
        (Some(hidden), None, hidden),
        (None, None, "the kernel did not say"),
        (None, Some(Arrivals::default()), "too few replies"),
    ] {
        let verdict = judged(&Evidence { arrivals, arrivals_hidden, ..clean(1) });
        let found = check(&verdict, "generator_lag");
        assert_eq!((found.status, found.value), (CheckStatus::NotApplicable, None));
        assert!(found.sentence.contains(why), "{found:?}");
    }
}
