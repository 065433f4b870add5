//! `zload schema`

use std::io::Write;

use clap::ValueEnum as _;
use schemars::{Schema, schema_for};
use serde_json::{Value, json};

use super::print;
use crate::Error;
use crate::cli::SchemaOf;
use zload_core::scenario::{SCENARIO_SCHEMA, Scenario};
use zload_report::result::{KINDS, to_json};

pub(super) fn schema(of: SchemaOf, out: &mut dyn Write) -> Result<u8, Error> {
    let value = of.to_possible_value().expect("no value of it is hidden");
    let begin = format!("zload.{}/", value.get_name());
    let (mut schema, version) = match KINDS.iter().find(|kind| kind.schema.starts_with(&begin)) {
        Some(kind) => ((kind.shape)(), kind.schema),
        None => (schema_for!(Scenario), SCENARIO_SCHEMA),
    };
    name(&mut schema, version);
    print(out, to_json(&schema).as_bytes())
}

/// Gives a schema its version as a title, and allows no other in what says its own: a scenario, which people write, does not.
fn name(schema: &mut Schema, version: &str) {
    schema.insert("title".to_owned(), version.into());
    let said = schema.get_mut("properties").and_then(|properties| properties.get_mut("schema"));
    if let Some(said) = said.and_then(Value::as_object_mut) {
        said.remove("description");
        said.insert("const".to_owned(), json!(version));
    }
}
