//! Effects, causes and symptoms: what the machine and a quota do to a run, on synthetic runs.

use zload_core::facts::{MachineUse, Role};
use zload_report::verdict::{CeilingBy, CheckStatus, Evidence, Status, Twin};

use crate::evidence::{check, clean, is_noted, judged, named, percentiles, status_of, thread};

/// A run beside a process that takes half of the CPU time, in which the proxy waited for this share of the time.
fn beside_a_hog(waited: f64) -> Evidence {
    let mut evidence = clean(4);
    let host = evidence.host.as_mut().expect("known of a clean run");
    host.machine = Some(MachineUse { steal_share: 0.0, other_share: 0.5, busy_share: 0.6 });
    host.threads = vec![
        thread(Role::Driver, 0.1, 0.0, host.span_ns),
        thread(Role::Proxy, 0.1, waited, host.span_ns),
    ];
    evidence
}

#[test]
fn a_cpu_hog_changes_nothing_without_an_effect_and_is_named_beside_one() {
    let harmless = judged(&beside_a_hog(0.01));
    assert_eq!((harmless.status, named(&harmless)), (Status::Valid, vec![]));
    assert!(is_noted(&harmless, "other_load"), "{harmless:#?}");
    let harmful = judged(&beside_a_hog(0.1));
    assert_eq!((harmful.status, named(&harmful)), (Status::Suspect, vec!["machine_share"]));
    let effect = check(&harmful, "machine_share");
    assert!(effect.sentence.contains("other processes used 50.0 %"), "{effect:?}");
    let mut slow = beside_a_hog(0.8);
    for ns in &mut slow.responses.values {
        *ns *= 100.0;
    }
    slow.response.p50_ns = slow.response.p50_ns.map(|ns| ns * 100);
    slow.service.p50_ns = slow.response.p50_ns;
    (slow.response.p99_ns, slow.service.p99_ns) = (None, None);
    let hopeless = judged(&slow);
    assert_eq!((hopeless.status, named(&hopeless)), (Status::Invalid, vec!["machine_share"]));
}

#[test]
fn what_is_work_of_the_plan_or_waiting_for_ourselves_is_not_the_machines() {
    let mut own = beside_a_hog(0.8);
    own.host.as_mut().unwrap().machine.as_mut().unwrap().other_share = 0.02;
    assert_eq!(judged(&own).status, Status::Valid, "the proxy waited for the driver");
    let mut work = beside_a_hog(0.8);
    work.work_ns = work.response.p50_ns.unwrap() * 95 / 100;
    assert_eq!(judged(&work).status, Status::Valid, "a twentieth of the response time is cost");
    let mut queues = beside_a_hog(0.8);
    let ideal = queues.responses.values.iter().map(|ns| ns * 0.95).collect();
    queues.twin = Some(Twin {
        utilisation: 0.5,
        queue_grows: false,
        responses: ideal,
        of_stages: Vec::new(),
    });
    assert_eq!(judged(&queues).status, Status::Valid, "the twin waits, too");
}

#[test]
fn waits_in_few_requests_doubt_the_slow_ones_and_leave_the_median() {
    let mut evidence = beside_a_hog(0.8);
    // One request in fifty waited for nearly all that was waited, and the others cost what the CPU time says.
    for value in evidence.responses.values.iter_mut().step_by(50) {
        *value *= 150.0;
    }
    let verdict = judged(&evidence);
    assert_eq!(status_of(&verdict, "machine_share"), CheckStatus::Warn, "{verdict:#?}");
}

#[test]
fn waits_that_leave_the_median_are_noted_and_those_in_it_doubt_the_run() {
    let with = |slowed_every: usize, by: f64| {
        let mut evidence = beside_a_hog(0.8);
        let ideal = evidence.responses.values.iter().map(|ns| ns * 0.8).collect();
        evidence.twin = Some(Twin {
            utilisation: 0.5,
            queue_grows: false,
            responses: ideal,
            of_stages: Vec::new(),
        });
        for value in evidence.responses.values.iter_mut().step_by(slowed_every) {
            *value *= by;
        }
        // A few wait far longer, so that the mean cost is far above that of the median.
        for value in evidence.responses.values.iter_mut().step_by(97) {
            *value *= 20.0;
        }
        let values = &evidence.responses.values;
        evidence.response = percentiles(values, values.len() as u64);
        evidence.service = evidence.response;
        judged(&evidence)
    };
    let right = with(50, 5.0);
    assert_eq!((right.status, named(&right)), (Status::Valid, vec![]), "{right:#?}");
    assert!(is_noted(&right, "machine_share"), "{right:#?}");
    let doubled = with(2, 3.0);
    assert!(named(&doubled).contains(&"machine_share"), "{doubled:#?}");
}

#[test]
fn the_generator_in_front_of_an_external_server_is_a_doubt_and_no_more() {
    let with = |waited: f64| {
        let mut evidence = beside_a_hog(0.0);
        evidence.server = None;
        let span_ns = evidence.host.as_ref().unwrap().span_ns;
        evidence.host.as_mut().unwrap().threads[0] = thread(Role::Driver, 0.1, waited, span_ns);
        let verdict = judged(&evidence);
        (verdict.status, status_of(&verdict, "other_load"))
    };
    let in_flight = clean(4).requests_per_s * clean(4).response.p50_ns.unwrap() as f64 / 1e9;
    assert_eq!(with(0.01 * in_flight.min(1.0)), (Status::Valid, CheckStatus::NotApplicable));
    assert_eq!(with(0.3 * in_flight.min(1.0)).0, Status::Valid, "it may be the server itself");
    assert_eq!(with(0.9 * in_flight.min(1.0)), (Status::Suspect, CheckStatus::NotApplicable));
}

#[test]
fn symptoms_stand_behind_what_explains_them() {
    let mut evidence = beside_a_hog(0.1);
    evidence.open.as_mut().unwrap().late = Some(evidence.ledger.requests_sent / 2);
    let verdict = judged(&evidence);
    assert_eq!(named(&verdict), ["late", "machine_share"]);
    let [late, effect] = ["late", "machine_share"].map(|name| check(&verdict, name));
    assert_eq!((late.symptom_of.as_deref(), &effect.symptom_of), (Some("machine_share"), &None));
    assert!(effect.sentence.contains("It also explains late"), "{effect:?}");
}

#[test]
fn a_quota_that_is_used_up_is_named_as_the_limit() {
    let with = |throttled: u64, periods: u64| {
        let mut evidence = Evidence { open: None, ..clean(4) };
        let quota = evidence.host.as_mut().unwrap().quota.as_mut().unwrap();
        (quota.cpus, quota.throttled, quota.periods) = (0.5, throttled, periods);
        judged(&evidence)
    };
    assert_eq!(status_of(&with(0, 100), "throttled"), CheckStatus::Pass);
    assert_eq!(status_of(&with(0, 0), "throttled"), CheckStatus::NotApplicable);
    assert_eq!(status_of(&with(2, 100), "throttled"), CheckStatus::Warn);
    let used_up = with(58, 94);
    assert_eq!((used_up.status, named(&used_up)), (Status::Invalid, vec!["throttled"]));
    let ceiling = used_up.ceiling.unwrap();
    assert!(ceiling.by == CeilingBy::Quota && ceiling.sentence.contains("0.5 CPUs"), "{ceiling:?}");
}
