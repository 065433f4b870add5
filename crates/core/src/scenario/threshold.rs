//! `[thresholds]`: limits on figures of the result, as in `first_reply.p99 < 5ms`.
//!
//! Here is their form alone: which fields there are, and in which units, is known to the result and objected to by it
//! ([`Scenario::parse_with`](super::Scenario::parse_with)). Invariant: a threshold prints in a form that reads back as the
//! same threshold.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Bytes, Nanos, Rate};

const FORM: &str = "a threshold such as \"first_reply.p99 < 5ms\"";
const AMOUNTS: &str =
    "write a time (5ms), a rate (10k/s, 64MiB/s), a size (64MiB), a number (0.5) or a share (1%)";

/// `[thresholds]`: limits on the figures of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Limits, each a field of the result, a comparison operator and a value with its unit, as in `first_reply.p99 < 5ms`. One on a
    /// field of `series` is a limit for each second.
    pub limits: Vec<Threshold>,
}

impl Thresholds {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }
}

/// What is before the name of an operation of a mix, and its figures: `request.operations.read.first_reply.p99`. A name of other
/// signs than letters, digits, `_` and `-` is in quotes.
const OPERATIONS: &str = "request.operations.";

/// A limit on one figure of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The figure's name, as it was written.
    pub field: String,
    /// The comparison of the figure with `limit`.
    pub relation: Relation,
    /// What it is compared with.
    pub limit: Amount,
}

/// The comparison of a figure with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

/// A value with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// A time.
    Time(Nanos),
    /// A rate.
    Rate(Rate),
    /// A size.
    Size(Bytes),
    /// A size per second.
    SizePerS(Bytes),
    /// A plain number, of at least 0.
    Number(f64),
    /// A share in percent, of at least 0.
    Percent(f64),
}

impl Threshold {
    /// If the figure is one of a single operation: the operation's name, and the figure's within it.
    pub fn operation(&self) -> Option<(&str, &str)> {
        operation(&self.field)
    }
}

/// The name of an operation and the rest of the field, if that is of one.
fn operation(field: &str) -> Option<(&str, &str)> {
    let rest = field.strip_prefix(OPERATIONS)?;
    match rest.strip_prefix('"') {
        Some(quoted) => {
            quoted.split_once('"').map(|(name, rest)| (name, rest.trim_start_matches('.')))
        }
        None => Some(rest.split_once('.').unwrap_or((rest, ""))),
    }
}

impl Relation {
    /// Each with its text; one that starts with another comes before it.
    const ALL: [(&'static str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("<", Self::Below),
        (">", Self::Above),
    ];

    /// Whether `value` meets `limit`.
    #[expect(clippy::float_cmp, reason = "counts and limits that were written down are exact")]
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => value == limit,
            Self::Unequal => value != limit,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, _) =
            Self::ALL.iter().find(|(_, relation)| relation == self).expect("all are listed");
        formatter.write_str(text)
    }
}

impl Amount {
    /// In the base unit: nanoseconds, per second, bytes, bytes per second, or the number itself; of a share
    /// from 0 to 1.
    pub fn in_base_units(self) -> f64 {
        match self {
            Self::Time(Nanos(ns)) => ns as f64,
            Self::Rate(rate) => rate.per_second(),
            Self::Size(Bytes(bytes)) | Self::SizePerS(Bytes(bytes)) => bytes as f64,
            Self::Number(number) => number,
            Self::Percent(percent) => percent / 100.0,
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err(format!("\"{text}\" is not a value: {AMOUNTS}"));
        }
        let plain = |text: &str| {
            let digits = text.chars().all(|c| c.is_ascii_digit() || c == '.');
            digits.then(|| text.parse().ok().filter(|number: &f64| number.is_finite()))
        };
        let amount = if let Some(number) = plain(text) {
            number.map(Self::Number).ok_or_else(|| AMOUNTS.to_owned())
        } else if let Some(share) = text.strip_suffix('%') {
            let number = plain(share.trim_end()).flatten();
            number.map(Self::Percent).ok_or_else(|| AMOUNTS.to_owned())
        } else if let Some(size) = text.strip_suffix("/s").filter(|size| size.ends_with('B')) {
            size.parse().map(Self::SizePerS)
        } else if text.contains('/') {
            text.parse().map(Self::Rate)
        } else if text.ends_with('B') {
            text.parse().map(Self::Size)
        } else {
            text.parse().map(Self::Time)
        };
        amount.map_err(|why| format!("\"{text}\" is not a value: {why}"))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(formatter),
            Self::Rate(rate) => rate.fmt(formatter),
            Self::Size(size) => size.fmt(formatter),
            Self::SizePerS(size) => write!(formatter, "{size}/s"),
            Self::Number(number) => number.fmt(formatter),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // An operation's name may hold any sign.
        let quoted = text.trim_start().strip_prefix(OPERATIONS).and_then(|of| of.strip_prefix('"'));
        let name = quoted.and_then(|quoted| quoted.split_once('"')).map(|(_, behind)| behind);
        let begin = name.map_or(0, |behind| text.len() - behind.len());
        let end = text[begin..]
            .find(['<', '>', '=', '!'])
            .map(|end| begin + end)
            .ok_or_else(|| format!("\"{text}\" has no comparison: write {FORM}"))?;
        let (field, comparison) = (text[..end].trim(), &text[end..]);
        if !is_name(field) {
            return Err(format!("\"{field}\" is not a field name: write {FORM}"));
        }
        let (relation, limit) = Relation::ALL
            .iter()
            .find_map(|(sign, relation)| Some((*relation, comparison.strip_prefix(sign)?)))
            .ok_or_else(|| format!("\"{text}\" has no comparison: use < <= > >= == or !="))?;
        Ok(Self { field: field.to_owned(), relation, limit: limit.trim().parse()? })
    }
}

/// Words with dots between them; a name behind the first may begin with a digit and have dashes, and in the place of
/// one may be the name of an operation.
fn is_name(text: &str) -> bool {
    if let Some((name, rest)) = operation(text) {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let whole = format!("{OPERATIONS}{}{rest}", if rest.is_empty() { "" } else { "." });
        let quoted = text.starts_with(&format!("{OPERATIONS}\""));
        let length = whole.len() + name.len() + if quoted { 2 } else { 0 };
        let named = !name.is_empty() && (quoted || name.chars().all(plain));
        return named && length == text.len() && (rest.is_empty() || is_name(rest));
    }
    let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let mut words = text.split('.');
    let first = words.next().unwrap_or_default();
    first.starts_with(|c: char| c.is_ascii_lowercase())
        && !first.contains('-')
        && std::iter::once(first)
            .chain(words)
            .all(|word| !word.is_empty() && word.chars().all(is_sign))
}

/// The form of a threshold as a pattern, without its ends.
pub(super) fn pattern() -> String {
    const FIELD: &str = r"[a-z][a-z0-9_]*(\.[a-z0-9_-]+)*";
    const OPERATION: &str = r#"request\.operations\.("[^"]+"|[^\s".<>=!]+)(\.[a-z][a-z0-9_]*)*"#;
    format!(r"\s*({FIELD}|{OPERATION})\s*(<=?|>=?|==|!=)\s*[0-9.]+(\s*%|[0-9.a-zA-Zµ/]*)\s*")
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.field, self.relation, self.limit)
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl Visitor<'_> for TextVisitor {
            type Value = Threshold;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(FORM)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Threshold, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

impl JsonSchema for Threshold {
    fn schema_name() -> Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A field of the result, a comparison operator and a value with its unit.",
            "pattern": format!("^{}$", pattern()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Threshold {
        text.parse().unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn a_threshold_reads_as_people_write_it() {
        let threshold = read(" first_reply.p99<5ms ");
        assert_eq!(threshold.field, "first_reply.p99");
        assert_eq!(threshold.relation, Relation::Below);
        assert_eq!(threshold.limit, Amount::Time(Nanos(5_000_000)));
        assert_eq!(threshold.to_string(), "first_reply.p99 < 5ms");
        for (text, in_base_units) in [
            ("throughput.replies_per_s >= 10k/s", 1e4),
            ("throughput.proxy_bytes_per_s > 2MiB/s", 2_097_152.0),
            ("process.resident_bytes <= 64MiB", 67_108_864.0),
            ("ledger.requests_lost == 0", 0.0),
            ("proxy.busy_ratio != 0.5", 0.5),
            ("ledger.lost_ratio < 1%", 0.01),
            ("slip.max < 1m30s", 9e10),
            ("request.operations.Read-2.first_reply.p99 < 5ms", 5e6),
            ("request.operations.\"a < b. c\".requests_lost == 0", 0.0),
        ] {
            let threshold = read(text);
            assert_eq!(threshold.to_string(), text);
            assert!(Relation::Equal.holds(threshold.limit.in_base_units(), in_base_units));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("", "has no comparison"),
            ("first_reply.p99 5ms", "has no comparison"),
            ("first_reply.p99 = 5ms", "use < <="),
            ("first_reply.p99 => 5ms", "use < <="),
            ("first_reply.p99 <", "\"\" is not a value"),
            ("first_reply.p99 < 5", ""),
            ("first_reply.p99 < 5 ms", "unknown unit \" ms\""),
            ("ledger.lost_ratio < %", "is not a value"),
            ("ledger.lost_ratio < 1.2.3%", "is not a value"),
            ("first_reply.p99 < 5ms, slip.p99 < 1ms", "unknown unit"),
            ("first_reply.p99 << 5ms", "is not a value"),
            ("ledger.requests_lost == -1", "is not a value"),
            ("ledger.requests_lost == 1.2.3", "is not a value"),
            ("ledger.requests_lost == 1e3", "unknown unit \"e\""),
            ("< 5ms", "is not a field name"),
            ("first reply < 5ms", "is not a field name"),
            ("first_reply. < 5ms", "is not a field name"),
            ("5ms > first_reply.p99", "is not a field name"),
            ("request.operations..requests_lost < 5", "is not a field name"),
            ("request.operations.a b.requests_lost < 5", "is not a field name"),
            ("request.operations.\"a\"requests_lost < 5", "is not a field name"),
            ("request.operations.\"a\"..requests_lost < 5", "is not a field name"),
            ("request.operations.\"a.requests_lost < 5", "is not a field name"),
        ] {
            match text.parse::<Threshold>() {
                Err(problem) => assert!(problem.contains(said), "{text}: {problem}"),
                Ok(threshold) => assert_eq!((said, threshold.limit), ("", Amount::Number(5.0))),
            }
        }
        let endless = format!("a < {}", "9".repeat(400));
        assert!(endless.parse::<Threshold>().is_err(), "no limit is infinite");
    }

    fn amounts() -> impl Strategy<Value = Amount> {
        prop_oneof![
            (0..1_u64 << 62).prop_map(|ns| Amount::Time(Nanos(ns))),
            (0.0..1e30_f64).prop_map(|rate| Amount::Rate(format!("{rate}/s").parse().unwrap())),
            (0..1_u64 << 62).prop_map(|bytes| Amount::Size(Bytes(bytes))),
            (0..1_u64 << 62).prop_map(|bytes| Amount::SizePerS(Bytes(bytes))),
            (0.0..1e300_f64).prop_map(Amount::Number),
            (0.0..1e3_f64).prop_map(Amount::Percent),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(
            field in "[a-z][a-z0-9_]{0,9}(\\.[a-z][a-z0-9_]{0,9}){0,3}",
            (_, relation) in prop::sample::select(Relation::ALL.to_vec()),
            limit in amounts(),
        ) {
            let threshold = Threshold { field, relation, limit };
            prop_assert_eq!(threshold.to_string().parse(), Ok(threshold));
        }

        #[test]
        fn any_text_is_read_or_refused(
            noise in ".{0,30}",
            field in "[a-z._ ]{0,9}",
            sign in "[<>=!]{0,3}",
            value in "[0-9.]{0,4}[a-zA-Zµ/ ]{0,4}[0-9.]{0,2}.{0,2}",
        ) {
            for text in [noise, format!("{field}{sign}{value}")] {
                if let Ok(threshold) = text.parse::<Threshold>() {
                    prop_assert_eq!(threshold.to_string().parse(), Ok(threshold));
                }
            }
        }
    }
}
