//! Distributions as a scenario writes them: a constant, or a table with one key that names the shape.
//!
//! Drawing from them is the plan's business. Invariant: holds what was written, checked for nothing but its form.

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Bytes, Count, Nanos, table};

/// The standard normal distribution's 99th percentile.
pub(crate) const Z_99: f64 = 2.326_347_874_040_841;

/// Something that can be drawn: a whole number of some unit.
pub trait Quantity: Copy + PartialEq + PartialOrd + Debug {
    /// In its base unit.
    fn to_f64(self) -> f64;
    /// What one of them is called.
    const NAME: &'static str;
}

/// A distribution of values.
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution<T> {
    /// Always the same.
    Constant(T),
    /// Evenly between both, inclusive.
    Uniform([T; 2]),
    /// Exponential with this mean.
    Exponential(T),
    /// Normal, cut off below 0.
    Normal {
        /// Mean.
        mean: T,
        /// Standard deviation.
        sd: T,
    },
    /// Lognormal, by two of its percentiles.
    Lognormal {
        /// 50th percentile.
        median: T,
        /// 99th percentile.
        p99: T,
    },
    /// Pareto (heavy tail): P(X > x) = (min / x)^shape.
    Pareto {
        /// Smallest value.
        min: T,
        /// Tail index: the smaller, the heavier.
        shape: f64,
    },
    /// One of several values, by weight.
    Choice(Vec<(f64, T)>),
}

impl Quantity for Nanos {
    const NAME: &'static str = "a duration";

    fn to_f64(self) -> f64 {
        self.0 as f64
    }
}

impl Quantity for Bytes {
    const NAME: &'static str = "a size";

    fn to_f64(self) -> f64 {
        self.0 as f64
    }
}

impl Quantity for Count {
    const NAME: &'static str = "a whole number";

    fn to_f64(self) -> f64 {
        f64::from(self.0)
    }
}

impl<T: Quantity> Distribution<T> {
    /// The value, if there is only one that it can take.
    pub fn constant(&self) -> Option<T> {
        let least = self.least()?;
        (self.greatest()? == least).then_some(least)
    }

    /// The mean, before anything is cut off; infinite for a Pareto whose shape is at most 1.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant(value) | Self::Exponential(value) | Self::Normal { mean: value, .. } => {
                value.to_f64()
            }
            Self::Uniform([low, high]) => f64::midpoint(low.to_f64(), high.to_f64()),
            Self::Lognormal { median, p99 } => {
                let sigma = (p99.to_f64() / median.to_f64()).ln() / Z_99;
                median.to_f64() * (sigma * sigma / 2.0).exp()
            }
            Self::Pareto { shape, .. } if *shape <= 1.0 => f64::INFINITY,
            Self::Pareto { min, shape } => min.to_f64() * shape / (shape - 1.0),
            Self::Choice(choices) => {
                let weights: f64 = choices.iter().map(|(weight, _)| weight).sum();
                choices.iter().map(|(weight, value)| weight * value.to_f64()).sum::<f64>() / weights
            }
        }
    }

    /// The smallest value that was written down as such; `None` where that is simply 0.
    pub fn least(&self) -> Option<T> {
        match self {
            Self::Constant(value) | Self::Uniform([value, _]) | Self::Pareto { min: value, .. } => {
                Some(*value)
            }
            Self::Choice(choices) => extreme(choices, |one, other| one < other),
            Self::Exponential(_) | Self::Normal { .. } | Self::Lognormal { .. } => None,
        }
    }

    /// The largest value; `None` where there is none.
    pub fn greatest(&self) -> Option<T> {
        match self {
            Self::Constant(value) | Self::Uniform([_, value]) => Some(*value),
            Self::Choice(choices) => extreme(choices, |one, other| one > other),
            Self::Exponential(_)
            | Self::Normal { .. }
            | Self::Lognormal { .. }
            | Self::Pareto { .. } => None,
        }
    }
}

/// The first value among those that can be chosen that no other comes before.
fn extreme<T: Quantity>(choices: &[(f64, T)], before: impl Fn(T, T) -> bool) -> Option<T> {
    choices
        .iter()
        .filter(|(weight, _)| *weight > 0.0)
        .map(|(_, value)| *value)
        .reduce(|one, other| if before(other, one) { other } else { one })
}

/// The table forms in TOML and in the schema.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", bound(deserialize = "T: DeserializeOwned"))]
enum Form<T> {
    /// Evenly between both, inclusive.
    Uniform(#[serde(deserialize_with = "ends")] [T; 2]),
    /// Exponential with this mean.
    Exponential(T),
    /// Normal, cut off below 0.
    Normal(#[serde(deserialize_with = "table::only")] NormalTable<T>),
    /// Lognormal, by two of its percentiles.
    Lognormal(#[serde(deserialize_with = "table::only")] LognormalTable<T>),
    /// Pareto: P(X > x) = (min / x)^shape.
    Pareto(#[serde(deserialize_with = "table::only")] ParetoTable<T>),
    /// One of several values: pairs of weight and value.
    Choice(
        #[serde(deserialize_with = "choices")]
        #[schemars(with = "Vec<(Weight, T)>", length(min = 1))]
        Vec<(f64, T)>,
    ),
}

/// The relative frequency of this value.
#[derive(JsonSchema)]
#[schemars(inline)]
struct Weight(
    #[schemars(range(min = 0))]
    #[expect(dead_code, reason = "it is only described")]
    f64,
);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NormalTable<T> {
    mean: T,
    sd: T,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LognormalTable<T> {
    median: T,
    p99: T,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ParetoTable<T> {
    min: T,
    #[schemars(extend("exclusiveMinimum" = 0))]
    shape: f64,
}

/// Exactly two values; a plain pair would not reject a third.
struct Two<A, B>(A, B);

impl<'de, A: DeserializeOwned, B: DeserializeOwned> Deserialize<'de> for Two<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TwoVisitor<A, B>(PhantomData<(A, B)>);

        impl<'de, A: DeserializeOwned, B: DeserializeOwned> Visitor<'de> for TwoVisitor<A, B> {
            type Value = Two<A, B>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("two values in brackets")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                let (first, second) = (seq.next_element()?, seq.next_element()?);
                let third: Option<IgnoredAny> = seq.next_element()?;
                match (first, second, third) {
                    (Some(first), Some(second), None) => Ok(Two(first, second)),
                    _ => Err(S::Error::custom("expected exactly two values in brackets")),
                }
            }
        }

        deserializer.deserialize_seq(TwoVisitor(PhantomData))
    }
}

fn ends<'de, T: DeserializeOwned, D: Deserializer<'de>>(from: D) -> Result<[T; 2], D::Error> {
    Two::deserialize(from).map(|Two(low, high)| [low, high])
}

fn choices<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<(f64, T)>, D::Error> {
    let choices: Vec<Two<f64, T>> = Vec::deserialize(from)?;
    Ok(choices.into_iter().map(|Two(weight, value)| (weight, value)).collect())
}

impl<T> From<Form<T>> for Distribution<T> {
    fn from(form: Form<T>) -> Self {
        match form {
            Form::Uniform(ends) => Self::Uniform(ends),
            Form::Exponential(mean) => Self::Exponential(mean),
            Form::Normal(NormalTable { mean, sd }) => Self::Normal { mean, sd },
            Form::Lognormal(LognormalTable { median, p99 }) => Self::Lognormal { median, p99 },
            Form::Pareto(ParetoTable { min, shape }) => Self::Pareto { min, shape },
            Form::Choice(choices) => Self::Choice(choices),
        }
    }
}

impl<T: Serialize + Copy> Serialize for Distribution<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = match self {
            Self::Constant(value) => return value.serialize(serializer),
            Self::Uniform(ends) => Form::Uniform(*ends),
            Self::Exponential(mean) => Form::Exponential(*mean),
            Self::Normal { mean, sd } => Form::Normal(NormalTable { mean: *mean, sd: *sd }),
            Self::Lognormal { median, p99 } => {
                Form::Lognormal(LognormalTable { median: *median, p99: *p99 })
            }
            Self::Pareto { min, shape } => Form::Pareto(ParetoTable { min: *min, shape: *shape }),
            Self::Choice(choices) => Form::Choice(choices.clone()),
        };
        table.serialize(serializer)
    }
}

impl<'de, T: Quantity + DeserializeOwned> Deserialize<'de> for Distribution<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistributionVisitor(PhantomData))
    }
}

struct DistributionVisitor<T>(PhantomData<T>);

impl<T: DeserializeOwned> DistributionVisitor<T> {
    fn constant<E: serde::de::Error>(
        value: impl serde::de::IntoDeserializer<'static, E>,
    ) -> Result<Distribution<T>, E> {
        T::deserialize(value.into_deserializer()).map(Distribution::Constant)
    }
}

impl<'de, T: Quantity + DeserializeOwned> Visitor<'de> for DistributionVisitor<T> {
    type Value = Distribution<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} or a distribution such as {{ uniform = [a, b] }}", T::NAME)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Self::constant(text.to_owned())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Self::constant(number)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Self::constant(number)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Self::constant(number)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let exactly_one =
            "a distribution is a table with exactly one key, as in { uniform = [a, b] }";
        let form = match map.size_hint() {
            Some(0) => return Err(A::Error::custom(exactly_one)),
            _ => Form::deserialize(MapAccessDeserializer::new(&mut map))?,
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(form.into()),
            Some(_) => Err(A::Error::custom(exactly_one)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Distribution<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("DistributionOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let constant = generator.subschema_for::<T>();
        let table = generator.subschema_for::<Form<T>>();
        json_schema!({ "description": "A constant or a distribution.", "anyOf": [constant, table] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        x: Distribution<Nanos>,
    }

    #[test]
    fn every_form_reads_and_writes_back_the_same() {
        let forms = [
            r#"x = "10ms""#,
            r#"x = { uniform = ["1ms", "1s"] }"#,
            r#"x = { exponential = "5ms" }"#,
            r#"x = { normal = { mean = "5ms", sd = "1ms" } }"#,
            r#"x = { lognormal = { median = "5ms", p99 = "50ms" } }"#,
            r#"x = { pareto = { min = "1ms", shape = 1.5 } }"#,
            r#"x = { choice = [[9.0, "1ms"], [1.0, "1s"]] }"#,
        ];
        for form in forms {
            let read: Holder = toml::from_str(form).unwrap();
            let again: Holder = toml::from_str(&toml::to_string(&read).unwrap()).unwrap();
            assert_eq!(read, again, "{form}");
            let json: Holder =
                serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
            assert_eq!(read, json, "{form}");
        }
    }

    #[test]
    fn a_choice_of_one_is_a_constant() {
        let choice = Distribution::Choice(vec![(1.0, Count(3)), (0.0, Count(9))]);
        assert_eq!(choice.constant(), Some(Count(3)));
        assert_eq!(Distribution::Uniform([Count(2), Count(2)]).constant(), Some(Count(2)));
        assert_eq!(Distribution::Uniform([Count(2), Count(3)]).constant(), None);
    }

    #[test]
    fn a_form_that_is_none_is_refused() {
        for wrong in [
            "x = 5",
            "x = {}",
            r#"x = { uniform = ["1ms"] }"#,
            r#"x = { uniform = ["1ms", "2ms", "3ms"] }"#,
            r#"x = { uniform = ["1ms", "2ms"], exponential = "1ms" }"#,
            r#"x = { gamma = "1ms" }"#,
            r#"x = { normal = { mean = "5ms" } }"#,
            r#"x = { pareto = { min = "1ms", shape = "steep" } }"#,
            "x = true",
            r#"x = { choice = [[1, "1ms", "2ms"]] }"#,
            r#"x = { choice = [["1ms", 1]] }"#,
            r#"x = { normal = ["5ms", "1ms"] }"#,
            r#"x = { pareto = ["1ms", 1.5] }"#,
        ] {
            assert!(toml::from_str::<Holder>(wrong).is_err(), "{wrong}");
        }
    }
}
