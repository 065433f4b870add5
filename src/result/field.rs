//! The fields of a result by the names that people write: `first_reply.p99`, `throughput.replies_per_s`.
//!
//! A name is the field's path in the JSON object without `_ns` at its end; `latency.` may be left out.

use serde_json::Value;

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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
}
