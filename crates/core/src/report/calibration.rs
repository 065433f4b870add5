//! The report of a calibration: how much of a difference is this machine's noise.

use super::Reported;
use super::document::{Block, Depth, Document, Mark, Row, Section, Span, Table, words};
use super::value::size;
use crate::compare::short;
use crate::quantity::{counted, duration, percent};
use crate::result::{CalibrationResult, MetricNoise};

impl Reported for CalibrationResult {
    fn report(&self) -> Document {
        let comparison = &self.comparison;
        let method = &comparison.method;
        let said = format!(
            "{} of {} of {}. `block`: standard deviation between the two identical sides of a block. `level`: standard deviation between blocks, the cost of not interleaving. `alarms`: how often sides drawn at random are called better or worse. Last columns: minimum detectable effect with that number of blocks (80 % power).",
            counted(u64::from(method.blocks), "block"),
            counted(u64::from(method.slices_per_block), "pair"),
            duration(method.slice_ns),
        );
        let primary = self.noise.iter().find(|noise| noise.name == comparison.primary);
        let name = Span::name(&comparison.a.name);
        let title = words!("noise of this machine: ", name, " against itself");
        let begin = Block::remarks(Mark::Warn, &comparison.notes)
            .into_iter()
            .chain([Block::sentence(said)])
            .collect();
        let table = std::iter::once(Block::Table(table(self)))
            .chain(primary.map(|primary| Block::sentence(advice(primary))))
            .collect();
        let sections = [
            Section::new("calibration", title.clone(), Depth::Answer, begin),
            Section::bare("noise", Depth::Answer, table),
        ];
        Document::new(title, &comparison.a.environment.zload, sections)
    }
}

fn table(result: &CalibrationResult) -> Table {
    let blocks = result.noise.first().map_or(&[][..], |noise| &noise.smallest_visible);
    let headings = ["", "block", "level", "alarms"].map(str::to_owned);
    let headings = headings.into_iter().chain(blocks.iter().map(|of| of.blocks.to_string()));
    Table::of(headings).rows(result.noise.iter().map(row))
}

fn row(noise: &MetricNoise) -> Row {
    let cells = [
        short(&noise.name).to_owned(),
        size(noise.block_percent),
        size(noise.level_percent),
        percent(noise.false_alarms),
    ];
    Row::of(cells.into_iter().chain(noise.smallest_visible.iter().map(|of| size(of.percent))))
}

fn advice(noise: &MetricNoise) -> String {
    let name = short(&noise.name);
    match noise.blocks_for_twice_the_margin {
        Some(blocks) => format!(
            "To detect a change of {name} by twice its margin takes {blocks} blocks; `zload compare --calibration FILE` runs that many."
        ),
        None => format!(
            "No number of blocks detects a change of {name} by twice its margin on this machine."
        ),
    }
}
