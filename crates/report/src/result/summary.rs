//! A latency distribution as it is saved: percentiles with their intervals, and the whole histogram.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::percentiles::{Intervals, Kind, OfEach, PERCENTILES};
use zload_core::quantity::rounded;
use zload_core::record::{LatencyHistogram, MOST_VALUES, decode, encode};
use zload_core::stats::{self, Cluster, OverRuns};

/// A latency distribution. A percentile for which the sample is too small is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(!remote)]
pub struct LatencySummary {
    /// Number of values.
    pub count: u64,
    /// Values above the histogram's range, which it counts as its largest value.
    pub clipped: u64,
    /// Smallest value.
    pub min_ns: Option<u64>,
    /// Mean of the exact values, before the histogram rounds them; only that of an overhead can be negative.
    pub mean_ns: Option<i64>,
    /// Standard deviation of these values (divided by n, not n − 1).
    pub stddev_ns: Option<u64>,
    /// Median.
    pub p50_ns: Option<u64>,
    /// 75th percentile.
    #[serde(default)]
    pub p75_ns: Option<u64>,
    /// 90th percentile.
    pub p90_ns: Option<u64>,
    /// 95th percentile.
    #[serde(default)]
    pub p95_ns: Option<u64>,
    /// 99th percentile.
    pub p99_ns: Option<u64>,
    /// 99.9th percentile.
    pub p999_ns: Option<u64>,
    /// 99.99th percentile.
    pub p9999_ns: Option<u64>,
    /// Largest value.
    pub max_ns: Option<u64>,
    /// Percentiles, by their fields without `_ns`, for which the number of values suffices and their effective sample size does not, or for
    /// which that is unknown: observed, not estimated. Of several runs: those for which neither Student's t over the runs
    /// nor every single run suffices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncertain: Vec<String>,
    /// Of one run: the uncertainty by chance within this run; other runs may differ by more. Of several
    /// (`--repeat`): where the mean over such runs of each run's percentile is.
    pub intervals: Intervals,
    /// Of several runs: where the percentiles of another run would be, with 95 % confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run: Option<Intervals>,
    /// Seed luck: the range of the percentiles of 95 of 100 other seeds of the same scenario. Of the
    /// simulation: exact. Of the measurement: if proxy, network and scheduler cost the same. Only with a lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_seeds: Option<Intervals>,
    /// The whole distribution: HdrHistogram V2, compressed, base64.
    pub histogram: String,
}

/// Of one request, the values that a row counts: they share its luck.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfRequest {
    pub(super) least_ns: u64,
    pub(super) largest_ns: u64,
    pub(super) values: u32,
}

impl OfRequest {
    /// The only value of a request.
    pub(super) fn one(ns: u64) -> Self {
        Self { least_ns: ns, largest_ns: ns, values: 1 }
    }

    /// Where the values between least and largest are is not kept: they are taken to be spread evenly.
    pub(super) fn cluster(&self, level_ns: u64) -> Cluster {
        let values = f64::from(self.values);
        let (above, unsure) = if self.largest_ns <= level_ns {
            (0.0, 0.0)
        } else if self.least_ns > level_ns {
            (values, 0.0)
        } else {
            let (over, all) = (self.largest_ns - level_ns, self.largest_ns - self.least_ns);
            let (between, share) = ((values - 2.0).max(0.0), over as f64 / all as f64);
            (1.0 + between * share, between * share * (1.0 - share))
        };
        Cluster { above, unsure, values }
    }
}

/// What the percentiles of a row and their intervals rest on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Basis<'a> {
    /// Nothing was left to chance, or it is not known how: there are no intervals.
    Computed,
    /// One run: these requests, in the order of their intended instants.
    Run(&'a [OfRequest]),
    /// Several runs with these figures, which have `different` values: copies of a request do not count.
    Runs { runs: &'a [&'a LatencySummary], different: u64 },
}

impl<'a> Basis<'a> {
    /// Of several runs, of the same plan or each of one of its own.
    pub(super) fn of_runs(runs: &'a [&'a LatencySummary], same_plan: bool) -> Self {
        let counts = runs.iter().map(|run| run.count);
        let different = if same_plan { counts.max().unwrap_or(0) } else { counts.sum() };
        Self::Runs { runs, different }
    }
}

impl LatencySummary {
    pub(super) fn new(latencies: &LatencyHistogram, basis: Basis<'_>) -> Self {
        let histogram = latencies.histogram();
        let count = histogram.len();
        let different = match basis {
            Basis::Runs { different, .. } => different,
            Basis::Computed | Basis::Run(_) => count,
        };
        let percentiles = PERCENTILES
            .map(|kind| Some((kind.quantile, latencies.percentile_of(kind.quantile, different)?)));
        let percentile = |index: usize| Some(percentiles[index]?.1);
        let (intervals, next_run) = match basis {
            Basis::Computed => (Intervals::default(), None),
            Basis::Run(requests) => {
                let within = |found: Option<(f64, u64)>| within(latencies, requests, found?);
                (Intervals::from(percentiles.map(within)), None)
            }
            Basis::Runs { runs, .. } => over_runs(runs, percentiles.map(|found| found.is_some())),
        };
        let rests = |index: usize| match basis {
            Basis::Computed => true,
            Basis::Run(_) => false,
            Basis::Runs { runs, .. } => runs.iter().all(|run| run.suffices(index)),
        };
        let doubted = |index: &usize| {
            percentile(*index).is_some() && intervals.ends()[*index].is_none() && !rests(*index)
        };
        let uncertain = (0..PERCENTILES.len()).filter(doubted);
        Self {
            count,
            clipped: latencies.clipped(),
            min_ns: latencies.min(),
            mean_ns: latencies.mean(),
            stddev_ns: (count > 0).then(|| rounded(histogram.stdev())),
            p50_ns: percentile(0),
            p75_ns: percentile(1),
            p90_ns: percentile(2),
            p95_ns: percentile(3),
            p99_ns: percentile(4),
            p999_ns: percentile(5),
            p9999_ns: percentile(6),
            max_ns: latencies.max(),
            uncertain: uncertain.map(|index| PERCENTILES[index].field.to_owned()).collect(),
            intervals,
            next_run,
            other_seeds: None,
            histogram: encode(latencies),
        }
    }

    /// The same without percentiles: those of different loads have no meaning.
    pub(super) fn without_percentiles(self) -> Self {
        Self {
            p50_ns: None,
            p75_ns: None,
            p90_ns: None,
            p95_ns: None,
            p99_ns: None,
            p999_ns: None,
            p9999_ns: None,
            uncertain: Vec::new(),
            intervals: Intervals::default(),
            next_run: None,
            other_seeds: None,
            ..self
        }
    }

    /// This percentile.
    pub fn percentile(&self, kind: &Kind) -> Option<u64> {
        let mut figures = PERCENTILES.iter().zip(self.percentiles());
        figures.find_map(|(one, ns)| ns.filter(|_| one == kind))
    }

    /// Whether the percentile was observed and is not an estimate.
    pub fn is_uncertain(&self, kind: &Kind) -> bool {
        self.uncertain.iter().any(|field| field == kind.field)
    }

    /// Whether there is an estimate of this percentile.
    fn suffices(&self, index: usize) -> bool {
        self.percentiles()[index].is_some() && !self.is_uncertain(&PERCENTILES[index])
    }

    /// Of each kind, in the order of [`PERCENTILES`].
    pub fn percentiles(&self) -> OfEach<Option<u64>> {
        let Self { p50_ns, p75_ns, p90_ns, p95_ns, p99_ns, p999_ns, p9999_ns, .. } = *self;
        [p50_ns, p75_ns, p90_ns, p95_ns, p99_ns, p999_ns, p9999_ns]
    }
}

/// The effective sample size of these requests for the share above a level; `None` if unknown.
pub(super) fn effective_size(
    latencies: &LatencyHistogram,
    requests: &[OfRequest],
    level_ns: u64,
) -> Option<f64> {
    let clusters: Vec<Cluster> = requests.iter().map(|one| one.cluster(level_ns)).collect();
    Some(stats::effective_sample_size(&clusters)?.min(latencies.histogram().len() as f64))
}

/// How far chance within one run may have moved a percentile.
pub(super) fn within(
    latencies: &LatencyHistogram,
    requests: &[OfRequest],
    (quantile, level_ns): (f64, u64),
) -> Option<[u64; 2]> {
    latencies.interval(quantile, effective_size(latencies, requests, level_ns)?)
}

/// Where the percentiles of such runs are on average, and where the next run's will be; of those that are shown and that
/// every run has.
fn over_runs(runs: &[&LatencySummary], shown: OfEach<bool>) -> (Intervals, Option<Intervals>) {
    let mut found = [None; PERCENTILES.len()];
    for (index, found) in found.iter_mut().enumerate().filter(|(index, _)| shown[*index]) {
        let values: Option<Vec<f64>> =
            runs.iter().map(|run| Some(run.percentiles()[index]? as f64)).collect();
        *found = values.and_then(|values| stats::over_runs(&values));
    }
    let mean =
        |over: Option<OverRuns>| over.map(|over| [over.mean.low, over.mean.high].map(rounded));
    let next = Intervals::from(found.map(|over| over.map(|over| over.next.map(rounded))));
    (Intervals::from(found.map(mean)), next.any().then_some(next))
}

impl LatencySummary {
    /// The whole distribution, in nanoseconds; `None` if zload did not write the text. One that was read from a file is checked.
    pub fn distribution(&self) -> Option<Histogram<u64>> {
        decode(&self.histogram)
    }

    /// What contradicts itself in a distribution, in words.
    fn contradiction(&self) -> Option<&'static str> {
        let Some(histogram) = self.distribution() else {
            return Some("its `histogram` was not written by zload");
        };
        let Self { count, clipped, min_ns, max_ns, .. } = *self;
        if count != histogram.len() || count > MOST_VALUES || clipped > count {
            return Some("`count`, `clipped` and `histogram` contradict each other");
        }
        let rising = [min_ns].into_iter().chain(self.percentiles()).chain([max_ns]);
        let none = count == 0;
        let ends_fit = min_ns.is_none() == none && max_ns.is_none() == none;
        if !ends_fit || !rising.flatten().is_sorted() {
            return Some("its minimum, percentiles and maximum contradict each other");
        }
        let intervals = [Some(self.intervals), self.next_run, self.other_seeds];
        let mut ends = intervals.into_iter().flatten().flat_map(|intervals| intervals.ends());
        let turned = ends.any(|ends| ends.is_some_and(|[low, high]| low > high));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_not_read() {
        let mut latencies = LatencyHistogram::new();
        (1..=1_000).for_each(|ns| latencies.record(ns));
        let good = serde_json::to_value(LatencySummary::new(&latencies, Basis::Computed)).unwrap();
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
}
