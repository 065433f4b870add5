//! Reading a scenario: its text, what overrides it, and the way back from a value to its place in the text.
//!
//! File and overrides are one text with one set of places: each override is a line after the file's last, and read by itself. Invariant:
//! whatever the bytes, reading ends quickly with a scenario or with an error that names the source.

use std::fmt::Write as _;
use std::ops::Range;
use std::str::FromStr;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::validate::error;
use super::value_error::ValueError;
use super::{Engine, Scenario, client_engine};
use crate::problem::{Problem, nearest};

/// One `--set key=value`, or one `--threshold`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    key: String,
    value: String,
    /// What errors call it.
    option: &'static str,
    /// Whether it adds an item to a list instead of replacing a value.
    adds: bool,
}

impl Override {
    /// Replaces the file's value of the dotted `key` by `value`.
    pub fn new(key: &str, value: &str) -> Self {
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        Self { key, value, option: "--set", adds: false }
    }

    /// Adds a threshold to those of the scenario.
    pub fn threshold(text: &str) -> Self {
        let value = toml::Value::Array(vec![one_line(text).into()]).to_string();
        Self { option: "--threshold", adds: true, ..Self::new("thresholds.limits", &value) }
    }

    /// Puts these limits in the place of the list that the scenario has at `key`; errors call them `option`.
    pub fn limits(option: &'static str, key: &str, limits: &[String]) -> Self {
        let limits = limits.iter().map(|text| one_line(text).into()).collect();
        Self { option, ..Self::new(key, &toml::Value::Array(limits).to_string()) }
    }

    /// The same, which errors call an override by this option.
    #[must_use]
    pub fn called(self, option: &'static str) -> Self {
        Self { option, ..self }
    }

    /// [`Self::new`], unless the key is no dotted name.
    pub(super) fn named(key: &str, value: &str) -> Result<Self, String> {
        let is_name = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        if !key.trim().split('.').all(is_name) {
            return Err(format!("\"{}\" is not a dotted name such as clients.count", key.trim()));
        }
        Ok(Self::new(key, value))
    }

    /// The override as a line of TOML: its value as it is or, if that is no TOML, as a string.
    fn line(&self) -> String {
        let as_it_is = format!("{} = {}", self.key, self.value);
        // More lines would be more keys.
        if !self.value.contains('\n') && DeTable::parse(&as_it_is).is_ok() {
            return as_it_is;
        }
        format!("{} = {}", self.key, toml::Value::String(self.value.clone()))
    }

    /// As it is given on the command line.
    pub fn setting(&self) -> String {
        format!("{}={}", self.key, self.value)
    }

    /// The dotted name of what it overrides.
    pub fn key(&self) -> &str {
        &self.key
    }

    fn depth(&self) -> usize {
        self.key.split('.').count()
    }
}

/// A limit as a part of an override, which is one line; what no limit has in it is refused for it later.
fn one_line(text: &str) -> String {
    let sign = |c: char| match c {
        c if c.is_whitespace() => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim().chars().map(sign).collect()
}

impl FromStr for Override {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| format!("\"{text}\" has no `=`; write it as in clients.count=100"))?;
        Self::named(key, value)
    }
}

impl Scenario {
    /// Reads a scenario from `text`, which errors call `source_name`.
    pub fn parse(source_name: &str, text: &str, overrides: &[Override]) -> Result<Self, Problem> {
        Self::parse_with(source_name, text, overrides, &|_| None)
    }

    /// The same, with an `objection` that only the reader can know of.
    pub fn parse_with(
        source_name: &str,
        text: &str,
        overrides: &[Override],
        objection: &dyn Fn(&Self) -> Option<ValueError>, // not generic: callers would compile all of the reading again
    ) -> Result<Self, Problem> {
        let source = Source::new(source_name, text, overrides);
        let tree = source.tree(overrides)?;
        let mut scenario = Self::deserialize(Deserializer::from(tree.clone()))
            .map_err(|error| source.problem_of(&error))?;
        let says_engine = |table| {
            let table = tree.get_ref().get(table).map(Spanned::get_ref);
            matches!(table, Some(DeValue::Table(table)) if table.contains_key("engine"))
        };
        let elsewhere = scenario.server.is_some() || scenario.workers.connect.is_some();
        if elsewhere && !says_engine("proxy") {
            scenario.proxy.engine = Engine::External;
        }
        if !says_engine("clients") {
            scenario.clients.engine = client_engine::usual(&scenario);
        }
        scenario.run.duration = scenario.run.duration.or(scenario.duration());
        match error(&scenario).or_else(|| objection(&scenario)) {
            Some(error) => Err(source.problem_with(&tree, error)),
            None => Ok(scenario),
        }
    }
}

/// File and overrides as one text.
struct Source<'a> {
    name: &'a str,
    /// The file's text, then a line for each override.
    text: String,
    file_length: usize,
    /// Where each override's line starts and ends in the whole text, and its origin.
    lines: Vec<(Range<usize>, &'static str)>,
}

impl<'a> Source<'a> {
    fn new(name: &'a str, file: &str, overrides: &[Override]) -> Self {
        let mut text = file.to_owned();
        let mut lines = Vec::new();
        for overriding in overrides {
            text.push('\n');
            let begin = text.len();
            text.push_str(&overriding.line());
            lines.push((begin..text.len(), overriding.option));
        }
        Self { name, text, file_length: file.len(), lines }
    }

    /// File and overrides as one tree.
    fn tree(&self, overrides: &[Override]) -> Result<Spanned<DeTable<'_>>, Problem> {
        let parse = |part: Range<usize>| {
            let begin = part.start;
            DeTable::parse(&self.text[part]).map_err(|error: toml::de::Error| {
                let first_line = error.message().lines().next().unwrap_or_default();
                let message = format!("not valid TOML: {first_line}");
                self.problem_at(moved(error.span().unwrap_or(0..0), begin), &message)
            })
        };
        let mut tree = parse(0..self.file_length)?;
        for (overriding, (line, _)) in overrides.iter().zip(&self.lines) {
            let value = behind(parse(line.clone())?.into_inner(), line.start);
            self.give_way(tree.get_mut(), overriding);
            set(tree.get_mut(), value, (overriding.depth(), overriding.adds));
        }
        Ok(tree)
    }

    /// A problem at `span` of the whole text.
    fn problem_at(&self, span: Range<usize>, message: &str) -> Problem {
        if span.start <= self.file_length {
            return Problem::new(self.name, &self.text[..self.file_length], span, message);
        }
        let begun = self.lines.iter().take_while(|(line, _)| line.start <= span.start);
        let (line, option) = begun.last().expect("behind the file there is a line");
        let in_line = span.start - line.start..span.end - line.start;
        Problem::new(option, &self.text[line.clone()], in_line, message)
    }

    /// The deserializer's error in the user's terms.
    fn problem_of(&self, error: &toml::de::Error) -> Problem {
        let (message, help) = in_plain_words(error.message());
        self.problem_at(error.span().unwrap_or(0..0), &message).with_help(help)
    }

    /// Removes what the file says and an override makes pointless; other overrides stay.
    fn give_way(&self, tree: &mut DeTable<'_>, overriding: &Override) {
        let (table, obsolete): (_, &[&str]) =
            match (overriding.key.as_str(), overriding.value.trim_matches('"')) {
                ("load.rate", _) => ("load", &["rate_per_client", "stages", "replay"]),
                ("load.rate_per_client", _) => ("load", &["rate", "stages", "replay"]),
                ("load.stages", _) => ("load", &["rate", "rate_per_client", "replay", "requests"]),
                ("load.replay", _) => {
                    ("load", &["rate", "rate_per_client", "stages", "arrivals", "requests"])
                }
                ("load.requests", _) => ("run", &["duration"]),
                ("run.duration", _) => ("load", &["requests"]),
                ("load.model", "closed") => {
                    ("load", &["rate", "rate_per_client", "arrivals", "stages", "replay"])
                }
                ("load.model", "open") => ("load", &["in_flight", "think"]),
                ("server.command", _) => ("proxy", &["engine"]),
                ("proxy.engine", engine) if engine != "external" => {
                    ("server", &["command", "ready_timeout", "stop_timeout"])
                }
                _ => return,
            };
        let Some(DeValue::Table(inner)) = tree.get_mut(table).map(Spanned::get_mut) else { return };
        for key in obsolete {
            if inner.get(*key).is_some_and(|value| value.span().end <= self.file_length) {
                inner.remove(*key);
            }
        }
        if table == "server" && inner.is_empty() {
            tree.remove(table);
        }
        if ["load.stages", "load.replay"].contains(&overriding.key.as_str())
            && let Some(DeValue::Table(run)) = tree.get_mut("run").map(Spanned::get_mut)
            && run.get("duration").is_some_and(|value| value.span().end <= self.file_length)
        {
            // The load says how long it takes.
            run.remove("duration");
        }
    }

    /// Where the value of a dotted key stands, or an item of it; what is nearest around it if it is not written down.
    fn place_of(&self, tree: &DeTable<'_>, path: &str, item: Option<usize>) -> Range<usize> {
        let mut table = tree;
        let mut place = 0..0;
        for part in path.split('.') {
            let Some((key, value)) = table.get_key_value(part) else { break };
            let span = value.span();
            place = match value.get_ref() {
                // The place of a table with a header may be all of its lines: its name is enough.
                DeValue::Table(_) if !self.text[span.start..].starts_with('{') => key.span(),
                DeValue::Array(items) => {
                    item.and_then(|index| items.get(index)).map_or(span, Spanned::span)
                }
                _ => span,
            };
            let DeValue::Table(inner) = value.get_ref() else { break };
            table = inner;
        }
        place
    }

    fn problem_with(&self, tree: &Spanned<DeTable<'_>>, error: ValueError) -> Problem {
        let item = error.item.map_or_else(String::new, |item| format!("[{item}]"));
        let message = format!("{}{item}: {}", error.path, error.message);
        let place = self.place_of(tree.get_ref(), error.path, error.item);
        self.problem_at(place, &message).with_help(error.help)
    }
}

/// A table read from its own text, with its places where that is in the whole text.
fn behind(table: DeTable<'_>, begin: usize) -> DeTable<'_> {
    fn value_behind(value: Spanned<DeValue<'_>>, begin: usize) -> Spanned<DeValue<'_>> {
        let place = moved(value.span(), begin);
        let value = match value.into_inner() {
            DeValue::Table(table) => DeValue::Table(behind(table, begin)),
            DeValue::Array(items) => {
                DeValue::Array(items.into_iter().map(|item| value_behind(item, begin)).collect())
            }
            plain => plain,
        };
        Spanned::new(place, value)
    }
    let entry = |(key, value): (Spanned<_>, _)| {
        (Spanned::new(moved(key.span(), begin), key.into_inner()), value_behind(value, begin))
    };
    table.into_iter().map(entry).collect()
}

fn moved(place: Range<usize>, by: usize) -> Range<usize> {
    place.start + by..place.end + by
}

/// Puts the value at the end of `overriding`'s chain of tables into `table`; one that `adds` goes to the list that is there.
fn set<'t>(table: &mut DeTable<'t>, overriding: DeTable<'t>, (depth, adds): (usize, bool)) {
    for (key, value) in overriding {
        let place = value.span();
        match (table.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value.into_inner()) {
            (Some(DeValue::Table(inner)), DeValue::Table(rest)) if depth > 1 => {
                set(inner, rest, (depth - 1, adds));
            }
            (Some(DeValue::Array(items)), DeValue::Array(more)) if adds => {
                more.into_iter().for_each(|item| items.push(item));
            }
            // What is there is no list: it stays, and is the mistake that is shown.
            (Some(_), _) if adds => {}
            (_, value) => {
                table.insert(key, Spanned::new(place, value));
            }
        }
    }
}

/// A message of serde in the user's terms, and what is allowed instead.
fn in_plain_words(message: &str) -> (String, Option<String>) {
    for (of_serde, of_toml) in
        [("unknown field `", "unknown key"), ("unknown variant `", "unknown value")]
    {
        // What was written may hold any text, the names that are allowed do not: the last separator is the right one.
        if let Some((wrong, expected)) =
            message.strip_prefix(of_serde).and_then(|rest| rest.rsplit_once("`, expected "))
        {
            let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let mut help = String::new();
            if let Some(name) = nearest(wrong, &known) {
                write!(help, "did you mean `{name}`? ").expect("writing to a string cannot fail");
            }
            let names = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            write!(help, "allowed here: {names}").expect("writing to a string cannot fail");
            return (format!("{of_toml} `{wrong}`"), Some(help));
        }
    }
    let mut message = message.to_owned();
    for (of_serde, of_toml) in [
        ("invalid type: ", "wrong type: "),
        ("invalid length ", "wrong number of values: "),
        ("missing field ", "missing key "),
        ("expected i32", "expected a whole number"),
        ("expected u32", "expected a whole number of at least 0"),
        ("expected u64", "expected a whole number of at least 0"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected an array"),
        ("boolean `", "`"),
        ("integer `", "the number `"),
        ("floating point `", "the number `"),
        (": map, ", ": a table, "),
        (": sequence, ", ": an array, "),
        (": string ", ": the text "),
    ] {
        if let Some((before, after)) = message.split_once(of_serde) {
            message = format!("{before}{of_toml}{after}");
        }
    }
    (message, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::scenario::{Count, Distribution, Engine, Model};

    const FILE: &str =
        "[load]\nrate_per_client = \"1/s\"\n[workers]\nreplies = { exponential = 2 }\n";

    fn parse(overrides: &[&str]) -> Result<Scenario, Problem> {
        let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
        Scenario::parse("a.toml", FILE, &overrides)
    }

    #[test]
    fn overrides_take_the_place_of_what_the_file_says() {
        let scenario = parse(&[
            "clients.count=7",
            "proxy.engine = batch",
            "workers.replies={uniform=[0,4]}",
            "workers.delay=10ms",
            "clients.count=8",
        ])
        .unwrap();
        assert_eq!(scenario.clients.count, Count(8), "the last one wins");
        assert_eq!(scenario.proxy.engine, Engine::Batch);
        assert_eq!(scenario.workers.replies, Distribution::Uniform([Count(0), Count(4)]));
    }

    #[test]
    fn an_override_makes_its_opposite_give_way() {
        assert_eq!(parse(&["load.rate=5/s"]).unwrap().load.rate_per_client, None);
        let closed = parse(&["load.model=closed", "load.in_flight=4"]).unwrap();
        assert_eq!((closed.load.model, closed.load.in_flight), (Model::Closed, Some(Count(4))));
    }

    #[test]
    fn a_server_of_the_users_own_and_an_engine_of_ours_give_way_to_each_other() {
        let file = |rest: &str| format!("load = {{ rate = '1/s' }}\n{rest}");
        let parse = |rest: &str, key: &str, value: &str| {
            Scenario::parse("a.toml", &file(rest), &[Override::new(key, value)]).unwrap()
        };
        let own = "server = { command = ['./s', '{frontend}'] }";
        let scenario = Scenario::parse("a.toml", &file(own), &[]).unwrap();
        assert_eq!(scenario.proxy.engine, Engine::External);
        assert_eq!(scenario.proxy.frontend, "tcp://127.0.0.1:*".into(), "zload chooses the port");
        let built_in = parse(own, "proxy.engine", "batch");
        assert_eq!((built_in.server, built_in.proxy.engine), (None, Engine::Batch));
        let engine = "proxy = { engine = 'batch' }";
        let theirs = parse(engine, "server.command", "['./s', '{frontend}']");
        assert_eq!((theirs.server, theirs.proxy.engine), (scenario.server, Engine::External));
    }

    #[test]
    fn an_override_never_makes_another_one_give_way() {
        for both in [
            ["load.rate=5/s", "load.model=closed"],
            ["load.model=closed", "load.rate=5/s"],
            ["load.rate=5/s", "load.rate_per_client=1/s"],
        ] {
            let shown = parse(&both).unwrap_err().to_string();
            assert!(shown.contains("--set:1"), "{both:?}: {shown}");
        }
    }

    #[test]
    fn a_wrong_override_is_shown_as_such() {
        let shown = parse(&["clients.cuont=7"]).unwrap_err().to_string();
        assert!(shown.contains("--set:1"), "{shown}");
        assert!(shown.contains("did you mean `count`?"), "{shown}");
        let shown = parse(&["workers.count=4", "run.duration=5"]).unwrap_err().to_string();
        assert!(shown.contains("run.duration = 5") && shown.contains("5 has no unit"), "{shown}");
    }

    #[test]
    fn a_threshold_is_added_to_those_that_are_there() {
        let limits = |overrides: &[Override]| {
            let text = "load = { rate = '1/s' }\n[thresholds]\nlimits = ['a < 1']";
            let scenario = Scenario::parse("a.toml", text, overrides)?;
            Ok::<_, Problem>(scenario.thresholds.limits.iter().map(ToString::to_string).collect())
        };
        let [b, c] = ["b<2", "c > 3"].map(Override::threshold);
        let all: Vec<String> = limits(&[b.clone(), c.clone()]).unwrap();
        assert_eq!(all, ["a < 1", "b < 2", "c > 3"]);
        let emptied = "thresholds.limits=[]".parse().unwrap();
        assert_eq!(limits(&[emptied, b.clone()]).unwrap(), ["b < 2"]);
        let wrong = "thresholds.limits=7".parse().unwrap();
        assert!(limits(&[wrong, b]).unwrap_err().to_string().contains("--set:1"));
        let shown = limits(&[c, Override::threshold("b")]).unwrap_err().to_string();
        assert!(shown.contains("--threshold:1:22") && shown.contains("^^^"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_threshold_is_dropped(text in "(\\PC|[\n\r\t'\"\\\\\u{1b}\u{7f}]){0,12}|[a-c]<[\n ]?[1-9]") {
            let text_of_a_file = "load = { rate = '1/s' }";
            let read = Scenario::parse("a.toml", text_of_a_file, &[Override::threshold(&text)]);
            match read {
                Ok(scenario) => prop_assert_eq!(scenario.thresholds.limits.len(), 1),
                Err(problem) => prop_assert!(problem.to_string().contains("--threshold:1:")),
            }
        }
    }

    #[test]
    fn an_override_sets_one_key_and_no_other() {
        let shown = parse(&["workers.count=4\nclients.count=9"]).unwrap_err().to_string();
        assert!(shown.contains("wrong type: the text"), "{shown}");
    }

    #[test]
    fn an_override_needs_a_name_and_a_value() {
        for wrong in ["clients.count", "=5", "a..b=5", "a b=5", ""] {
            assert!(wrong.parse::<Override>().is_err(), "{wrong}");
        }
    }
}
