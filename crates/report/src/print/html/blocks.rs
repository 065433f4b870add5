//! The parts of a page, each as HTML.
//!
//! A figure is a `data` element whose value is the field's, so that a reader of the page, or a test, can compare it with
//! the JSON object.

use maud::{Markup, html};

use super::{class_of, effects, scrolled};
use crate::print::plots;
use crate::print::table::between;
use crate::report::document::{
    Block, Column, Kind, Mark, NOTHING, Row, Span, Status, Table, Tone, Words,
};
use crate::report::scale::Scale;

pub(super) fn of_block(block: &Block) -> Markup {
    match block {
        Block::Status(status) => of_status(status),
        Block::Sentence(Tone::Plain, words) => html! { p.sentence { (of_words(words)) } },
        Block::Sentence(Tone::Alarm, words) => {
            html! { p.alarm role="alert" { (of_words(words)) } }
        }
        Block::Sentence(_, words) => html! { p.note.sentence { (of_words(words)) } },
        Block::Subheading(words) => html! { h3 { (of_words(words)) } },
        Block::List(items) => list(items),
        Block::Settings(rows) => html! {
            dl.facts { @for (name, words) in rows { dt { (of_words(name)) } dd { (of_words(words)) } } }
        },
        Block::Figures(figures, meaning) => html! {
            dl.figures { @for (name, figure, tone) in figures {
                div.(class_of(*tone)) { dt { (name) } dd { (of_words(figure)) } }
            } }
            p.note { (of_words(meaning)) }
        },
        Block::Table(table) => of_table(table),
        Block::Verbatim(text) => html! { pre tabindex="0" { code { (text.trim_end()) } } },
        Block::Plot(plot) => plots::figure(plot),
        Block::Folded(summary, blocks) => html! {
            details { summary { (of_words(summary)) } @for block in blocks { (of_block(block)) } }
        },
        // A plot is beside it.
        Block::Bars(_) | Block::Sparks(_) => html! {},
    }
}

pub(super) fn of_words(words: &Words) -> Markup {
    html! { @for span in &words.0 { @match span {
        Span::Text(text) | Span::Name(text) => (text),
        Span::Strong(text) => strong { (text) },
        Span::Code(text) => code { (text) },
        Span::Side(letter, name) => span class=(format!("name {letter}")) { (name) },
        Span::Value(field, value, shown) => data value=(value) data-field=(field) { (shown) },
        Span::Nothing => span.nothing title="no figure: not measurable here, or too few samples" { (NOTHING) },
        Span::Alarm(field, value, shown) => data.alarm value=(value) data-field=(field) { (shown) },
        Span::Toned(tone, text) => span class=(format!("toned {}", class_of(*tone))) { (text) },
        Span::Effect(_) => {}
        Span::Mark(mark) => (mark.sign()),
    } } }
}

/// The words of a cell, or the drawing of an effect.
fn of_cell(words: &Words, scale: Option<Scale>) -> Markup {
    match (&words.0[..], scale) {
        ([Span::Effect(effect)], Some(scale)) => effects::drawn(effect, scale),
        _ => of_words(words),
    }
}

fn of_status(Status { word, meaning, .. }: &Status) -> Markup {
    html! {
        p.status {
            @if !word.is_empty() { strong { (word) } " " }
            (of_words(meaning))
        }
    }
}

/// Sentences with their marks, which the style draws.
fn list(items: &[(Mark, Words)]) -> Markup {
    let class = |mark: &Mark| match mark {
        Mark::Pass => "pass",
        Mark::Warn => "warn",
        Mark::Fail => "fail",
        Mark::Unknown | Mark::Dot => "without-data",
        Mark::Bullet | Mark::Uncertain => "remark",
    };
    html! {
        @if !items.is_empty() {
            ul.checks { @for (mark, words) in items { li.(class(mark)) { (of_words(words)) } } }
        }
    }
}

/// Words that are above the cells of a column are beside them, too, for pages that are too narrow for columns.
fn of_table(table: &Table) -> Markup {
    let id = (!table.id.is_empty()).then_some(table.id);
    let scale = effects::scale(table);
    let has_main = table.columns.iter().any(|column| column.is_main);
    let headings: Vec<Words> = table.columns.iter().map(|column| column.heading.clone()).collect();
    let names: Vec<Option<String>> = headings
        .iter()
        .map(|heading| Some(heading.named()).filter(|name| !name.is_empty()))
        .map(|name| name.filter(|_| has_main || scale.is_some()))
        .collect();
    let cell = |column: usize, cells: &[Words], row: Option<&Row>| {
        html! {
            (of_cell(&cells[column], scale))
            @if let Some(beneath) = beneath(table, cells, column) { small { (of_words(beneath)) } }
            @for range in row.map_or(&[][..], |row| &row.ranges) {
                @if let Some(Some(ends)) = range.ends.get(column) { small { (range.short) (between(ends)) } }
            }
        }
    };
    let shown = || table.columns.iter().enumerate().filter(|(_, of)| of.kind != Kind::Beneath);
    scrolled(&html! {
        table.forest[scale.is_some()].few[has_main] id=[id] {
            @if table.has_headings() {
                thead { tr { @for (number, column) in shown() {
                    @let (is_words, is_main) = (is_words(number, column), column.is_main);
                    @if let (Some(scale), Kind::Effect) = (scale, column.kind) {
                        td { (effects::axis(scale)) }
                    } @else if headings[number].plain().is_empty() {
                        td {}
                    } @else {
                        th.words[is_words].main[is_main] scope="col" { (cell(number, &headings, None)) }
                    }
                } } }
            }
            tbody { @for row in &table.rows {
                tr.part[row.is_part].primary[row.is_primary] {
                    @for (number, column) in shown() {
                        @if number == 0 {
                            th scope="row" { (cell(0, &row.cells, Some(row))) }
                        } @else {
                            td.words[is_words(number, column)].drawn[column.kind == Kind::Effect].main[column.is_main]
                                data-name=[&names[number]] {
                                (cell(number, &row.cells, Some(row)))
                            }
                        }
                    }
                }
                @if let Some((words, _)) = &row.said {
                    tr.said.primary[row.is_primary] {
                        td.words colspan=(shown().count()) { (of_words(words)) }
                    }
                }
            } }
        }
    })
}

fn is_words(number: usize, column: &Column) -> bool {
    number > 0 && column.kind == Kind::Words
}

/// What is beneath a cell: that of the column after it, if it belongs there.
fn beneath<'a>(table: &Table, cells: &'a [Words], column: usize) -> Option<&'a Words> {
    let next = table.columns.get(column + 1).filter(|next| next.kind == Kind::Beneath);
    next.and(cells.get(column + 1)).filter(|words| words.plain() != "")
}
