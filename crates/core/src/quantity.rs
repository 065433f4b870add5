//! Numbers as people read them: 3 significant digits and a unit that fits. Invariant: pure.

/// Nanoseconds: `153 µs`, `1.23 ms`, `2.90 s`.
pub fn duration(ns: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    scaled(ns as f64, &UNITS)
}

/// Nanoseconds that may be fewer than none: `-1.23 ms`.
pub fn signed_duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    format!("{sign}{}", duration(ns.unsigned_abs()))
}

/// A rate per second: `8.59/s`, `12.3 k/s`, `1.21 M/s`.
pub fn rate(per_second: f64) -> String {
    const UNITS: [(&str, f64); 4] = [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9)];
    let text = scaled(per_second, &UNITS);
    format!("{}/s", text.trim_end())
}

/// Bytes per second: `550 B/s`, `74.1 MiB/s`.
pub fn bytes_per_second(per_second: f64) -> String {
    format!("{}/s", bytes(per_second))
}

/// Bytes: `550 B`, `74.1 MiB`.
pub fn bytes(number: f64) -> String {
    const UNITS: [(&str, f64); 4] =
        [("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)];
    scaled(number, &UNITS)
}

/// A whole number with its thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 driver`, `3 drivers`.
pub fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

/// CPU time per time: `0.5 CPUs`.
pub fn cpus(number: f64) -> String {
    format!("{} CPUs", (number * 100.0).round() / 100.0)
}

/// The nearest whole number; what is negative or no number becomes 0, and what is too large the largest.
#[inline]
pub fn rounded(value: f64) -> u64 {
    saturating(libm::round(value))
}

/// The same, cut off and not rounded.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturation is what is wanted"
)]
pub fn saturating(value: f64) -> u64 {
    value as u64
}

/// The same as a place in a list.
pub fn place(value: f64) -> usize {
    usize::try_from(saturating(value)).unwrap_or(usize::MAX)
}

/// A share: `35.1 %`.
pub fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// A change in percent, with its sign: `+9.80 %`, `-0.32 %`, `+210 %`.
pub fn change(percent: f64) -> String {
    let decimals = match percent.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{percent:+.decimals$} %")
}

fn scaled(value: f64, units: &[(&str, f64)]) -> String {
    // The unit in which the number, rounded to 3 digits, is at least 1.
    let (name, size) =
        units.iter().rev().find(|(_, size)| value / size >= 0.9995).unwrap_or(&units[0]);
    let number = value / size;
    let decimals = match number {
        number if number.fract() == 0.0 && *size <= 1.0 => 0,
        number if number >= 99.95 => 0,
        number if number >= 9.995 => 1,
        number if number >= 0.9995 => 2,
        number => decimals_below_one(number),
    };
    format!("{number:.decimals$} {name}")
}

/// The decimals after which three digits of a number below 1 have been written: 2 of 0.0167 after the first zero.
fn decimals_below_one(number: f64) -> usize {
    place((2.0 - number.log10().floor()).clamp(2.0, 12.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_three_digits_and_a_unit_that_fits() {
        let shown = [
            0,
            7,
            999,
            1_000,
            1_234,
            99_949,
            99_951,
            999_499,
            999_500,
            1_230_000,
            2_900_000_000,
            3_600_000_000_000,
        ];
        let expected = [
            "0 ns", "7 ns", "999 ns", "1.00 µs", "1.23 µs", "99.9 µs", "100 µs", "999 µs",
            "1.00 ms", "1.23 ms", "2.90 s", "3600 s",
        ];
        assert_eq!(shown.map(duration), expected);
    }

    #[test]
    fn other_quantities_read_as_people_write_them() {
        assert_eq!(
            [rate(0.0), rate(3.0), rate(8.594), rate(12_340.0), rate(1_207_000.0)],
            ["0/s", "3/s", "8.59/s", "12.3 k/s", "1.21 M/s"]
        );
        assert_eq!(
            [
                rate(1.0 / 60.0),
                rate(1.0 / 3600.0),
                rate(0.5),
                rate(0.1),
                rate(0.9994),
                rate(0.9996)
            ],
            ["0.0167/s", "0.000278/s", "0.500/s", "0.100/s", "0.999/s", "1.00/s"]
        );
        assert_eq!(bytes_per_second(77_700_000.0), "74.1 MiB/s");
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([counted(1, "driver"), counted(2, "driver")], ["1 driver", "2 drivers"]);
        assert_eq!(percent(0.3508), "35.1 %");
    }

    proptest! {
        #[test]
        fn a_duration_below_an_hour_fits_its_column_and_says_its_value(ns in 0..3_600_000_000_000_u64) {
            let shown = duration(ns);
            prop_assert!(shown.chars().count() <= 7, "{shown}");
            let (number, unit) = shown.split_once(' ').unwrap();
            let unit = match unit { "ns" => 1.0, "µs" => 1e3, "ms" => 1e6, _ => 1e9 };
            let back = number.parse::<f64>().unwrap() * unit;
            prop_assert!((back - ns as f64).abs() <= 0.0051 * ns as f64 + 0.5, "{ns} as {shown}");
        }
    }
}
