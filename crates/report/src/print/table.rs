//! Tables of characters: columns that line up, names at the left and figures at the right.

use super::style::Style;
use crate::report::document::{Effect, Kind, Range, Row, Span, Table, Words};
use zload_core::quantity::index;
use zload_core::text::shown;

/// Half of the drawing of an effect, in characters.
const HALF: usize = 12;
/// Bars are drawn to the scale of the largest effect, or of this one, in per cent, if all are smaller.
const LEAST_OF_LARGEST: f64 = 3.0;

/// A line of a table, and the group that it starts.
pub(super) type Line = (Option<&'static str>, String);

/// The table as lines, each indented by two blanks, or by fewer where it would be too wide. What has no room is left out:
/// first drawings, then figures that belong to others.
pub(super) fn lines(table: &Table, style: Style) -> Vec<Line> {
    let columns_but = |left_out: &[Kind]| -> Vec<usize> {
        let columns = table.columns.iter().enumerate();
        columns.filter(|(_, column)| !left_out.contains(&column.kind)).map(|of| of.0).collect()
    };
    let narrower = [
        &[Kind::Group][..],
        &[Kind::Group, Kind::Effect],
        &[Kind::Group, Kind::Effect, Kind::Beneath],
    ];
    for left_out in narrower {
        let (fits, drawn) = aligned(table, &columns_but(left_out), style);
        if fits {
            return drawn;
        }
    }
    in_parts(table, &columns_but(narrower[narrower.len() - 1]), style)
}

/// A table that is too wide in several, one below the other, each beginning with the first column.
fn in_parts(table: &Table, columns: &[usize], style: Style) -> Vec<Line> {
    let Some((first, mut rest)) = columns.split_first() else { return Vec::new() };
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let part = |count: usize| [&[*first], &rest[..count]].concat();
        let fits = |count: &usize| aligned(table, &part(*count), style).0;
        let count = (1..=rest.len()).rev().find(fits).unwrap_or(1);
        lines.extend(aligned(table, &part(count), style).1);
        rest = &rest[count..];
    }
    lines
}

/// Whether these columns of the table fit, and their lines.
fn aligned(table: &Table, columns: &[usize], style: Style) -> (bool, Vec<Line>) {
    let largest = table.effects().filter_map(|effect| effect.percent);
    let largest = largest.map(f64::abs).fold(LEAST_OF_LARGEST, f64::max);
    let headings = table.columns.iter().map(|column| column.heading.clone()).collect();
    let headings = table.has_headings().then_some((None, headings));
    let mut group = "";
    let rows = table.rows.iter().flat_map(|row| {
        let begins = (row.group != group).then_some(row.group);
        group = row.group;
        lines_of(row).into_iter().zip(std::iter::once(begins).chain(std::iter::repeat(None)))
    });
    let rows: Vec<(Option<&str>, Vec<Words>)> =
        headings.into_iter().chain(rows.map(|(cells, begins)| (begins, cells))).collect();
    let shown = |cells: &[Words], column: usize| {
        cells.get(column).map_or_else(String::new, |words| plain(words, largest))
    };
    let width = |column: usize| {
        let cells = rows.iter().map(|(_, cells)| shown(cells, column).chars().count());
        cells.max().unwrap_or(0).max(table.columns[column].least)
    };
    let widths: Vec<usize> = columns.iter().map(|column| width(*column)).collect();
    let length = widths.iter().sum::<usize>() + widths.len();
    // A column or two too wide for its margin takes of that.
    let indent = " ".repeat((style.width() + 1).saturating_sub(length).min(2));
    let line = |cells: &[Words]| {
        let cells = columns.iter().zip(&widths).map(|(column, width)| {
            let text = shown(cells, *column);
            let blanks = " ".repeat(width - text.chars().count());
            let painted = cells.get(*column).map_or(text.clone(), |of| style.painted(of, text));
            match table.columns[*column].kind {
                Kind::Words => painted + &blanks,
                _ => blanks + &painted,
            }
        });
        format!("{indent}{}", cells.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
    };
    let lines = rows.iter().map(|(begins, cells)| (*begins, line(cells))).collect();
    (length <= style.width(), lines)
}

/// A row, and one for the lower and the upper ends of each of its ranges.
fn lines_of(row: &Row) -> Vec<Vec<Words>> {
    let mut cells = row.cells.clone();
    if row.is_part {
        cells[0] = Words::from("  ").and(cells[0].clone());
    }
    let ends = |Range { names, ends, .. }: &Range| {
        [0, 1].map(|end| {
            let ends = ends.iter().skip(1);
            let ends = ends.map(|ends| ends.as_ref().map_or("", |ends| ends[end].as_str()).into());
            std::iter::once(format!("  {}", names[end]).into()).chain(ends).collect()
        })
    };
    std::iter::once(cells).chain(row.ranges.iter().flat_map(ends)).collect()
}

fn plain(words: &Words, largest: f64) -> String {
    match &words.0[..] {
        [Span::Effect(Effect { percent, .. })] => {
            percent.map_or_else(String::new, |percent| to_either_side(percent / largest))
        }
        _ => shown(&words.plain()).into_owned(),
    }
}

/// A bar from the middle to the left (b is lower) or the right (b is higher).
fn to_either_side(share: f64) -> String {
    let length = index((share.abs() * HALF as f64).round()).min(HALF);
    let (blank, full) = (" ".repeat(HALF - length), "█".repeat(length));
    if share < 0.0 {
        format!("{blank}{full}│{}", " ".repeat(HALF))
    } else {
        format!("{}│{full}{blank}", " ".repeat(HALF))
    }
}

/// Two figures with a dash between, and the unit once if it is the same.
pub(super) fn between([low, high]: &[String; 2]) -> String {
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, one)), Some((_, other))) if one == other => format!("{number}–{high}"),
        _ => format!("{low} – {high}"),
    }
}
