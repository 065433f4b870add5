//! HdrHistogram's two texts: the percentiles of one distribution, and an interval log of all of them.
//!
//! Invariant: what the Java implementation makes of the same values, but for halves in the last digit, which Java rounds up
//! (`scripts/formats` compares).

use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use jiff::Timestamp;

use crate::result::{HopFigures, Latency, LatencySummary, RunResult};
use zload_core::text::shown;

/// Percentiles between one halving of the distance to 100 % and the next; HdrHistogram's own default.
const TICKS_PER_HALF: f64 = 5.0;

/// Nanoseconds in a millisecond: what people plot, as wrk2 and HistogramLogProcessor do.
const NS_PER_MS: f64 = 1e6;

/// Response time to the first reply in milliseconds, as `outputPercentileDistribution` writes it.
pub(super) fn percentiles(result: &RunResult) -> String {
    let histogram = result.latency.first_reply.distribution();
    let histogram = histogram.unwrap_or_else(|| Histogram::new(3).expect("3 digits are possible"));
    let digits = usize::from(histogram.sigfig());
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for (percent, value, up_to) in ticks(&histogram) {
        let (quantile, value) = (percent / 100.0, value as f64 / NS_PER_MS);
        text += &format!("{value:12.digits$} {quantile:2.12} {up_to:10}");
        text += &if percent < 100.0 {
            format!(" {:14.2}\n", 1.0 / (1.0 - quantile))
        } else {
            "\n".to_owned()
        };
    }
    let mean = histogram.mean() / NS_PER_MS;
    let deviation = histogram.stdev() / NS_PER_MS;
    let max = histogram.max() as f64 / NS_PER_MS;
    // The halves of the first bucket are both used, of each other one the upper: that is the number of values in a histogram.
    let buckets = usize::from(histogram.buckets());
    let sub_buckets = histogram.distinct_values() * 2 / (buckets + 1);
    text += &format!(
        "#[Mean    = {mean:12.digits$}, StdDeviation   = {deviation:12.digits$}]\n\
         #[Max     = {max:12.digits$}, Total count    = {:12}]\n\
         #[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]\n",
        histogram.len()
    );
    text
}

/// Percentages, the values there and how many are up to them, at every tick on the way to 100 %.
///
/// The steps of Java's `PercentileIterator`. The crate's counts in shares of 1, in which a tick of 65 % is a little above 65 %
/// and so falls on the value after it.
fn ticks(histogram: &Histogram<u64>) -> Vec<(f64, u64, u64)> {
    let total = histogram.len();
    let mut ticks = Vec::new();
    let (mut percent, mut up_to) = (0.0, 0);
    for recorded in histogram.iter_recorded() {
        let value = histogram.highest_equivalent(recorded.value_iterated_to());
        up_to += recorded.count_at_value();
        while 100.0 * up_to as f64 / total as f64 >= percent {
            ticks.push((percent, value, up_to));
            if up_to == total {
                ticks.push((100.0, value, up_to));
                break;
            }
            let halvings = (libm::log(100.0 / (100.0 - percent)) / libm::log(2.0)).floor();
            percent += 100.0 / (TICKS_PER_HALF * libm::exp2(halvings + 1.0));
        }
    }
    ticks
}

/// An interval for each run, the length of its window: the response time to the first reply without a tag, which
/// HistogramLogProcessor does not do without, and everything else with one. Values are nanoseconds.
pub(super) fn log(result: &RunResult) -> String {
    let begin = begin(&result.environment.time);
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!(
            "[zload {}: scenario {}, {}; nanoseconds, the largest value in milliseconds]",
            shown(&result.environment.zload),
            shown(&result.scenario.name),
            result.verdict.status
        ))
        .with_start_time(begin)
        .with_base_time(begin)
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(&mut bytes, &mut serializer)
        .expect("writing to memory cannot fail");
    let mut offset = Duration::ZERO;
    for (window_ns, latency, hops) in intervals(result) {
        let window = Duration::from_nanos(window_ns);
        for (tag, summary) in tagged(latency, hops) {
            if let Some(histogram) = summary.distribution() {
                let tag = tag.and_then(Tag::new);
                writer
                    .write_histogram(&histogram, offset, window, tag)
                    .expect("a histogram that was read can be written");
            }
        }
        // The start of each run of a result is not kept: they are put one after the other.
        offset = offset.saturating_add(window);
    }
    drop(writer);
    String::from_utf8(bytes).expect("base64 and figures are ASCII, and the comments UTF-8")
}

/// The instant that a result names; 1970 if it names none.
fn begin(time: &str) -> SystemTime {
    let seconds = time.parse::<Timestamp>().map_or(0, Timestamp::as_second);
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// The window and the distributions of each run.
fn intervals(result: &RunResult) -> Vec<(u64, &Latency, Option<&HopFigures>)> {
    if result.runs.is_empty() {
        return vec![(result.throughput.window_ns, &result.latency, result.hops.as_ref())];
    }
    let runs = result.runs.iter();
    runs.map(|run| (run.throughput.window_ns, &run.latency, run.hops.as_ref())).collect()
}

/// The distributions of a run, each with its name in a result as a tag.
fn tagged<'a>(
    latency: &'a Latency,
    hops: Option<&'a HopFigures>,
) -> Vec<(Option<&'static str>, &'a LatencySummary)> {
    let mut all = vec![
        (None, &latency.first_reply),
        (Some("last_reply"), &latency.last_reply),
        (Some("reply"), &latency.reply),
        (Some("service"), &latency.service),
        (Some("slip"), &latency.slip),
    ];
    let Some(hops) = hops else { return all };
    let legs = [
        ("to_proxy", &hops.to_proxy),
        ("in_proxy", &hops.in_proxy),
        ("to_worker", &hops.to_worker),
        ("in_worker", &hops.in_worker),
        ("back_to_proxy", &hops.back_to_proxy),
        ("back_in_proxy", &hops.back_in_proxy),
        ("to_client", &hops.to_client),
        ("in_generator", &hops.in_generator),
    ];
    all.extend(legs.into_iter().filter_map(|(tag, leg)| Some((Some(tag), leg.as_ref()?))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_halve_the_distance_to_all() {
        let mut histogram = Histogram::new(3).unwrap();
        (1..=1000).for_each(|value| histogram += value);
        let ticks = ticks(&histogram);
        let first: Vec<_> = ticks.iter().take(8).copied().collect();
        assert_eq!(
            first,
            [
                (0.0, 1, 1),
                (10.0, 100, 100),
                (20.0, 200, 200),
                (30.0, 300, 300),
                (40.0, 400, 400),
                (50.0, 500, 500),
                (55.0, 550, 550),
                (60.0, 600, 600),
            ]
        );
        assert_eq!(ticks.last(), Some(&(100.0, 1000, 1000)));
    }

    #[test]
    fn nothing_has_no_ticks() {
        assert_eq!(ticks(&Histogram::new(3).unwrap()), []);
    }

    proptest! {
        #[test]
        fn ticks_rise_to_all_of_the_values(values in prop::collection::vec(0..20_000_000_u64, 1..300)) {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            for value in &values {
                histogram += *value;
            }
            let ticks = ticks(&histogram);
            prop_assert!(ticks.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1 && a.2 <= b.2));
            for (percent, _, up_to) in &ticks {
                prop_assert!(100.0 * *up_to as f64 / values.len() as f64 >= *percent);
            }
            prop_assert_eq!(ticks.last(), Some(&(100.0, histogram.max(), values.len() as u64)));
        }
    }
}
