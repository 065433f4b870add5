//! Scales: where on an axis a value lies, and which values get a label.
//!
//! Invariant: every share is a finite number from 0 to 1, whatever the value, and there are few ticks.

use zload_core::quantity::{count, duration, percent, rate, rounded};

/// A range of times is drawn on a logarithmic scale if its ends are further apart than this.
const LARGE_RANGE: f64 = 20.0;

/// How values lie on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// Equal differences have equal lengths.
    Linear { low: f64, high: f64 },
    /// Equal ratios have equal lengths; both ends are above 0.
    Log { low: f64, high: f64 },
    /// Quantiles, from 0: each nine more has an equal length, as `HdrHistogram` plots them.
    Percentile { nines: f64 },
}

impl Scale {
    /// From 0 to a round number that is no smaller than any value.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let most = values.into_iter().fold(0.0, f64::max);
        let step = step(most, 4.0);
        Self::Linear { low: 0.0, high: (most / step).ceil().max(1.0) * step }
    }

    /// Symmetric about 0, with room for each value whatever its sign.
    pub(crate) fn about_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let most = values.into_iter().map(f64::abs).fold(0.0, f64::max);
        let step = step(most, 4.0);
        let high = (most / step).ceil().max(1.0) * step;
        Self::Linear { low: -high, high }
    }

    /// With 0 and room for each value, and no more.
    pub(crate) fn with_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let (least, most) = values
            .into_iter()
            .fold((0.0_f64, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        let step = step(most - least, 4.0);
        let (low, high) = ((least / step).floor() * step, (most / step).ceil() * step);
        Self::exact(low, high)
    }

    /// Exactly from `low` to `high`.
    pub(crate) fn exact(low: f64, high: f64) -> Self {
        Self::Linear { low, high: if high > low { high } else { low + 1.0 } }
    }

    /// For times in nanoseconds: logarithmic if they are far apart, else from 0.
    pub(crate) fn of_times(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = values
            .into_iter()
            .fold((f64::INFINITY, 1.0_f64), |(low, high), ns| (low.min(ns), high.max(ns)));
        let low = low.clamp(1.0, high);
        if high / low < LARGE_RANGE { Self::from_zero([high]) } else { Self::log(low, high) }
    }

    /// For times in nanoseconds, and no more than they need: logarithmic if they are far apart.
    pub(crate) fn holding(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = values
            .into_iter()
            .fold((f64::INFINITY, 1.0_f64), |(low, high), ns| (low.min(ns), high.max(ns)));
        let low = low.clamp(1.0, high);
        if high / low >= LARGE_RANGE {
            return Self::log(low, high);
        }
        let step = step(high - low, 5.0);
        Self::exact((low / step).floor() * step, (high / step).ceil() * step)
    }

    /// Logarithmic from `low`, which is above 0, to `high`, both rounded outwards to a step of 1, 2 or 5.
    pub(crate) fn log(low: f64, high: f64) -> Self {
        let (low, high) = (low.max(1.0), high.max(2.0));
        let begin = round_steps(low).rfind(|step| *step <= low).unwrap_or(low);
        let end = round_steps(high).find(|step| *step >= high).unwrap_or(high);
        Self::Log { low: begin, high: end.max(begin * 2.0) }
    }

    /// For the quantiles of this many values.
    pub(crate) fn quantiles(count: u64) -> Self {
        Self::Percentile { nines: (count as f64).log10().clamp(1.0, 12.0) }
    }

    /// Where a value lies, from 0 to 1; what is outside is at the nearest end.
    pub(crate) fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Log { low, high } => (value.max(low) / low).log10() / (high / low).log10(),
            Self::Percentile { nines } => -(1.0 - value).max(1e-12).log10() / nines,
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// Whether a value is between the ends.
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::Linear { low, high } | Self::Log { low, high } => (low..=high).contains(&value),
            Self::Percentile { .. } => (0.0..=1.0).contains(&value),
        }
    }

    /// The value at a share of the axis, from 0 to 1.
    pub(crate) fn value(self, share: f64) -> f64 {
        match self {
            Self::Linear { low, high } => low + share * (high - low),
            Self::Log { low, high } => low * (high / low).powf(share),
            Self::Percentile { nines } => 1.0 - 10_f64.powf(-share * nines),
        }
    }

    /// The values that get a label, and whether they may go where there is little room.
    pub(crate) fn ticks(self) -> Vec<(f64, bool)> {
        match self {
            Self::Linear { low, high } => {
                let step = step(high - low, 5.0);
                let (first, last) = ((low / step).ceil(), (high / step).floor());
                // Whole numbers, so that no sum of steps drifts.
                (0..12)
                    .map(|number| first + f64::from(number))
                    .take_while(|number| *number <= last)
                    .map(|number| (number * step, number % 2.0 != 0.0))
                    .collect()
            }
            Self::Log { low, high } => {
                let tens = |value: f64| is_power_of_ten(value);
                let few = (high / low).log10() < 3.2;
                round_steps(low)
                    .skip_while(|value| *value < low)
                    .take_while(|value| *value <= high)
                    .filter(|value| few || tens(*value))
                    .map(|value| (value, !tens(value)))
                    .collect()
            }
            Self::Percentile { nines } => [(0.0, false), (0.5, true)]
                .into_iter()
                .chain((1..=12).map(|nine| (1.0 - 0.1_f64.powi(nine), nine > 5)))
                .filter(|(quantile, _)| -(1.0 - quantile).log10() <= nines + 1e-6)
                .collect(),
        }
    }
}

/// A quantile as people write it: `50 %`, `99.9 %`.
pub(crate) fn quantile_label(quantile: f64) -> String {
    // As many digits as the nines need, and no noise behind them.
    let text = format!("{:.10}", quantile * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A time that is a mean, or is on an axis.
pub(super) fn nanos(ns: f64) -> String {
    duration(rounded(ns))
}

/// A time on an axis: `10 ms` and not `10.0 ms`.
pub(crate) fn time_label(ns: f64) -> String {
    trimmed(&nanos(ns))
}

/// A rate on an axis: `50 k/s` and not `50.0 k/s`.
pub(crate) fn rate_label(per_second: f64) -> String {
    trimmed(&rate(per_second))
}

/// A share on an axis: `100 %` and not `100.0 %`.
pub(crate) fn share_label(share: f64) -> String {
    trimmed(&percent(share))
}

/// A number of things on an axis; nothing between whole ones.
pub(crate) fn count_label(number: f64) -> String {
    if (number - number.round()).abs() < 1e-6 { count(rounded(number)) } else { String::new() }
}

/// A difference in per cent on an axis: `+5 %`, `0`.
pub(crate) fn percent_label(percent: f64) -> String {
    // Whatever a sum of steps leaves behind is no digit that people write.
    let percent = (percent * 1e6).round() / 1e6;
    if percent == 0.0 { "0".to_owned() } else { format!("{percent:+} %") }
}

/// The number at the start of a text, without trailing zeros.
fn trimmed(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    if number == "0" { number.to_owned() } else { format!("{number}{unit}") }
}

/// 1, 2 or 5 times a power of ten that cuts `range` into at most this many parts, or a few more.
fn step(range: f64, parts: f64) -> f64 {
    let wanted = (range / parts).max(1e-9);
    let power = 10_f64.powf(wanted.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= wanted * 0.999_999)
        .unwrap_or(power * 10.0)
}

/// 1, 2 and 5 times the powers of ten around `value`.
fn round_steps(value: f64) -> impl DoubleEndedIterator<Item = f64> {
    let power = 10_f64.powf(value.log10().floor());
    (-1..14)
        .flat_map(move |exponent| [1.0, 2.0, 5.0].map(|step| step * power * 10_f64.powi(exponent)))
}

fn is_power_of_ten(value: f64) -> bool {
    let exponent = value.log10();
    (exponent - exponent.round()).abs() < 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_numbers_that_people_write() {
        let values = |scale: Scale| -> Vec<f64> {
            scale.ticks().into_iter().map(|(value, _)| (value * 1e9).round() / 1e9).collect()
        };
        assert_eq!(values(Scale::from_zero([338.0])), [0.0, 100.0, 200.0, 300.0, 400.0]);
        assert_eq!(values(Scale::about_zero([7.0])), [-5.0, 0.0, 5.0]);
        assert_eq!(values(Scale::log(3e5, 4e7)), [2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7]);
        assert_eq!(values(Scale::quantiles(1_000)), [0.0, 0.5, 0.9, 0.99, 0.999]);
    }

    #[test]
    fn quantiles_are_written_with_their_nines() {
        let labels: Vec<String> =
            [0.0, 0.5, 0.99, 0.999, 0.999_999].into_iter().map(quantile_label).collect();
        assert_eq!(labels, ["0 %", "50 %", "99 %", "99.9 %", "99.9999 %"]);
    }

    #[test]
    fn labels_have_no_zeros_that_say_nothing() {
        assert_eq!([0.0, 1e7, 1.5e6, 1e11].map(time_label), ["0", "10 ms", "1.5 ms", "100 s"]);
        assert_eq!([0.0, 0.5, 20_000.0].map(count_label), ["0", "", "20,000"]);
        assert_eq!([0.0, -2.5, 10.0].map(percent_label), ["0", "-2.5 %", "+10 %"]);
        assert_eq!([0.0, 300.0, 50_000.0, 2.5].map(rate_label), ["0", "300/s", "50 k/s", "2.5/s"]);
    }

    #[test]
    fn each_nine_has_the_same_length() {
        let scale = Scale::quantiles(10_000);
        let shares = [0.0, 0.9, 0.99, 0.9999, 1.0].map(|quantile| scale.share(quantile));
        for (share, expected) in shares.into_iter().zip([0.0, 0.25, 0.5, 1.0, 1.0]) {
            assert!((share - expected).abs() < 1e-9, "{share} is not {expected}");
        }
    }

    proptest! {
        #[test]
        fn every_value_has_its_place_and_ticks_are_few(
            one in 0.0..1e13_f64, other in 0.0..1e13_f64, value in any::<f64>(),
        ) {
            let scales = [
                Scale::from_zero([one, other]),
                Scale::about_zero([one, -other]),
                Scale::with_zero([one, -other]),
                Scale::of_times([one, other]),
                Scale::holding([one, other]),
                Scale::exact(one, other),
            ];
            for scale in scales {
                let share = scale.share(value);
                prop_assert!((0.0..=1.0).contains(&share), "{scale:?} {share}");
                let inside = scale.value(0.3);
                prop_assert!(scale.holds(inside) && (scale.share(inside) - 0.3).abs() < 1e-3, "{scale:?} {inside}");
                prop_assert!(scale.share(one.min(other)) <= scale.share(one.max(other)));
                prop_assert!(scale.ticks().len() <= 15, "{:?}", scale.ticks());
            }
            for scale in &scales[..5] {
                prop_assert!(scale.ticks().len() >= 2, "{scale:?} {:?}", scale.ticks());
            }
        }
    }
}
