//! `--html`: pages of runs and comparisons, read as XML and compared with the JSON objects that they show.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Zload;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;
use tempfile::TempDir;

/// A run with everything that a page can show: silent requests, several replies, a waiting client, seconds to draw.
const FULL: &str = "name = 'full'\ndescription = 'all there is'\nload = { rate = '600/s', arrivals = 'poisson' }\n\
                    run = { duration = '2500ms' }\nclients = { count = 3 }\n\
                    workers = { count = 2, replies = { uniform = [0, 2] }, delay = { exponential = '1ms' } }";

const PLOTS_OF_A_RUN: [&str; 5] =
    ["percentiles", "heat-map", "throughput-over-time", "in-flight-over-time", "hops"];

const PLOTS_OF_A_COMPARISON: [&str; 6] =
    ["densities", "percentiles", "quantiles", "hops", "blocks", "slices-over-time"];

/// A text that would do harm wherever it is taken for anything but a text.
const HOSTILE: &str = "<script>alert(1)</script>\"' onload='x' &amp; ]]> <!-- </style>";

fn example() -> Value {
    let text = fs::read_to_string("tests/fixtures/comparison.json").expect("the example");
    serde_json::from_str(&text).expect("the example is JSON")
}

/// A run of a scenario: its result, and its page.
fn run(scenario: &str, more: &[&str]) -> (Value, String) {
    let folder = TempDir::new().expect("a temporary folder");
    let [json, html] = ["result.json", "result.html"].map(|name| path_in(&folder, name));
    let ended = Zload::with_scenario("run", scenario)
        .args(&["-q", "-o", utf8(&json), "--html", utf8(&html)])
        .args(more)
        .end();
    assert!(matches!(ended.code, Some(0 | 3)), "{:?} {}", ended.code, ended.stderr);
    let text = fs::read_to_string(json).expect("the saved result");
    (serde_json::from_str(&text).expect("JSON"), fs::read_to_string(html).expect("the page"))
}

/// What `zload show` makes of a result.
fn show(result: &Value) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let [json, html] = ["result.json", "result.html"].map(|name| path_in(&folder, name));
    fs::write(&json, result.to_string()).expect("writing the result");
    let ended = Zload::new(&["show", utf8(&json), "--html", utf8(&html)]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fs::read_to_string(html).expect("the page")
}

fn path_in(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

fn parse(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error} in\n{page}"))
}

fn all<'a>(document: &'a Document, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.tag_name().name() == name)
}

fn by_id<'a>(document: &'a Document, id: &str) -> Node<'a, 'a> {
    let mut nodes = document.descendants().filter(|node| node.attribute("id") == Some(id));
    nodes.next().unwrap_or_else(|| panic!("nothing has the id {id}"))
}

/// The value of a field by its dotted path; numbers are places in an array.
fn field<'a>(result: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(result, |value, key| match key.parse::<usize>() {
        Ok(place) if value.is_array() => &value[place],
        // Metrics have dots in their names.
        _ => &value[key],
    })
}

/// Everything that holds for every page.
fn check(page: &str, result: &Value, plots: &[&str]) {
    let document = parse(page);
    for id in plots {
        let figure = by_id(&document, id);
        let svg = figure.children().find(|node| node.tag_name().name() == "svg").expect("a plot");
        assert_eq!(svg.attribute("role"), Some("img"));
        for name in ["title", "desc"] {
            let text = svg.children().find(|node| node.tag_name().name() == name);
            let text = text.and_then(|node| node.text()).unwrap_or_default();
            assert!(!text.is_empty(), "{id} has no {name}");
        }
        let drawn = svg.descendants().filter(|node| {
            node.attribute("d").is_some() || ["rect", "circle"].contains(&node.tag_name().name())
        });
        assert!(drawn.count() > 2, "{id} is empty");
    }
    let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    let distinct: BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "an id is there twice: {ids:?}");
    assert!(!page.contains("NaN") && !page.contains("inf "), "a number that is none");
    asks_for_nothing(&document);
    let values = all(&document, "data").map(|node| {
        let path = node.attribute("data-field").expect("a field");
        let value: f64 =
            node.attribute("value").and_then(|value| value.parse().ok()).expect("a number");
        assert_eq!(field(result, path).as_f64(), Some(value), "{path}");
    });
    assert!(values.count() > 30);
}

/// Nothing that a browser would ask a host for, and nothing that it would run.
fn asks_for_nothing(document: &Document) {
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        let harmful = ["script", "link", "img", "image", "iframe", "object", "use", "a", "base"];
        assert!(!harmful.contains(&name), "a {name}");
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(!name.starts_with("on") && !["src", "href", "style"].contains(&name), "{name}");
            assert!(!attribute.value().contains("://"), "{} in {name}", attribute.value());
        }
        if name == "style" {
            let style = node.text().expect("a style");
            assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
        }
    }
    let policy = all(document, "meta").filter_map(|node| node.attribute("content"));
    assert!(policy.into_iter().any(|content| content.starts_with("default-src 'none'")));
}

#[test]
fn the_page_of_a_run_shows_what_its_result_says() {
    let (result, page) = run(FULL, &[]);
    check(&page, &result, &PLOTS_OF_A_RUN);
    let document = parse(&page);
    let text: String = ["verdict", "checks"]
        .iter()
        .flat_map(|id| by_id(&document, id).descendants().filter_map(|node| node.text()))
        .collect();
    assert!(text.contains(result["verdict"]["status"].as_str().expect("a status")), "{text}");
    for check in result["verdict"]["checks"].as_array().expect("an array") {
        let sentence = check["sentence"].as_str().expect("a sentence");
        assert!(text.contains(sentence), "no {sentence:?} in\n{text}");
    }
    let classes: Vec<&str> =
        all(&document, "path").filter_map(|node| node.attribute("class")).collect();
    assert!(classes.contains(&"first rare"), "1,500 replies carry no p99.99: {classes:?}");
    assert!(!classes.contains(&"ideal rare"), "the ideal is computed: {classes:?}");
    let heading = all(&document, "h1").next().and_then(|node| node.text());
    assert_eq!(heading, Some("full"));
    for path in [
        "throughput.replies_per_s",
        "latency.first_reply.p50_ns",
        "latency.last_reply.max_ns",
        "ledger.requests_silent",
        "ledger.replies_received",
        "hops.to_worker.p50_ns",
        "hops.owners.0.shares.in_worker",
        "ideal.excess.first_reply.p50_ns",
    ] {
        let shown = all(&document, "data").any(|node| node.attribute("data-field") == Some(path));
        assert!(shown, "{path} is not shown");
    }
}

#[test]
fn the_scenario_of_a_page_makes_the_run_again() {
    let (result, page) = run(FULL, &[]);
    let document = parse(&page);
    let code =
        by_id(&document, "scenario").descendants().find(|node| node.tag_name().name() == "code");
    let text = code.and_then(|node| node.text()).expect("a scenario").to_owned();
    let again = Zload::with_scenario("check", &text).end();
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let hash = result["plan_hash"].as_str().expect("a hash");
    assert!(again.stdout.contains(hash), "{}", again.stdout);
}

#[test]
fn a_saved_result_has_the_same_page() {
    let (result, page) = run(FULL, &["--repeat", "2"]);
    assert_eq!(show(&result), page);
    check(&page, &result, &PLOTS_OF_A_RUN);
    assert!(page.contains("2 runs, pooled above"));
}

#[test]
fn a_run_without_a_single_reply_has_a_page() {
    let (result, page) = run(
        "load = { rate = '50/s' }\nrun = { duration = '100ms' }\nworkers = { replies = 0 }",
        &[],
    );
    let document = parse(&page);
    asks_for_nothing(&document);
    assert_eq!(result["latency"]["first_reply"]["count"], 0);
    assert_eq!(all(&document, "figure").count(), 0, "there is nothing to draw");
}

#[test]
fn the_page_of_a_comparison_shows_what_its_result_says() {
    let result = example();
    let page = show(&result);
    check(&page, &result, &PLOTS_OF_A_COMPARISON);
    for metric in result["metrics"].as_array().expect("an array") {
        for part in ["name", "sentence", "verdict"] {
            let part = metric[part].as_str().expect("a text");
            assert!(page.contains(part), "no {part:?}");
        }
    }
    assert!(page.contains("proxy.engine"), "the key that differs");
}

#[test]
fn further_sides_have_their_metrics_on_the_page() {
    let mut result = example();
    let mut other = result.clone();
    other["b"]["name"] = "a third one".into();
    other["slices"] = Value::Array(Vec::new());
    result["others"] = Value::Array(vec![other]);
    let page = show(&result);
    check(&page, &result, &PLOTS_OF_A_COMPARISON);
    assert!(page.contains("a third one against batch"));
}

#[test]
fn no_text_of_a_result_is_taken_for_markup() {
    let (mut result, _) = run(FULL, &[]);
    result["scenario"]["name"] = HOSTILE.into();
    result["scenario"]["description"] = HOSTILE.into();
    result["notes"] = Value::Array(vec![HOSTILE.into()]);
    result["failure"] = HOSTILE.into();
    result["verdict"]["checks"][0]["sentence"] = HOSTILE.into();
    result["environment"]["cpu_model"] = HOSTILE.into();
    result["environment"]["command"] = HOSTILE.into();
    result["environment"]["time"] = HOSTILE.into();
    result["proxy"]["frontend"] = HOSTILE.into();
    let page = show(&result);
    check(&page, &result, &PLOTS_OF_A_RUN);
    assert!(!page.contains("<script"));
    assert_eq!(all(&parse(&page), "h1").next().and_then(|node| node.text()), Some(HOSTILE));

    let mut result = example();
    for side in ["a", "b"] {
        result[side]["name"] = HOSTILE.into();
        result[side]["source"] = HOSTILE.into();
    }
    result["differences"][0]["key"] = HOSTILE.into();
    result["metrics"][0]["sentence"] = HOSTILE.into();
    let page = show(&result);
    check(&page, &result, &PLOTS_OF_A_COMPARISON);
    assert!(!page.contains("<script"));
}

/// A file of any origin has a page, and soon.
#[test]
fn figures_that_no_run_has_do_no_harm() {
    let (mut result, _) = run(FULL, &[]);
    for entry in result["series"].as_array_mut().expect("an array") {
        entry["offset_ns"] = u64::MAX.into();
        entry["in_flight"] = u64::MAX.into();
    }
    for column in result["heat_map"].as_array_mut().expect("an array") {
        column["length_ns"] = 0.into();
        column["counts"] = serde_json::json!([[0, 0], [u64::MAX, 1], [7, u64::MAX / 2]]);
    }
    result["throughput"]["window_ns"] = 0.into();
    result["hops"]["owners"][0]["shares"]["in_worker"] = (-1e300).into();
    let page = show(&result);
    asks_for_nothing(&parse(&page));
    assert!(!page.contains("NaN"));

    let mut result = example();
    for metric in result["metrics"].as_array_mut().expect("an array") {
        metric["effect_percent"] = 1e300.into();
        metric["ci_low_percent"] = (-1e300).into();
        metric["a"] = Value::Null;
    }
    for quantile in result["quantiles"].as_array_mut().expect("an array") {
        quantile["quantile"] = 7.into();
        quantile["effect_percent"] = 1e300.into();
    }
    let page = show(&result);
    asks_for_nothing(&parse(&page));
    assert!(!page.contains("NaN"));
}

#[test]
fn every_result_has_a_page() {
    let folder = TempDir::new().expect("a temporary folder");
    let [json, html, other] =
        ["served.json", "served.html", "ideal.html"].map(|name| path_in(&folder, name));
    let served = Zload::with_scenario("serve", "load = { rate = '1/s' }")
        .args(&["-q", "--duration", "50ms", "-o", utf8(&json)])
        .end();
    assert_eq!(served.code, Some(0), "{}", served.stderr);
    let shown = Zload::new(&["show", utf8(&json), "--html", utf8(&html)]).end();
    let ideal = Zload::with_scenario("ideal", "load = { rate = '1k/s' }\nrun.duration = '1s'")
        .args(&["-q", "--html", utf8(&other)])
        .end();
    assert_eq!((shown.code, ideal.code), (Some(0), Some(0)), "{}{}", shown.stderr, ideal.stderr);
    for page in [html, other] {
        asks_for_nothing(&parse(&fs::read_to_string(page).expect("the page")));
    }
}

#[test]
fn a_page_that_cannot_be_written_is_said_before_anything_is_measured() {
    let ended = Zload::with_scenario("run", FULL).args(&["--html", "/nowhere/at/all.html"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("/nowhere/at/all.html"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);
}
