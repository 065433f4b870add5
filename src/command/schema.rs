//! `zload schema`

use std::io::Write;

use schemars::{Schema, schema_for};
use serde_json::{Value, json};

use super::print;
use crate::Error;
use crate::cli::SchemaOf;
use crate::result::{
    CALIBRATION_SCHEMA, COMPARISON_SCHEMA, CalibrationResult, ComparisonResult, IDEAL_SCHEMA,
    IdealResult, RUN_SCHEMA, RunResult, SELFTEST_SCHEMA, SERVE_SCHEMA, SelftestResult, ServeResult,
    to_json,
};
use crate::scenario::{SCENARIO_SCHEMA, Scenario};

pub(super) fn schema(of: SchemaOf, out: &mut dyn Write) -> Result<u8, Error> {
    let (mut schema, version) = match of {
        SchemaOf::Scenario => (schema_for!(Scenario), SCENARIO_SCHEMA),
        SchemaOf::Result => (schema_for!(RunResult), RUN_SCHEMA),
        SchemaOf::Ideal => (schema_for!(IdealResult), IDEAL_SCHEMA),
        SchemaOf::Serve => (schema_for!(ServeResult), SERVE_SCHEMA),
        SchemaOf::Selftest => (schema_for!(SelftestResult), SELFTEST_SCHEMA),
        SchemaOf::Comparison => (schema_for!(ComparisonResult), COMPARISON_SCHEMA),
        SchemaOf::Calibration => (schema_for!(CalibrationResult), CALIBRATION_SCHEMA),
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
