//! The report of a run: whether to believe it, what was run, and every figure.

use serde_json::json;

use super::buckets;
use super::document::{
    Block, Depth, Document, Heading, Kind, Mark, Row, Section, Span, Table, Tone, words,
};
use super::latency::latency;
use super::ledger::ledger;
use super::legs::legs;
use super::plan::settings;
use super::probes::probes;
use super::requests::requests;
use super::scale::nanos;
use super::shards::shards;
use super::short;
use super::stages::stages;
use super::time::over_time;
use super::value::{figure, mean_time};
use super::verdict::{checks, ended, headline, thresholds, verdict};
use super::{Reported, machine, origin, scenario_text};
use crate::result::{GeneratorFigures, ProxyFigures, RunResult, ServerFigures, figures, to_value};
use zload_core::quantity::{self, bytes, bytes_per_second, count, duration, percent};
use zload_core::scenario::in_words;

impl Reported for RunResult {
    fn report(&self) -> Document {
        let (word, _, tone) = headline(self.verdict.status);
        let (legs, runs) = (legs(self), runs(self));
        let marked = [&legs, &runs].into_iter().flatten().any(Section::is_marked);
        let sections = [
            alarms(self),
            Some(verdict(&self.verdict)),
            thresholds(self),
            Some(key_figures(self)),
            Some(checks(&self.verdict)),
            Some(what_was_run(self)),
            stages(self),
            Some(throughput(self)),
            Some(latency(self, marked)),
            drawing(self),
            requests(self),
            probes(self),
            over_time(self),
            legs,
            Some(ledgers(self)),
            Some(costs(self)),
            last_output(self),
            shards(self),
            runs,
            notes(self),
            Some(scenario(self)),
        ];
        Document {
            title: Span::name(&self.scenario.name).into(),
            lead: self.scenario.description.clone(),
            word: word.to_owned(),
            tone,
            made_by: self.environment.zload.clone(),
            origin: origin(&self.environment),
            command: self.environment.command.clone().unwrap_or_default(),
            sections: sections.into_iter().flatten().collect(),
            short: short::run(self),
        }
    }
}

fn alarms(result: &RunResult) -> Option<Section> {
    let alarms = ended(result);
    (!alarms.is_empty()).then(|| Section::bare("alarms", Depth::Answer, alarms))
}

fn key_figures(result: &RunResult) -> Section {
    const SHOWN: [&str; 8] = [
        "throughput.requests_per_s",
        "throughput.replies_per_s",
        "latency.first_reply.p50",
        "latency.first_reply.p99",
        "ideal.first_reply.p99",
        "latency.first_reply.max",
        "ledger.requests_lost",
        "process.cpu_ns_per_message",
    ];
    let RunResult { throughput, latency, ideal, ledger, process, .. } = result;
    // Not the whole result, which may be long.
    let object = json!({
        "throughput": throughput, "latency": latency, "ideal": ideal, "ledger": ledger, "process": process,
    });
    let figures = SHOWN.map(|name| {
        let (label, value) = figure(&object, "", name);
        let is_alarm = name == "ledger.requests_lost" && ledger.requests_lost > 0;
        (label, value, if is_alarm { Tone::Alarm } else { Tone::Plain })
    });
    let meaning = "Response times are from the intended send time to the first reply; \
                   CPU is that of the whole process.";
    Section::bare("figures", Depth::Answer, vec![Block::Figures(figures.into(), meaning.into())])
}

fn what_was_run(result: &RunResult) -> Section {
    let drivers = quantity::counted(u64::from(result.generator.threads), "driver");
    let seeds = match result.seeds.last() {
        Some(last) => format!("seed {}; each run has its own, the last {last}", result.seed),
        None => format!("seed {}", result.seed),
    };
    let plan = words!(Span::code(&result.plan_hash), " (", seeds, "), run by ", drivers);
    let mut rows = settings(&result.scenario);
    rows.push(("plan".into(), plan));
    rows.push(("machine".into(), machine(&result.environment).into()));
    Section {
        id: "what-was-run".to_owned(),
        heading: Heading::Title("What was run"),
        depth: Depth::Detail,
        blocks: vec![Block::Settings(rows)],
    }
}

fn throughput(result: &RunResult) -> Section {
    let throughput = &result.throughput;
    let seen_by = match (result.scenario.has_proxy(), result.scenario.has_workers()) {
        (true, _) => "both directions",
        (false, true) => "as the workers saw them",
        (false, false) => "as the clients saw them",
    };
    let bytes = bytes_per_second(throughput.proxy_bytes_per_s);
    let object = json!({ "throughput": throughput });
    let rows = [
        ("throughput.requests_per_s", String::new()),
        ("throughput.replies_per_s", String::new()),
        ("throughput.proxy_messages_per_s", format!("messages, {seen_by}; {bytes}")),
    ];
    let rows = rows.map(|(name, words)| {
        let (label, value) = figure(&object, "", name);
        Row::of([label.into(), value, words.into()])
    });
    let mut table = Table::of_words([0, 11, 0]).rows(rows);
    table.columns[1].kind = Kind::Figures;
    let heading = format!("Throughput over {}", duration(throughput.window_ns));
    Section::new("throughput", heading, Depth::Detail, vec![Block::Table(table)])
}

fn drawing(result: &RunResult) -> Option<Section> {
    if result.scenario.load.is_unlike() {
        return None;
    }
    let bars = buckets::bars(&result.latency.first_reply)?;
    let heading = "Response time to the first reply (requests, cumulative per cent)";
    Some(Section::new("buckets", heading, Depth::Detail, vec![Block::Bars(bars)]))
}

fn ledgers(result: &RunResult) -> Section {
    let meaning = "every message of the measured window, in exactly one place";
    let blocks = vec![Block::note(meaning), ledger("ledger", &result.ledger)];
    Section::new("ledger", "Ledger", Depth::Detail, blocks)
}

fn costs(result: &RunResult) -> Section {
    let process = &result.process;
    let resident = process.resident_bytes.map(|size| format!(", {} resident", bytes(size as f64)));
    let cpu = mean_time("process.cpu_ns_per_message", process.cpu_ns_per_message);
    let kernel = process
        .kernel_bytes
        .map(|size| format!("; the kernel took {} as clients connected", bytes(size as f64)));
    let beside = [resident, kernel].into_iter().flatten().collect::<String>();
    let whole = words!(cpu, " CPU per message", beside);
    let server = result.server.as_ref().map(|server| ("server", server_line(server).into()));
    let rows = [
        Some(("proxy", proxy_line(&result.proxy).into())),
        server,
        Some(("generator", generator_line(&result.generator).into())),
        Some(("process", whole)),
    ];
    let rows = rows.into_iter().flatten().map(|(name, words)| (name.into(), words));
    Section::new("cost", "Cost", Depth::Detail, vec![Block::Settings(rows.collect())])
}

/// What the tool itself cost, in a sentence.
fn generator_line(generator: &GeneratorFigures) -> String {
    let cpu = generator.driver_cpu_ns_per_request;
    format!(
        "{}{}, {}, on a CPU {} of the time",
        quantity::counted(u64::from(generator.threads), "driver"),
        cpu.map_or_else(String::new, |ns| format!(", {} CPU per request", nanos(ns))),
        quantity::counted(generator.wakes, "wake"),
        percent(generator.driver_busy_ratio)
    )
}

/// What an external server cost and how it ended, in a sentence.
fn server_line(server: &ServerFigures) -> String {
    [
        Some(in_words(&server.command)),
        server.cpu_ns_per_message.map(|cpu_ns| format!("{} CPU per message", nanos(cpu_ns))),
        server.busy_ratio.map(|busy| format!("{busy:.2} CPUs on average")),
        server.resident_bytes.map(|size| format!("at most {} resident", bytes(size as f64))),
        server.exit.as_ref().map(|exit| format!("end: {exit}")),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

/// What the proxy did, in a sentence.
pub(super) fn proxy_line(proxy: &ProxyFigures) -> String {
    let messages = proxy.messages_in.zip(proxy.messages_out);
    let each = proxy.messages_per_wake.map(|each| format!(" ({each:.1} messages each)"));
    let known: Vec<String> = [
        messages.map(|(taken, out)| format!("{} messages in, {} out", count(taken), count(out))),
        proxy
            .wakes
            .map(|wakes| quantity::counted(wakes, "wake") + each.as_deref().unwrap_or_default()),
        proxy.cpu_ns_per_message.map(|cpu_ns| format!("{} CPU per message", nanos(cpu_ns))),
        proxy.busy_ratio.map(|busy| format!("on a CPU {} of the time", percent(busy))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let inside = if known.is_empty() {
        "external, its inside is unknown".to_owned()
    } else {
        known.join(", ")
    };
    format!("{} at {}, {inside}", proxy.engine, proxy.frontend)
}

/// What a server said that died.
fn last_output(result: &RunResult) -> Option<Section> {
    let server = result.server.as_ref().filter(|server| !server.last_output.is_empty())?;
    let output = Block::Verbatim(server.last_output.join("\n"));
    Some(Section::new(
        "last-output",
        "The last of the server's output",
        Depth::Detail,
        vec![output],
    ))
}

fn runs(result: &RunResult) -> Option<Section> {
    const SHOWN: [&str; 5] = [
        "throughput.requests_per_s",
        "throughput.replies_per_s",
        "latency.first_reply.p50",
        "latency.first_reply.p99",
        "ledger.requests_lost",
    ];
    let rows = result.runs.iter().enumerate().map(|(number, run)| {
        let (object, place) = (to_value(run), format!("runs.{number}."));
        let about = [(number + 1).to_string().into(), headline(run.verdict.status).0.into()];
        let values = SHOWN.map(|name| figure(&object, &place, name).1);
        Row::of(about.into_iter().chain(values))
    });
    let labels = SHOWN.iter().filter_map(|name| figures::named(name));
    let columns = ["run", "verdict"].into_iter().chain(labels.map(|figure| figure.label));
    let table = Table::of(columns).rows(rows);
    let heading = format!("{}, pooled above", quantity::counted(u64::from(result.repeat), "run"));
    (!result.runs.is_empty())
        .then(|| Section::new("runs", heading, Depth::Detail, vec![Block::Table(table)]))
}

fn notes(result: &RunResult) -> Option<Section> {
    let notes = Block::remarks(Mark::Bullet, &result.notes)?;
    Some(Section::new("notes", "Notes", Depth::Detail, vec![notes]))
}

fn scenario(result: &RunResult) -> Section {
    let blocks = vec![
        Block::sentence("With every default filled in; this file alone repeats the run."),
        Block::Verbatim(scenario_text(&result.scenario)),
    ];
    Section::new("scenario", "Scenario", Depth::Appendix, blocks)
}
