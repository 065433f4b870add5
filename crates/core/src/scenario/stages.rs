//! `[[load.stages]]`: an open load whose rate changes, as it is written: stages, each with a length and a rate. Pure.
//!
//! Invariant: what is refused here would have a negative rate, no end, or nothing to send.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::value_error::{Checked, MAX_PHASE, MAX_RATE, ValueError};
use super::{Load, Nanos, Rate, schema};

/// The most stages: each has histograms of its own at every driver.
const MOST_STAGES: usize = 64;
const PATH: &str = "load.stages";
const FORM: &str = "stages as tables, or in short as \"5s@500/s, 30s@500/s..2k/s\"";

/// The stages of a load, in order: an array of tables, or in short a text such as `5s@500/s, 30s@500/s..2k/s`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Stages(pub Vec<Stage>);

/// `[[load.stages]]`: a part of the load with one rule for its rate.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum StageShape {
    /// One rate throughout.
    Hold,
    /// From one rate to another, in a straight line.
    Ramp,
    /// Around a rate, as a sine.
    Swing,
}

/// One of `[[load.stages]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name in figures and thresholds; default: its number, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,40}$"))]
    pub name: Option<String>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Nanos,
    /// Requests per second over all clients, at its start; `0/s` is a pause.
    #[schemars(schema_with = "schema::rate_or_none")]
    pub rate: Rate,
    /// The rate at its end: in between the rate changes in a straight line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::rate_or_none")]
    pub to: Option<Rate>,
    /// How far the rate swings to both sides, as a sine that starts upwards; at most `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swing: Option<Rate>,
    /// How long one swing up and down takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Nanos>,
}

impl Stage {
    /// What the rate does in it.
    pub fn shape(&self) -> StageShape {
        match (self.to, self.swing) {
            (Some(to), _) if to != self.rate => StageShape::Ramp,
            (_, Some(swing)) if swing.per_second() > 0.0 => StageShape::Swing,
            _ => StageShape::Hold,
        }
    }

    /// The highest rate in it, per second.
    pub fn peak_per_s(&self) -> f64 {
        let rate = self.rate.per_second();
        let to = self.to.map_or(rate, Rate::per_second);
        rate.max(to).max(rate + self.swing.map_or(0.0, Rate::per_second))
    }

    /// Its rate in words: `500/s`, `500/s to 2k/s`, `1k/s ± 800/s every 20s`.
    pub fn rate_in_words(&self) -> String {
        match (self.shape(), self.to, self.swing, self.period) {
            (StageShape::Ramp, Some(to), ..) => format!("{} to {to}", self.rate),
            (StageShape::Swing, _, Some(swing), Some(period)) => {
                format!("{} ± {swing} every {period}", self.rate)
            }
            _ => self.rate.to_string(),
        }
    }
}

impl Stages {
    /// How long all of them take.
    pub fn length(&self) -> Nanos {
        Nanos(self.0.iter().fold(0, |sum, stage| sum.saturating_add(stage.length.0)))
    }

    /// The name of the stage with this number, from 0.
    pub fn name(&self, number: usize) -> Cow<'_, str> {
        match self.0.get(number).and_then(|stage| stage.name.as_deref()) {
            Some(name) => name.into(),
            None => (number + 1).to_string().into(),
        }
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        (0..self.0.len()).map(|number| self.name(number))
    }

    /// Whether all hold the same rate, so that they are one load.
    pub fn are_alike(&self) -> bool {
        let first = self.0.first().map(|stage| stage.rate);
        self.0.iter().all(|stage| stage.shape() == StageShape::Hold && Some(stage.rate) == first)
    }

    /// The first invalid stage, and why.
    pub(super) fn error(&self) -> Checked {
        if self.0.is_empty() {
            return refuse(None, "has no stage", Some("write at least one, as in \"5s@500/s\""));
        }
        if self.0.len() > MOST_STAGES {
            return refuse(None, format!("has more than {MOST_STAGES} stages"), None);
        }
        for (number, stage) in self.0.iter().enumerate() {
            if let Some((message, help)) = wrong(stage) {
                return refuse(Some(number), message, help);
            }
            let name = self.name(number);
            if let Some(other) = self.names().take(number).position(|other| other == name) {
                let message = format!("the name `{name}` is that of stage {}, too", other + 1);
                return refuse(Some(number), message, None);
            }
        }
        if self.length() > MAX_PHASE {
            return refuse(None, format!("takes longer than {MAX_PHASE}"), None);
        }
        if self.0.iter().all(|stage| stage.peak_per_s() <= 0.0) {
            return refuse(None, "sends nothing: every rate is 0/s", None);
        }
        Ok(())
    }
}

impl Load {
    /// Whether its rate may change over time by plan.
    pub fn changes(&self) -> bool {
        self.stages.is_some() || self.replay.is_some()
    }

    /// Whether it is several loads, one after the other, which have no percentiles in common.
    pub fn is_unlike(&self) -> bool {
        self.stages.as_ref().is_some_and(|stages| !stages.are_alike())
    }

    /// How long it takes if the scenario does not say it; `None` of a load that goes on. That of a replay is not known yet.
    pub(super) fn own_length(&self) -> Option<Nanos> {
        match (&self.stages, &self.replay) {
            // What has no length is refused for that, and not for its sum.
            (Some(stages), _) => Some(stages.length().clamp(Nanos(1), MAX_PHASE)),
            (None, Some(_)) => Some(MAX_PHASE),
            (None, None) => None,
        }
    }
}

fn refuse(item: Option<usize>, message: impl Into<String>, help: Option<&str>) -> Checked {
    let help = help.map(str::to_owned);
    Err(ValueError { path: PATH, item, message: message.into(), help })
}

/// What a stage cannot mean, and what to write instead.
fn wrong(stage: &Stage) -> Option<(String, Option<&'static str>)> {
    let name = stage.name.as_deref().unwrap_or("1");
    let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 40 || !name.chars().all(is_sign) {
        let help = "names are used in thresholds: 1 to 40 of a-z, 0-9, _ and -";
        return Some((format!("\"{}\" is no name of a stage", name.escape_debug()), Some(help)));
    }
    if stage.length == Nanos::ZERO {
        return Some(("a stage needs a length above 0".to_owned(), None));
    }
    if stage.length > MAX_PHASE {
        return Some((format!("{} is longer than {MAX_PHASE}", stage.length), None));
    }
    if stage.peak_per_s() > MAX_RATE {
        return Some((format!("its rate reaches more than the maximum, {MAX_RATE}/s"), None));
    }
    let (rate, swing) = (stage.rate, stage.swing);
    match (stage.to, swing, stage.period) {
        (Some(_), Some(_), _) => {
            let help = "write a stage of its own for each";
            Some(("a stage has either `to` or `swing`".to_owned(), Some(help)))
        }
        (_, Some(_), None) => {
            let help = "add how long one swing takes, as in period = \"20s\"";
            Some(("`swing` needs `period`".to_owned(), Some(help)))
        }
        (_, None, Some(_)) => Some(("`period` has no effect without `swing`".to_owned(), None)),
        (_, Some(_), Some(Nanos::ZERO)) => Some(("`period` must be above 0".to_owned(), None)),
        (_, Some(swing), _) if swing.per_second() > rate.per_second() => {
            let help = "the rate would be negative; lower `swing`, or raise `rate`";
            Some((format!("a swing of {swing} is more than the rate, {rate}"), Some(help)))
        }
        _ => None,
    }
}

impl FromStr for Stages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').map(|part| stage_of(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

/// A stage in short: `5s@500/s`, `30s@500/s..2k/s`.
fn stage_of(text: &str) -> Result<Stage, String> {
    let malformed = |why: &str| {
        format!("\"{text}\" is not a stage: {why}; write it as in 5s@500/s or 30s@500/s..2k/s")
    };
    let (length, rates) = text.split_once('@').ok_or_else(|| malformed("it has no @"))?;
    let (rate, to) = match rates.split_once("..") {
        Some((rate, to)) => (rate, Some(to)),
        None => (rates, None),
    };
    let rate_of = |text: &str| text.trim().parse::<Rate>().map_err(|why: String| malformed(&why));
    Ok(Stage {
        name: None,
        length: length.trim().parse().map_err(|why: String| malformed(&why))?,
        rate: rate_of(rate)?,
        to: to.map(rate_of).transpose()?,
        swing: None,
        period: None,
    })
}

impl fmt::Display for Stages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts =
            self.0.iter().map(|stage| format!("{} at {}", stage.length, stage.rate_in_words()));
        formatter.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

impl<'de> Deserialize<'de> for Stages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StagesVisitor;

        impl<'de> Visitor<'de> for StagesVisitor {
            type Value = Stages;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(FORM)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Stages, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, stages: A) -> Result<Stages, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(stages)).map(Stages)
            }
        }

        deserializer.deserialize_any(StagesVisitor)
    }
}

impl JsonSchema for Stages {
    fn schema_name() -> Cow<'static, str> {
        "Stages".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Stages, each with a length and a rate: as tables, or in short as in `5s@500/s, 30s@500/s..2k/s`.",
            "anyOf": [
                { "type": "array", "items": generator.subschema_for::<Stage>(), "minItems": 1, "maxItems": MOST_STAGES },
                { "type": "string", "pattern": r"^[^@,]+@[^@,]+(,[^@,]+@[^@,]+)*$" },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn read(load: &str) -> Result<Scenario, String> {
        Scenario::parse("test.toml", load, &[]).map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_short_form_is_the_long_one() {
        let short = read("load.stages = '5s@500/s, 2s@1500/s,30s@500/s..2k/s'").unwrap();
        let long = read(
            "load = { stages = [{ for = '5s', rate = '500/s' }, { for = '2s', rate = '1500/s' },\n\
             { for = '30s', rate = '500/s', to = '2k/s' }] }",
        )
        .unwrap();
        assert_eq!(short, long);
        assert_eq!(short.run.duration, Some(Nanos::from_secs(37)), "the sum of the stages");
        let stages = short.load.stages.unwrap();
        assert_eq!(stages.names().collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(stages.to_string(), "5s at 500/s, 2s at 1.5k/s, 30s at 500/s to 2k/s");
        assert!(
            !stages.are_alike()
                && read("load.stages = '5s@9/s, 2s@9/s'").unwrap().load.stages.unwrap().are_alike()
        );
    }

    #[test]
    fn a_scenario_with_stages_reads_back() {
        let text = "[[load.stages]]\nname = 'a'\nfor = '1s'\nrate = '9/s'\n[[load.stages]]\nfor = '2s'\nrate = '9/s'\nswing = '9/s'\nperiod = '1s'";
        let scenario = read(text).unwrap();
        assert_eq!(read(&toml::to_string(&scenario).unwrap()).unwrap(), scenario);
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        for (load, said) in [
            ("load.stages = []", "has no stage"),
            ("load.stages = ''", "it has no @"),
            ("load.stages = '5s@x'", "a rate needs a unit"),
            ("load.stages = '0s@5/s'", "a length above 0"),
            ("load.stages = '5s@0/s'", "sends nothing"),
            ("load.stages = '20h@5/s, 20h@5/s'", "takes longer than 24h"),
            ("load.stages = '5s@999999M/s'", "more than the maximum"),
            ("load = { rate = '5/s', stages = '5s@5/s' }", "conflicts with load.stages"),
            ("load = { rate_per_client = '5/s', stages = '5s@5/s' }", "conflicts with load.stages"),
            ("load = { model = 'closed', stages = '5s@5/s' }", "has no effect"),
            ("run.duration = '9s'\nload.stages = '5s@5/s'", "longer than the stages"),
            (
                "load.stages = [{ for = '5s', rate = '5/s', swing = '6/s', period = '1s' }]",
                "more than the rate",
            ),
            ("load.stages = [{ for = '5s', rate = '5/s', swing = '5/s' }]", "needs `period`"),
            (
                "load.stages = [{ for = '5s', rate = '5/s', period = '1s' }]",
                "no effect without `swing`",
            ),
            (
                "load.stages = [{ for = '5s', rate = '5/s', to = '6/s', swing = '5/s', period = '1s' }]",
                "either `to` or",
            ),
            ("load.stages = [{ for = '5s', rate = '5/s', name = 'A b' }]", "is no name"),
            (
                "load.stages = [{ for = '5s', rate = '5/s', name = '2' }, { for = '5s', rate = '5/s' }]",
                "that of stage 1, too",
            ),
            ("load.stages = [{ for = '5s' }]", "missing key"),
            ("load.stages = 5", "stages as tables"),
        ] {
            let problem = read(load).expect_err(load);
            assert!(problem.contains(said), "{load}: {problem}");
        }
    }

    #[test]
    fn a_shorter_run_plays_the_beginning_of_the_stages() {
        let scenario = read("run.duration = '3s'\nload.stages = '5s@5/s, 5s@9/s'").unwrap();
        assert_eq!(scenario.run.duration, Some(Nanos::from_secs(3)));
    }
}
