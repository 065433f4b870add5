//! Writes the files of simulated shards, to see what their merge costs: `shards FOLDER [SHARDS [CLIENTS [RATE]]]`.

#[path = "../tests/merge/simulated.rs"]
mod simulated;

use zload_core::plan::{Plan, Share};
use zload_core::scenario::Scenario;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: shards FOLDER [SHARDS [CLIENTS [RATE]]]")?;
    let mut number = |otherwise: u32| arguments.next().map_or(Ok(otherwise), |text| text.parse());
    let (count, clients, rate) = (number(1_000)?, number(10_000)?, number(100_000)?);
    let text = format!(
        "load = {{ rate = '{rate}/s', arrivals = 'poisson' }}\nclients = {{ count = {clients} }}\n\
         run = {{ duration = '60s' }}\nproxy = {{ engine = 'external', frontend = 'tcp://h0:5570' }}"
    );
    let scenario = Scenario::parse("shards", &text, &[]).map_err(|problem| problem.to_string())?;
    let plan = Plan::new(&scenario);
    std::fs::create_dir_all(&folder)?;
    for index in 0..count {
        let share = Share::new(index, count)?;
        let file = simulated::file(&scenario, &plan, share);
        std::fs::write(format!("{folder}/{}.json", share.file_name()), file)?;
    }
    Ok(())
}
