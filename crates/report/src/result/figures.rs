//! The catalogue of figures: every number that a result of `zload run` has, with all that is known of it beforehand.
//!
//! Thresholds, comparisons, CSV, histories and reports read it, so that a new figure is a field of the result and a row here.
//! Invariant: what has a row is a number of the result, and every number of the result has a row.

mod rows;

use std::sync::LazyLock;

use serde_json::Value;

use super::Direction;
use super::FieldUnit::{self, Ns};
use super::unlike;
use zload_core::problem;
use zload_core::quantity;

pub use rows::DISTRIBUTIONS;
use rows::{DISTRIBUTIONS_OF_OPERATION, OF_OPERATION, ROWS};

/// What is before the names of figures of the seconds.
const SERIES: &str = "series.";
/// What may be left out of a name.
const LATENCY: &str = "latency.";

/// A number that a result of `zload run` has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Its path in the JSON object without `_ns` at its end: `latency.first_reply.p99`.
    pub name: &'static str,
    /// What people call it: in a word or two where reports show it.
    pub label: &'static str,
    /// What it is in.
    pub unit: FieldUnit,
    /// Which way is better, if either is.
    pub better: Option<Direction>,
    /// A comparison compares it, and takes a smaller difference for none, in percent.
    pub margin_percent: Option<f64>,
    /// Which column it has in histories, from 0, if they keep it.
    pub column: Option<u8>,
}

/// A part of the result that holds figures of the whole run.
#[derive(Debug)]
pub struct Part {
    /// Its path.
    pub name: &'static str,
    /// Why figures in it may be null.
    why_null: &'static str,
}

const fn part(name: &'static str, why_null: &'static str) -> Part {
    Part { name, why_null }
}

const NOT_MEASURED: &str = "it could not be measured";

/// The parts in the order in which they are read. Other parts do not describe the run as a whole.
pub const PARTS: &[Part] = &[
    part("throughput", NOT_MEASURED),
    part("latency", NOT_MEASURED),
    part("ledger", "nothing was sent, or nothing was answered"),
    part("request", "the scenario has no [request]"),
    part("probes", "the scenario has no probe clients (clients.probes)"),
    part(
        "hops",
        "no sampled request got a reply, or this leg cannot be measured with this engine or an external server (in_generator: only with clients.engine = \"zmtp\", over tcp)",
    ),
    part(
        "ideal",
        "there is no lower bound for an external server, a closed load without work, a run that was cut short or one of more than 20 million requests and replies; see the notes",
    ),
    part("waiting_client", "it needs an open load and a sample of every request"),
    part(
        "proxy",
        "it cannot be measured with this engine or an external server, or nothing crossed the proxy",
    ),
    part("generator", NOT_MEASURED),
    part("process", NOT_MEASURED),
    part("server", NOT_MEASURED),
];

/// All figures, by their names.
pub static FIGURES: LazyLock<Vec<Figure>> = LazyLock::new(|| {
    let own = |figure: &Figure| ROWS.iter().any(|row| row.name == figure.name);
    let rest =
        DISTRIBUTIONS.iter().flat_map(|(.., figures)| *figures).filter(|figure| !own(figure));
    let mut figures: Vec<Figure> = ROWS.iter().chain(rest).copied().collect();
    figures.sort_unstable_by_key(|figure| figure.name);
    figures
});

/// Those that are compared, in the order of reports.
pub fn compared() -> impl Iterator<Item = Figure> {
    ROWS.iter().copied().filter(|figure| figure.margin_percent.is_some())
}

/// Those that are kept as a history, in the order of its columns.
pub fn kept() -> Vec<Figure> {
    let mut kept: Vec<Figure> =
        ROWS.iter().copied().filter(|figure| figure.column.is_some()).collect();
    kept.sort_unstable_by_key(|figure| figure.column);
    kept
}

/// The figure with this name, with or without `_ns` and `latency.`.
pub fn named(name: &str) -> Option<&'static Figure> {
    let name = name.strip_suffix("_ns").unwrap_or(name);
    let find = |name: &str| FIGURES.iter().find(|figure| figure.name == name);
    find(name).or_else(|| find(&format!("{LATENCY}{name}")))
}

/// All figures of one operation of a mix, by their names within it.
pub fn of_operation() -> impl Iterator<Item = &'static Figure> {
    let distributions = DISTRIBUTIONS_OF_OPERATION.iter().flat_map(|(.., figures)| *figures);
    OF_OPERATION.iter().chain(distributions)
}

/// The nearest name to one that no figure has.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let names = FIGURES.iter().map(|figure| figure.name);
    let known: Vec<&'static str> =
        names.flat_map(|name| [name.strip_prefix(LATENCY), Some(name)]).flatten().collect();
    problem::nearest(name, &known)
}

/// The figures and smaller groups in the group with this name; nothing if there is no such group.
pub(super) fn within(group: &str) -> Vec<&'static str> {
    let find = |group: &str| -> Vec<&str> {
        let behind = FIGURES.iter().filter_map(|figure| figure.name.strip_prefix(group));
        let mut parts: Vec<&str> =
            behind.map(|rest| rest.split('.').next().unwrap_or(rest)).collect();
        parts.dedup();
        parts
    };
    let own = find(&format!("{group}."));
    if own.is_empty() { find(&format!("{LATENCY}{group}.")) } else { own }
}

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

impl Figure {
    /// Its path in the JSON object: `latency.first_reply.p99_ns`.
    pub fn path(&self) -> String {
        path(self.name, self.unit == Ns)
    }

    /// The part of the result that it is in.
    pub fn part(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Whether it is a share, which people may write in percent.
    pub fn is_share(&self) -> bool {
        self.name.ends_with("_ratio")
    }

    /// Its key within an entry of the series, if that is where it is.
    pub fn of_each_second(&self) -> Option<&'static str> {
        self.name.strip_prefix(SERIES)
    }

    /// What a result says there; `None` if the part that would hold it is missing.
    pub fn of<'a>(&self, result: &'a Value) -> Option<&'a Value> {
        result.pointer(&format!("/{}", self.path().replace('.', "/")))
    }

    /// Both ends of its confidence interval, if it has one.
    pub fn interval<'a>(&self, result: &'a Value) -> Option<&'a [Value]> {
        let path = self.path().replace('.', "/");
        let (parent, key) = path.rsplit_once('/')?;
        let ends = result.pointer(&format!("/{parent}/intervals/{key}"))?;
        ends.as_array().map(Vec::as_slice)
    }

    /// Whether it is a percentile that was seen and is no estimate.
    pub fn is_uncertain(&self, result: &Value) -> bool {
        let Some((parent, percentile)) = self.name.rsplit_once('.') else { return false };
        let fields = result.pointer(&format!("/{}/uncertain", parent.replace('.', "/")));
        let mut fields = fields.and_then(Value::as_array).into_iter().flatten();
        fields.any(|field| field == percentile)
    }

    /// Why a result has no number where it could have one.
    pub(super) fn why_null(&self, result: &Value) -> String {
        let (parents, last) = self.name.rsplit_once('.').unwrap_or(("", self.name));
        if let Some(why) = unlike::why_none(result, last) {
            return why;
        }
        let parent = parents.split('.').fold(result, |value, key| &value[key]);
        match parent["count"].as_u64() {
            Some(0) => "nothing was counted there".to_owned(),
            Some(count) => {
                format!("{} are too few for {last}", quantity::counted(count, "value"))
            }
            None => {
                let part = PARTS.iter().find(|part| part.name == self.part());
                part.map_or(NOT_MEASURED, |part| part.why_null).to_owned()
            }
        }
    }
}

/// The path in the JSON object of a figure with this name: that of a time ends with its unit.
pub fn path(name: &str, is_time: bool) -> String {
    let says_it = !is_time || name.contains("_ns_per_");
    if says_it { name.to_owned() } else { format!("{name}_ns") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::schema_for;
    use serde_json::json;

    use super::*;
    use crate::result::{MetricUnit, PERCENTILES, RunResult};

    /// Parts that hold no figures of the whole run: what was asked for, and the single runs of several.
    const NOT_FIGURES: [&str; 2] = ["scenario", "runs"];

    /// Adds the numbers that `node` of the schema `root` describes, where `path` is the way to it.
    fn collect(root: &Value, node: &Value, path: &str, paths: &mut Vec<String>) {
        let definition =
            node["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?));
        // An `Option` is one of its value and null; a flattened struct is one of all.
        let parts = ["anyOf", "allOf"].into_iter().filter_map(|key| node[key].as_array()).flatten();
        for part in definition.into_iter().chain(parts) {
            collect(root, part, path, paths);
        }
        let types = match &node["type"] {
            Value::Array(types) => types.as_slice(),
            one => std::slice::from_ref(one),
        };
        if types.iter().any(|one| one == "number" || one == "integer") {
            paths.push(path.to_owned());
        }
        if let Some(items) = node.get("items").filter(|_| format!("{path}.") == SERIES) {
            collect(root, items, path, paths);
        }
        for (key, property) in node["properties"].as_object().into_iter().flatten() {
            match path {
                "" if NOT_FIGURES.contains(&key.as_str()) => {}
                "" => collect(root, property, key, paths),
                parent => collect(root, property, &format!("{parent}.{key}"), paths),
            }
        }
    }

    #[test]
    fn the_catalogue_has_every_number_of_a_result_once_and_no_other() {
        let schema = schema_for!(RunResult).to_value();
        let mut paths = Vec::new();
        collect(&schema, &schema, "", &mut paths);
        paths.sort_unstable();
        let mut rows: Vec<String> = FIGURES.iter().map(Figure::path).collect();
        rows.sort_unstable();
        assert_eq!(rows, paths);
    }

    #[test]
    fn what_is_compared_or_kept_says_which_way_is_better() {
        for figure in &*FIGURES {
            let judged = figure.margin_percent.is_some() || figure.column.is_some();
            assert_eq!(figure.better.is_some(), judged, "{}", figure.name);
            assert!(figure.margin_percent.is_none() || MetricUnit::of(figure.unit).is_some());
        }
        let columns = kept().iter().filter_map(|figure| figure.column).collect::<Vec<_>>();
        assert!((0..).zip(&columns).all(|(place, column)| place == *column), "{columns:?}");
    }

    #[test]
    fn what_is_in_no_part_of_the_figures_is_known() {
        let known = |name: &&str| PARTS.iter().any(|part| part.name == *name);
        let mut others: Vec<&str> =
            FIGURES.iter().map(Figure::part).filter(|name| !known(name)).collect();
        others.dedup();
        assert_eq!(others, ["environment", "repeat", "seed", "series"]);
    }

    #[test]
    fn percentiles_are_called_as_they_are_everywhere() {
        let labels: BTreeMap<&str, &str> =
            PERCENTILES.iter().map(|kind| (kind.field, kind.name)).collect();
        for figure in &*FIGURES {
            let last = figure.name.rsplit('.').next().unwrap();
            if let Some(label) = labels.get(last) {
                assert!(figure.label.starts_with(label), "{}", figure.name);
            }
        }
    }

    #[test]
    fn a_figure_has_the_name_that_people_write() {
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
        for (name, full) in [
            ("ledger.requests_lost", "ledger.requests_lost"),
            ("first_reply.p99", "latency.first_reply.p99"),
            ("first_reply.p99_ns", "latency.first_reply.p99"),
            ("slip.count", "latency.slip.count"),
            ("ideal.excess.first_reply.p99", "ideal.excess.first_reply.p99"),
        ] {
            assert_eq!(named(name).map(|figure| figure.name), Some(full));
        }
        for unknown in ["", "p99", "first_reply", "verdict.checks.value", "scenario.clients.count"]
        {
            assert_eq!(named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_name_that_no_figure_has_leads_to_one() {
        assert_eq!(nearest("first_replly.p99"), Some("first_reply.p99"));
        assert_eq!(nearest("first_reply.p96"), Some("first_reply.p90"));
        assert_eq!(nearest("latency.first_reply.p9"), Some("latency.first_reply.p90"));
        assert_eq!(nearest("x".repeat(60).as_str()), None);
        assert!(within("first_reply").contains(&"p99"));
        assert!(within("ledger").contains(&"requests_lost"));
        assert_eq!(within("ideal.excess").iter().filter(|part| **part == "last_reply").count(), 1);
        assert!(within("banana").is_empty());
    }
}
