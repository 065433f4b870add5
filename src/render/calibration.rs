//! The report of a calibration: how much of a difference is this machine's noise.

use super::table::table;
use super::{Style, quantity, wrapped};
use crate::compare::short;
use crate::result::{CalibrationResult, MetricNoise};

/// The report of a calibration.
pub fn calibration_report(result: &CalibrationResult, style: Style) -> String {
    let comparison = &result.comparison;
    let mut text = style
        .heading(&format!("the noise of this machine, by {} against itself", comparison.a.name));
    text += "\n";
    for note in &comparison.notes {
        text += &format!("! {}\n", wrapped(note, 2));
    }
    let method = &comparison.method;
    let said = format!(
        "{} of {} of {}. `block`: by how much the two sides of a block differ, although they are the same (standard \
         deviation). `level`: by how much two blocks do, which is what not taking turns would cost. `alarms`: how often \
         blocks and sides drawn at random are called better or worse. Then the smallest change that so many blocks find \
         four times of five.",
        quantity::counted(u64::from(method.blocks), "block"),
        quantity::counted(u64::from(method.slices_per_block), "pair"),
        quantity::duration(method.slice_ns),
    );
    text += &format!("  {}\n\n", wrapped(&said, 2));
    let rows: Vec<Vec<String>> = result.noise.iter().map(row).collect();
    let blocks = result.noise.first().map_or_else(Vec::new, |noise| {
        noise.smallest_visible.iter().map(|visible| visible.blocks.to_string()).collect()
    });
    let mut header = vec!["", "block", "level", "alarms"];
    header.extend(blocks.iter().map(String::as_str));
    text += &table(&header, &rows);
    if let Some(primary) = result.noise.iter().find(|noise| noise.name == comparison.primary) {
        text += &format!("\n  {}\n", wrapped(&advice(primary), 2));
    }
    text
}

fn row(noise: &MetricNoise) -> Vec<String> {
    let percent = |percent: f64| quantity::change(percent).trim_start_matches('+').to_owned();
    let mut row = vec![
        short(&noise.name).to_owned(),
        percent(noise.block_percent),
        percent(noise.level_percent),
        quantity::percent(noise.false_alarms),
    ];
    row.extend(noise.smallest_visible.iter().map(|visible| percent(visible.percent)));
    row
}

fn advice(noise: &MetricNoise) -> String {
    let name = short(&noise.name);
    match noise.blocks_for_twice_the_margin {
        Some(blocks) => format!(
            "A change of {name} by twice its margin takes {blocks} blocks; `zload compare --calibration FILE` plays them."
        ),
        None => format!(
            "No number of blocks finds a change of {name} by twice its margin on this machine."
        ),
    }
}
