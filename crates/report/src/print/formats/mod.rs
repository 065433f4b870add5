//! Results in the formats that other tools read: a file for each format, and here which formats there are of which result.
//!
//! Invariant: every number in a format is one of the result's, or worked out of them as docs/formats.md says.

mod bencher;
mod chrome_trace;
mod csv;
mod csv_sweep;
mod github_action_benchmark;
mod go_bench;
mod hdr;
mod junit;
mod metrics;
mod otava;

use serde::Serialize;

pub use chrome_trace::chrome_trace;

use super::{Style, markdown, text};
use crate::report::{self, Reported};
use crate::result::{
    CalibrationResult, ComparisonResult, Direction, IdealResult, RunResult, Saved, SearchResult,
    SelftestResult, ServeResult, ShardResult, SweepResult, to_json,
};
use crate::sweep::is_void;
use crate::verdict::Status;
use zload_core::facts::Revision;
use zload_core::text::lines;

/// The form in which a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// The result itself.
    Json,
    /// Tables for a pull request.
    Markdown,
    /// A row a figure.
    Csv,
    /// A test case a check.
    Junit,
    /// What is better when smaller.
    GithubActionBenchmarkSmaller,
    /// What is better when bigger.
    GithubActionBenchmarkBigger,
    /// Bencher Metric Format.
    Bencher,
    /// Go's benchmark text.
    GoBench,
    /// A row for Apache Otava.
    Otava,
    /// The header of such rows.
    OtavaHeader,
    /// HdrHistogram's percentiles.
    Hgrm,
    /// HdrHistogram's interval log.
    Hlog,
}

/// Every format: its name on the command line, and what it is for.
pub const FORMATS: [(Format, &str, &str); 13] = [
    (Format::Text, "text", "For people"),
    (Format::Json, "json", "The result object"),
    (Format::Markdown, "markdown", "Tables for a pull request's comment or a CI summary"),
    (Format::Csv, "csv", "Every figure in its own row, for spreadsheets"),
    (
        Format::Junit,
        "junit",
        "JUnit XML: each check, or each gated metric of a comparison, as a test case",
    ),
    (
        Format::GithubActionBenchmarkSmaller,
        "github-action-benchmark-smaller",
        "github-action-benchmark's customSmallerIsBetter: times, costs, losses",
    ),
    (
        Format::GithubActionBenchmarkBigger,
        "github-action-benchmark-bigger",
        "github-action-benchmark's customBiggerIsBetter: rates",
    ),
    (Format::Bencher, "bencher", "Bencher Metric Format, for `bencher run --adapter json`"),
    (Format::GoBench, "go-bench", "Go benchmark text, for benchstat"),
    (
        Format::Otava,
        "otava",
        "A row to append to the CSV file in which Apache Otava looks for changes",
    ),
    (Format::OtavaHeader, "otava-header", "The header of that file"),
    (
        Format::Hgrm,
        "hgrm",
        "HdrHistogram's percentiles of the response time to the first reply, in ms, for its plotters",
    ),
    (
        Format::Hlog,
        "hlog",
        "HdrHistogram's interval log of every latency, in ns, for HistogramLogProcessor",
    ),
];

/// Why a result is not printed in a format.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPrinted {
    /// There is no such format of this kind of result.
    #[error("--format {format} is not available for {kind}; use {}", there.join(", "))]
    NoFormat {
        /// What was asked for.
        format: &'static str,
        /// What it was asked of.
        kind: &'static str,
        /// The formats that there are of it.
        there: Vec<&'static str>,
    },
    /// The figures must not be used, and the format cannot say so.
    #[error("{why}, and --format {format} cannot say so; see --format text")]
    MustNotBeUsed {
        /// Why not.
        why: &'static str,
        /// What was asked for.
        format: &'static str,
    },
}

impl Format {
    /// Its name on the command line.
    fn name(self) -> &'static str {
        FORMATS.iter().find(|(format, ..)| *format == self).map_or("", |(_, name, _)| name)
    }

    /// Whether the figures end in a place where nothing says that they must not be used.
    fn leaves_the_verdict_behind(self) -> bool {
        matches!(
            self,
            Self::GithubActionBenchmarkSmaller
                | Self::GithubActionBenchmarkBigger
                | Self::Bencher
                | Self::GoBench
                | Self::Otava
                | Self::Hgrm
        )
    }
}

/// What a tool reads of a result.
pub type Writer<T> = fn(&T, &Revision) -> String;

/// A result that can be printed.
pub trait Printable: Reported + Serialize {
    /// What it is, as an error names it.
    const KIND: &'static str;

    /// What writes it in a format of another tool; `None` if there is no such format of it.
    fn writer(_format: Format) -> Option<Writer<Self>> {
        None
    }

    /// Why none of its figures may be used, if so.
    fn unusable(&self) -> Option<&'static str> {
        None
    }
}

/// What writes a `T` in this format; an error that says which formats there are if there is no such one.
fn writer<T: Printable>(format: Format) -> Result<Writer<T>, NotPrinted> {
    let of = |format: Format| match format {
        Format::Json => Some((|result, _| to_json(result)) as Writer<T>),
        Format::Markdown => Some((|result, _| markdown(&report::of(result))) as Writer<T>),
        format => T::writer(format),
    };
    of(format).ok_or_else(|| {
        let there = FORMATS.iter().filter(|(at, ..)| *at == Format::Text || of(*at).is_some());
        NotPrinted::NoFormat {
            format: format.name(),
            kind: T::KIND,
            there: there.map(|(_, name, _)| *name).collect(),
        }
    })
}

/// An error that says which formats there are, if this is none of a `T`.
pub fn ensure<T: Printable>(format: Format) -> Result<(), NotPrinted> {
    if format == Format::Text { Ok(()) } else { writer::<T>(format).map(drop) }
}

/// The result in this format.
///
/// Fails if there is no such format of it, or if its figures must not be used and the format cannot say so.
pub fn form<T: Printable>(
    result: &T,
    format: Format,
    style: Style,
    revision: &Revision,
) -> Result<String, NotPrinted> {
    if format == Format::Text {
        return Ok(text(&report::of(result), style));
    }
    let write = writer::<T>(format)?;
    match result.unusable() {
        Some(why) if format.leaves_the_verdict_behind() => {
            Err(NotPrinted::MustNotBeUsed { why, format: format.name() })
        }
        // Whatever a writer does with the texts of a result: here each format is made safe to show.
        _ => Ok(lines(&write(result, revision)).into_owned()),
    }
}

/// [`form`] of a result from a file, whichever kind it is.
pub fn form_of_saved(
    saved: &Saved,
    format: Format,
    style: Style,
    revision: &Revision,
) -> Result<String, NotPrinted> {
    match saved {
        Saved::Run(result) => form(&**result, format, style, revision),
        Saved::Comparison(result) => form(&**result, format, style, revision),
        Saved::Calibration(result) => form(&**result, format, style, revision),
        Saved::Search(result) => form(&**result, format, style, revision),
        Saved::Shard(result) => form(&**result, format, style, revision),
        Saved::Serve(result) => form(&**result, format, style, revision),
        Saved::Ideal(result) => form(&**result, format, style, revision),
        Saved::Selftest(result) => form(&**result, format, style, revision),
        Saved::Sweep(result) => form(&**result, format, style, revision),
    }
}

impl Printable for RunResult {
    const KIND: &'static str = "the result of a run";

    fn writer(format: Format) -> Option<Writer<Self>> {
        Some(match format {
            Format::Csv => |result, _| csv::run(result),
            Format::Junit => |result, _| junit::run(result),
            Format::GithubActionBenchmarkSmaller => {
                |result, _| github_action_benchmark::run(result, Direction::Lower)
            }
            Format::GithubActionBenchmarkBigger => {
                |result, _| github_action_benchmark::run(result, Direction::Higher)
            }
            Format::Bencher => |result, _| bencher::run(result),
            Format::GoBench => |result, _| go_bench::run(result),
            Format::Otava => otava::run,
            Format::OtavaHeader => |_, _| otava::header(),
            Format::Hgrm => |result, _| hdr::percentiles(result),
            Format::Hlog => |result, _| hdr::log(result),
            Format::Text | Format::Json | Format::Markdown => return None,
        })
    }

    fn unusable(&self) -> Option<&'static str> {
        (self.verdict.status == Status::Invalid).then_some("this run is INVALID")
    }
}

impl Printable for ComparisonResult {
    const KIND: &'static str = "a comparison";

    fn writer(format: Format) -> Option<Writer<Self>> {
        Some(match format {
            Format::Csv => |result, _| csv::comparison(result),
            Format::Junit => |result, _| junit::comparison(result),
            Format::GithubActionBenchmarkSmaller => {
                |result, _| github_action_benchmark::comparison(result, Direction::Lower)
            }
            Format::GithubActionBenchmarkBigger => {
                |result, _| github_action_benchmark::comparison(result, Direction::Higher)
            }
            Format::Bencher => |result, _| bencher::comparison(result),
            Format::GoBench => |result, _| go_bench::comparison(result),
            // Their columns are a run's figures, and a histogram is one of one thing.
            _ => return None,
        })
    }

    fn unusable(&self) -> Option<&'static str> {
        (!self.valid).then_some("too many runs of this comparison are INVALID")
    }
}

impl Printable for SearchResult {
    const KIND: &'static str = "a search";

    fn writer(format: Format) -> Option<Writer<Self>> {
        Some(match format {
            Format::Csv => |result, _| csv::search(result),
            Format::Junit => |result, _| junit::search(result),
            Format::GithubActionBenchmarkSmaller => {
                |result, _| github_action_benchmark::search(result, Direction::Lower)
            }
            Format::GithubActionBenchmarkBigger => {
                |result, _| github_action_benchmark::search(result, Direction::Higher)
            }
            _ => return None,
        })
    }

    fn unusable(&self) -> Option<&'static str> {
        (self.verdict == Status::Invalid).then_some("this search is INVALID")
    }
}

impl Printable for SelftestResult {
    const KIND: &'static str = "a selftest";

    fn writer(format: Format) -> Option<Writer<Self>> {
        (format == Format::Junit).then_some(|result, _| junit::selftest(result))
    }
}

impl Printable for SweepResult {
    const KIND: &'static str = "a sweep";

    fn writer(format: Format) -> Option<Writer<Self>> {
        (format == Format::Csv).then_some(|result, _| csv_sweep::points(result))
    }

    fn unusable(&self) -> Option<&'static str> {
        is_void(self).then_some("over half of the runs of this sweep say nothing")
    }
}

impl Printable for ShardResult {
    const KIND: &'static str = "a shard of a run";
}

impl Printable for ServeResult {
    const KIND: &'static str = "the result of a server";
}

impl Printable for IdealResult {
    const KIND: &'static str = "a lower bound";
}

impl Printable for CalibrationResult {
    const KIND: &'static str = "a calibration";
}
