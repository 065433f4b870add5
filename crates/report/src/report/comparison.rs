//! The report of a comparison: the answer first, then what speaks for it, then both sides next to each other.

use super::answer::{difference, how, metrics, sides, status, title, word};
use super::curve::{self, Curve, Support};
use super::densities;
use super::document::{Block, Depth, Document, Mark, Section, Span, Tone, Words, words};
use super::ledger::ledger;
use super::legs::side_by_side;
use super::plot::Ink;
use super::quantiles::quantiles;
use super::short;
use super::slices::slices;
use super::value::{change, counted as number, metric, per_second};
use super::{Reported, latency, machine, origin, scenario_text};
use crate::compare::short;
use crate::result::{ComparisonResult, LatencySummary, SideFigures, Steadiness};
use zload_core::quantity::{counted, duration};

impl Reported for ComparisonResult {
    fn report(&self) -> Document {
        let (word, tone) = word(self);
        let mut sections = pair("", "", self);
        for (number, other) in self.others.iter().enumerate() {
            sections.extend(pair(&format!("other-{number}-"), &format!("others.{number}."), other));
        }
        sections.push(latencies(self));
        sections.extend(side_by_side(&self.a, &self.b));
        sections.extend(slices(self));
        sections.extend([ledgers(self), method(self), scenarios(self)]);
        Document {
            word,
            tone,
            short: short::comparison(self),
            origin: origin(&self.b.environment),
            command: command(self).unwrap_or_default(),
            ..Document::new(title(self), &self.b.environment.zload, sections)
        }
    }
}

/// The command line of the comparison: a side that was saved has the one of its own run.
pub(super) fn command(result: &ComparisonResult) -> Option<String> {
    result.b.environment.command.clone().filter(|_| result.method.interleaved)
}

/// What is said of each pair of sides, which is at this path in the result.
fn pair(id: &str, path: &str, result: &ComparisonResult) -> Vec<Section> {
    let named = |name: &str| format!("{id}{name}");
    let mut blocks = vec![Block::Status(status(result))];
    blocks.extend(primary(path, result));
    blocks.extend(Block::remarks(Mark::Warn, &result.notes));
    let id = if path.is_empty() { "metrics-table" } else { "" };
    let metrics = vec![Block::Table(metrics(id, path, result))];
    let mut sections = vec![
        Section::bare(&named("verdict"), Depth::Answer, blocks),
        Section::bare(&named("sides"), Depth::Answer, vec![Block::Settings(compared(result))]),
        Section::bare(&named("metrics"), Depth::Answer, metrics),
    ];
    let densities = if path.is_empty() { densities::plot(result) } else { None };
    let drawn = |plot| Section::bare("both-sides", Depth::Answer, vec![Block::Plot(plot)]);
    sections.splice(1..1, densities.map(drawn));
    sections.extend(quantiles(&named("quantile-by-quantile"), path, result));
    sections
}

/// The metric that decides, large where there is room.
fn primary(path: &str, result: &ComparisonResult) -> Option<Block> {
    let (number, of) =
        result.metrics.iter().enumerate().find(|(_, of)| of.name == result.primary)?;
    let field = |name: &str| format!("{path}metrics.{number}.{name}");
    let figures = vec![
        ("a", metric(field("a"), of.a, of.unit), Tone::Plain),
        ("b", metric(field("b"), of.b, of.unit), Tone::Plain),
        ("change", change(field("effect_percent"), of.effect_percent), word(result).1),
    ];
    let meaning =
        format!("a is {}, b is {}, by {}.", result.a.name, result.b.name, short(&of.name));
    of.effect_percent.map(|_| Block::Figures(figures, meaning.into()))
}

/// Both sides, how they were compared, and where they differ.
fn compared(result: &ComparisonResult) -> Vec<(Words, Words)> {
    let mut rows: Vec<(Words, Words)> =
        sides(result).map(|(letter, of)| (letter.into(), side(letter, of))).into();
    rows.push(("method".into(), how(result).into()));
    rows.extend(result.differences.iter().map(difference));
    rows
}

fn side(letter: &str, side: &SideFigures) -> Words {
    let source =
        if side.source == side.name { String::new() } else { format!(", {}", side.source) };
    let runs = counted(u64::from(side.runs), "run");
    let plan = Span::code(&side.plan_hash);
    let mut words = words!(Span::name(&side.name), source, ", plan ", plan, ", ", runs);
    if side.invalid > 0 {
        let why = side.invalid_because.first().map_or("", String::as_str);
        let runs = counted(u64::from(side.invalid), "run");
        words = words.and(format!(", plus {runs} INVALID ({why})"));
    }
    let lost = side.ledger.replies_lost;
    if lost > 0 {
        words = words!(
            words,
            ", ",
            number(format!("{letter}.ledger.replies_lost"), lost),
            " replies lost"
        );
    }
    words
}

fn latencies(result: &ComparisonResult) -> Section {
    let mut named: Vec<latency::Named> = sides(result)
        .map(|(letter, side)| {
            let path = format!("{letter}.latency.first_reply");
            (Span::side(letter, &side.name).into(), path, &side.latency.first_reply)
        })
        .into();
    let ideals = ideals(result).into_iter();
    named.extend(ideals.map(|(letter, ideal)| ("ideal".into(), format!("{letter}.ideal"), ideal)));
    let plot = curve::plot("percentiles", &curves(result));
    let blocks = plot
        .map(Block::Plot)
        .into_iter()
        .chain([Block::Table(latency::table("latencies", &named))])
        .collect();
    Section::new("latency", "Latency", Depth::Appendix, blocks)
}

fn curves(result: &ComparisonResult) -> Vec<Curve<'_>> {
    let of = |ink, name: &str, latencies, support| Curve {
        ink: Ink(ink),
        name: name.to_owned(),
        latencies,
        intervals: false,
        support,
    };
    let ComparisonResult { a, b, .. } = result;
    let mut curves = vec![
        of("first", &a.name, &a.latency.first_reply, Support::ByCount),
        of("b", &b.name, &b.latency.first_reply, Support::ByCount),
    ];
    let names = match ideals(result)[..] {
        [_] if a.ideal == b.ideal => ["lower bound of both", ""],
        [_] if a.ideal.is_none() => ["lower bound of the second", ""],
        _ => ["lower bound of the first", "lower bound of the second"],
    };
    let inks = ["third thin", "fourth thin"].into_iter().zip(names);
    curves.extend(
        inks.zip(ideals(result))
            .map(|((ink, name), (_, ideal))| of(ink, name, ideal, Support::Throughout)),
    );
    curves
}

/// The ideals of both sides, once if they are the same.
fn ideals(result: &ComparisonResult) -> Vec<(&'static str, &LatencySummary)> {
    let ideals =
        sides(result).into_iter().filter_map(|(letter, side)| Some((letter, side.ideal.as_ref()?)));
    ideals.take(if result.a.ideal == result.b.ideal { 1 } else { 2 }).collect()
}

fn ledgers(result: &ComparisonResult) -> Section {
    let mut blocks =
        vec![Block::sentence("Every message of the valid runs, each in exactly one place.")];
    for (letter, side) in sides(result) {
        let field = |name: &str| format!("{letter}.throughput.{name}");
        let requests = per_second(field("requests_per_s"), side.throughput.requests_per_s);
        let replies = per_second(field("replies_per_s"), side.throughput.replies_per_s);
        let runs = counted(u64::from(side.runs), "run");
        let window = duration(side.throughput.window_ns);
        let rates = words!(runs, ", ", requests, " requests, ", replies, " replies, over ", window);
        blocks.push(Block::Subheading(Span::side(letter, &side.name).into()));
        blocks.push(Block::note(rates));
        blocks.push(ledger(&format!("{letter}.ledger"), &side.ledger));
    }
    Section::new("ledger", "Ledgers", Depth::Appendix, blocks)
}

fn method(result: &ComparisonResult) -> Section {
    let method = &result.method;
    let order = if method.interleaved {
        "slices of both sides took turns at random"
    } else {
        "one after the other, so the difference includes what changed on the machine in between"
    };
    let change = format!(
        "by how much b exceeds a, with its {} % interval; the shaded margin counts as no difference",
        method.confidence_percent
    );
    let slices = format!(
        "{} blocks of {} slices of each side, {} each after {} of warm-up",
        method.blocks,
        method.slices_per_block,
        duration(method.slice_ns),
        duration(method.slice_warmup_ns)
    );
    let cpus = match method.cpus {
        Some(cpus) => format!("all threads pinned to {cpus}"),
        None => "all".to_owned(),
    };
    let mut rows: Vec<(Words, Words)> = vec![
        ("change".into(), change.into()),
        ("order".into(), format!("{order}, seed {}", method.seed).into()),
        ("slices".into(), slices.into()),
        ("CPUs".into(), cpus.into()),
    ];
    rows.extend(result.machine.as_ref().map(|fitness| ("machine".into(), fit(fitness).into())));
    rows.extend(sides(result).map(|(letter, side)| {
        let by = side.exe.as_ref().map(|exe| format!("by {exe}; ")).unwrap_or_default();
        (letter.into(), format!("{by}{}", machine(&side.environment)).into())
    }));
    rows.extend(sides(result).into_iter().filter(|(_, side)| side.invalid > 0).map(
        |(letter, side)| {
            let runs = format!("{} INVALID: ", counted(u64::from(side.invalid), "run"));
            (letter.into(), format!("{runs}{}", side.invalid_because.join("; ")).into())
        },
    ));
    let blocks = vec![Block::Settings(rows)];
    Section::new("method", "Method", Depth::Appendix, blocks)
}

fn fit(fitness: &Steadiness) -> String {
    let word = if fitness.fit { "fit" } else { "too noisy to compare anything" };
    format!(
        "{word}: the same piece of work, repeated, took {:.2} times its minimum at p90 and {:.2} times at p99",
        fitness.p90_ratio, fitness.p99_ratio
    )
}

fn scenarios(result: &ComparisonResult) -> Section {
    let of = |(letter, side): (_, &SideFigures)| {
        [
            Block::Subheading(Span::side(letter, &side.name).into()),
            Block::Verbatim(scenario_text(&side.scenario)),
        ]
    };
    let blocks = sides(result).into_iter().flat_map(of).collect();
    Section::new("scenario", "Scenarios", Depth::Appendix, blocks)
}
