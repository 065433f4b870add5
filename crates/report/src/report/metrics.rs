//! What `zload metrics` says: every figure of a run, with its unit and what it means.

use super::document::{Block, Depth, Document, Row, Section, Table};
use crate::result::Direction;
use crate::result::figures::{self, DISTRIBUTIONS, FIGURES, Figure, named};

/// The catalogue: single figures, then distributions, which have the same figures each.
pub fn metrics() -> Document {
    let in_distribution =
        |figure: &&Figure| DISTRIBUTIONS.iter().any(|(path, ..)| parent(figure) == *path);
    let single = FIGURES.iter().filter(|figure| !in_distribution(figure));
    let single = single
        .map(|figure| Row::of([figure.name, figure.unit.sign(), better(figure), figure.label]));
    let of_distribution = DISTRIBUTIONS.iter().map(|(path, meaning, _)| {
        let lower = named(&format!("{path}.p50")).map_or("", better);
        Row::of([format!("{path}.*").as_str(), "ns", lower, *meaning])
    });
    let of_operation = figures::of_operation().filter(|figure| !figure.name.contains('.'));
    let of_operation = of_operation.map(|figure| (figure.name, figure.unit.sign(), figure.label));
    let first_reply =
        ("first_reply.*", "ns", "response time to the first reply, unless that is an error");
    let of_operation = of_operation.chain([first_reply]).map(|(name, unit, meaning)| {
        Row::of([format!("request.operations.NAME.{name}").as_str(), unit, "", meaning])
    });
    let (.., figures) = DISTRIBUTIONS[0];
    let members: Vec<&str> =
        figures.iter().filter_map(|figure| figure.name.rsplit('.').next()).collect();
    let members = format!("* is one of {}; `latency.` may be left out", members.join(", "));
    let use_of = "Names are those of thresholds and comparisons: zload run --threshold 'first_reply.p99 < 5ms'. Times are in \
                  nanoseconds in JSON, where their names end with _ns, and have units in thresholds.";
    let sections = [
        Section::new("figures", "Figures", Depth::Answer, vec![Block::Table(table().rows(single))]),
        Section::new(
            "distributions",
            "Distributions",
            Depth::Answer,
            vec![Block::Table(table().rows(of_distribution)), Block::note(members)],
        ),
        Section::new(
            "operations",
            "Operations of a mix",
            Depth::Answer,
            vec![
                Block::Table(table().rows(of_operation)),
                Block::note(
                    "NAME is the operation's, in double quotes unless it is letters, digits, _ and -",
                ),
            ],
        ),
        Section::bare("use", Depth::Answer, vec![Block::sentence(use_of)]),
    ];
    Document::new("figures of a run".into(), "", sections)
}

fn parent(figure: &Figure) -> &str {
    figure.name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// Which way is better, where that can be said.
fn better(figure: &Figure) -> &'static str {
    match figure.better {
        Some(Direction::Higher) => "higher",
        Some(Direction::Lower) => "lower",
        None => "",
    }
}

fn table() -> Table {
    let mut table = Table::of(["name", "unit", "better", "meaning"]);
    for column in &mut table.columns {
        column.kind = super::document::Kind::Words;
    }
    table
}
