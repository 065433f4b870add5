//! A result as JSON.

use serde::Serialize;

use zload_core::text;

/// A result as a JSON value, in which fields are found by their names.
pub fn to_value(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("results have string keys and no failing serializer")
}

/// The JSON text of what only programs read, in one line, safe to show.
pub fn to_line(value: &impl Serialize) -> String {
    let text =
        serde_json::to_string(value).expect("results have string keys and no failing serializer");
    text::json(&text) + "\n"
}

/// The JSON text of a result, safe to show, with a newline at its end.
pub fn to_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value)
        .expect("results have string keys and no failing serializer");
    text::json(&text) + "\n"
}
