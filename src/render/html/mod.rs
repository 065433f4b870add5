//! Reports as pages: one file each, which opens offline, asks no host for anything and runs no script.
//!
//! Plots are SVG drawn here; numbers are formatted as in the text report and name their field. A page is well-formed XML,
//! too, so that a test can read it. Invariant: every text of a scenario or a result is escaped, by maud, and every sign in it shows.

mod comparison;
mod forest;
mod heat;
mod hops;
mod percentiles;
mod plot;
mod quantiles;
mod run;
mod scale;
mod slices;
mod tables;
mod timeline;
mod value;

use maud::{Markup, PreEscaped, html};

pub use comparison::comparison_page;
pub use run::run_page;

use crate::result::to_json;
use crate::scenario::Scenario;
use crate::text::visible;

/// How every page looks.
const STYLE: &str = include_str!("style.css");

/// Void elements that are XML, too. The policy forbids every request and every script, whatever a page may hold.
const HEAD: &str = r#"<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
"#;

/// A whole page.
fn page(title: &str, generator: &str, body: &Markup) -> String {
    let document = html! {
        html lang="en" xmlns="http://www.w3.org/1999/xhtml" {
            head {
                (PreEscaped(HEAD))
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body) }
                footer { "Made by zload " (generator) "." }
            }
        }
    };
    // A browser, too, turns and hides what is around such signs.
    format!("<!DOCTYPE html>\n{}\n", visible(&document.into_string()))
}

/// What is wider than a phone scrolls by itself, also by keyboard.
fn scrolled(table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" { (table) } }
}

/// A scenario as the file that it could have come from.
fn scenario_text(scenario: &Scenario) -> Markup {
    let text = toml::to_string(scenario).unwrap_or_else(|_| to_json(scenario));
    html! { pre { code { (text.trim_end()) } } }
}

/// What a reader must know, a sentence each.
fn notes(notes: &[String]) -> Markup {
    html! { @if !notes.is_empty() { ul.notes { @for note in notes { li { (note) } } } } }
}

/// What happened that no figure says.
fn alarms(failure: Option<&str>, interrupted: Option<&str>) -> Markup {
    html! {
        @if let Some(failure) = failure { p.alarm role="alert" { strong { "FAILED: " } (failure) } }
        @if let Some(meaning) = interrupted { p.alarm role="alert" { strong { "INTERRUPTED: " } (meaning) } }
    }
}
