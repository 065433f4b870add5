//! The forms that other tools read: whether each has its shape, and whether its numbers are the result's.
//!
//! What is made here stays in the target folder, where `scripts/formats` gives it to the tools themselves.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use crate::support::{Ended, Zload};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use serde_json::{Value, json};

/// A name with everything that some form gives a meaning to.
const SCENARIO: &str = "name = '10 k|s \"of\" <b>*64, =/-2'\nload = { rate = '2k/s' }\n\
                        run = { duration = '400ms' }\nworkers = { replies = 2 }";

/// A real result of two runs, whose figures may be used whatever this machine was busy with.
fn run() -> &'static Value {
    static RUN: OnceLock<Value> = OnceLock::new();
    RUN.get_or_init(|| {
        let mut result = Zload::run(SCENARIO).args(&["--repeat", "2"]).result(0);
        // Whether the machine's noise leaves estimates is chance.
        crate::support::mark_uncertain(&mut result, &[]);
        result["verdict"]["status"] = "SUSPECT".into();
        let statuses = ["pass", "warn", "not_applicable"].iter().cycle();
        let checks = result["verdict"]["checks"].as_array_mut().expect("an array");
        for (check, status) in checks.iter_mut().zip(statuses) {
            check["status"] = (*status).into();
        }
        result
    })
}

/// A result of a run whose figures must not be used.
fn invalid_run() -> Value {
    let mut result = run().clone();
    result["verdict"]["status"] = "INVALID".into();
    result["verdict"]["checks"][0]["status"] = "fail".into();
    result
}

/// Blocks of the comparison below: enough for benchstat to speak.
const BLOCKS: u32 = 10;

/// A comparison whose `b` has 20 % longer medians and the same throughput, as somebody would write it by hand.
fn comparison() -> Value {
    let side = |name: &str| {
        let run = run();
        json!({
            "name": name, "source": "x.toml", "plan_hash": run["plan_hash"], "environment": run["environment"],
            "scenario": run["scenario"], "runs": BLOCKS, "invalid": 0, "invalid_because": [],
            "ledger": run["ledger"], "throughput": run["throughput"], "latency": run["latency"],
            "hops": run["hops"], "ideal": null,
        })
    };
    let metrics = [
        ("latency.first_reply.p50", "ns", "lower", 100_000.0, 120_000.0, "worse", true),
        ("latency.first_reply.p99", "ns", "lower", 900_000.0, 910_000.0, "unclear", true),
        ("throughput.replies_per_s", "per_s", "higher", 4000.0, 4001.0, "same", true),
        ("process.cpu_ns_per_message", "ns", "lower", 5000.0, 4000.0, "better", true),
        ("process.resident_bytes", "bytes", "lower", 30e6, 36e6, "worse", false),
    ];
    let mut slices = Vec::new();
    for block in 0..BLOCKS {
        for slice in 0..2 {
            for side in ["a", "b"] {
                let values: serde_json::Map<String, Value> = metrics
                    .iter()
                    .map(|(name, _, _, a, b, _, _)| {
                        let spread = 1.0 + f64::from((block * 7 + slice * 3) % 11) / 500.0;
                        ((*name).to_owned(), json!(spread * if side == "a" { a } else { b }))
                    })
                    .collect();
                slices.push(json!({
                    "block": block, "slice": slice, "side": side, "offset_ns": 0, "seed": 1, "status": "VALID",
                    "values": values,
                }));
            }
        }
    }
    let metrics: Vec<Value> = metrics
        .iter()
        .map(|(name, unit, better, a, b, verdict, gated)| {
            let effect = (b / a - 1.0) * 100.0;
            json!({
                "name": name, "unit": unit, "better": better, "gated": gated, "a": a, "b": b,
                "effect_percent": effect, "ci_low_percent": effect - 1.0, "ci_high_percent": effect + 2.0,
                "p_value": 0.002, "margin_percent": 3.0, "verdict": verdict, "blocks": BLOCKS, "pairs": 2 * BLOCKS,
                "smallest_visible_percent": 2.5, "blocks_needed": null,
                "sentence": format!("{effect:+.1} % | {verdict}, \"as\" <shown>"),
            })
        })
        .collect();
    json!({
        "schema": "zload.comparison/1", "interrupted": false, "verdict": "worse", "valid": true,
        "notes": ["a note | with a bar"], "a": side("old"), "b": side("new | <b>"),
        "differences": [{ "key": "proxy.engine", "a": "\"poll\"", "b": null }],
        "method": {
            "interleaved": true, "blocks": BLOCKS, "slices_per_block": 2, "slice_ns": 200_000_000,
            "slice_warmup_ns": 30_000_000, "confidence_percent": 98.0, "seed": 1,
        },
        "machine": null, "primary": "latency.first_reply.p50", "metrics": metrics, "quantiles": [],
        "slices": slices,
    })
}

/// `zload show --format FORMAT` of a result.
fn shown(result: &Value, format: &str) -> Ended {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    std::fs::write(&path, result.to_string()).expect("writing");
    Zload::new(&["show", "-v", "--format", format, path.to_str().expect("UTF-8")]).end()
}

/// The same, which must end well; kept for `scripts/formats`.
fn form(result: &Value, kind: &str, format: &str) -> String {
    let ended = shown(result, format);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("formats");
    std::fs::create_dir_all(&folder).expect("a directory");
    std::fs::write(folder.join(format!("{kind}.{format}")), &ended.stdout).expect("writing");
    ended.stdout
}

fn number(result: &Value, name: &str) -> f64 {
    zload_report::result::number(result, name).unwrap_or_else(|| panic!("no {name}"))
}

fn parsed(text: &str) -> f64 {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn rows(text: &str) -> Vec<csv::StringRecord> {
    let records = csv::Reader::from_reader(text.as_bytes()).into_records();
    records.collect::<Result<_, _>>().expect("CSV")
}

/// The numbers of a result that are figures, by its own walk.
fn figures(value: &Value) -> usize {
    match value {
        Value::Number(_) => 1,
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !["intervals", "next_run", "other_seeds"].contains(&key.as_str()))
            .map(|(_, value)| figures(value))
            .sum(),
        _ => 0,
    }
}

#[test]
fn csv_has_every_figure_of_a_run_by_its_name() {
    let rows = rows(&form(run(), "run", "csv"));
    assert_eq!(&rows[0][2], "SUSPECT");
    let with_value: Vec<_> = rows[1..].iter().filter(|row| !row[2].is_empty()).collect();
    for row in &with_value {
        assert_eq!(parsed(&row[2]).to_bits(), number(run(), &row[0]).to_bits(), "{}", &row[0]);
    }
    let parts = [
        "throughput",
        "latency",
        "ledger",
        "hops",
        "ideal",
        "waiting_client",
        "proxy",
        "generator",
        "process",
        "server",
    ];
    let expected: usize = parts.iter().map(|part| figures(&run()[part])).sum();
    assert_eq!(with_value.len(), expected);
    let median = rows.iter().find(|row| &row[0] == "latency.first_reply.p50").expect("a median");
    let ends = &run()["latency"]["first_reply"]["intervals"]["p50_ns"];
    let end = |value: &Value| value.as_u64().map_or_else(String::new, |ns| ns.to_string());
    assert_eq!(
        (&median[1], &median[3], &median[4]),
        // A machine whose noise comes in long waves leaves a run without intervals.
        ("ns", &*end(&ends[0]), &*end(&ends[1]))
    );
    let null = rows.iter().find(|row| &row[0] == "latency.first_reply.p9999").expect("a row");
    assert_eq!(&null[2], "", "the sample is too small to carry it");
}

#[test]
fn csv_of_a_comparison_has_a_row_for_each_metric() {
    let comparison = comparison();
    let rows = rows(&form(&comparison, "comparison", "csv"));
    let metrics = comparison["metrics"].as_array().expect("an array");
    assert_eq!(rows.len(), metrics.len());
    for (row, metric) in rows.iter().zip(metrics) {
        assert_eq!(
            row.iter().take(5).collect::<Vec<_>>()[..4],
            ["old", "new | <b>", "true", metric["name"].as_str().expect("a name")]
        );
        assert_eq!(Some(parsed(&row[7])), metric["a"].as_f64());
        assert_eq!(Some(parsed(&row[9])), metric["effect_percent"].as_f64());
        assert_eq!(Some(&row[14]), metric["verdict"].as_str());
    }
}

/// The names of the cases of a report that ended in each way, in order.
fn cases(report: &Report) -> [Vec<String>; 4] {
    let mut cases = [const { Vec::new() }; 4];
    for case in report.test_suites.iter().flat_map(|suite| &suite.test_cases) {
        let kind = match &case.status {
            TestCaseStatus::Success { .. } => 0,
            TestCaseStatus::Skipped { message, .. } => {
                assert!(message.is_some(), "{:?} does not say why", case.name);
                1
            }
            TestCaseStatus::NonSuccess { kind, message, .. } => {
                assert!(message.is_some(), "{:?} does not say why", case.name);
                2 + usize::from(*kind == NonSuccessKind::Error)
            }
        };
        cases[kind].push(case.name.as_str().to_owned());
    }
    cases
}

#[test]
fn junit_has_a_case_for_each_check() {
    let checks = |result: &Value, status: &str| -> Vec<String> {
        let checks = result["verdict"]["checks"].as_array().expect("an array");
        let found = checks.iter().filter(|check| check["status"] == status);
        found.map(|check| check["name"].as_str().expect("a name").to_owned()).collect()
    };
    for (result, kind) in [(run(), "run"), (&invalid_run(), "invalid")] {
        let report = Report::deserialize_from_str(&form(result, kind, "junit")).expect("JUnit");
        let [passed, skipped, failed, errors] = cases(&report);
        assert_eq!(passed, checks(result, "pass"));
        assert_eq!(failed, checks(result, "fail"));
        assert_eq!(
            skipped.len(),
            checks(result, "warn").len() + checks(result, "not_applicable").len()
        );
        assert!(errors.is_empty());
        assert_eq!(report.test_suites[0].name.as_str(), run()["scenario"]["name"]);
    }
}

#[test]
fn junit_has_a_case_for_each_gated_metric() {
    let mut comparison = comparison();
    let text = form(&comparison, "comparison", "junit");
    let [passed, skipped, failed, errors] =
        cases(&Report::deserialize_from_str(&text).expect("JUnit"));
    assert_eq!(passed, ["measurement", "throughput.replies_per_s", "process.cpu_ns_per_message"]);
    assert_eq!(skipped, ["latency.first_reply.p99"]);
    assert_eq!(failed, ["latency.first_reply.p50"]);
    assert!(errors.is_empty());
    comparison["valid"] = false.into();
    let text = shown(&comparison, "junit").stdout;
    let [.., errors] = cases(&Report::deserialize_from_str(&text).expect("JUnit"));
    assert_eq!(errors, ["measurement"]);
}

#[test]
fn github_action_benchmark_gets_each_direction_in_a_file_of_its_own() {
    let entries = |result: &Value, kind: &str, format: &str| -> Vec<Value> {
        serde_json::from_str(&form(result, kind, format)).expect("an array")
    };
    let (smaller, bigger) = ("github-action-benchmark-smaller", "github-action-benchmark-bigger");
    let name = run()["scenario"]["name"].as_str().expect("a name");
    let of_run = [entries(run(), "run", smaller), entries(run(), "run", bigger)].concat();
    let names: BTreeSet<&str> = of_run.iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names.len(), of_run.len(), "no name is there twice");
    for entry in &of_run {
        let path = entry["name"].as_str().and_then(|text| text.strip_prefix(&format!("{name}/")));
        assert_eq!(entry["value"].as_f64(), path.map(|path| number(run(), path)));
        assert!(entry["extra"].as_str().is_some_and(|extra| extra.starts_with("SUSPECT; ")));
    }
    let comparison = comparison();
    let rates = entries(&comparison, "comparison", bigger);
    assert_eq!(rates.len(), 1);
    assert_eq!(rates[0]["name"], "new | <b>/throughput.replies_per_s");
    let costs = entries(&comparison, "comparison", smaller);
    assert_eq!((costs.len(), &costs[0]["value"]), (4, &json!(120_000.0)));
    // From -1 % to +2 % of what `a` is, with an effect of +20 %.
    let half = costs[0]["range"].as_str().and_then(|range| range.strip_prefix("± ")).map(parsed);
    assert!(half.is_some_and(|half| (half - 1500.0).abs() < 1e-6), "{half:?}");
}

/// The schema of a Bencher Metric Format file, as its documentation gives it.
fn bencher_schema() -> Value {
    let figure = json!({ "type": "number" });
    json!({ "type": "object", "patternProperties": { ".+": { "type": "object", "patternProperties": { ".+": {
        "type": "object", "required": ["value"], "additionalProperties": false,
        "properties": { "value": figure, "lower_value": figure, "upper_value": figure },
    } } } } })
}

#[test]
fn bencher_gets_values_and_bounds() {
    let valid = jsonschema::validator_for(&bencher_schema()).expect("a JSON Schema");
    let of_run: Value = serde_json::from_str(&form(run(), "run", "bencher")).expect("JSON");
    let of_both: Value =
        serde_json::from_str(&form(&comparison(), "comparison", "bencher")).expect("JSON");
    assert!(valid.is_valid(&of_run) && valid.is_valid(&of_both));
    let name = run()["scenario"]["name"].as_str().expect("a name");
    let measures = of_run[name].as_object().expect("measures");
    assert!(measures.len() > 8, "{measures:?}");
    for (measure, figures) in measures {
        assert_eq!(figures["value"].as_f64(), Some(number(run(), measure)), "{measure}");
    }
    let median = &of_both["new | <b>"]["latency.first_reply.p50_ns"];
    let [value, low, high] =
        ["value", "lower_value", "upper_value"].map(|key| median[key].as_f64().expect("a number"));
    assert!((value - 120_000.0).abs() < 1e-6, "{value}");
    assert!((low - 119_000.0).abs() < 1e-6 && (high - 122_000.0).abs() < 1e-6, "{low} {high}");
}

#[test]
fn go_bench_has_a_line_for_each_run_and_for_each_block_of_a_side() {
    let lines = |text: &str| -> Vec<Vec<String>> {
        let lines = text.lines().filter(|line| line.starts_with("Benchmark"));
        lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    };
    let text = form(run(), "run", "go-bench");
    let of_runs = lines(&text);
    assert_eq!(of_runs.len(), 2);
    for (line, run) in of_runs.iter().zip(run()["runs"].as_array().expect("runs")) {
        assert_eq!(line[0], of_runs[0][0], "benchstat pools lines of one name");
        assert_eq!(parsed(&line[1]).to_bits(), number(run, "ledger.requests_sent").to_bits());
        assert_eq!(line[3], "ns/op");
        assert_eq!(parsed(&line[2]).to_bits(), number(run, "first_reply.p50").to_bits());
        for unit in line[3..].iter().step_by(2) {
            assert!(text.contains(&format!("\nUnit {unit} better=")), "{unit}");
        }
    }
    let of_sides = lines(&form(&comparison(), "comparison", "go-bench"));
    assert_eq!(of_sides.len(), 2 * BLOCKS as usize);
    let names: BTreeSet<&str> = of_sides.iter().map(|line| line[0].as_str()).collect();
    assert_eq!(names.len(), 2);
    assert!(
        names.iter().all(|name| name.starts_with("BenchmarkZload/scenario=old/side=")),
        "{names:?}"
    );
    // Block 0 of `a`: the median of two slices.
    assert!(
        (parsed(&of_sides[0][2]) - 100_000.0 * (1.0 + 0.003)).abs() < 1e-6,
        "{:?}",
        of_sides[0]
    );
}

#[test]
fn otava_gets_a_row_that_fits_its_header() {
    let header = form(run(), "run", "otava-header");
    form(run(), "run", "otava");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    std::fs::write(&path, run().to_string()).expect("writing");
    let ended = Zload::new(&["show", "--format", "otava", path.to_str().expect("UTF-8")])
        .env("GITHUB_HEAD_REF", "")
        .env("GITHUB_REF_NAME", "main, or so")
        .env("GITHUB_SHA", "c0ffee")
        .end();
    let rows = rows(&(header.clone() + &ended.stdout));
    let names = csv::Reader::from_reader(header.as_bytes()).headers().expect("a header").clone();
    assert_eq!(rows.len(), 1);
    let cell = |name: &str| {
        let column = names.iter().position(|column| column == name);
        &rows[0][column.unwrap_or_else(|| panic!("no column {name}"))]
    };
    assert_eq!(cell("time"), run()["environment"]["time"].as_str().expect("a time"));
    assert_eq!(
        (cell("branch"), cell("commit"), cell("verdict")),
        ("main, or so", "c0ffee", "SUSPECT")
    );
    for (column, path) in [
        ("latency_first_reply_p50_ns", "latency.first_reply.p50"),
        ("throughput_replies_per_s", "throughput.replies_per_s"),
        ("process_cpu_ns_per_message", "process.cpu_ns_per_message"),
    ] {
        assert_eq!(parsed(cell(column)).to_bits(), number(run(), path).to_bits(), "{column}");
    }
    assert_eq!(cell("latency_first_reply_p999_ns"), "nan", "the sample is too small to carry it");
}

fn histogram(base64: &str) -> Histogram<u64> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).expect("base64");
    Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram")
}

#[test]
fn hdr_texts_hold_the_distributions_of_the_result() {
    let text = form(run(), "run", "hgrm");
    let first_reply = &run()["latency"]["first_reply"];
    assert!(text.contains("Total count    =         1600]"), "{text}");
    let ticks = text.lines().skip(2).take_while(|line| !line.starts_with('#'));
    let ticks: Vec<Vec<f64>> =
        ticks.map(|line| line.split_whitespace().map(parsed).collect()).collect();
    let median = ticks.iter().find(|tick| (tick[1] - 0.5).abs() < 1e-9).expect("a median");
    let expected = number(run(), "first_reply.p50") / 1e6;
    assert!((median[0] - expected).abs() < 0.001, "{median:?} {expected}");
    assert_eq!(ticks.last().map(|tick| tick[2]), first_reply["count"].as_f64());

    let log = form(run(), "run", "hlog");
    assert!(log.starts_with("#[Histogram log format version 1.3]\n"));
    let mut pooled = Histogram::<u64>::new(3).expect("a histogram");
    let mut tags = BTreeSet::new();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        let LogEntry::Interval(interval) = entry.expect("an entry") else { continue };
        match interval.tag() {
            None => pooled.add(histogram(interval.encoded_histogram())).expect("the same bounds"),
            Some(tag) => {
                tags.insert(tag.as_str().to_owned());
            }
        }
    }
    assert_eq!(pooled, histogram(first_reply["histogram"].as_str().expect("a histogram")));
    for tag in ["last_reply", "reply", "service", "slip", "to_proxy", "in_worker", "to_client"] {
        assert!(tags.contains(tag), "no {tag} in {tags:?}");
    }
}

/// The cells of the rows of each table, of which every bar in a text would make more.
fn table_rows(text: &str) -> Vec<Vec<usize>> {
    let cells = |row: &str| row.replace("\\|", "").matches('|').count() - 1;
    let lines: Vec<&str> = text.lines().collect();
    let tables = lines.chunk_by(|one, other| one.starts_with('|') == other.starts_with('|'));
    let tables = tables.filter(|table| table[0].starts_with('|'));
    tables.map(|table| table.iter().map(|row| cells(row)).collect()).collect()
}

fn assert_whole(text: &str) {
    for table in table_rows(text) {
        assert!(table.iter().all(|cells| *cells == table[0]), "{table:?} in {text}");
    }
}

#[test]
fn markdown_says_the_answer_first_and_keeps_its_tables_whole() {
    let text = form(run(), "run", "markdown");
    assert!(text.starts_with("**<code>10 k&#124;s &#34;of&#34; &#60;b&#62;&#42;64&#44; &#61;&#47;&#45;2</code>** · SUSPECT: "), "{text}");
    assert_whole(&text);
    assert!(text.contains("Where the time went"), "{text}");
    assert!(shown(&invalid_run(), "markdown").stdout.contains("INVALID: do not use these figures"));
    let text = form(&comparison(), "comparison", "markdown");
    let begin = "**<code>new &#124; &#60;b&#62;</code> against `old`** · WORSE: first_reply.p50 is 20.0 % higher, which is worse (";
    assert!(text.starts_with(begin), "{text}");
    assert_whole(&text);
    let (shown, _) = text.split_once("<details>").expect("something folded away");
    for row in [
        "| first_reply.p50 | 100 µs | 120 µs | +20.0 % | +19.0 … +22.0 | worse | 2.50 % |",
        "| process.resident_bytes | 28.6 MiB",
    ] {
        assert!(shown.contains(row), "{text}");
    }
}

#[test]
fn a_form_that_makes_no_sense_says_which_do() {
    let of_comparison = shown(&comparison(), "hgrm");
    let scenario = "load = { rate = '10/s' }";
    let ideal = Zload::with_scenario("ideal", scenario).args(&["--format", "csv"]).end();
    // Were it served first, this test would not end.
    let served = Zload::with_scenario("serve", scenario).args(&["--format", "bencher"]).end();
    for (ended, kind, there) in [
        (of_comparison, "a comparison", "csv, junit"),
        (ideal, "a lower bound", "text, json"),
        (served, "a server", "text, json"),
    ] {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(ended.stderr.contains(kind) && ended.stderr.contains(there), "{}", ended.stderr);
    }
}

#[test]
fn figures_that_must_not_be_used_are_in_no_form_that_cannot_say_so() {
    let invalid = invalid_run();
    for format in [
        "bencher",
        "github-action-benchmark-smaller",
        "github-action-benchmark-bigger",
        "go-bench",
        "otava",
        "hgrm",
    ] {
        let ended = shown(&invalid, format);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{format}");
        assert!(ended.stderr.contains("INVALID"), "{}", ended.stderr);
    }
    for format in ["markdown", "csv", "junit", "hlog", "json", "text"] {
        let ended = shown(&invalid, format);
        assert_eq!(ended.code, Some(0), "{format}");
        assert!(ended.stdout.contains("INVALID") || format == "junit", "{format}");
    }
}
