//! `KEY=VALUES`: the values that a sweep gives to a key of a scenario, and the grid of several keys. Pure.

use std::str::FromStr;

use super::load::Override;
use super::units::{Bytes, Nanos, Rate};
use super::vary::split;
use crate::quantity::{rounded, saturating};

/// Points that a grid may have if no time is given for it.
pub const MOST_POINTS: usize = 400;
/// Points that it may ever have.
const MOST_POINTS_EVER: usize = 10_000;
/// Keys whose values may be plain numbers.
const RATES: [&str; 2] = ["load.rate", "load.rate_per_client"];
/// Digits of the values of a range.
const DIGITS: i32 = 4;

/// A key and the values that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// The dotted name of the key.
    pub key: String,
    /// The values, as they are written; none if they are left to the command.
    pub values: Vec<String>,
}

/// What a number is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Nothing in particular.
    Plain,
    /// Per second.
    Rate,
    /// Nanoseconds.
    Time,
    /// Bytes.
    Size,
}

/// All combinations of the values of some keys, the last key changing first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The keys with their values.
    pub over: Vec<Over>,
}

/// The number that a value is, if it is one.
pub fn number(value: &str) -> Option<(Measure, f64)> {
    let plain = || value.parse::<f64>().ok().filter(|number| number.is_finite());
    let rate = || value.parse::<Rate>().ok().map(Rate::per_second);
    let time = || value.parse::<Nanos>().ok().map(|time| time.0 as f64);
    let size = || value.parse::<Bytes>().ok().map(|size| size.0 as f64);
    plain()
        .map(|number| (Measure::Plain, number))
        .or_else(|| rate().map(|number| (Measure::Rate, number)))
        .or_else(|| time().map(|number| (Measure::Time, number)))
        .or_else(|| size().map(|number| (Measure::Size, number)))
}

impl FromStr for Over {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((key, values)) = text.split_once('=') else {
            let key = text.trim();
            Override::named(key, "1")?;
            return Ok(Self { key: key.to_owned(), values: Vec::new() });
        };
        Self::of(key.trim(), &split(values))
    }
}

impl Over {
    /// A key with these values, each of which may be a range.
    pub fn of<T: AsRef<str>>(key: &str, values: &[T]) -> Result<Self, String> {
        Override::named(key, "1")?;
        let mut all: Vec<String> = Vec::new();
        for part in values {
            for value in expanded(key, part.as_ref().trim())? {
                if all.contains(&value) {
                    return Err(format!("{key} has the value {value} twice"));
                }
                all.push(value);
            }
        }
        if all.is_empty() {
            return Err(format!("{key} has no values: write some, as in {}", example(key)));
        }
        Ok(Self { key: key.to_owned(), values: all })
    }

    /// Whether the key is a rate of the load.
    pub fn is_rate(&self) -> bool {
        is_rate(&self.key)
    }
}

/// Whether this key is a rate of the load.
pub fn is_rate(key: &str) -> bool {
    RATES.contains(&key)
}

/// A value of a key as it is compared with others: a rate may be a plain number.
pub fn value_of(key: &str, value: &str) -> String {
    match number(value) {
        Some((Measure::Plain, _)) if is_rate(key) => format!("{value}/s"),
        _ => value.to_owned(),
    }
}

fn example(key: &str) -> String {
    if is_rate(key) { format!("{key}=100/s..900/s/9") } else { format!("{key}=1,2,4") }
}

/// The values of one part between commas.
fn expanded(key: &str, part: &str) -> Result<Vec<String>, String> {
    if part.is_empty() {
        return Err(format!("{key} has an empty value: write some, as in {}", example(key)));
    }
    let begins_with_a_number = part.starts_with(|c: char| c.is_ascii_digit());
    match part.split_once("..").filter(|_| begins_with_a_number) {
        Some((from, rest)) => range(key, part, from, rest),
        None => Ok(vec![value_of(key, part)]),
    }
}

/// The values of `FROM..TO/COUNT`, evenly spaced, or by equal ratios if `log` is behind it.
fn range(key: &str, part: &str, from: &str, rest: &str) -> Result<Vec<String>, String> {
    let (rest, is_log) = match rest.trim_end().strip_suffix("log") {
        Some(rest) => (rest.trim_end(), true),
        None => (rest.trim_end(), false),
    };
    let wrong = |why: &str| Err(format!("{key}: \"{part}\" {why}"));
    let Some((to, count)) =
        rest.rsplit_once('/').and_then(|(to, count)| Some((to, count.trim().parse::<u32>().ok()?)))
    else {
        return wrong("does not say how many values: write it as FROM..TO/COUNT, as in 100..900/9");
    };
    if count < 2 || count as usize > MOST_POINTS_EVER {
        return wrong(&format!("must have from 2 to {MOST_POINTS_EVER} values"));
    }
    let ends = [from, to].map(|end| number(value_of(key, end.trim()).as_str()));
    let [Some((measure, low)), Some((of_high, high))] = ends else {
        return wrong("does not begin and end with a number, as in 100..900/9 or 1ms..10ms/10");
    };
    if measure != of_high {
        return wrong("begins and ends with another unit");
    }
    if low >= high {
        return wrong("must end above its begin");
    }
    if is_log && low <= 0.0 {
        return wrong("must begin above 0, as its values have equal ratios");
    }
    let whole = measure == Measure::Plain && low.fract() == 0.0 && high.fract() == 0.0;
    let value = |place: u32| {
        let share = f64::from(place) / f64::from(count - 1);
        let value = match place {
            0 => low,
            last if last == count - 1 => high,
            _ if is_log => low * libm::pow(high / low, share),
            _ => low + (high - low) * share,
        };
        let value = if place == 0 || place == count - 1 { value } else { short(value) };
        written(if whole { value.round() } else { value }, measure)
    };
    let mut values: Vec<String> = (0..count).map(value).collect();
    values.dedup();
    if values.len() < count as usize {
        return wrong(&format!("has no {count} different values: they are too close together"));
    }
    Ok(values)
}

/// The number with a few digits.
fn short(value: f64) -> f64 {
    let digits = DIGITS - 1 - i32::try_from(saturating(value.log10().max(0.0))).unwrap_or(0);
    let scale = 10_f64.powi(digits.max(-12));
    (value * scale).round() / scale
}

/// A number as a scenario has it.
fn written(value: f64, measure: Measure) -> String {
    match measure {
        Measure::Plain => value.to_string(),
        Measure::Rate => {
            let plain = format!("{value}/s");
            plain.parse::<Rate>().map_or(plain, |rate| rate.to_string())
        }
        Measure::Time => Nanos(rounded(value)).to_string(),
        Measure::Size => Bytes(rounded(value)).to_string(),
    }
}

impl Grid {
    /// The grid of these keys; `bounded` if it is known how long it may take. Fails if a key is there twice, or if there are too few or
    /// too many points.
    pub fn new(over: Vec<Over>, bounded: bool) -> Result<Self, String> {
        for (place, one) in over.iter().enumerate() {
            if over[..place].iter().any(|other| other.key == one.key) {
                return Err(format!("{} is swept twice: give all its values at once", one.key));
            }
        }
        if over.iter().filter(|one| one.is_rate()).count() > 1 {
            return Err(format!("an open load has one rate: sweep {} or {}", RATES[0], RATES[1]));
        }
        let grid = Self { over };
        match grid.len() {
            Some(0 | 1) => Err("one point is nothing to sweep: give a key two values".to_owned()),
            Some(points) if points > MOST_POINTS && !bounded => Err(format!(
                "the grid has {points} points, more than {MOST_POINTS}: give --time, or fewer values"
            )),
            Some(points) if points <= MOST_POINTS_EVER => Ok(grid),
            _ => {
                Err(format!("the grid has more than {MOST_POINTS_EVER} points: give fewer values"))
            }
        }
    }

    /// How many points it has; `None` of more than can be counted.
    fn len(&self) -> Option<usize> {
        self.over.iter().try_fold(1_usize, |all, one| all.checked_mul(one.values.len()))
    }

    /// The values of every point, in the order of the keys.
    pub fn points(&self) -> Vec<Vec<String>> {
        self.over.iter().fold(vec![Vec::new()], |points, one| {
            let with = |point: &Vec<String>| {
                let with = |value: &String| [&point[..], std::slice::from_ref(value)].concat();
                one.values.iter().map(with).collect::<Vec<_>>()
            };
            points.iter().flat_map(with).collect()
        })
    }

    /// What a point sets, in the words of `option`.
    pub fn overrides(&self, point: &[String]) -> Vec<Override> {
        let keys = self.over.iter().map(|one| one.key.as_str());
        keys.zip(point).map(|(key, value)| Override::new(key, value).called("--over")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Result<Vec<String>, String> {
        text.parse::<Over>().map(|over| over.values)
    }

    #[test]
    fn values_are_lists_and_ranges() {
        let of =
            |text: &str, expected: &[&str]| assert_eq!(values(text).unwrap(), expected, "{text}");
        of(
            "load.rate=100..900/9",
            &["100/s", "200/s", "300/s", "400/s", "500/s", "600/s", "700/s", "800/s", "900/s"],
        );
        of("load.rate=500/s..2k/s/4", &["500/s", "1k/s", "1.5k/s", "2k/s"]);
        of("load.rate=10..1000/3 log", &["10/s", "100/s", "1k/s"]);
        of("load.rate=100..10000/5log", &["100/s", "316.2/s", "1k/s", "3162/s", "10k/s"]);
        of("load.rate=100, 200/s,30/m", &["100/s", "200/s", "30/m"]);
        of("load.rate=100..300/3,350", &["100/s", "200/s", "300/s", "350/s"]);
        of("workers.count=1,2,4", &["1", "2", "4"]);
        of("clients.count = 1..10/4", &["1", "4", "7", "10"]);
        of("workers.delay=1ms..2ms/3", &["1ms", "1500us", "2ms"]);
        of("load.payload=64B..4KiB/3 log", &["64B", "512B", "4KiB"]);
        of("verdict.max_lost=0.1..0.3/3", &["0.1", "0.2", "0.3"]);
        of(
            "workers.delay={ uniform = ['1ms', '2ms'] },'3ms'",
            &["{ uniform = ['1ms', '2ms'] }", "'3ms'"],
        );
        of("proxy.engine=poll,batch", &["poll", "batch"]);
        of("load.rate", &[]);
    }

    #[test]
    fn every_wrong_form_is_refused_with_its_reason() {
        for (text, part) in [
            ("load.rate=", "has an empty value"),
            ("load.rate=100,", "has an empty value"),
            ("load.rate=,100", "has an empty value"),
            ("load.rate=100..900", "does not say how many values"),
            ("load.rate=100..900/", "does not say how many values"),
            ("load.rate=100..900/x", "does not say how many values"),
            ("load.rate=100..900/-3", "does not say how many values"),
            ("load.rate=100..900/1", "must have from 2 to"),
            ("load.rate=100..900/20000", "must have from 2 to"),
            ("load.rate=900..100/9", "must end above its begin"),
            ("load.rate=100..100/9", "must end above its begin"),
            ("load.rate=0..900/9 log", "must begin above 0"),
            ("load.rate=100..9ms/9", "another unit"),
            ("load.rate=100../9", "does not begin and end with a number"),
            ("load.rate=1x..9x/9", "does not begin and end with a number"),
            ("workers.count=1..4/9", "too close together"),
            ("workers.count=1,2,1", "the value 1 twice"),
            ("load.rate=100,100/s", "the value 100/s twice"),
            ("workers count=1,2", "is not a dotted name"),
            ("=1,2", "is not a dotted name"),
            ("load..rate=1,2", "is not a dotted name"),
            ("", "is not a dotted name"),
        ] {
            let why = values(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    fn grid(texts: &[&str], bounded: bool) -> Result<Grid, String> {
        Grid::new(texts.iter().map(|text| text.parse().unwrap()).collect(), bounded)
    }

    #[test]
    fn a_grid_is_every_combination_the_last_key_changing_first() {
        let points = grid(&["workers.count=1,2", "load.rate=10,20"], false).unwrap().points();
        let points: Vec<String> = points.iter().map(|point| point.join(" ")).collect();
        assert_eq!(points, ["1 10/s", "1 20/s", "2 10/s", "2 20/s"]);
    }

    #[test]
    fn grids_that_nobody_means_are_refused() {
        for (texts, bounded, part) in [
            (&["workers.count=1"][..], false, "nothing to sweep"),
            (&["load.rate"], false, "nothing to sweep"),
            (&["workers.count=1,2", "workers.count=3,4"], false, "is swept twice"),
            (&["load.rate=1,2", "load.rate_per_client=1,2"], false, "one rate"),
            (&["load.rate=1..500/401"], false, "give --time"),
            (&["load.rate=1..500/201", "workers.count=1,2"], false, "give --time"),
            (&["load.rate=1..5000/5000", "workers.count=1,2,4"], true, "more than 10000"),
        ] {
            let why = grid(texts, bounded).expect_err(part);
            assert!(why.contains(part), "{texts:?}: {why}");
        }
        assert_eq!(grid(&["load.rate=1..500/401"], true).unwrap().points().len(), 401);
    }

    proptest! {
        #[test]
        fn a_grid_has_as_many_points_as_its_lists_multiply_to_and_none_twice(
            lengths in prop::collection::vec(1..6_usize, 1..4),
        ) {
            let over: Vec<Over> = lengths.iter().enumerate().map(|(place, length)| {
                let values: Vec<String> = (0..*length).map(|value| value.to_string()).collect();
                Over::of(&format!("a.key{place}"), &values).unwrap()
            }).collect();
            let expected: usize = lengths.iter().product();
            match Grid::new(over, false) {
                Ok(grid) => {
                    let mut points = grid.points();
                    prop_assert_eq!(points.len(), expected);
                    prop_assert!(points.is_sorted());
                    points.dedup();
                    prop_assert_eq!(points.len(), expected);
                }
                Err(_) => prop_assert!(!(2..=MOST_POINTS).contains(&expected)),
            }
        }

        #[test]
        fn a_range_has_its_ends_its_number_and_its_order(
            low in 1..10_000_u32, width in 1..100_000_u32, count in 2..50_u32, log in any::<bool>(),
        ) {
            let high = low + width;
            let log = if log { " log" } else { "" };
            let text = format!("load.rate={low}..{high}/{count}{log}");
            if let Ok(values) = values(&text) {
                let numbers: Vec<f64> = values.iter().map(|value| number(value).unwrap().1).collect();
                prop_assert_eq!(numbers.len(), count as usize);
                prop_assert!(numbers.is_sorted_by(|one, other| one < other), "{:?}", values);
                prop_assert!((numbers[0] - f64::from(low)).abs() < 1e-9);
                prop_assert!((numbers[numbers.len() - 1] - f64::from(high)).abs() < 1e-9);
            }
        }

        #[test]
        fn nothing_that_is_written_is_a_panic(text in "\\PC{0,40}", range in "[0-9a-z./]{0,20}") {
            let _either = text.parse::<Over>();
            let _either = format!("load.rate={range}").parse::<Over>();
        }
    }
}
