//! The report of a run, for people.

use super::hops::hops;
use super::mark::{MARK, UNCERTAIN, percentile};
use super::plan::settings;
use super::quantity::{bytes_per_second, count, counted, duration, percent, rate, signed_duration};
pub(super) use super::table::NOTHING;
use super::table::table;
use super::thresholds::thresholds;
use super::verdict::verdict_report;
use super::{Style, histogram, machine, quantity, setting, wrapped};
use crate::result::{
    ExcessFigures, GeneratorFigures, Intervals, Kind, LatencySummary, Ledger, PERCENTILES,
    ProxyFigures, RunResult, SeriesEntry, ServerFigures,
};
use crate::scenario::in_words;

/// Sparklines have at most this many columns; longer runs are condensed.
const LONGEST_LINE: usize = 50;

/// What people see when a run is over.
pub fn run_report(result: &RunResult, style: Style) -> String {
    [
        warnings(result, style),
        verdict_report(&result.verdict, style),
        thresholds(result, style),
        what_was_run(result, style),
        throughput(result, style),
        latency(result, style),
        drawing(result, style),
        hops(result, style),
        ledger(&result.ledger, style),
        costs(result, style),
        last_output(result, style),
        seconds(result, style),
        runs(result, style),
        notes(result, style),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

/// What a reader must know before any figure.
fn warnings(result: &RunResult, style: Style) -> String {
    let mut text = String::new();
    if let Some(failure) = &result.failure {
        text += &format!("{}\n", style.alarm(&wrapped(&format!("FAILED: {failure}"), 0)));
    }
    if result.interrupted {
        let warning = "INTERRUPTED: the figures cover the time until then";
        text += &format!("{}\n", style.alarm(warning));
    }
    text
}

fn what_was_run(result: &RunResult, style: Style) -> String {
    let scenario = &result.scenario;
    let mut text = style.heading(&scenario.name);
    if !scenario.description.is_empty() {
        text +=
            &format!(" · {}", wrapped(&scenario.description, scenario.name.chars().count() + 3));
    }
    text.push('\n');
    text += &settings(scenario);
    let drivers = counted(u64::from(result.generator.threads), "driver");
    let seeds = match result.seeds.last() {
        Some(last) => format!("seed {}; each run has its own, the last {last}", result.seed),
        None => format!("seed {}", result.seed),
    };
    let plan = format!("{} ({seeds}), played by {drivers}", result.plan_hash);
    text += &setting("plan", &plan);
    text + &setting("machine", &machine(&result.environment))
}

fn throughput(result: &RunResult, style: Style) -> String {
    let throughput = &result.throughput;
    let window = format!("Throughput over {}", duration(throughput.window_ns));
    let seen_by = if result.proxy.engine == "external" {
        "as the clients saw them"
    } else {
        "both directions"
    };
    format!(
        "{}\n  requests  {:>10}\n  replies   {:>10}\n  proxy     {:>10} messages, {seen_by}; {}\n",
        style.heading(&window),
        rate(throughput.requests_per_s),
        rate(throughput.replies_per_s),
        rate(throughput.proxy_messages_per_s),
        bytes_per_second(throughput.proxy_bytes_per_s),
    )
}

/// Where lines end.
const WIDTH: usize = 80;

fn latency(result: &RunResult, style: Style) -> String {
    let latency = &result.latency;
    let one_reply_each =
        latency.first_reply == latency.last_reply && latency.first_reply == latency.reply;
    let mut named = if one_reply_each {
        vec![("reply", &latency.reply)]
    } else {
        vec![
            ("first", &latency.first_reply),
            ("last", &latency.last_reply),
            ("every", &latency.reply),
        ]
    };
    if let Some(ideal) = &result.ideal {
        named.push(("ideal", &ideal.figures.first_reply));
        named.push(("excess", &ideal.excess.first_reply));
    }
    named.push(("service", &latency.service));
    named.push(("slip", &latency.slip));
    let mut rows: Vec<Vec<String>> =
        named.iter().map(|(name, latencies)| latency_row(name, latencies)).collect();
    // Beneath the response time stand the ends of its percentiles' intervals.
    let LatencySummary { intervals, next_run, other_seeds, .. } = &latency.first_reply;
    let beneath = [
        (Some(intervals), ["  from", "  to"]),
        (next_run.as_ref(), ["  next from", "       to"]),
        (other_seeds.as_ref(), ["  seeds", "     to"]),
    ];
    let beneath = beneath.into_iter().filter_map(|(ends, names)| Some(interval_rows(ends?, names)));
    rows.splice(1..1, beneath.flatten());
    let heading = format!("Latency of {}", counted(latency.first_reply.count, "request"));
    let mut text = format!("{}\n{}", style.heading(&heading), latency_table(&rows));
    let replies = if one_reply_each {
        "replies count"
    } else {
        "first reply, last reply and every reply count"
    };
    let mut legend =
        format!("{replies} from the intended instant, service from sent; slip is between");
    let others = named.iter().filter(|(_, other)| other.count != latency.first_reply.count);
    for (name, other) in others {
        legend += &format!("; {name}: {} values", count(other.count));
    }
    text += &format!("  {}\n", wrapped(&legend, 2));
    if let Some(ideal) = &result.ideal {
        text += "  ideal is the first reply if proxy, network and scheduler cost nothing; excess\n  \
                 is measured minus ideal, request by request\n";
        if let Some(sentence) = sooner(&ideal.excess) {
            text += &format!("  {}\n", wrapped(&sentence, 2));
        }
    }
    if intervals.any() {
        let meaning = format!("from, to: {}", meaning_of_intervals(result));
        text += &format!("  {}\n", wrapped(&meaning, 2));
        if next_run.is_some() {
            text += "  next from, to: where another run would have them, with 95 % confidence\n";
        }
    }
    if let Some(meaning) = meaning_of_other_seeds(result) {
        text += &format!("  {}\n", wrapped(&format!("seeds, to: {meaning}"), 2));
    }
    text += &waiting(result);
    text += &legend_of_marks(result, style, &rows);
    text
}

/// What stands for a percentile that is no estimate, or is not there.
fn legend_of_marks(result: &RunResult, style: Style, rows: &[Vec<String>]) -> String {
    // The mark stands in other tables, too.
    let is_marked = |text: &str| text.contains(MARK);
    let marked = rows.iter().flatten().any(|cell| is_marked(cell))
        || is_marked(&hops(result, style))
        || is_marked(&runs(result, style));
    let mut text = if marked { format!("  {}\n", wrapped(UNCERTAIN, 4)) } else { String::new() };
    let too_small = |column: &usize| rows.iter().any(|row| row[column + 2] == NOTHING);
    let missing: Vec<&str> =
        (0..PERCENTILES.len()).filter(too_small).map(|column| PERCENTILES[column].name).collect();
    if !missing.is_empty() {
        let legend = format!("too few samples for every {}", missing.join(", "));
        text += &format!("  {NOTHING} {}\n", wrapped(&legend, 4));
    }
    text
}

/// The rows without the percentiles that none has.
fn latency_table(rows: &[Vec<String>]) -> String {
    let names = PERCENTILES.iter().map(|kind| kind.name);
    let header: Vec<&str> = ["", "mean"].into_iter().chain(names).chain(["max"]).collect();
    let shown = |column: &usize| {
        let percentile = (2..2 + PERCENTILES.len()).contains(column);
        !percentile || rows.iter().any(|row| !["", NOTHING].contains(&row[*column].as_str()))
    };
    let columns: Vec<usize> = (0..header.len()).filter(shown).collect();
    let header: Vec<&str> = columns.iter().map(|column| header[*column]).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| row[*column].clone()).collect())
        .collect();
    let text = table(&header, &rows);
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    // With all of them it is a column or two too wide for its margin.
    let margin = "  ".get(..2_usize.saturating_sub(widest.saturating_sub(WIDTH))).unwrap_or("");
    text.lines()
        .map(|line| format!("{margin}{}\n", line.strip_prefix("  ").unwrap_or(line)))
        .collect()
}

/// What the ends of the intervals say.
pub(super) fn meaning_of_intervals(result: &RunResult) -> &'static str {
    if result.repeat > 1 {
        "where the mean over such runs of each run's percentile is, with 95 % confidence"
    } else {
        "how far chance within this run may have moved the percentiles, with 95 % confidence; other runs may differ by more"
    }
}

/// What other seeds say, if there are any.
pub(super) fn meaning_of_other_seeds(result: &RunResult) -> Option<String> {
    let seeds = result.ideal.as_ref()?.other_seeds?;
    Some(format!(
        "where 95 of 100 other draws of this plan (other seeds) would have the percentiles, by the ideals of {seeds} of them: that much \
         is the plan's luck, on whatever machine"
    ))
}

/// What the excess makes of the requests that were faster than their twin, if there were any.
pub(super) fn sooner(excess: &ExcessFigures) -> Option<String> {
    let ExcessFigures { first_reply, faster_first_replies: faster, .. } = excess;
    (*faster > 0).then(|| {
        format!(
            "{} of the requests were faster than in the ideal: they lower the mean of the excess, and count as 0 in its percentiles",
            percent(*faster as f64 / first_reply.count.max(1) as f64)
        )
    })
}

fn latency_row(name: &str, latencies: &LatencySummary) -> Vec<String> {
    let mean = latencies.mean_ns.map_or_else(|| NOTHING.to_owned(), signed_duration);
    let largest = latencies.max_ns.map_or_else(|| NOTHING.to_owned(), duration);
    let percentiles = PERCENTILES.iter().map(|kind| percentile(latencies, kind));
    [name.to_owned(), mean].into_iter().chain(percentiles).chain([largest]).collect()
}

/// The lower and the upper ends of the percentiles' intervals, if there are any.
fn interval_rows(intervals: &Intervals, names: [&str; 2]) -> Vec<Vec<String>> {
    if !intervals.any() {
        return Vec::new();
    }
    names
        .into_iter()
        .zip(0..)
        .map(|(name, end)| {
            let ends = intervals
                .ends()
                .map(|interval| interval.map_or_else(String::new, |ends| duration(ends[end])));
            [name, ""].map(str::to_owned).into_iter().chain(ends).chain([String::new()]).collect()
        })
        .collect()
}

/// What a client that waits for its replies would have said, where that differs by a tenth and more.
fn waiting(result: &RunResult) -> String {
    waiting_client(result)
        .map_or_else(String::new, |sentence| format!("  {}\n", wrapped(&sentence, 2)))
}

/// The same as a sentence.
pub(super) fn waiting_client(result: &RunResult) -> Option<String> {
    let waiting = result.waiting_client.as_ref();
    let p99s = waiting.and_then(|seen| seen.p99_ns).zip(result.latency.first_reply.p99_ns);
    match (waiting, p99s) {
        (Some(seen), Some((seen_ns, p99_ns))) if seen_ns.abs_diff(p99_ns) * 10 > p99_ns => {
            Some(format!(
                "a tool whose clients wait for each reply before they send again would have said: p99 {} (of {}; it would not \
                 have sent {} at all)",
                duration(seen_ns),
                counted(seen.counted, "request"),
                count(seen.left_out)
            ))
        }
        _ => None,
    }
}

fn drawing(result: &RunResult, style: Style) -> String {
    histogram::draw(&result.latency.first_reply).map_or_else(String::new, |bars| {
        format!(
            "{}\n{bars}",
            style.heading("Response time to the first reply (requests, and per cent up to there)")
        )
    })
}

fn ledger(ledger: &Ledger, style: Style) -> String {
    let unless_zero = |name: &str, number: u64| {
        let text = format!("{name} {}", count(number));
        if number == 0 { text } else { style.alarm(&text) }
    };
    format!(
        "{}\n  requests  planned {} = sent {} + {}\n            sent {} = answered {} + silent {} + {}\n  \
         replies   expected {} = received {} + {}\n            and {}, {}, {}\n",
        style.heading("Ledger"),
        count(ledger.requests_planned),
        count(ledger.requests_sent),
        unless_zero("unsent", ledger.requests_unsent),
        count(ledger.requests_sent),
        count(ledger.requests_answered),
        count(ledger.requests_silent),
        unless_zero("lost", ledger.requests_lost),
        count(ledger.replies_expected),
        count(ledger.replies_received),
        unless_zero("lost", ledger.replies_lost),
        unless_zero("late", ledger.replies_late),
        unless_zero("duplicate", ledger.replies_duplicate),
        unless_zero("unexpected", ledger.replies_unexpected),
    )
}

fn costs(result: &RunResult, style: Style) -> String {
    let server = result.server.as_ref();
    format!(
        "{}\n{}{}{}",
        style.heading("Cost"),
        setting("proxy", &proxy_line(&result.proxy)),
        server.map_or_else(String::new, |server| setting("server", &server_line(server))),
        setting("generator", &generator_line(&result.generator))
    )
}

/// What the tool itself cost, in a sentence.
pub(super) fn generator_line(generator: &GeneratorFigures) -> String {
    let mut driver = counted(u64::from(generator.threads), "driver");
    if let Some(cpu_ns) = generator.driver_cpu_ns_per_request {
        driver += &format!(", {} CPU per request", nanos(cpu_ns));
    }
    driver += &format!(
        ", {}, on a CPU {} of the time",
        counted(generator.wakes, "wake"),
        percent(generator.driver_busy_ratio)
    );
    driver
}

/// What a server of the user's own cost and how it ended, in a sentence.
pub(super) fn server_line(server: &ServerFigures) -> String {
    let mut parts = vec![in_words(&server.command)];
    if let Some(cpu_ns) = server.cpu_ns_per_message {
        parts.push(format!("{} CPU per message", nanos(cpu_ns)));
    }
    if let Some(busy) = server.busy_ratio {
        parts.push(format!("{busy:.2} CPUs on average"));
    }
    if let Some(bytes) = server.resident_bytes {
        parts.push(format!("at most {} resident", quantity::bytes(bytes as f64)));
    }
    if let Some(exit) = &server.exit {
        parts.push(format!("end: {exit}"));
    }
    parts.join(", ")
}

/// What a server said that died.
fn last_output(result: &RunResult, style: Style) -> String {
    let lines = result.server.as_ref().map_or(&[][..], |server| &server.last_output);
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{}\n{lines}", style.heading("The last of the server's output"))
}

/// What the proxy did, in a sentence.
pub(super) fn proxy_line(proxy: &ProxyFigures) -> String {
    let mut parts = vec![format!("{} at {}", proxy.engine, proxy.frontend)];
    if let Some((messages_in, messages_out)) = proxy.messages_in.zip(proxy.messages_out) {
        parts.push(format!("{} messages in, {} out", count(messages_in), count(messages_out)));
    }
    if let Some(wakes) = proxy.wakes {
        let each = proxy
            .messages_per_wake
            .map_or_else(String::new, |each| format!(" ({each:.1} messages each)"));
        parts.push(format!("{}{each}", counted(wakes, "wake")));
    }
    if let Some(cpu_ns) = proxy.cpu_ns_per_message {
        parts.push(format!("{} CPU per message", nanos(cpu_ns)));
    }
    if let Some(busy) = proxy.busy_ratio {
        parts.push(format!("on a CPU {} of the time", percent(busy)));
    }
    if parts.len() == 1 {
        parts.push("its inside is not known here".to_owned());
    }
    parts.join(", ")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "CPU times are small and positive"
)]
pub(super) fn nanos(ns: f64) -> String {
    duration(ns.round() as u64)
}

fn seconds(result: &RunResult, style: Style) -> String {
    if result.series.len() < 2 {
        return String::new();
    }
    let line = |name: &str, values: &[f64], show: fn(f64) -> String| {
        let (least, most) = values.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(*value), most.max(*value))
        });
        if values.is_empty() {
            return String::new();
        }
        format!("  {name:<10}{}  {} to {}\n", sparkline(values), show(least), show(most))
    };
    let series = &result.series;
    let figures = |part: fn(&SeriesEntry) -> Option<u64>| -> Vec<f64> {
        series.iter().filter_map(part).map(|value| value as f64).collect()
    };
    let whole: Vec<f64> = whole_seconds(result).map(|entry| entry.replies as f64).collect();
    format!(
        "{}\n{}{}{}",
        style.heading("By second"),
        line("replies", &whole, rate),
        line("p99", &figures(|entry| entry.p99_ns), nanos),
        line("in flight", &figures(|entry| Some(entry.in_flight)), |value| format!("{value:.0}")),
    )
}

/// The seconds of a series without those that their run's end cut short, which would look like a slump.
pub(super) fn whole_seconds(result: &RunResult) -> impl Iterator<Item = &SeriesEntry> {
    let whole = result.whole_seconds();
    result.series.iter().zip(whole).filter(|(_, whole)| *whole).map(|(entry, _)| entry)
}

/// Values as a row of bars from 0 to the largest; groups stand for their largest where there are too many.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an eighth is from 1 to 8"
)]
fn sparkline(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let group = values.len().div_ceil(LONGEST_LINE).max(1);
    let condensed: Vec<f64> =
        values.chunks(group).map(|chunk| chunk.iter().copied().fold(0.0, f64::max)).collect();
    let most = condensed.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    condensed
        .iter()
        .map(|value| BARS[((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1])
        .collect()
}

fn runs(result: &RunResult, style: Style) -> String {
    if result.runs.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = (1..)
        .zip(&result.runs)
        .map(|(number, run)| {
            vec![
                number.to_string(),
                rate(run.throughput.requests_per_s),
                rate(run.throughput.replies_per_s),
                percentile(&run.latency.first_reply, &Kind::P50),
                percentile(&run.latency.first_reply, &Kind::P99),
                count(run.ledger.requests_lost),
            ]
        })
        .collect();
    let header = ["run", "requests", "replies", "p50", "p99", "lost"];
    format!(
        "{}\n{}",
        style.heading(&format!("{} runs, pooled above", result.repeat)),
        table(&header, &rows)
    )
}

fn notes(result: &RunResult, style: Style) -> String {
    if result.notes.is_empty() {
        return String::new();
    }
    let notes: String =
        result.notes.iter().map(|note| format!("  • {}\n", wrapped(note, 4))).collect();
    format!("{}\n{notes}", style.heading("Notes"))
}
