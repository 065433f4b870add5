//! What a run says of its own figures: which are no estimates, and how much of them is the plan's luck.

use crate::support::{Zload, mark_uncertain};
use serde_json::Value;

/// `zload show --format FORMAT` of a result.
fn shown(result: &Value, format: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    std::fs::write(&path, result.to_string()).expect("writing");
    let ended =
        Zload::new(&["show", "-v", "--format", format, path.to_str().expect("UTF-8")]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

fn rows(text: &str) -> Vec<csv::StringRecord> {
    let records = csv::Reader::from_reader(text.as_bytes()).into_records();
    records.collect::<Result<_, _>>().expect("CSV")
}

#[test]
fn a_percentile_that_is_no_estimate_is_marked_where_people_look_and_left_out_of_histories() {
    let scenario = "load = { rate = '2k/s' }\nrun = { duration = '400ms' }";
    let mut plain = Zload::run(scenario).args(&["--repeat", "2"]).result(0);
    // Whether the machine lets this run be valid, and leaves estimates, is chance.
    plain["verdict"]["status"] = "SUSPECT".into();
    mark_uncertain(&mut plain, &[]);
    let mut result = plain.clone();
    mark_uncertain(&mut result, &["p90"]);
    let figure = |format: &str| shown(&result, format);
    let (csv, markdown) = (figure("csv"), figure("markdown"));
    let cell = |name: &str| {
        let found = rows(&csv).into_iter().find(|row| &row[0] == name);
        found.unwrap_or_else(|| panic!("no {name}"))[5].to_owned()
    };
    assert_eq!(
        ["latency.first_reply.p90", "latency.first_reply.p50", "latency.reply.p90"].map(cell),
        ["true", "", ""]
    );
    assert!(markdown.contains(" | \\~") && markdown.contains("\n\\~ observed, "), "{markdown}");
    assert!(!shown(&plain, "markdown").contains('~'));
    let text = figure("text");
    assert_eq!(text.matches("\n  ~ observed, not estimated").count(), 1, "{text}");
    assert!(!shown(&plain, "text").contains("not estimated"));
    for format in ["bencher", "github-action-benchmark-smaller", "go-bench"] {
        let (with, without) = (shown(&plain, format), figure(format));
        assert!(
            with.contains("first_reply.p90") && !without.contains("first_reply.p90"),
            "{format}"
        );
        assert!(without.contains("first_reply.p75"), "{format}");
    }
    let columns = rows(&(figure("otava-header") + &figure("otava")));
    let header =
        csv::Reader::from_reader(figure("otava-header").as_bytes()).headers().unwrap().clone();
    let column = header.iter().position(|name| name == "latency_first_reply_p90_ns").unwrap();
    assert_eq!(&columns[0][column], "nan");
}

#[test]
fn a_plan_with_work_says_its_luck_unless_runs_have_seeds_of_their_own() {
    let queue = "load = { rate = '200/s', arrivals = 'poisson' }\nrun = { duration = '500ms' }\n\
                 workers = { count = 1, delay = { exponential = '2ms' } }";
    let result = Zload::run(queue).result(0);
    assert_eq!(result["ideal"]["other_seeds"], 150);
    for row in [&result["ideal"]["first_reply"], &result["latency"]["first_reply"]] {
        let ends = &row["other_seeds"]["p50_ns"];
        assert!(ends[0].as_u64() < ends[1].as_u64(), "{ends}");
        assert!(row["other_seeds"]["p99_ns"].is_null(), "the sample is too small to carry it");
    }
    let in_words =
        |result: &Value| shown(result, "text").split_whitespace().collect::<Vec<_>>().join(" ");
    let text = in_words(&result);
    assert!(text.contains(" seeds ") && text.contains("by simulation of 150"), "{text}");
    for (scenario, repeat) in [
        (queue, &["--repeat", "2", "--vary-seed"][..]),
        // Nothing is left to chance.
        (
            "load = { rate = '200/s' }\nrun = { duration = '500ms' }\nworkers = { delay = '1ms' }",
            &[],
        ),
    ] {
        let result = Zload::run(scenario).args(repeat).result(0);
        assert!(result["ideal"].get("other_seeds").is_none());
        assert!(result["latency"]["reply"].get("other_seeds").is_none());
        assert!(!in_words(&result).contains("other seeds"));
    }
}
