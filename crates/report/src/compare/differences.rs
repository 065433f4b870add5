//! Which keys of two scenarios differ.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::result::Difference;
use zload_core::scenario::Scenario;

/// The keys that differ and matter: not what names a scenario, nor how its runs are judged.
pub fn differences(a: &Scenario, b: &Scenario) -> Vec<Difference> {
    let [a, b] = [a, b].map(leaves);
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differ = |key: &&String| a.get(*key) != b.get(*key) && !is_label(key);
    let text = |value: Option<&Value>| {
        value.map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    keys.into_iter()
        .filter(differ)
        .map(|key| Difference { key: key.clone(), a: text(a.get(key)), b: text(b.get(key)) })
        .collect()
}

fn is_label(key: &str) -> bool {
    let table = key.split('.').next().unwrap_or(key);
    ["name", "description", "verdict", "thresholds", "compare"].contains(&table)
}

/// Every value of a scenario by its dotted key. A distribution is one value.
fn leaves(scenario: &Scenario) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    let whole = serde_json::to_value(scenario).expect("a scenario has string keys");
    let Value::Object(tables) = whole else { return leaves };
    for (table, value) in tables {
        match value {
            Value::Object(keys) => {
                leaves
                    .extend(keys.into_iter().map(|(key, value)| (format!("{table}.{key}"), value)));
            }
            value => {
                leaves.insert(table, value);
            }
        }
    }
    leaves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(text: &str) -> Scenario {
        Scenario::parse("test", text, &[]).unwrap()
    }

    #[test]
    fn keys_that_matter_are_listed_with_both_values() {
        let a = scenario("name = \"one\"\nload.rate = \"10/s\"\nworkers.delay = \"1ms\"");
        let b = scenario(
            "load.rate = \"10/s\"\nload.arrivals = \"poisson\"\nworkers.delay = { uniform = [\"1ms\", \"2ms\"] }",
        );
        let found = differences(&a, &b);
        let keys: Vec<&str> = found.iter().map(|difference| difference.key.as_str()).collect();
        assert_eq!(keys, ["load.arrivals", "workers.delay"]);
        assert_eq!((found[0].a.as_deref(), found[0].b.as_deref()), (None, Some("poisson")));
        assert_eq!(found[1].a.as_deref(), Some("1ms"));
        assert_eq!(differences(&a, &a), []);
    }
}
