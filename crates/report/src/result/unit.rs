//! What figures are in, and how their values are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use zload_core::quantity;
use zload_core::scenario::Amount;

/// What a field is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldUnit {
    /// Nanoseconds.
    Ns,
    /// Per second.
    PerS,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerS,
    /// A count, a ratio, or another number without a unit.
    Number,
}

impl FieldUnit {
    /// Whether a field in this unit can be compared with `amount`.
    pub fn takes(self, amount: Amount) -> bool {
        match amount {
            Amount::Time(_) => self == Self::Ns,
            Amount::Rate(_) => matches!(self, Self::PerS | Self::BytesPerS),
            Amount::Size(_) => self == Self::Bytes,
            Amount::SizePerS(_) => self == Self::BytesPerS,
            Amount::Number(_) | Amount::Percent(_) => self == Self::Number,
        }
    }

    /// What a field in this unit is, and how its values are written.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Ns => "a time, written as in 5ms or 300us",
            Self::PerS => "a rate, written as in 100/s or 10k/s",
            Self::Bytes => "a size, written as in 64MiB",
            Self::BytesPerS => "a size per second, written as in 64MiB/s",
            Self::Number => "a number without a unit, written as in 0 or 0.5",
        }
    }

    /// A value in this unit with 3 digits, as people read it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Ns => quantity::duration(quantity::rounded(value)),
            Self::PerS => quantity::rate(value),
            Self::Bytes => quantity::bytes(value),
            Self::BytesPerS => quantity::bytes_per_second(value),
            Self::Number if value.fract() == 0.0 => quantity::count(quantity::saturating(value)),
            Self::Number => format!("{value:.3}"),
        }
    }

    /// A value in this unit with all its digits.
    pub fn show_exactly(self, value: f64) -> String {
        format!("{value}{}", self.sign())
    }

    /// What is behind a value in this unit.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::PerS => "/s",
            Self::Bytes => "B",
            Self::BytesPerS => "B/s",
            Self::Number => "",
        }
    }
}
