//! Value to text. Invariant: no decision, no I/O: the same value and style give the same text.

mod calibration;
mod chrome_trace;
mod comparison;
mod formats;
mod histogram;
mod hops;
mod html;
mod ideal;
mod mark;
mod plan;
mod run;
mod selftest;
mod serve;
mod table;
mod thresholds;
mod verdict;

pub use crate::quantity::{duration, rate};
pub use calibration::calibration_report;
pub use chrome_trace::chrome_trace;
pub use comparison::comparison_report;
use comparison::without_answer;
pub use formats::{Format, Printable, Writer, form, writer};
pub use html::{comparison_page, run_page};
pub use ideal::ideal_report;
pub use plan::plan_report;
pub use run::run_report;
pub use selftest::selftest_report;
pub use serve::{serve_report, serve_warning};
pub use verdict::verdict_report;

use crate::result::Environment;
use crate::{quantity, text};

/// How a text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours are wanted.
    color: bool,
}

impl Style {
    /// Plain text, or with ANSI colours.
    pub fn new(color: bool) -> Self {
        Self { color }
    }

    fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn alarm(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A report with nothing in it that acts on a terminal or a log but the colours of this style.
    fn safe(self, report: &str) -> String {
        const BEGIN: &str = "\u{1b}[";
        if !self.color {
            return text::lines(report).into_owned();
        }
        let mut parts = report.split(BEGIN);
        let mut safe = text::lines(parts.next().unwrap_or_default()).into_owned();
        for part in parts {
            match part.split_once('m') {
                Some((code, rest)) if CODES.contains(&code) => {
                    safe += &format!("{BEGIN}{code}m{}", text::lines(rest));
                }
                _ => safe += &text::lines(&format!("{BEGIN}{part}")),
            }
        }
        safe
    }
}

/// The colours of all reports.
const CODES: [&str; 6] = ["0", "1", "32", "1;31", "1;32", "1;33"];

/// `text`, with what acts in it escaped, broken into lines of at most the report's width, each after the first beginning with `indent` blanks.
fn wrapped(text: &str, indent: usize) -> String {
    let text = text::shown(text);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always a line");
        if indent + last.chars().count() + 1 + word.chars().count() > WIDTH && !last.is_empty() {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join(&format!("\n{:indent$}", ""))
}

/// Reports fit into a terminal of this many columns.
const WIDTH: usize = 80;

/// Blanks before what follows the name of a setting.
const SETTING_INDENT: usize = 12;

/// One setting of what was run: a name and its text, wrapped.
fn setting(name: &str, text: &str) -> String {
    format!("  {name:<10}{}\n", wrapped(text, SETTING_INDENT))
}

fn machine(environment: &Environment) -> String {
    let Environment {
        zload,
        build,
        libzmq,
        kernel,
        cpu_model,
        cores,
        cpu_quota,
        load_average,
        time,
    } = environment;
    let build = if build == "release" { String::new() } else { format!(" ({build} build)") };
    let cores = quantity::counted(*cores as u64, "core");
    let quota =
        cpu_quota.map_or_else(String::new, |quota| format!(", quota {}", quantity::cpus(quota)));
    format!(
        "{cores} of {cpu_model}{quota}, {kernel}, load average {load_average:.2}, zload {zload}{build}, libzmq {libzmq}, {time}"
    )
}
