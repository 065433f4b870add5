//! Tables without lines: a column of names, then columns of figures that line up at the right.

use comfy_table::presets;
use comfy_table::{CellAlignment, Table};

/// Stands where a figure is null.
pub(super) const NOTHING: &str = "–";

/// The rows as text, each indented by two blanks and ended by a newline.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied()).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((u16::from(index > 0), 0));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("  {}\n", line.trim_end())).collect()
}
