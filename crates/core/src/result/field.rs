//! The fields of a result by the names that people write: `first_reply.p99`, `throughput.replies_per_s`.
//!
//! A name is the field's path in the JSON object without `_ns` at its end; `latency.` may be left out. Which fields there
//! are, and in what, follows from the result's own definition. Invariant: whatever [`Fields`] lists, a result has.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunResult;
use crate::problem::nearest;
use crate::quantity;
use crate::scenario::Amount;

/// What stands before the names of fields of the seconds.
const SERIES: &str = "series.";
/// What may be left out of a name.
const LATENCY: &str = "latency.";
/// Parts that hold no figures of the whole run: what was asked for, and the single runs of several.
const NOT_FIGURES: [&str; 2] = ["scenario", "runs"];

/// The number with this name in a result object; `None` if there is none, or if it is null.
pub fn number(result: &Value, name: &str) -> Option<f64> {
    let find = |object: &Value| {
        let (parents, last) = name.rsplit_once('.').unwrap_or(("", name));
        let parent = parents
            .split('.')
            .filter(|part| !part.is_empty())
            .try_fold(object, |value, key| value.get(key))?;
        let value = parent.get(last).or_else(|| parent.get(format!("{last}_ns")))?;
        value.as_f64()
    };
    find(result).or_else(|| find(result.get("latency")?))
}

/// A number that a result of `zload run` has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in full: `latency.first_reply.p99`.
    pub name: String,
    /// What it is in.
    pub unit: FieldUnit,
}

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

/// All numbers that a result of `zload run` has, but for those in lists other than the series.
#[derive(Debug)]
pub struct Fields(Vec<Field>);

impl Field {
    /// Its key within an entry of the series, if that is where it stands.
    pub fn of_each_second(&self) -> Option<&str> {
        self.name.strip_prefix(SERIES)
    }
}

impl FieldUnit {
    /// The unit that a key's name carries.
    fn of(key: &str) -> Self {
        match key {
            key if key.ends_with("_ns") || key.contains("_ns_per_") => Self::Ns,
            key if key.ends_with("_bytes_per_s") => Self::BytesPerS,
            key if key.ends_with("_per_s") => Self::PerS,
            key if key.ends_with("_bytes") => Self::Bytes,
            _ => Self::Number,
        }
    }

    /// Whether a field in this unit can be held against `amount`.
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
        let unit = match self {
            Self::Ns => "ns",
            Self::PerS => "/s",
            Self::Bytes => "B",
            Self::BytesPerS => "B/s",
            Self::Number => "",
        };
        format!("{value}{unit}")
    }
}

impl Fields {
    /// Those of [`RunResult`], by its JSON Schema.
    pub fn of_run() -> Self {
        let schema = schema_for!(RunResult).to_value();
        let mut fields = Vec::new();
        collect(&schema, &schema, "", &mut fields);
        Self(fields)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    /// The field with this name.
    pub fn named(&self, name: &str) -> Option<&Field> {
        let name = name.strip_suffix("_ns").unwrap_or(name);
        let find = |name: &str| self.iter().find(|field| field.name == name);
        find(name).or_else(|| find(&format!("{LATENCY}{name}")))
    }

    /// What may have been meant by a name that no field has.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let names = self.iter().map(|field| field.name.as_str());
        let known: Vec<&str> =
            names.flat_map(|name| [name.strip_prefix(LATENCY), Some(name)]).flatten().collect();
        nearest(name, &known)
    }

    /// The fields and smaller groups in the group with this name; nothing if there is no such group.
    pub fn within(&self, group: &str) -> Vec<&str> {
        let find = |group: &str| -> Vec<&str> {
            let behind = self.iter().filter_map(|field| field.name.strip_prefix(group));
            let mut parts: Vec<&str> =
                behind.map(|rest| rest.split('.').next().unwrap_or(rest)).collect();
            parts.dedup();
            parts
        };
        let own = find(&format!("{group}."));
        if own.is_empty() { find(&format!("{LATENCY}{group}.")) } else { own }
    }
}

/// Adds the numbers that `node` of the schema `root` describes, where `name` is the way to it.
fn collect(root: &Value, node: &Value, name: &str, fields: &mut Vec<Field>) {
    let definition = node["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?));
    // An `Option` is one of its value and null; a flattened struct is one of all.
    let parts = ["anyOf", "allOf"].into_iter().filter_map(|key| node[key].as_array()).flatten();
    for part in definition.into_iter().chain(parts) {
        collect(root, part, name, fields);
    }
    let types = match &node["type"] {
        Value::Array(types) => types.as_slice(),
        one => std::slice::from_ref(one),
    };
    if types.iter().any(|one| one == "number" || one == "integer") {
        let key = name.rsplit('.').next().unwrap_or(name);
        let unit = FieldUnit::of(key);
        let name = name.strip_suffix("_ns").unwrap_or(name).to_owned();
        fields.push(Field { name, unit });
    }
    if let Some(items) = node.get("items").filter(|_| format!("{name}.") == SERIES) {
        collect(root, items, name, fields);
    }
    for (key, property) in node["properties"].as_object().into_iter().flatten() {
        match name {
            "" if NOT_FIGURES.contains(&key.as_str()) => {}
            "" => collect(root, property, key, fields),
            parent => collect(root, property, &format!("{parent}.{key}"), fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_has_the_name_that_people_write() {
        let result = json!({
            "ledger": { "requests_lost": 3 },
            "latency": { "first_reply": { "p99_ns": 7, "p999_ns": null } },
            "ideal": { "first_reply": { "p99_ns": 5 }, "excess": { "first_reply": { "p99_ns": 2 } } },
        });
        for (name, number) in [
            ("ledger.requests_lost", Some(3.0)),
            ("latency.first_reply.p99", Some(7.0)),
            ("first_reply.p99", Some(7.0)),
            ("first_reply.p99_ns", Some(7.0)),
            ("ideal.excess.first_reply.p99", Some(2.0)),
            ("first_reply.p999", None),
            ("first_reply", None),
            ("", None),
        ] {
            assert_eq!(super::number(&result, name), number, "{name}");
        }
    }

    #[test]
    fn every_field_is_known_with_its_unit() {
        let fields = Fields::of_run();
        for (name, full, unit) in [
            ("ledger.requests_lost", "ledger.requests_lost", FieldUnit::Number),
            ("first_reply.p99", "latency.first_reply.p99", FieldUnit::Ns),
            ("first_reply.p99_ns", "latency.first_reply.p99", FieldUnit::Ns),
            ("latency.slip.max", "latency.slip.max", FieldUnit::Ns),
            ("slip.count", "latency.slip.count", FieldUnit::Number),
            ("throughput.replies_per_s", "throughput.replies_per_s", FieldUnit::PerS),
            ("throughput.proxy_bytes_per_s", "throughput.proxy_bytes_per_s", FieldUnit::BytesPerS),
            ("throughput.window", "throughput.window", FieldUnit::Ns),
            ("process.resident_bytes", "process.resident_bytes", FieldUnit::Bytes),
            ("proxy.cpu_ns_per_message", "proxy.cpu_ns_per_message", FieldUnit::Ns),
            ("proxy.busy_ratio", "proxy.busy_ratio", FieldUnit::Number),
            ("ideal.first_reply.p50", "ideal.first_reply.p50", FieldUnit::Ns),
            ("ideal.requests_per_s", "ideal.requests_per_s", FieldUnit::PerS),
            ("ideal.excess.first_reply.p99", "ideal.excess.first_reply.p99", FieldUnit::Ns),
            ("hops.in_proxy.p99", "hops.in_proxy.p99", FieldUnit::Ns),
            ("waiting_client.p99", "waiting_client.p99", FieldUnit::Ns),
            ("series.p99", "series.p99", FieldUnit::Ns),
            ("series.replies", "series.replies", FieldUnit::Number),
        ] {
            let field = fields.named(name).unwrap_or_else(|| panic!("no {name}"));
            assert_eq!((field.name.as_str(), field.unit), (full, unit), "{name}");
        }
        for unknown in ["", "p99", "first_reply", "verdict.checks.value", "scenario.clients.count"]
        {
            assert_eq!(fields.named(unknown), None, "{unknown}");
        }
        let mut names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "each has a name of its own");
    }

    #[test]
    fn a_name_that_no_field_has_leads_to_one() {
        let fields = Fields::of_run();
        assert_eq!(fields.nearest("first_replly.p99"), Some("first_reply.p99"));
        assert_eq!(fields.nearest("first_reply.p96"), Some("first_reply.p90"));
        assert_eq!(fields.nearest("latency.first_reply.p9"), Some("latency.first_reply.p90"));
        assert_eq!(fields.nearest("x".repeat(60).as_str()), None);
        assert!(fields.within("first_reply").contains(&"p99"));
        assert!(fields.within("ledger").contains(&"requests_lost"));
        assert_eq!(
            fields.within("ideal.excess").iter().filter(|part| **part == "last_reply").count(),
            1
        );
        assert!(fields.within("banana").is_empty());
    }
}
