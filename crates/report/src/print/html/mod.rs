//! A report as a page: one file, which opens offline, asks no host for anything and runs no script.
//!
//! Plots are SVG drawn here; each number names its field. A page is well-formed XML, too, so that a test can read it.
//! Invariant: every text of a scenario or a result is escaped, by maud, and every sign in it shows.

mod blocks;
mod effects;

use maud::{Markup, PreEscaped, html};

use crate::report::Document;
use crate::report::document::{Block, Heading, Section, Tone};
use zload_core::text::visible;

/// How every page looks.
const STYLE: &str = include_str!("style.css");

/// Void elements that are XML, too. The policy forbids every request and every script, whatever a page may hold.
const HEAD: &str = r#"<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
"#;

/// The report as a whole page.
pub fn html(report: &Document) -> String {
    let title = report.title.plain();
    let page = html! {
        html lang="en" xmlns="http://www.w3.org/1999/xhtml" {
            head {
                (PreEscaped(HEAD))
                title { (title) @if !report.word.is_empty() { " · " (report.word) } }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        h1 { (title) }
                        @if !report.lead.is_empty() { p.lead { (report.lead) } }
                        @if !report.origin.is_empty() { p.note.origin { (report.origin) } }
                        @if !report.command.is_empty() { p.note.origin { (command(&report.command)) } }
                    }
                    @for section in &report.sections { (of_section(report, section)) }
                }
                footer { "Made by zload " (report.made_by) "." }
            }
        }
    };
    // A browser, too, turns and hides what is around such signs.
    format!("<!DOCTYPE html>\n{}\n", visible(&page.into_string()))
}

/// A command line, which breaks between its words and not at their hyphens.
fn command(command: &str) -> Markup {
    html! { code { @for (number, word) in command.split(' ').enumerate() {
        @if number > 0 { " " }
        span { (word) }
    } } }
}

/// A section, or nothing if it has nothing but what is written in characters.
fn of_section(report: &Document, section: &Section) -> Markup {
    let blocks: Vec<Markup> = section.blocks.iter().map(blocks::of_block).collect();
    let status = section.blocks.iter().find_map(Block::as_status);
    let class = status.map(|status| format!("verdict {}", class_of(status.tone)));
    // Whose answer the first one is, the title says.
    let of = status.and_then(|status| status.of.as_ref()).filter(|of| **of != report.title);
    html! {
        @if blocks.iter().any(|block| !block.0.is_empty()) {
            section id=(section.id) class=[class] {
                @match &section.heading {
                    Heading::None => @if let Some(of) = of { h2 { (blocks::of_words(of)) } },
                    Heading::Words(words) => h2 { (blocks::of_words(words)) },
                    Heading::Title(words) => h2 { (words) },
                }
                @for block in &blocks { (block) }
            }
        }
    }
}

/// The class of a tone, in the style.
fn class_of(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Note => "note",
        Tone::Good => "valid",
        Tone::Doubt => "suspect",
        Tone::Alarm => "invalid",
    }
}

/// What is wider than a phone scrolls by itself, also by keyboard.
fn scrolled(table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" { (table) } }
}
