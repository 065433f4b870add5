//! The shape of what zload reads and writes, compared with the one that others were told of.
//!
//! `tests/schemas` keeps every schema as `zload schema` prints it, without descriptions, which change nothing for a program.
//! A new shape is kept by `ZLOAD_RENEW=1 cargo test --test program schemas`, and the difference is part of the commit.
//!
//! The number at the end of a version goes up when a program that reads today's files would misread tomorrow's, or when zload
//! could not read yesterday's: a field that is gone, renamed, of another type, unit or meaning; one that was always there and
//! may now be null or missing; a field without a default that older files lack; a new value of an enumeration in a field on
//! which programs decide (`verdict`, `status`). It stays for a new field or a new name in a map: readers pass over what they
//! do not know.

use std::path::PathBuf;

use crate::support::Zload;
use serde_json::Value;

/// Every schema that can be asked for, with its version.
const SCHEMAS: [(&str, &str); 9] = [
    ("scenario", "zload.scenario/1"),
    ("result", "zload.result/1"),
    ("shard", "zload.shard/1"),
    ("serve", "zload.serve/1"),
    ("ideal", "zload.ideal/1"),
    ("selftest", "zload.selftest/1"),
    ("comparison", "zload.comparison/1"),
    ("calibration", "zload.calibration/1"),
    ("search", "zload.search/1"),
];

fn printed(of: &str) -> Value {
    Zload::new(&["schema", of]).end().result(0)
}

fn kept(of: &str) -> PathBuf {
    PathBuf::from(format!("{}/tests/schemas/{of}.json", env!("CARGO_MANIFEST_DIR")))
}

/// Takes out what people read. A field that is called `description` has an object behind it, and stays.
fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, value| !(key == "description" && value.is_string()));
            fields.values_mut().for_each(without_descriptions);
        }
        Value::Array(values) => values.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}

#[test]
fn schemas_have_the_published_shapes() {
    let renew = std::env::var_os("ZLOAD_RENEW").is_some();
    for (of, _) in SCHEMAS {
        let mut shape = printed(of);
        without_descriptions(&mut shape);
        let text = format!("{shape:#}\n");
        if renew {
            std::fs::write(kept(of), &text).expect("writing");
        }
        let told = std::fs::read_to_string(kept(of)).unwrap_or_default();
        let line = text.lines().zip(told.lines()).find(|(now, then)| now != then);
        assert!(
            text == told,
            "the shape of {of} is another than {}, first at (now, then) {line:?}: if it is meant, keep it with \
             ZLOAD_RENEW=1 cargo test --test program schemas, and see in tests/schemas.rs whether its version must go up",
            kept(of).display()
        );
    }
}

#[test]
fn a_schema_says_its_version_and_allows_no_other() {
    for (of, version) in SCHEMAS {
        let schema = printed(of);
        assert_eq!(schema["title"], version);
        if of != "scenario" {
            assert_eq!(schema["properties"]["schema"]["const"], version);
        }
    }
}
