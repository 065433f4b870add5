//! The report of a sweep: where the system keeps up and where not, every point in a table, the curve, and what may be doubted.

use super::document::{
    Block, Depth, Document, Kind, Mark, Row, Section, Span, Spark, Status, Table, Tone, Words,
    words,
};
use super::value::{self, UNCERTAIN};
use super::{Reported, machine, origin, scenario_text, sweep_answer, sweep_curve};
use crate::result::{FieldUnit, Outcome, PointFigure, Required, SweepPoint, SweepResult, figures};
use crate::sweep::{played_and_void, series};
use zload_core::quantity::{change, counted, duration, percent, rate};
use zload_core::scenario::over;

/// Figures that every table has, besides those that were asked for.
const SHOWN: [(&str, &str); 6] = [
    ("latency.first_reply.p50", "p50"),
    ("latency.first_reply.p99", "p99"),
    ("ideal.first_reply.p99", "ideal p99"),
    ("ledger.requests_lost", "lost"),
    ("proxy.busy_ratio", "proxy"),
    ("generator.driver_busy_ratio", "driver"),
];
/// What is not said by the headings.
const COLUMNS: &str =
    "achieved: requests served per second; ideal: the lower bound; proxy, driver: share of a CPU";
/// Runs without an answer that are shown with their reasons.
const MOST_VOID: usize = 20;
/// The longest name of a line of bars.
const LONGEST_NAME: usize = 9;

impl Reported for SweepResult {
    fn report(&self) -> Document {
        let mut sections = vec![answer(self), points(self)];
        sections.extend(matrix(self));
        sections.extend(curve(self));
        sections.extend(effects(self));
        sections.extend(void_runs(self));
        sections.extend([method(self), scenario(self)]);
        Document {
            origin: origin(&self.environment),
            command: self.environment.command.clone().unwrap_or_default(),
            ..Document::new(
                words!(Span::name(&self.scenario.name), ", sweep"),
                &self.environment.zload,
                sections,
            )
        }
    }
}

fn answer(result: &SweepResult) -> Section {
    let (meaning, tone) = sweep_answer::answer(result);
    let mut blocks = vec![Block::Status(Status {
        of: None,
        word: String::new(),
        meaning: meaning.into(),
        tone,
    })];
    let required = result.required.iter().filter_map(|of| required(result, of));
    let doubts = sweep_answer::doubts(result).into_iter().map(|doubt| (Mark::Warn, doubt.into()));
    let notes = result.notes.iter().map(|note| (Mark::Bullet, note.as_str().into()));
    let list: Vec<(Mark, Words)> = required.chain(doubts).chain(notes).collect();
    if !list.is_empty() {
        blocks.push(Block::List(list));
    }
    Section::bare("verdict", Depth::Answer, blocks)
}

/// Whether a point meets the thresholds.
fn required(result: &SweepResult, of: &Required) -> Option<(Mark, Words)> {
    let point = result.points.get(usize::try_from(of.point).ok()?)?;
    let name = sweep_answer::name_of(result, point);
    Some(match (of.state, of.missed.as_slice()) {
        (_, [_, ..]) => (Mark::Fail, format!("{name} misses {}", of.missed.join(", ")).into()),
        (None, _) => (Mark::Unknown, format!("{name} was not played").into()),
        (Some(Outcome::Void), _) => (Mark::Unknown, format!("{name}: its runs say nothing").into()),
        (Some(_), _) => (Mark::Pass, format!("{name} meets every threshold").into()),
    })
}

/// A figure of a table: its name in the catalogue, what is above it, and what it is in.
struct Shown {
    name: String,
    heading: String,
    unit: FieldUnit,
    is_share: bool,
}

/// The figures that the points have.
fn shown(result: &SweepResult) -> Vec<Shown> {
    let asked = result.y.iter().filter(|name| SHOWN.iter().all(|of| of.0 != **name)).map(|name| {
        let short = name.strip_prefix("latency.").unwrap_or(name);
        (name.as_str(), short.to_owned())
    });
    let usual = SHOWN.iter().map(|(name, heading)| (*name, (*heading).to_owned()));
    let has = |name: &str| result.points.iter().any(|point| point.figures.contains_key(name));
    asked
        .chain(usual)
        .filter(|(name, _)| has(name))
        .filter_map(|(name, heading)| {
            let figure = figures::named(name)?;
            let (unit, is_share) = (figure.unit, figure.is_share());
            Some(Shown { name: name.to_owned(), heading, unit, is_share })
        })
        .collect()
}

fn points(result: &SweepResult) -> Section {
    let shown = shown(result);
    let mut headings: Vec<String> = result.over.iter().map(|of| of.key.clone()).collect();
    headings.extend(["state", "achieved"].map(str::to_owned));
    let bar_of = sweep_curve::main_figure(result);
    for of in &shown {
        headings.push(of.heading.clone());
        if Some(&of.name) == bar_of {
            headings.push("±".to_owned());
        }
    }
    let row = |(place, point): (usize, &SweepPoint)| {
        let mut cells: Vec<Words> =
            point.values.iter().map(|value| Span::name(value).into()).collect();
        cells.push(state(point.state));
        let achieved = point
            .achieved_per_s
            .map(|per_s| value::per_second(format!("points.{place}.achieved_per_s"), per_s));
        cells.push(achieved.unwrap_or_else(|| Span::Nothing.into()));
        for of in &shown {
            let figure = point.figures.get(&of.name);
            cells.push(cell(place, of, figure));
            if Some(&of.name) == bar_of {
                cells.push(figure.and_then(bar).map_or_else(|| "".into(), Words::from));
            }
        }
        Row::of(cells)
    };
    let mut table = Table::of(headings).rows(result.points.iter().enumerate().map(row));
    table.id = "points-table";
    let keys = result.over.len();
    let main = shown.iter().find(|of| Some(&of.name) == bar_of).map(|of| of.heading.clone());
    for (place, column) in table.columns.iter_mut().enumerate() {
        let is_bar_of = main.as_ref().is_some_and(|name| column.heading.plain() == *name);
        column.is_main = place == keys || place == keys + 1 || is_bar_of;
        if column.heading.plain() == "±" {
            column.kind = Kind::Beneath;
        }
    }
    let marked = table.is_marked();
    let mut blocks = vec![Block::Table(table)];
    if marked {
        blocks.push(Block::note(UNCERTAIN));
    }
    if !shown.is_empty() {
        blocks.push(Block::note(COLUMNS));
    }
    Section::bare("points", Depth::Answer, blocks)
}

fn state(state: Option<Outcome>) -> Words {
    match state {
        None => Span::Nothing.into(),
        Some(Outcome::Ok) => Outcome::Ok.name().into(),
        Some(Outcome::Overload) => {
            Span::Toned(Tone::Alarm, Outcome::Overload.name().to_owned()).into()
        }
        Some(Outcome::Void) => Span::Toned(Tone::Doubt, Outcome::Void.name().to_owned()).into(),
    }
}

fn cell(place: usize, of: &Shown, figure: Option<&PointFigure>) -> Words {
    let Some(figure) = figure else { return Span::Nothing.into() };
    let text = if of.is_share {
        format!("{:.0} %", figure.value * 100.0)
    } else {
        of.unit.show(figure.value)
    };
    let field = format!("points.{place}.figures.{}.value", of.name);
    let words = Span::Value(field, figure.value.to_string(), text).into();
    if figure.uncertain { words!(Span::Mark(Mark::Uncertain), words) } else { words }
}

/// How far the bar of a figure goes from its value, as a share of it.
fn bar(figure: &PointFigure) -> Option<String> {
    let (from, to) = figure.from.zip(figure.to).filter(|_| figure.value > 0.0)?;
    let far = (to - figure.value).max(figure.value - from) / figure.value;
    Some(format!("±{:.0} %", far * 100.0))
}

/// The first figure as a table of two keys that are no rates.
fn matrix(result: &SweepResult) -> Option<Section> {
    let [down, across] = result.over.as_slice() else { return None };
    if over::is_rate(&down.key) || over::is_rate(&across.key) {
        return None;
    }
    let name = result.y.first()?;
    let figure = figures::named(name)?;
    let of = Shown {
        name: name.clone(),
        heading: String::new(),
        unit: figure.unit,
        is_share: figure.is_share(),
    };
    let headings = std::iter::once(down.key.clone())
        .chain(across.values.iter().map(|value| format!("{}={value}", across.key)));
    let row = |(place, value): (usize, &String)| {
        let points = result.points.iter().enumerate();
        let row = points.skip(place * across.values.len()).take(across.values.len());
        let cells = row.map(|(place, point)| match point.state {
            Some(Outcome::Ok) => cell(place, &of, point.figures.get(name)),
            other => state(other),
        });
        Row::of(std::iter::once(Span::name(value).into()).chain(cells).collect::<Vec<Words>>())
    };
    let table = Table::of(headings).rows(down.values.iter().enumerate().map(row));
    let short = name.strip_prefix("latency.").unwrap_or(name);
    let heading = format!("{short} by {} and {}", down.key, across.key);
    Some(Section::new("matrix", heading, Depth::Answer, vec![Block::Table(table)]))
}

/// A key without the table that it is in.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// The plot for printers that draw, and lines of bars for those that do not.
fn curve(result: &SweepResult) -> Option<Section> {
    let mut blocks: Vec<Block> = sweep_curve::plot(result).map(Block::Plot).into_iter().collect();
    let sparks = sparks(result);
    if !sparks.is_empty() {
        blocks.push(Block::Sparks(sparks));
    }
    (!blocks.is_empty()).then(|| Section::bare("curve", Depth::Answer, blocks))
}

/// One line for each figure, or for each series of the last figure that was asked for.
fn sparks(result: &SweepResult) -> Vec<Spark> {
    let key = sweep_curve::axis(result);
    let all = series(result, key);
    let spark = |name: String, points: &[&SweepPoint], of: &Shown| {
        let ok = points.iter().filter(|point| point.state == Some(Outcome::Ok));
        let values: Vec<f64> =
            ok.filter_map(|point| Some(point.figures.get(&of.name)?.value)).collect();
        let (least, most) = values
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |ends, value| (ends.0.min(*value), ends.1.max(*value)));
        let show = |value: f64| {
            if of.is_share { percent(value) } else { of.unit.show(value) }
        };
        let range = format!("{} to {}", show(least), show(most));
        (values.len() > 1).then_some(Spark { name, values, range })
    };
    let shown = shown(result);
    match all.as_slice() {
        [one] => {
            shown.iter().filter_map(|of| spark(shortened(&of.heading), &one.points, of)).collect()
        }
        several => {
            let Some(of) = sweep_curve::main_figure(result)
                .and_then(|name| shown.iter().find(|of| of.name == *name))
            else {
                return Vec::new();
            };
            let name = |others: &[String]| match others {
                [one] => shortened(last_of_setting(one)),
                others => {
                    let value =
                        |text: &String| text.split('=').next_back().unwrap_or("").to_owned();
                    shortened(&others.iter().map(value).collect::<Vec<_>>().join("/"))
                }
            };
            several.iter().filter_map(|one| spark(name(&one.others), &one.points, of)).collect()
        }
    }
}

/// `count=4` of `workers.count=4`.
fn last_of_setting(setting: &str) -> &str {
    let key = setting.split('=').next().unwrap_or(setting);
    &setting[key.len() - last(key).len()..]
}

/// The name of a line of bars: short, and of signs that mean nothing to a terminal or to Markdown.
fn shortened(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "=._-/ ".contains(*c);
    name.chars().filter(is_plain).take(LONGEST_NAME).collect()
}

fn effects(result: &SweepResult) -> Option<Section> {
    if result.effects.is_empty() {
        return None;
    }
    let row = |(place, effect): (usize, &crate::result::KeyEffect)| {
        let field = |name: &str| format!("effects.{place}.{name}");
        Row::of::<Words>([
            format!("{}: {} to {}", effect.key, effect.from, effect.to).into(),
            value::change(field("percent"), Some(effect.percent)),
            format!("{} to {}", change(effect.ci_low_percent), change(effect.ci_high_percent))
                .into(),
            format!("{:.3}", effect.p_value).into(),
            if effect.p_value <= 0.05 { "yes".into() } else { "not shown".into() },
        ])
    };
    let rows = result.effects.iter().enumerate().map(row);
    let table = Table::of(["step", "change", "95 % interval", "p", "shown"]).rows(rows);
    let figure = &result.effects[0].figure;
    let heading =
        format!("What each step changes in {}", figure.strip_prefix("latency.").unwrap_or(figure));
    let note = "over all values of the other keys, pass by pass: the points of a pass have one seed and a random order; p is corrected for \
                the number of steps";
    Some(Section::new(
        "effects",
        heading,
        Depth::Answer,
        vec![Block::Table(table), Block::note(note)],
    ))
}

/// The runs that say nothing, with their reasons.
fn void_runs(result: &SweepResult) -> Option<Section> {
    let runs =
        result.points.iter().flat_map(|point| point.runs.iter().map(move |run| (point, run)));
    let void: Vec<_> = runs.filter(|(_, run)| run.outcome == Outcome::Void).collect();
    let line = |(point, run): &(&SweepPoint, &crate::result::SweepRun)| {
        let why = run.why.as_deref().unwrap_or("no reason is known");
        let name = sweep_answer::name_of(result, point);
        (Mark::Warn, format!("run {} ({name}): {why}", run.number).into())
    };
    let list: Vec<(Mark, Words)> = void.iter().take(MOST_VOID).map(line).collect();
    (!list.is_empty()).then(|| {
        let heading = "Runs that say nothing of the system";
        Section::new("void", heading, Depth::Detail, vec![Block::List(list)])
    })
}

fn method(result: &SweepResult) -> Section {
    let (played, void) = played_and_void(result);
    let passes =
        if result.passes == 1 { "1 pass".to_owned() } else { format!("{} passes", result.passes) };
    let mut rows: Vec<(Words, Words)> = vec![
        (
            "order".into(),
            format!(
                "{passes}, each over the whole grid in a random order of its own (seed {}); all points of a pass have the same seed",
                result.seed
            )
            .into(),
        ),
        (
            "runs".into(),
            format!(
                "{} played, {void} of them void: {} each after {} of warm-up, in a process of its own",
                counted(played as u64, "run"),
                duration(result.window_ns),
                duration(result.warmup_ns)
            )
            .into(),
        ),
        (
            "figures".into(),
            "the median over the passes; ±: how far the range of 3 to 5 passes goes from it, or the 95 % Hodges-Lehmann interval of more. \
             An overloaded point has no response time: it would say how long the run was"
                .into(),
        ),
    ];
    rows.extend(result.drift.map(|drift| {
        let said = format!(
            "{} in the second half of the time (p = {:.3} for no change)",
            change(drift.change_percent),
            drift.p_value
        );
        ("drift".into(), said.into())
    }));
    let bounds = result.points.iter().filter_map(|point| point.bound_per_s);
    if let Some(bound) = bounds.reduce(f64::max) {
        let most = rate(bound);
        rows.push((
            "bound".into(),
            format!("workers are busy all the time at {most}, at most").into(),
        ));
    }
    rows.extend(
        result.cpus.map(|cpus| ("CPUs".into(), format!("all threads pinned to {cpus}").into())),
    );
    rows.push(("machine".into(), machine(&result.environment).into()));
    Section::new("method", "Method", Depth::Appendix, vec![Block::Settings(rows)])
}

fn scenario(result: &SweepResult) -> Section {
    let blocks = vec![Block::Verbatim(scenario_text(&result.scenario))];
    Section::new("scenario", "Scenario of the first point", Depth::Appendix, blocks)
}
