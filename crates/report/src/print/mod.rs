//! A report in a form: text for a terminal, a page, Markdown; and results in the formats that other tools read.
//!
//! Invariant: printers differ in format and never in words, and the same value gives the same text. What acts in a text of a
//! user or a result is made safe here.

pub mod formats;
mod html;
mod markdown;
mod plots;
mod style;
mod table;
mod text;

pub use html::html;
pub use markdown::markdown;
pub use style::Style;
pub use text::text;
