//! The report of `zload serve`: what the proxy carried.

use super::plan::settings;
use super::quantity::{bytes_per_second, count, duration, rate};
use super::run::proxy_line;
use super::{Style, machine, setting, wrapped};
use crate::result::ServeResult;
use crate::scenario::MOST_FRAMES;

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
