//! What is promised of a verdict beyond its checks: several are as good as the worst, and each is saved and documented whole.

use zload_report::verdict::{CheckStatus, Evidence, Limits, Status, Verdict};

use crate::evidence::{clean, judged, named, status_of};

#[test]
fn several_runs_are_as_good_as_the_worst_of_them() {
    let good = judged(&clean(1));
    let slow_begin = judged(&Evidence { debug_build: true, ..clean(15) });
    let failed = judged(&Evidence { failure: Some("it died".to_owned()), ..clean(1) });
    assert_eq!(Verdict::of_all(&[]), None);
    assert_eq!(Verdict::of_all(std::slice::from_ref(&good)), Some(good.clone()));
    let both = Verdict::of_all(&[good.clone(), slow_begin.clone()]).unwrap();
    assert_eq!((both.status, named(&both)), (Status::Suspect, named(&slow_begin)));
    let mut without_host = clean(1);
    without_host.host = None;
    let mixed = Verdict::of_all(&[good.clone(), judged(&without_host)]).unwrap();
    assert_eq!(status_of(&mixed, "steal"), CheckStatus::NotApplicable, "not known of every run");
    let all = Verdict::of_all(&[good, failed, slow_begin]).unwrap();
    assert_eq!(all.status, Status::Invalid);
}

#[test]
fn a_verdict_is_the_same_after_being_saved() {
    let mut evidence = clean(16);
    evidence.host = None;
    let verdict = judged(&evidence);
    let text = serde_json::to_string(&verdict).unwrap();
    assert!(
        text.starts_with(
            "{\"status\":\"VALID\",\"checks\":[{\"name\":\"ending\",\"status\":\"pass\""
        ),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
}

#[test]
fn the_documentation_has_every_check_and_every_limit_with_its_default() {
    let text = include_str!("../../../../docs/verdict.md");
    for check in &judged(&clean(1)).checks {
        assert!(text.contains(&format!("**`{}`**", check.name)), "{}", check.name);
    }
    let limits = serde_json::to_value(Limits::default()).unwrap();
    for (key, value) in limits.as_object().unwrap() {
        let default = if value == 0.0 { "0".to_owned() } else { value.to_string() };
        assert!(text.contains(&format!("| `{key}` | `{default}` |")), "{key} = {default}");
    }
}
