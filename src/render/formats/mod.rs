//! Results in the forms that other tools read: a file for each form, and here which forms there are of which result.
//!
//! Invariant: every number in a form is one of the result's, or worked out of them as docs/formats.md says.

mod bencher;
mod csv;
mod github_action_benchmark;
mod go_bench;
mod hdr;
mod junit;
mod markdown;
mod metrics;
mod otava;

use clap::ValueEnum;

use super::{
    Style, calibration_report, comparison_report, ideal_report, run_report, selftest_report,
    serve_report,
};
use crate::Error;
use crate::facts::Revision;
use crate::result::{
    CalibrationResult, ComparisonResult, Direction, IdealResult, RunResult, SelftestResult,
    ServeResult, to_json,
};
use crate::text::lines;
use crate::verdict::Status;

/// The form in which a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// The result object
    Json,
    /// Tables for a pull request's comment or a CI summary
    Markdown,
    /// Every figure in a row of its own, for spreadsheets
    Csv,
    /// JUnit XML: each check, or each gated metric of a comparison, as a test case
    Junit,
    /// github-action-benchmark's customSmallerIsBetter: times, costs, losses
    GithubActionBenchmarkSmaller,
    /// github-action-benchmark's customBiggerIsBetter: rates
    GithubActionBenchmarkBigger,
    /// Bencher Metric Format, for `bencher run --adapter json`
    Bencher,
    /// Go benchmark text, for benchstat
    GoBench,
    /// A row for the CSV file that Apache Otava looks for changes in; append it
    Otava,
    /// The header of that file
    OtavaHeader,
    /// HdrHistogram's percentiles of the response time to the first reply, in ms, for its plotters
    Hgrm,
    /// HdrHistogram's interval log of every latency, in ns, for HistogramLogProcessor
    Hlog,
}

/// Writes a result in one form.
pub type Writer<T> = fn(&T, Style, &Revision) -> String;

/// A result that can be printed.
pub trait Printable {
    /// What it is, as an error names it.
    const KIND: &'static str;

    /// What writes it in this form; `None` if there is no such form of it.
    fn writer(format: Format) -> Option<Writer<Self>>;

    /// Why none of its figures may be used, if so.
    fn unusable(&self) -> Option<&'static str> {
        None
    }
}

impl Format {
    /// Its name on the command line.
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
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

/// What writes a `T` in this form; an error that says which forms there are if there is no such one.
pub fn writer<T: Printable>(format: Format) -> Result<Writer<T>, Error> {
    T::writer(format).ok_or_else(|| {
        let there: Vec<String> = Format::value_variants()
            .iter()
            .filter(|format| T::writer(**format).is_some())
            .map(|format| format.name())
            .collect();
        Error::Failed(format!(
            "--format {} is not for {}; for that there are {}",
            format.name(),
            T::KIND,
            there.join(", ")
        ))
    })
}

/// The result in this form.
///
/// Fails if there is no such form of it, or if its figures must not be used and the form cannot say so.
pub fn form<T: Printable>(
    result: &T,
    format: Format,
    style: Style,
    revision: &Revision,
) -> Result<String, Error> {
    let write = writer::<T>(format)?;
    match result.unusable() {
        Some(why) if format.leaves_the_verdict_behind() => Err(Error::Invalid(format!(
            "{why}, so there is no --format {} of it, which could not say so; --format text says why",
            format.name()
        ))),
        _ => {
            let text = write(result, style, revision);
            // Whatever a writer does with the texts of a result: here each form is made safe to show.
            Ok(if format == Format::Text { style.safe(&text) } else { lines(&text).into_owned() })
        }
    }
}

impl Printable for RunResult {
    const KIND: &'static str = "the result of a run";

    fn writer(format: Format) -> Option<Writer<Self>> {
        Some(match format {
            Format::Text => |result, style, _| run_report(result, style),
            Format::Json => |result, _, _| to_json(result),
            Format::Markdown => |result, _, _| markdown::run(result),
            Format::Csv => |result, _, _| csv::run(result),
            Format::Junit => |result, _, _| junit::run(result),
            Format::GithubActionBenchmarkSmaller => {
                |result, _, _| github_action_benchmark::run(result, Direction::Lower)
            }
            Format::GithubActionBenchmarkBigger => {
                |result, _, _| github_action_benchmark::run(result, Direction::Higher)
            }
            Format::Bencher => |result, _, _| bencher::run(result),
            Format::GoBench => |result, _, _| go_bench::run(result),
            Format::Otava => |result, _, revision| otava::run(result, revision),
            Format::OtavaHeader => |_, _, _| otava::header(),
            Format::Hgrm => |result, _, _| hdr::percentiles(result),
            Format::Hlog => |result, _, _| hdr::log(result),
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
            Format::Text => |result, style, _| comparison_report(result, style),
            Format::Json => |result, _, _| to_json(result),
            Format::Markdown => |result, _, _| markdown::comparison(result),
            Format::Csv => |result, _, _| csv::comparison(result),
            Format::Junit => |result, _, _| junit::comparison(result),
            Format::GithubActionBenchmarkSmaller => {
                |result, _, _| github_action_benchmark::comparison(result, Direction::Lower)
            }
            Format::GithubActionBenchmarkBigger => {
                |result, _, _| github_action_benchmark::comparison(result, Direction::Higher)
            }
            Format::Bencher => |result, _, _| bencher::comparison(result),
            Format::GoBench => |result, _, _| go_bench::comparison(result),
            // Their columns are a run's figures, and a histogram is one of one thing.
            Format::Otava | Format::OtavaHeader | Format::Hgrm | Format::Hlog => return None,
        })
    }

    fn unusable(&self) -> Option<&'static str> {
        (!self.valid).then_some("too many runs of this comparison are INVALID")
    }
}

impl Printable for ServeResult {
    const KIND: &'static str = "the result of a server";

    fn writer(format: Format) -> Option<Writer<Self>> {
        match format {
            Format::Text => Some(|result, style, _| serve_report(result, style)),
            Format::Json => Some(|result, _, _| to_json(result)),
            _ => None,
        }
    }
}

impl Printable for IdealResult {
    const KIND: &'static str = "an ideal";

    fn writer(format: Format) -> Option<Writer<Self>> {
        match format {
            Format::Text => Some(|result, style, _| ideal_report(result, style)),
            Format::Json => Some(|result, _, _| to_json(result)),
            _ => None,
        }
    }
}

impl Printable for CalibrationResult {
    const KIND: &'static str = "a calibration";

    fn writer(format: Format) -> Option<Writer<Self>> {
        match format {
            Format::Text => Some(|result, style, _| calibration_report(result, style)),
            Format::Json => Some(|result, _, _| to_json(result)),
            _ => None,
        }
    }
}

impl Printable for SelftestResult {
    const KIND: &'static str = "a selftest";

    fn writer(format: Format) -> Option<Writer<Self>> {
        match format {
            Format::Text => Some(|result, style, _| selftest_report(result, style)),
            Format::Json => Some(|result, _, _| to_json(result)),
            Format::Junit => Some(|result, _, _| junit::selftest(result)),
            _ => None,
        }
    }
}
