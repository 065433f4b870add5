//! What the JSON Schema of a scenario says beyond the shape of its structs, so that an editor knows as much as it can.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Which keys of `[load]` go with which model, and which are needed.
pub(super) fn load_models(schema: &mut Schema) {
    let none_of = |keys: &[&str]| -> Vec<Value> {
        keys.iter().map(|key| json!({ "not": { "required": [key] } })).collect()
    };
    let rates =
        ["rate", "rate_per_client", "stages", "replay"].map(|key| json!({ "required": [key] }));
    let open_needs_one_rate = json!({ "oneOf": rates });
    let mut open = none_of(&["in_flight", "think"]);
    open.push(open_needs_one_rate);
    schema.insert(
        "if".to_owned(),
        json!({ "properties": { "model": { "const": "closed" } }, "required": ["model"] }),
    );
    schema.insert(
        "then".to_owned(),
        json!({ "allOf": none_of(&["rate", "rate_per_client", "arrivals", "stages", "replay"]) }),
    );
    schema.insert("else".to_owned(), json!({ "allOf": open }));
}

/// A rate that may be 0.
pub(super) fn rate_or_none(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "description": "A rate with its unit; `0/s` is none.",
        "pattern": r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(/s|k/s|M/s|/m|/h)$",
    })
}

/// Text without control characters.
pub(super) const ONE_LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

const PORT: &str =
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// The most endpoints of a list: more than anybody has servers.
pub(super) const MOST_ENDPOINTS: usize = 1_000;

/// The endpoints that clients can connect to.
pub(super) fn frontend(schema: &mut Schema) {
    let pattern = format!(r"^(tcp://\S+:(\*|0*{PORT})|ipc://\S{{1,107}})$");
    schema.insert("pattern".to_owned(), Value::String(pattern));
}

/// A list of them.
pub(super) fn frontends(_: &mut SchemaGenerator) -> Schema {
    let mut each = json_schema!({ "type": "string" });
    frontend(&mut each);
    json_schema!({ "type": "array", "items": each, "minItems": 1, "maxItems": MOST_ENDPOINTS })
}

/// The endpoints that workers can connect to.
pub(super) fn backend(schema: &mut Schema) {
    let pattern = format!(r"^(tcp://\S+:(\*|0*{PORT})|ipc://\S{{1,107}}|inproc://\S{{1,255}})$");
    schema.insert("pattern".to_owned(), Value::String(pattern));
}
