//! The key of the scenario that is searched over, and how its values are read, written and shown. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::quantity;
use crate::scenario::{Amount, Nanos, Scenario};

/// Keys of which more makes a goal easier to meet.
const EASIER: [&str; 5] =
    ["workers.count", "clients.threads", "proxy.io_threads", "load.think", "load.timeout"];
/// What a scenario need not say, with how it is written.
const KNOWN: [(&str, Form, bool); 8] = [
    ("load.rate", Form::PerS, false),
    ("load.rate_per_client", Form::PerS, false),
    ("load.in_flight", Form::Number, true),
    ("load.think", Form::Ns, false),
    ("load.timeout", Form::Ns, false),
    ("clients.threads", Form::Number, true),
    ("sockets.sndhwm", Form::Number, true),
    ("sockets.rcvhwm", Form::Number, true),
];

/// How values of a key are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Rates: `300/s`.
    PerS,
    /// Times, in nanoseconds: `2ms`.
    Ns,
    /// Sizes, in bytes: `64B`.
    Bytes,
    /// Numbers.
    Number,
}

/// A key with numbers as its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its dotted name.
    pub name: String,
    /// How values are written.
    pub form: Form,
    /// Whether only whole numbers are values.
    pub whole: bool,
}

impl Key {
    /// The key of a scenario, and the value that it has there, if it has one.
    ///
    /// Fails if its values are no single numbers.
    pub fn of(name: &str, scenario: &Scenario) -> Result<(Self, Option<f64>), String> {
        let object = serde_json::to_value(scenario).map_err(|error| error.to_string())?;
        let key = |form, whole| Self { name: name.to_owned(), form, whole };
        let known = KNOWN.iter().find(|(known, ..)| *known == name);
        match object.pointer(&format!("/{}", name.replace('.', "/"))) {
            Some(Value::Number(number)) => {
                let whole = number.is_u64() || number.is_i64();
                Ok((key(Form::Number, whole), number.as_f64()))
            }
            Some(Value::String(text)) => match (text.parse::<Amount>(), known) {
                (Ok(Amount::Rate(rate)), _) => {
                    Ok((key(Form::PerS, false), Some(rate.per_second())))
                }
                (Ok(Amount::Time(Nanos(ns))), _) => Ok((key(Form::Ns, true), Some(ns as f64))),
                (Ok(Amount::Size(bytes)), _) => Ok((key(Form::Bytes, true), Some(bytes.0 as f64))),
                // As `clients.threads = "auto"`.
                (_, Some((_, form, whole))) => Ok((key(*form, *whole), None)),
                _ => Err(format!("{name} is {text:?}, which is no number")),
            },
            Some(Value::Object(parts)) => {
                let parts: Vec<String> =
                    parts.keys().map(|part| format!("{name}.{part}")).collect();
                Err(format!(
                    "{name} is no single number; one of these may be: {}",
                    parts.join(", ")
                ))
            }
            Some(_) => Err(format!("{name} is no number")),
            None => match known {
                Some((_, form, whole)) => Ok((key(*form, *whole), None)),
                None => Err(format!(
                    "the scenario has no number at {name}: search over a key that it has, such as load.rate, clients.count or workers.count"
                )),
            },
        }
    }

    /// Whether more of it makes a goal easier to meet.
    pub fn more_is_easier(&self) -> bool {
        EASIER.contains(&self.name.as_str())
    }

    /// A value as people write it.
    pub fn read(&self, text: &str) -> Result<f64, String> {
        let amount = text.parse::<Amount>();
        let value = match (self.form, &amount) {
            (Form::PerS, Ok(Amount::Rate(rate))) => Some(rate.per_second()),
            (Form::Ns, Ok(Amount::Time(Nanos(ns)))) => Some(*ns as f64),
            (Form::Bytes, Ok(Amount::Size(bytes))) => Some(bytes.0 as f64),
            (Form::Number, Ok(Amount::Number(number))) => Some(*number),
            _ => None,
        };
        let is_whole = |value: &f64| !self.whole || value.fract() == 0.0;
        value.filter(|value| *value > 0.0 && value.is_finite()).filter(is_whole).ok_or_else(|| {
            let form = match (self.form, self.whole) {
                (Form::PerS, _) => "a rate above 0, as in 100/s or 10k/s",
                (Form::Ns, _) => "a time above 0, as in 2ms or 500us",
                (Form::Bytes, _) => "a size above 0, as in 64B or 4KiB",
                (Form::Number, true) => "a whole number above 0",
                (Form::Number, false) => "a number above 0",
            };
            format!("{text:?} is no value of {}: write {form}", self.name)
        })
    }

    /// A value as a setting writes it.
    pub fn written(&self, value: f64) -> String {
        match self.form {
            Form::PerS => format!("{value}/s"),
            Form::Ns => Nanos(quantity::rounded(value)).to_string(),
            Form::Bytes => format!("{}B", quantity::rounded(value)),
            Form::Number => format!("{value}"),
        }
    }

    /// `key=value`
    pub fn setting(&self, value: f64) -> String {
        format!("{}={}", self.name, self.written(value))
    }

    /// A value as people read it.
    pub fn shown(&self, value: f64) -> String {
        self.form.shown(value)
    }
}

impl Form {
    /// A value as people read it.
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::PerS => quantity::rate(value),
            Self::Ns => quantity::duration(quantity::rounded(value)),
            Self::Bytes => quantity::bytes(value),
            Self::Number if value.fract() == 0.0 => quantity::count(quantity::saturating(value)),
            Self::Number => format!("{value:.3}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        let text = "load.rate_per_client = '30/s'\nworkers = { count = 3, delay = { exponential = '2ms' } }";
        Scenario::parse("a.toml", text, &[]).unwrap()
    }

    #[test]
    fn a_key_is_written_as_the_scenario_writes_it() {
        let of = |name: &str| Key::of(name, &scenario());
        let (workers, count) = of("workers.count").unwrap();
        assert_eq!((workers.form, workers.whole, count), (Form::Number, true, Some(3.0)));
        assert_eq!(workers.setting(4.0), "workers.count=4");
        assert!(workers.more_is_easier());
        let (delay, mean) = of("workers.delay.exponential").unwrap();
        assert_eq!((delay.form, mean), (Form::Ns, Some(2e6)));
        assert_eq!(delay.setting(1.5e6), "workers.delay.exponential=1500us");
        let (rate, none) = of("load.rate").unwrap();
        assert_eq!((rate.form, none), (Form::PerS, None));
        assert_eq!(rate.setting(735.2), "load.rate=735.2/s");
        for (name, said) in [
            ("workers.delay", "workers.delay.exponential"),
            ("load.banana", "no number at load.banana"),
            ("proxy.engine", "is no number"),
        ] {
            let why = of(name).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn values_are_read_with_their_units() {
        let (rate, _) = Key::of("load.rate", &scenario()).unwrap();
        assert_eq!(rate.read("10k/s"), Ok(1e4));
        let (workers, _) = Key::of("workers.count", &scenario()).unwrap();
        assert_eq!(workers.read("12"), Ok(12.0));
        for wrong in ["", "5", "0/s", "5ms", "-5/s", "1e3/s", "nan/s"] {
            assert!(rate.read(wrong).is_err(), "{wrong}");
        }
        for wrong in ["1.5", "0", "4/s", "x"] {
            assert!(workers.read(wrong).is_err(), "{wrong}");
        }
    }
}
