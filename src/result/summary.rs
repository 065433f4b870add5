//! A latency distribution as it is saved: percentiles with their intervals, and the whole histogram.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::LatencyHistogram;
use crate::verdict::{Evidence, effective_size};

/// The percentiles of a summary.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

/// No recorded time is longer: an hour, and what 3 significant digits make of it.
const LONGEST_NS: u64 = 3_610_000_000_000;

/// A latency distribution. A percentile that the sample is too small to carry is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencySummary {
    /// Number of values.
    pub count: u64,
    /// Values above the histogram's range, which stand in it as its largest value.
    pub clipped: u64,
    /// Smallest value.
    pub min_ns: Option<u64>,
    /// Mean.
    pub mean_ns: Option<u64>,
    /// Standard deviation.
    pub stddev_ns: Option<u64>,
    /// Median.
    pub p50_ns: Option<u64>,
    /// 90th percentile.
    pub p90_ns: Option<u64>,
    /// 99th percentile.
    pub p99_ns: Option<u64>,
    /// 99.9th percentile.
    pub p999_ns: Option<u64>,
    /// 99.99th percentile.
    pub p9999_ns: Option<u64>,
    /// Largest value.
    pub max_ns: Option<u64>,
    /// Where the percentiles of many such runs would lie.
    pub intervals: Intervals,
    /// The whole distribution: HdrHistogram V2, compressed, base64.
    pub histogram: String,
}

/// 95 % confidence intervals, lower and upper end, from the effective size of the sample: values that follow one another
/// resemble each other, so many of them are worth fewer independent ones. Null where those would not carry the percentile,
/// and where nothing was left to chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Intervals {
    /// Of the median.
    pub p50_ns: Option<[u64; 2]>,
    /// Of the 90th percentile.
    pub p90_ns: Option<[u64; 2]>,
    /// Of the 99th percentile.
    pub p99_ns: Option<[u64; 2]>,
    /// Of the 99.9th percentile.
    pub p999_ns: Option<[u64; 2]>,
    /// Of the 99.99th percentile.
    pub p9999_ns: Option<[u64; 2]>,
}

/// What a value is worth for each percentile: the effective size of the sample as a share of its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worth([f64; QUANTILES.len()]);

impl Worth {
    /// Values that were computed and not measured have no interval.
    pub(super) const EXACT: Self = Self([0.0; QUANTILES.len()]);

    /// By the autocorrelation of the response times.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let count = evidence.response.count.max(1) as f64;
        Self(QUANTILES.map(|quantile| effective_size(evidence, quantile) / count))
    }
}

impl LatencySummary {
    pub(super) fn new(latencies: &LatencyHistogram, worth: &Worth) -> Self {
        let histogram = latencies.histogram();
        let count = histogram.len();
        let any = |value: f64| (count > 0).then(|| nanos(value));
        let percentile = |index: usize| latencies.percentile(QUANTILES[index]);
        let interval = |index: usize| {
            latencies.interval(QUANTILES[index], worth.0[index].min(1.0) * count as f64)
        };
        Self {
            count,
            clipped: latencies.clipped(),
            min_ns: latencies.min(),
            mean_ns: any(histogram.mean()),
            stddev_ns: any(histogram.stdev()),
            p50_ns: percentile(0),
            p90_ns: percentile(1),
            p99_ns: percentile(2),
            p999_ns: percentile(3),
            p9999_ns: percentile(4),
            max_ns: latencies.max(),
            intervals: Intervals {
                p50_ns: interval(0),
                p90_ns: interval(1),
                p99_ns: interval(2),
                p999_ns: interval(3),
                p9999_ns: interval(4),
            },
            histogram: encode(latencies),
        }
    }
}

impl LatencySummary {
    /// The whole distribution, in nanoseconds; `None` if the text is not one, or holds what no latency can be.
    pub fn distribution(&self) -> Option<Histogram<u64>> {
        decode(&self.histogram)
    }
}

fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).ok()?;
    (histogram.max() <= LONGEST_NS).then_some(histogram)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of u64 values is in their range"
)]
fn nanos(value: f64) -> u64 {
    value.round() as u64
}

/// The whole histogram in the form that HdrHistogram's readers in every language take.
fn encode(latencies: &LatencyHistogram) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(latencies.histogram(), &mut bytes)
        .expect("writing to memory cannot fail");
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::V2Serializer;

    #[test]
    fn what_is_no_histogram_is_none() {
        assert!(decode("").is_none());
        assert!(decode("AAAA").is_none());
        assert!(decode("not base64!").is_none());
        // Well-formed, but of times that no report is made for.
        let mut centuries = Histogram::<u64>::new(3).unwrap();
        centuries += 1;
        centuries += u64::MAX / 4;
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&centuries, &mut bytes).unwrap();
        assert!(decode(&STANDARD.encode(bytes)).is_none());
    }

    #[test]
    fn a_clipped_time_is_read_back_like_any_other() {
        let mut latencies = LatencyHistogram::new();
        latencies.record(1);
        latencies.record(u64::MAX);
        assert_eq!(decode(&encode(&latencies)).unwrap().len(), 2);
    }
}
