//! The report of `zload serve`: what the proxy carried.

use super::plan::settings;
use super::quantity::{bytes_per_second, count, duration, rate};
use super::run::proxy_line;
use super::{Style, machine, setting, wrapped};
use crate::result::ServeResult;
use crate::scenario::is_beyond_loopback;
use crate::scenario::{MAX_DELAY, MAX_REPLIES, MOST_FRAMES, Scenario};

/// What whoever starts a server should know if `frontend` can be reached from elsewhere: a client draws by keys that it
/// chooses itself, so the heaviest draw of the scenario is any client's at will.
pub fn serve_warning(scenario: &Scenario, frontend: &str) -> Option<String> {
    let workers = &scenario.workers;
    let replies = workers.replies.greatest().unwrap_or(MAX_REPLIES);
    let delay = workers.delay.greatest().unwrap_or(MAX_DELAY);
    is_beyond_loopback(frontend).then(|| {
        format!(
            "anybody who reaches it may send it work, as much as they like: a request may ask for {replies} replies of up to \
             {} each, and for {delay} of a worker's time before each of them; tcp://127.0.0.1:* is for this machine alone",
            scenario.message_limit()
        )
    })
}

/// What people see when a server has ended.
pub fn serve_report(result: &ServeResult, style: Style) -> String {
    let mut text = String::new();
    if let Some(failure) = &result.failure {
        text += &format!("{}\n\n", style.alarm(&wrapped(&format!("FAILED: {failure}"), 0)));
    }
    text += &format!(
        "{} served for {}\n",
        style.heading(&result.scenario.name),
        duration(result.window_ns)
    );
    text += &settings(&result.scenario);
    text += &setting("machine", &machine(&result.environment));
    text += &format!("\n{}\n", style.heading("Carried"));
    text += &format!(
        "  {} requests served, {} replies sent\n",
        count(result.requests_served),
        count(result.replies_sent)
    );
    if result.requests_refused > 0 {
        let refused = count(result.requests_refused);
        let text_of =
            format!("  {refused} messages dropped: no body, or more than {MOST_FRAMES} frames\n");
        text += &style.alarm(&text_of);
    }
    if result.connections_cut_off > 0 {
        let cut_off = count(result.connections_cut_off);
        text += &style.alarm(&format!("  {cut_off} connections closed: a message without end\n"));
    }
    text += &format!(
        "  {} messages, both directions; {}\n",
        rate(result.proxy_messages_per_s),
        bytes_per_second(result.proxy_bytes_per_s)
    );
    text + &format!("\n{}\n  {}\n", style.heading("Proxy"), wrapped(&proxy_line(&result.proxy), 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_listens_beyond_loopback_is_warned() {
        let text = "load = { rate = '1/s' }\nworkers = { replies = { uniform = [0, 4] }, delay = { exponential = '1ms' } }";
        let scenario = Scenario::parse("test.toml", text, &[]).expect("a scenario");
        for local in ["tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://127.3.2.1:1", "ipc:///tmp/x"] {
            assert_eq!(serve_warning(&scenario, local), None, "{local}");
        }
        for open in ["tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://192.0.2.7:5570"] {
            let warning = serve_warning(&scenario, open).expect("a warning");
            assert!(warning.contains("4 replies of up to 1MiB each"), "{warning}");
            assert!(warning.contains("1h of a worker's time"), "{warning}");
        }
    }
}
