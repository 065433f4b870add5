//! Latency histograms as text, as results keep them, and as little as they take.
//!
//! Invariant: what is decoded holds what was encoded, bit for bit; a text that zload did not write is refused.

use std::io::Read as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{self, Serializer as _, V2DeflateSerializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LatencyHistogram;

/// No distribution has more values, and no sum of a file's distributions is too large to count.
pub const MOST_VALUES: u64 = 1 << 53;
/// No part of a run has more: thousands of parts are added.
const MOST_OF_A_PART: u64 = 1 << 48;
/// Bytes before a histogram's counts: cookie, length of the counts, and its bounds.
const HISTOGRAM_HEAD: usize = 40;
/// No histogram written by zload is longer: 9 bytes for each of its counts.
const LONGEST_HISTOGRAM: usize = 512 << 10;

/// A whole latency histogram: what is needed to add it to others as if all values had been recorded in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EncodedLatencies {
    /// Values above the histogram's range, which it counts as its largest value.
    pub clipped: u64,
    /// Smallest value.
    pub min_ns: u64,
    /// Largest value.
    pub max_ns: u64,
    /// Sum of the exact values, in decimal digits: it may be larger than a number of JSON.
    pub sum_ns: String,
    /// HdrHistogram V2, compressed, base64.
    pub histogram: String,
}

impl EncodedLatencies {
    /// What `latencies` holds; `None` of no values.
    pub fn of(latencies: &LatencyHistogram) -> Option<Self> {
        let (min_ns, max_ns) = latencies.min().zip(latencies.max())?;
        Some(Self {
            clipped: latencies.clipped(),
            min_ns,
            max_ns,
            sum_ns: latencies.sum_ns().to_string(),
            histogram: encode(latencies),
        })
    }

    /// The values; `None` if this contradicts itself or zload did not write it.
    pub fn decoded(&self) -> Option<LatencyHistogram> {
        let histogram = decode(&self.histogram)?;
        let Self { clipped, min_ns, max_ns, .. } = *self;
        let sum_ns: i128 = self.sum_ns.parse().ok()?;
        let count = histogram.len();
        let [least, most] = [min_ns, max_ns].map(|ns| i128::from(ns) * i128::from(count));
        let fits = (1..=MOST_OF_A_PART).contains(&count)
            && clipped <= count
            && min_ns <= max_ns
            && (least..=most).contains(&sum_ns);
        fits.then(|| LatencyHistogram::of_parts(histogram, clipped, (min_ns, max_ns), sum_ns))
    }
}

/// The values of what may have had none; `None` as [`EncodedLatencies::decoded`].
pub fn decoded(encoded: Option<&EncodedLatencies>) -> Option<LatencyHistogram> {
    encoded.map_or_else(|| Some(LatencyHistogram::new()), EncodedLatencies::decoded)
}

/// A whole histogram as a field of what is saved: null if it has no values.
pub(super) mod whole {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::{EncodedLatencies, LatencyHistogram, decoded};

    pub(in super::super) fn serialize<S: Serializer>(
        latencies: &LatencyHistogram,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        EncodedLatencies::of(latencies).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<LatencyHistogram, D::Error> {
        let encoded = Option::deserialize(deserializer)?;
        decoded(encoded.as_ref())
            .ok_or_else(|| D::Error::custom("not a latency distribution that zload wrote"))
    }
}

/// A histogram with the bounds of zload. Its reader trusts the header, so that is checked first.
pub fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    let deflated = bytes.get(8..)?;
    let mut plain = Vec::new();
    let longest = LONGEST_HISTOGRAM as u64 + 1;
    ZlibDecoder::new(deflated).take(longest).read_to_end(&mut plain).ok()?;
    let (head, counts) = plain.split_at_checked(HISTOGRAM_HEAD)?;
    let length = u32::try_from(counts.len()).ok()?.to_be_bytes();
    let fits = plain.len() <= LONGEST_HISTOGRAM && head[4..8] == length && head[8..] == BOUNDS[..];
    // This value is the one number that the reader cannot negate, and far more than can be counted.
    let immense = counts.windows(9).any(|window| window.iter().all(|byte| *byte == 0xff));
    if !fits || immense {
        return None;
    }
    serialization::Deserializer::new().deserialize(&mut plain.as_slice()).ok()
}

/// The bounds in the header of a histogram.
static BOUNDS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let latencies = LatencyHistogram::new();
    let histogram = latencies.histogram();
    let [offset, digits] = [0, u32::from(histogram.sigfig())].map(u32::to_be_bytes);
    let [low, high] = [histogram.low(), histogram.high()].map(u64::to_be_bytes);
    [&offset[..], &digits, &low, &high, &1_f64.to_be_bytes()].concat()
});

/// The whole histogram in the form that HdrHistogram's readers in every language take.
pub fn encode(latencies: &LatencyHistogram) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(latencies.histogram(), &mut bytes)
        .expect("writing to memory cannot fail");
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert!(decode(&with_counts(&vec![0; 20 << 20])).is_none());
    }

    #[test]
    fn a_clipped_time_is_read_back_like_any_other() {
        let mut latencies = LatencyHistogram::new();
        latencies.record(1);
        latencies.record(u64::MAX);
        assert_eq!(decode(&encode(&latencies)).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_bit_for_bit(
            values in prop::collection::vec(prop_oneof![0..10_000_000_u64, any::<u64>()], 0..200),
        ) {
            let recorded: LatencyHistogram = values.iter().collect();
            let encoded = EncodedLatencies::of(&recorded);
            prop_assert_eq!(encoded.is_none(), values.is_empty());
            let read = decoded(encoded.as_ref()).unwrap();
            prop_assert_eq!(read.histogram(), recorded.histogram());
            let exact = |of: &LatencyHistogram| (of.clipped(), of.min(), of.max(), of.sum_ns());
            prop_assert_eq!(exact(&read), exact(&recorded));
        }
    }

    #[test]
    fn an_encoding_that_contradicts_itself_is_none() {
        let good = EncodedLatencies::of(&[5, 900].iter().collect()).unwrap();
        assert!(good.decoded().is_some());
        let texts = ["4", "1801", "-1", "", "1e3", &"9".repeat(60)];
        for sum_ns in texts.map(str::to_owned) {
            assert!(EncodedLatencies { sum_ns, ..good.clone() }.decoded().is_none());
        }
        assert!(EncodedLatencies { min_ns: 901, ..good.clone() }.decoded().is_none());
        assert!(EncodedLatencies { clipped: 3, ..good.clone() }.decoded().is_none());
        assert!(EncodedLatencies { histogram: String::new(), ..good }.decoded().is_none());
    }
}
