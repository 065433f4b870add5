//! Quantities with their units: durations, sizes, rates, and plain counts.
//!
//! Every text form is number and unit, read by one mechanism. Invariant: a quantity prints in a form that reads back
//! as the same quantity.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in nanoseconds; written `500us`, `1m30s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

/// A size in bytes; written `64B`, `4KiB`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A whole number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Count(pub u32);

/// A rate per second; written `10k/s`, `30/m`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// A share in percent; written `3%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(f64);

/// The units of one kind of quantity, each with its value in the base unit.
type Units = &'static [(&'static str, u64)];

const DURATION: Units = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
const SIZE: Units = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];
/// The value is the power of ten for units of a second, else 0.
const RATE: Units = &[("/s", 0), ("k/s", 3), ("M/s", 6), ("/m", 0), ("/h", 0)];

const DURATION_HELP: &str = "a duration needs a unit, as in \"500us\", \"10ms\" or \"1m30s\"";
const SIZE_HELP: &str = "a size needs a unit, as in \"64B\" or \"4KiB\"";
const RATE_HELP: &str = "a rate needs a unit, as in \"100/s\", \"10k/s\" or \"30/m\"";

const PERCENT_HELP: &str = "a share is above 0 and at most 100 and ends in %, as in \"3%\"";

impl Percent {
    /// As a number, from 0 to 100.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').map(str::trim_end).filter(|number| {
            number.starts_with(|c: char| c.is_ascii_digit())
                && number.chars().all(|c| c.is_ascii_digit() || c == '.')
        });
        number
            .and_then(|number| number.parse().ok())
            .filter(|share| *share > 0.0 && *share <= 100.0)
            .map(Self)
            .ok_or_else(|| PERCENT_HELP.to_owned())
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", self.0)
    }
}

impl Nanos {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000_000_000)
    }

    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Rate {
    /// Per second.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

/// A number as it was written, and the unit behind it.
struct Part<'a> {
    number: &'a str,
    unit: &'static str,
    value: u64,
}

/// Splits the next number and its unit off the start of `text`.
fn split_quantity<'a>(
    text: &'a str,
    units: Units,
    help: &str,
) -> Result<(Part<'a>, &'a str), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    if number.matches('.').count() > 1 || !number.contains(|c: char| c.is_ascii_digit()) {
        return Err(help.to_owned());
    }
    let unit_length = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_length);
    match units.iter().find(|(name, _)| *name == unit) {
        Some(&(unit, value)) => Ok((Part { number, unit, value }, rest)),
        None if unit.is_empty() => Err(help.to_owned()),
        None => {
            let known: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
            Err(format!("unknown unit \"{unit}\"; the units are {}", known.join(", ")))
        }
    }
}

impl Part<'_> {
    /// In base units, exactly; the text says why not otherwise.
    fn whole(&self, base: &str) -> Result<u128, String> {
        let (whole, fraction) = self.number.split_once('.').unwrap_or((self.number, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        // Numbers of at most 19 digits and units below 2^42 multiply within 128 bits.
        if whole.len() > 19 {
            return Err(format!("{}{} is too large", self.number, self.unit));
        }
        let parse = |digits: &str| digits.parse::<u128>().unwrap_or(0);
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX));
        match scale.filter(|scale| *scale <= 10_u128.pow(19)) {
            Some(scale) if (parse(fraction) * u128::from(self.value)).is_multiple_of(scale) => {
                let value = u128::from(self.value);
                Ok(parse(whole) * value + parse(fraction) * value / scale)
            }
            _ => Err(format!("{}{} is not a whole number of {base}", self.number, self.unit)),
        }
    }
}

/// A whole number of base units, exactly as written; the text says what is wrong otherwise.
fn whole_units(text: &str, units: Units, help: &str, repeated: bool) -> Result<u64, String> {
    let mut sum = 0_u128;
    let mut rest = text;
    let mut smaller_than = u64::MAX;
    loop {
        let (part, after) = split_quantity(rest, units, help)?;
        if part.value >= smaller_than {
            return Err(format!(
                "the unit \"{}\" must be smaller than the one before it",
                part.unit
            ));
        }
        if !repeated && !after.is_empty() {
            return Err(help.to_owned());
        }
        smaller_than = part.value;
        sum += part.whole(units[0].0)?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    // The largest whole number that TOML has.
    match i64::try_from(sum) {
        Ok(sum) => Ok(sum.unsigned_abs()),
        Err(_) => Err(format!("\"{text}\" is too large")),
    }
}

/// `value` in the largest unit that divides it.
fn largest_unit(value: u64, units: &[(&'static str, u64)]) -> (u64, &'static str) {
    let (name, size) = units
        .iter()
        .rev()
        .find(|(_, size)| value > 0 && value.is_multiple_of(*size))
        .unwrap_or(&units[0]);
    (value / size, name)
}

impl FromStr for Nanos {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        whole_units(text, DURATION, DURATION_HELP, true).map(Self)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EXACT: &[(&str, u64)] =
            &[("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
        let seconds = self.0 / 1_000_000_000;
        if self.0.is_multiple_of(1_000_000_000) && seconds >= 60 {
            let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
            return parts
                .iter()
                .filter(|(n, _)| *n > 0)
                .try_for_each(|(n, unit)| write!(formatter, "{n}{unit}"));
        }
        if self.0 == 0 {
            return formatter.write_str("0s");
        }
        let (number, unit) = largest_unit(self.0, EXACT);
        write!(formatter, "{number}{unit}")
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        whole_units(text, SIZE, SIZE_HELP, false).map(Self)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EXACT: &[(&str, u64)] =
            &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        let (number, unit) = largest_unit(self.0, EXACT);
        write!(formatter, "{number}{unit}")
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (Part { number, unit, value: power }, rest) = split_quantity(text, RATE, RATE_HELP)?;
        if !rest.is_empty() {
            return Err(RATE_HELP.to_owned());
        }
        let seconds = match unit {
            "/h" => 3600.0,
            "/m" => 60.0,
            _ => 1.0,
        };
        // Read with its power of ten, a number is rounded once: multiplied it would be rounded twice.
        let number: f64 = format!("{number}e{power}").parse().map_err(|_| RATE_HELP.to_owned())?;
        let per_second = number / seconds;
        if per_second.is_finite() {
            Ok(Self(per_second))
        } else {
            Err(format!("\"{text}\" is too large"))
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A larger unit only where it makes the number short, and so surely the same when read back.
        let short = |unit: f64| {
            (unit..1e12).contains(&self.0)
                && (self.0 / unit * 100.0).fract() == 0.0
                && self.0.fract() == 0.0
        };
        // One below 1 per second by the minute or hour where that makes it a whole number.
        let slow = [("/m", 60.0), ("/h", 3600.0)].into_iter().find_map(|(unit, seconds)| {
            let number = (self.0 * seconds).round();
            let same =
                self.0 < 1.0 && number >= 1.0 && (number / seconds).to_bits() == self.0.to_bits();
            (same && (self.0 * 100.0).fract() != 0.0).then_some((number, unit))
        });
        if let Some((number, unit)) = slow {
            return write!(formatter, "{number}{unit}");
        }
        match self.0 {
            rate if short(1e6) => write!(formatter, "{}M/s", rate / 1e6),
            rate if short(1e3) => write!(formatter, "{}k/s", rate / 1e3),
            rate => write!(formatter, "{rate}/s"),
        }
    }
}

/// Reads a quantity from its text, and says of a bare number what it lacks.
struct TextVisitor<T> {
    help: &'static str,
    quantity: PhantomData<T>,
}

impl<T: FromStr<Err = String>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.help)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        Err(E::custom(format_args!("{number} has no unit: {}", self.help)))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
        Err(E::custom(format_args!("{number} has no unit: {}", self.help)))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<T, E> {
        Err(E::custom(format_args!("{value} is not a quantity: {}", self.help)))
    }
}

macro_rules! text_quantity {
    ($quantity:ident, $help:ident, $what:literal, $pattern:literal) => {
        impl Serialize for $quantity {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $quantity {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(TextVisitor { help: $help, quantity: PhantomData })
            }
        }

        impl JsonSchema for $quantity {
            fn schema_name() -> Cow<'static, str> {
                stringify!($quantity).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                // N stands for the digits before the point, of which a number that starts with the point has none.
                let pattern = $pattern.replace('N', r"([0-9]+|(?=\.[0-9]))");
                json_schema!({ "type": "string", "description": $what, "pattern": pattern, "minLength": 1 })
            }
        }
    };
}

// Largest unit first and each at most once, with no more decimals than make whole nanoseconds.
text_quantity!(
    Nanos,
    DURATION_HELP,
    "A duration with its unit.",
    r"^(N(\.[0-9]*)?h)?(N(\.[0-9]*)?m)?(N(\.[0-9]{0,9}0*)?s)?(N(\.[0-9]{0,6}0*)?ms)?(N(\.[0-9]{0,3}0*)?[uµ]s)?(N(\.0*)?ns)?$"
);
text_quantity!(
    Bytes,
    SIZE_HELP,
    "A size with its unit.",
    r"^(N(\.0*)?B|N(\.[0-9]*)?(kB|KiB|MB|MiB|GB|GiB))$"
);
// Every rate that a scenario has must be above 0.
text_quantity!(
    Rate,
    RATE_HELP,
    "A rate with its unit.",
    r"^(?=[0-9.]*[1-9])N(\.[0-9]*)?(/s|k/s|M/s|/m|/h)$"
);

text_quantity!(
    Percent,
    PERCENT_HELP,
    "A share in percent.",
    r"^(?=[0-9.]*[1-9])(100(\.0*)?|[0-9]?[0-9](\.[0-9]*)?) ?%$"
);

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;

        impl Visitor<'_> for CountVisitor {
            type Value = Count;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number from 0 to 4294967295, without quotes")
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Count, E> {
                u32::try_from(number).map(Count).map_err(|_| {
                    E::custom(format_args!(
                        "{number} is out of range: a count goes from 0 to {}",
                        u32::MAX
                    ))
                })
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Count, E> {
                self.visit_i64(
                    i64::try_from(number).map_err(|_| E::custom("the count is out of range"))?,
                )
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Count, E> {
                Err(E::custom(format_args!("{number} is not a whole number")))
            }
        }

        deserializer.deserialize_any(CountVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        let nanos = |text: &str| text.parse::<Nanos>().unwrap().0;
        assert_eq!(
            [nanos("500us"), nanos("1m30s"), nanos("1.5ms"), nanos("2h"), nanos("0s")],
            [500_000, 90_000_000_000, 1_500_000, 7_200_000_000_000, 0]
        );
        let bytes = |text: &str| text.parse::<Bytes>().unwrap().0;
        assert_eq!(
            [bytes("64B"), bytes("4KiB"), bytes("1kB"), bytes("1.5MiB")],
            [64, 4096, 1000, 1_572_864]
        );
        let millis = |text: &str| (text.parse::<Rate>().unwrap().0 * 1e3).to_string();
        assert_eq!(
            ["10k/s", "1/s", "2.5M/s", "30/m", "36/h"].map(millis),
            ["10000000", "1000", "2500000000", "500", "10"]
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |text: &str| text.parse::<Nanos>().unwrap_err();
        assert!(error("500").contains("needs a unit"));
        assert!(error("").contains("needs a unit"));
        assert!(error("-5ms").contains("needs a unit"));
        assert!(error("5 ms").contains("unknown unit \" ms\""));
        assert!(error("5sec").contains("the units are ns, us"));
        assert!(error("1s1m").contains("must be smaller"));
        assert!(error("0.5ns").contains("not a whole number of ns"));
        assert!(error("99999999999h").contains("too large"));
        assert!("1KiB2B".parse::<Bytes>().unwrap_err().contains("needs a unit"));
        assert!("10".parse::<Rate>().unwrap_err().contains("100/s"));
        assert!("1e3/s".parse::<Rate>().is_err());
    }

    #[test]
    fn shares_are_in_percent() {
        let share = |text: &str| text.parse::<Percent>().map(Percent::value);
        assert_eq!((share("3%"), share("0.5 %"), share("100%")), (Ok(3.0), Ok(0.5), Ok(100.0)));
        for wrong in ["3", "0%", "-1%", "101%", "%", "inf%", "1e1%", "3%%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert_eq!(share(&Percent(0.25).to_string()), Ok(0.25));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ns in 0..1_u64 << 53, bytes in 0..1_u64 << 53, rate in 0.0..1e30_f64, whole in 0..100_000_000_u32) {
            prop_assert_eq!(Nanos(ns).to_string().parse(), Ok(Nanos(ns)));
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
            prop_assert_eq!(Rate(rate).to_string().parse(), Ok(Rate(rate)));
            prop_assert_eq!(Rate(f64::from(whole)).to_string().parse(), Ok(Rate(f64::from(whole))));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _either = (text.parse::<Nanos>(), text.parse::<Bytes>(), text.parse::<Rate>());
        }
    }
}
