//! A latency distribution as it is saved: percentiles with their intervals, and the whole histogram.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{self, Serializer as _, V2DeflateSerializer};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::measure::LatencyHistogram;
use crate::verdict::{Evidence, effective_size};

/// The percentiles of a summary.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

/// No distribution has more values, and no sum of a file's distributions is too large to count.
const MOST_VALUES: u64 = 1 << 53;
/// Bytes before a histogram's counts: cookie, length of the counts, and its bounds.
const HISTOGRAM_HEAD: usize = 40;
/// No histogram of ours is longer: 9 bytes for each of its counts.
const LONGEST_HISTOGRAM: usize = 512 << 10;

/// A latency distribution. A percentile that the sample is too small to carry is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(!remote)]
pub struct LatencySummary {
    /// Number of values.
    pub count: u64,
    /// Values above the histogram's range, which stand in it as its largest value.
    pub clipped: u64,
    /// Smallest value.
    pub min_ns: Option<u64>,
    /// Mean of the values as they were measured, before the histogram rounds them; only that of an excess can be negative.
    pub mean_ns: Option<i64>,
    /// Standard deviation of these values: the squares are divided by their number, not by one less.
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
            mean_ns: latencies.mean(),
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
    /// The whole distribution, in nanoseconds; `None` if the text is not one of ours. One that was read from a file is.
    pub fn distribution(&self) -> Option<Histogram<u64>> {
        decode(&self.histogram)
    }

    /// What no distribution of ours says, in words.
    fn contradiction(&self) -> Option<&'static str> {
        let Some(histogram) = self.distribution() else {
            return Some("its `histogram` is none that zload writes");
        };
        let Self {
            count, clipped, min_ns, p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns, ..
        } = *self;
        if count != histogram.len() || count > MOST_VALUES || clipped > count {
            return Some("`count`, `clipped` and `histogram` contradict each other");
        }
        let rising = [min_ns, p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns];
        let none = count == 0;
        let ends_fit = min_ns.is_none() == none && max_ns.is_none() == none;
        if !ends_fit || !rising.iter().flatten().is_sorted() {
            return Some("its least, its percentiles and its largest contradict each other");
        }
        let Intervals { p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns } = self.intervals;
        let mut intervals = [p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns].into_iter().flatten();
        let turned = intervals.any(|[low, high]| low > high);
        turned.then_some("the ends of an interval contradict each other")
    }
}

impl Serialize for LatencySummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Whatever a file says: a distribution that was read can be shown, drawn, and added to others.
impl<'de> Deserialize<'de> for LatencySummary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let summary = Self::deserialize(deserializer)?;
        match summary.contradiction() {
            Some(contradiction) => {
                Err(D::Error::custom(format!("not a latency distribution: {contradiction}")))
            }
            None => Ok(summary),
        }
    }
}

/// A histogram with our bounds. Its reader believes what stands before the counts, so that is looked at first.
fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    let deflated = bytes.get(8..)?;
    let mut plain = Vec::new();
    let longest = LONGEST_HISTOGRAM as u64 + 1;
    ZlibDecoder::new(deflated).take(longest).read_to_end(&mut plain).ok()?;
    let (head, counts) = plain.split_at_checked(HISTOGRAM_HEAD)?;
    let length = u32::try_from(counts.len()).ok()?.to_be_bytes();
    let fits =
        plain.len() <= LONGEST_HISTOGRAM && head[4..8] == length && head[8..] == bounds()[..];
    // So many of these are the one number that the reader cannot turn round, and far more than can be counted.
    let immense = counts.windows(9).any(|window| window.iter().all(|byte| *byte == 0xff));
    if !fits || immense {
        return None;
    }
    serialization::Deserializer::new().deserialize(&mut plain.as_slice()).ok()
}

/// What the head of a histogram of ours says of its bounds.
fn bounds() -> Vec<u8> {
    let latencies = LatencyHistogram::new();
    let histogram = latencies.histogram();
    let [offset, digits] = [0, u32::from(histogram.sigfig())].map(u32::to_be_bytes);
    let [low, high] = [histogram.low(), histogram.high()].map(u64::to_be_bytes);
    [&offset[..], &digits, &low, &high, &1_f64.to_be_bytes()].concat()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a deviation of u64 values is in their range"
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
        V2DeflateSerializer::new().serialize(&centuries, &mut bytes).unwrap();
        assert!(decode(&STANDARD.encode(bytes)).is_none());
    }

    #[test]
    fn a_histogram_that_lies_about_its_size_is_none() {
        let deflated = |plain: &[u8]| {
            let mut text = vec![0; 8];
            flate2::read::ZlibEncoder::new(plain, flate2::Compression::fast())
                .read_to_end(&mut text)
                .unwrap();
            STANDARD.encode(text)
        };
        let encoded = STANDARD.decode(encode(&LatencyHistogram::new())).unwrap();
        let mut plain = Vec::new();
        ZlibDecoder::new(&encoded[8..]).read_to_end(&mut plain).unwrap();
        assert!(decode(&deflated(&plain)).is_some());
        for (at, byte) in [(4, 0xff), (7, 0xff), (11, 1), (15, 5), (23, 7), (24, 1), (32, 0)] {
            let mut wrong = plain.clone();
            wrong[at] = byte;
            assert!(decode(&deflated(&wrong)).is_none(), "{at}");
        }
        let with_counts = |counts: &[u8]| {
            let mut head = plain[..HISTOGRAM_HEAD].to_vec();
            head[4..8].copy_from_slice(&u32::try_from(counts.len()).unwrap().to_be_bytes());
            deflated(&[&head, counts].concat())
        };
        assert!(decode(&with_counts(&[2, 2])).is_some());
        assert!(decode(&with_counts(&[0xff; 9])).is_none());
        assert!(decode(&with_counts(&[0xff; 30])).is_none());
        assert!(decode(&with_counts(&vec![2; 40_000])).is_none());
        assert!(decode(&with_counts(&vec![0; 200 << 20])).is_none());
    }

    #[test]
    fn what_contradicts_itself_is_not_read() {
        let mut latencies = LatencyHistogram::new();
        (1..=1_000).for_each(|ns| latencies.record(ns));
        let good = serde_json::to_value(LatencySummary::new(&latencies, &Worth::EXACT)).unwrap();
        assert!(serde_json::from_value::<LatencySummary>(good.clone()).is_ok());
        for (key, value) in [
            ("min_ns", serde_json::json!(1_001)),
            ("max_ns", serde_json::json!(null)),
            ("p50_ns", serde_json::json!(991)),
            ("count", serde_json::json!(1_001)),
            ("clipped", serde_json::json!(1_001)),
            ("histogram", serde_json::json!("")),
        ] {
            let mut wrong = good.clone();
            wrong[key] = value;
            let read = serde_json::from_value::<LatencySummary>(wrong);
            assert!(read.unwrap_err().to_string().contains("not a latency distribution"), "{key}");
        }
    }

    #[test]
    fn a_clipped_time_is_read_back_like_any_other() {
        let mut latencies = LatencyHistogram::new();
        latencies.record(1);
        latencies.record(u64::MAX);
        assert_eq!(decode(&encode(&latencies)).unwrap().len(), 2);
    }
}
