//! `KEY=V1,V2`: the values that a comparison gives to one key of a scenario.

use std::str::FromStr;

use super::load::Override;

/// Values of one key, two at least: an override for each side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vary {
    /// The sides, in the order in which they were written.
    pub sides: Vec<Override>,
}

impl FromStr for Vary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = text
            .split_once('=')
            .ok_or_else(|| format!("\"{text}\" has no `=`; write it as in workers.count=2,8"))?;
        let values = split(values);
        if values.iter().any(|value| value.trim().is_empty()) {
            return Err(format!(
                "\"{text}\" has an empty value: write two or more, as in {}=2,8",
                key.trim()
            ));
        }
        let sides: Vec<Override> = values
            .iter()
            .map(|value| format!("{key}={value}").parse())
            .collect::<Result<_, _>>()?;
        match sides.len() {
            0 | 1 => {
                Err(format!("one value is nothing to compare: give two, as in {}=2,8", key.trim()))
            }
            _ => Ok(Self { sides }),
        }
    }
}

/// The parts between commas that are in no brackets and in no string of TOML.
pub(super) fn split(values: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0_i32, None, 0);
    let mut parts = Vec::new();
    for (at, c) in values.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&values[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&values[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Vec<String>, String> {
        text.parse::<Vary>().map(|vary| vary.sides.iter().map(Override::setting).collect())
    }

    #[test]
    fn values_are_split_at_commas_that_are_no_part_of_one() {
        let of = |text, expected: &[&str]| assert_eq!(settings(text).unwrap(), expected, "{text}");
        of("workers.count=2, 8,16", &["workers.count=2", "workers.count=8", "workers.count=16"]);
        of(
            "workers.delay=1ms,{ uniform = [\"1ms\", \"3ms\"] }",
            &["workers.delay=1ms", "workers.delay={ uniform = [\"1ms\", \"3ms\"] }"],
        );
        of("name='a,b',\"c,[d\"", &["name='a,b'", "name=\"c,[d\""]);
    }

    #[test]
    fn fewer_than_two_values_are_refused() {
        let refused = |text, part: &str| {
            let why = settings(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        };
        refused("workers.count=2", "one value is nothing to compare");
        refused("workers.count=[2,8]", "one value is nothing to compare");
        refused("workers.count=2,", "empty value");
        refused("workers.count=", "empty value");
        refused("workers.count", "has no `=`");
        refused("workers count=2,8", "is not a dotted name");
    }
}
