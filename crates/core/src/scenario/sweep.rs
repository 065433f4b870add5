//! `[sweep]`: the keys that `zload sweep` gives other values, for scenarios that are swept again and again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::over::Over;
use super::value_error::{Checked, ValueError};

/// `[sweep]`: what `zload sweep` sweeps unless its command line says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sweep {
    /// The keys, each with its values: every combination is a point.
    pub over: Vec<SweepOver>,
}

/// `[[sweep.over]]`: a key and the values that it gets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["key", "values"]))]
pub struct SweepOver {
    /// The dotted name of the key.
    pub key: String,
    /// Its values; a text may be a range, as in `"100/s..900/s/9"`.
    pub values: Vec<SweepValue>,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number or a text in quotes")]
pub enum SweepValue {
    /// A whole number.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// Anything else, or a range.
    Text(String),
}

impl Sweep {
    pub(super) fn is_empty(&self) -> bool {
        self.over.is_empty()
    }

    /// The keys with all their values.
    pub fn keys(&self) -> Result<Vec<Over>, String> {
        self.over.iter().map(SweepOver::read).collect()
    }

    pub(super) fn error(&self) -> Checked {
        let wrong = |(item, over): (usize, &SweepOver)| {
            let message = over.read().err()?;
            Some(ValueError { path: "sweep.over", item: Some(item), message, help: None })
        };
        self.over.iter().enumerate().find_map(wrong).map_or(Ok(()), Err)
    }
}

impl SweepOver {
    fn read(&self) -> Result<Over, String> {
        let values: Vec<String> = self.values.iter().map(SweepValue::text).collect();
        Over::of(&self.key, &values)
    }
}

impl SweepValue {
    fn text(&self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    fn parse(sweep: &str) -> Result<Scenario, String> {
        let text = format!("load = {{ rate = '1/s' }}\n{sweep}");
        Scenario::parse("a.toml", &text, &[]).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_scenario_may_say_what_is_swept() {
        let text = "[[sweep.over]]\nkey = 'load.rate'\nvalues = ['100..300/3', 350]\n\
                    [[sweep.over]]\nkey = 'workers.count'\nvalues = [1, 2]";
        let keys = parse(text).unwrap().sweep.keys().unwrap();
        assert_eq!(keys[0].values, ["100/s", "200/s", "300/s", "350/s"]);
        assert_eq!(
            (&*keys[1].key, &keys[1].values[..]),
            ("workers.count", &["1".to_owned(), "2".to_owned()][..])
        );
    }

    #[test]
    fn what_cannot_be_swept_is_shown_in_its_place() {
        for (text, part) in [
            ("[[sweep.over]]\nkey = 'load.rate'\nvalues = ['9..1/3']", "must end above its begin"),
            ("[[sweep.over]]\nkey = 'load.rate'\nvalues = []", "has no values"),
            ("[[sweep.over]]\nvalues = [1]", "is not a dotted name"),
            ("[[sweep.over]]\nkey = 'load.rate'\nvalues = [true]", "a number or a text"),
            ("[[sweep.over]]\nkee = 'load.rate'", "did you mean `key`?"),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
