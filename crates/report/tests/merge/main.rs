//! Shards of simulated runs: the whole is what one process would have recorded, bit for bit.

mod refused;
mod simulated;

use proptest::prelude::*;
use serde_json::Value;
use simulated::{environment, file, measured};
use zload_core::plan::{Plan, Share};
use zload_core::scenario::Scenario;
use zload_report::merge::Shards;
use zload_report::result::{RunResult, ShardResult, to_value};

/// What only a whole of shards says, and what is a matter of each machine.
const OF_SHARDS: [&str; 10] = [
    "complete",
    "aligned",
    "alike",
    "build",
    "generator_saturated",
    "cpu_wait",
    "steal",
    "other_load",
    "throttled",
    "clock",
];

pub(crate) fn scenario(text: &str) -> Scenario {
    let external = "proxy = { engine = 'external', frontend = 'tcp://h0:5570' }";
    Scenario::parse("test.toml", &format!("{external}\n{text}"), &[]).expect("a valid scenario")
}

/// The files of all shards, in order.
pub(crate) fn files(scenario: &Scenario, count: u32) -> Vec<String> {
    let plan = Plan::new(scenario);
    (0..count)
        .map(|index| file(scenario, &plan, Share::new(index, count).expect("a share")))
        .collect()
}

/// What a merge makes of these files.
pub(crate) fn merged<T: AsRef<str>>(
    files: impl IntoIterator<Item = T>,
) -> Result<RunResult, String> {
    let mut shards = Shards::default();
    for (number, text) in files.into_iter().enumerate() {
        shards.add(&format!("{number}.json"), &ShardResult::read(text.as_ref())?)?;
    }
    Ok(shards.finish()?.result().0)
}

/// A result without what only a whole of shards has.
fn comparable(result: &RunResult) -> Value {
    let mut value = to_value(result);
    let object = value.as_object_mut().expect("an object");
    object.remove("shards");
    let checks = object["verdict"]["checks"].as_array_mut().expect("a list");
    checks.retain(|check| !OF_SHARDS.contains(&check["name"].as_str().unwrap_or_default()));
    checks.retain(|check| check["name"] != "machine_share");
    // How many drivers there are, and what is in flight in each, is not what is compared.
    for name in ["generator", "process"] {
        object.remove(name);
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn shards_make_the_run_that_one_process_would_have_recorded(
        count in 1..9_u32, more in 0..12_u32, seed in 0..1_000_u32, warmup in 0..2_u32,
        poisson in any::<bool>(), order in any::<u64>(),
    ) {
        let arrivals = if poisson { "poisson" } else { "periodic" };
        let scenario = scenario(&format!(
            "seed = {seed}\nload = {{ rate = '400/s', arrivals = '{arrivals}' }}\n\
             clients = {{ count = {} }}\nworkers = {{ replies = {{ uniform = [0, 3] }} }}\n\
             run = {{ warmup = '{warmup}s', duration = '3s', drain = '1s' }}", count + more,
        ));
        let plan = Plan::new(&scenario);
        let runs = [measured(&plan, Share::WHOLE)];
        let (one, _) = RunResult::new(&scenario, &[&plan], environment(), &runs);
        let mut files = files(&scenario, count);
        // Any order.
        let mut numbers = order;
        files.sort_by_cached_key(|_| {
            numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            numbers
        });
        let whole = merged(&files).unwrap();
        prop_assert_eq!(whole.shards.len(), count as usize);
        let (whole, one) = (comparable(&whole), comparable(&one));
        for (key, value) in one.as_object().unwrap() {
            prop_assert_eq!(&whole[key], value, "{}", key);
        }
        prop_assert_eq!(whole.as_object().unwrap().len(), one.as_object().unwrap().len());
    }
}
