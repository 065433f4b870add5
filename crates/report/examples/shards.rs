//! What merging many shards costs: `shards write FOLDER [SHARDS [CLIENTS [RATE]]]` writes the files of simulated shards of a
//! minute, and `shards merge FOLDER` adds them up, one file at a time. To be looked at with `time -v`.

#[path = "../tests/merge/simulated.rs"]
mod simulated;

use zload_core::plan::{Plan, Share};
use zload_core::scenario::Scenario;
use zload_report::merge::Shards;
use zload_report::result::ShardResult;

type Ended = Result<(), Box<dyn std::error::Error>>;

fn main() -> Ended {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", folder, numbers @ ..] => write(folder, numbers),
        ["merge", folder] => merge(folder),
        _ => {
            Err("usage: shards write FOLDER [SHARDS [CLIENTS [RATE]]], shards merge FOLDER".into())
        }
    }
}

fn write(folder: &str, numbers: &[&str]) -> Ended {
    let number = |at: usize, otherwise: u32| numbers.get(at).map_or(Ok(otherwise), |it| it.parse());
    let (count, clients, rate) = (number(0, 1_000)?, number(1, 10_000)?, number(2, 100_000)?);
    let text = format!(
        "load = {{ rate = '{rate}/s', arrivals = 'poisson' }}\nclients = {{ count = {clients} }}\n\
         run = {{ duration = '60s' }}\nproxy = {{ engine = 'external', frontend = 'tcp://h0:5570' }}"
    );
    let scenario = Scenario::parse("shards", &text, &[]).map_err(|it| it.to_string())?;
    let plan = Plan::new(&scenario);
    std::fs::create_dir_all(folder)?;
    for index in 0..count {
        let share = Share::new(index, count)?;
        let file = simulated::file(&scenario, &plan, share);
        std::fs::write(format!("{folder}/{}.json", share.file_name()), file)?;
    }
    Ok(())
}

fn merge(folder: &str) -> Ended {
    let mut shards = Shards::default();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        shards.add(&path.to_string_lossy(), &ShardResult::read(&text)?)?;
    }
    let (result, _) = shards.finish()?.result();
    let verdict = &result.verdict;
    assert_eq!(result.ledger.contradiction(), None);
    assert!(verdict.checks.iter().any(|check| check.name == "complete"));
    Ok(())
}
