//! A scenario's text, and overrides: one a line after the first NUL. Whatever the bytes, the answer is a scenario that can
//! be written and read again, or an error that says something, and nothing in it acts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zload_core::scenario::Scenario;
use zload_core::scenario::load::Override;
use zload_core::text::acts;

fuzz_target!(|data: &str| {
    let (text, rest) = data.split_once('\0').unwrap_or((data, ""));
    let overrides: Vec<Override> = rest.lines().filter_map(|line| line.parse().ok()).collect();
    match Scenario::parse("fuzz", text, &overrides) {
        Ok(scenario) => {
            let written = serde_json::to_string(&scenario).expect("a scenario is JSON");
            let read: Scenario = serde_json::from_str(&written).expect("what was written is read");
            assert_eq!(read, scenario);
        }
        Err(problem) => {
            let said = problem.to_string();
            assert!(!said.is_empty());
            assert_eq!(said.chars().find(|sign| *sign != '\n' && acts(*sign)), None, "{said}");
        }
    }
});
