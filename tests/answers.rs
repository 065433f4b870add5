//! What a comparison makes of what was played: blocks of runs whose figures and verdicts are made up, one by one.

use crate::support::Zload;
use zload_core::scenario::Scenario;
use zload_report::compare::{Experiment, Questions, Round, Run, Side, default_primary};
use zload_report::result::{Answer, ComparisonResult, Method};

const SCENARIO: &str = "load.model = 'closed'";

/// An experiment of 12 blocks with 3 rounds each, made of one real run: `throughput` gives that of a block, slice and side,
/// and `status` the verdict.
fn experiment(
    throughput: impl Fn(u32, u32, usize) -> f64,
    status: impl Fn(u32, u32, usize) -> &'static str,
) -> ComparisonResult {
    let result = Zload::run(SCENARIO).args(&["--duration", "50ms"]).result(0);
    let side = Side {
        name: "one".to_owned(),
        source: "one.toml".to_owned(),
        exe: None,
        scenario: Scenario::parse("one.toml", SCENARIO, &[]).expect("a scenario"),
        plan_hash: "0".to_owned(),
        environment: serde_json::from_value(result["environment"].clone()).expect("an environment"),
    };
    let method = Method {
        interleaved: true,
        blocks: 12,
        slices_per_block: 3,
        slice_ns: 1_000_000_000,
        slice_warmup_ns: 0,
        confidence_percent: 99.5,
        cpus: None,
        seed: 1,
    };
    let questions = Questions {
        primary: default_primary(&side.scenario),
        gates: Vec::new(),
        margin_percent: None,
    };
    let mut experiment = Experiment::new(vec![side.clone(), side], method, None);
    for block in 0..12 {
        let run = |slice: u32, side: usize| {
            let mut one = result.clone();
            one["throughput"]["replies_per_s"] = throughput(block, slice, side).into();
            one["verdict"]["status"] = status(block, slice, side).into();
            (0, Run::of(&one).expect("a run"))
        };
        let rounds: Vec<Round> = (0..3)
            .map(|slice| Round { slice, seed: 1, runs: vec![run(slice, 0), run(slice, 1)] })
            .collect();
        experiment.add_block(&rounds);
    }
    experiment.compare(&questions, &[], false, None)
}

#[test]
fn a_block_says_what_the_median_of_its_pairs_does() {
    // One slice of each block is a disaster, and the machine is twice as fast in every other block.
    let throughput = |block: u32, slice: u32, side: usize| {
        let machine = if block.is_multiple_of(2) { 1000.0 } else { 2000.0 };
        let disaster = if slice == block % 3 && side == 1 { 0.01 } else { 1.0 };
        machine * disaster * if side == 1 { 0.9 + f64::from(block) * 1e-4 } else { 1.0 }
    };
    let result = experiment(throughput, |_, _, _| "VALID");
    let primary = &result.metrics[0];
    assert_eq!((primary.verdict, primary.blocks, primary.pairs), (Answer::Worse, 12, 36));
    let effect = primary.effect_percent.expect("an effect");
    assert!((-10.0..-9.8).contains(&effect), "{effect}");
}

#[test]
fn a_pair_with_a_run_that_must_not_be_used_does_not_enter() {
    // The runs that must not be used are those that would turn the answer.
    let spoilt = |slice: u32, side: usize| slice == 0 && side == 0;
    let throughput = |block: u32, slice: u32, side: usize| {
        let level = if spoilt(slice, side) { 1e6 } else { 1000.0 };
        level + f64::from(block * 3 + slice)
    };
    let status = |_, slice, side| if spoilt(slice, side) { "INVALID" } else { "SUSPECT" };
    let result = experiment(throughput, status);
    assert_eq!((result.verdict, result.valid), (Answer::Same, true));
    assert_eq!((result.a.runs, result.a.invalid, result.b.runs, result.b.invalid), (24, 12, 24, 0));
    assert_eq!(result.slices.len(), 72, "all are kept");
    let invalid = experiment(throughput, |_, slice, _| if slice < 2 { "INVALID" } else { "VALID" });
    assert_eq!((invalid.verdict, invalid.valid), (Answer::Unclear, false));
}
