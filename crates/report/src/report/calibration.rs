//! The report of a calibration: how much of a difference is this machine's noise.

use super::comparison::command;
use super::document::{Block, Depth, Document, Heading, Mark, Row, Section, Span, Table, words};
use super::value::size;
use super::{Reported, origin};
use crate::compare::short;
use crate::result::{CalibrationResult, MetricNoise};
use zload_core::quantity::{counted, duration, percent};

impl Reported for CalibrationResult {
    fn report(&self) -> Document {
        let comparison = &self.comparison;
        let method = &comparison.method;
        let how = format!(
            "{} of {} of {}. ",
            counted(u64::from(method.blocks), "block"),
            counted(u64::from(method.slices_per_block), "pair"),
            duration(method.slice_ns),
        );
        let said = words!(
            how,
            Span::code("block"),
            ": standard deviation between the two identical sides of a block. ",
            Span::code("level"),
            ": standard deviation between blocks, the cost of not interleaving. ",
            Span::code("alarms"),
            ": how often sides drawn at random are called better or worse. Last columns: minimum detectable effect with \
             that number of blocks (80 % power)."
        );
        let primary = self.noise.iter().find(|noise| noise.name == comparison.primary);
        let name = Span::name(&comparison.a.name);
        let title = words!("Noise of this machine: ", name, " against itself");
        let begin = Block::remarks(Mark::Warn, &comparison.notes)
            .into_iter()
            .chain([Block::sentence(said)])
            .collect();
        let measured = if self.noise.is_empty() {
            Block::alarm("no metric was measured often enough to know its noise")
        } else {
            Block::Table(table(self))
        };
        let table = std::iter::once(measured)
            .chain(primary.map(|primary| Block::sentence(advice(primary))))
            .collect();
        let sections = [
            Section {
                heading: Heading::Title("Method"),
                ..Section::bare("calibration", Depth::Answer, begin)
            },
            Section::bare("noise", Depth::Answer, table),
        ];
        Document {
            origin: origin(&comparison.a.environment),
            command: command(comparison).unwrap_or_default(),
            ..Document::new(title, &comparison.a.environment.zload, sections)
        }
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
