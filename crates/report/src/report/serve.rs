//! The report of `zload serve`: what the proxy handled.

use super::document::{Block, Depth, Document, Heading, Section, Span, words};
use super::plan::settings;
use super::run::proxy_line;
use super::{Reported, machine, origin};
use crate::result::ServeResult;
use zload_core::quantity::{bytes_per_second, count, duration, rate};
use zload_core::scenario::{MAX_DELAY, MAX_REPLIES, MOST_FRAMES, Scenario};

/// A warning for servers that other machines can reach: a client draws by keys that it chooses
/// itself, so the heaviest draw of the scenario is any client's at will.
pub fn warning_beyond_loopback(scenario: &Scenario) -> String {
    let workers = &scenario.workers;
    let replies = workers.replies.greatest().unwrap_or(MAX_REPLIES);
    let delay = workers.delay.greatest().unwrap_or(MAX_DELAY);
    format!(
        "anyone who can reach this endpoint can use it: a request may ask for {replies} replies of up to {} each, each after {delay} of a worker's time; tcp://127.0.0.1:* is local to this machine",
        scenario.message_limit()
    )
}

impl Reported for ServeResult {
    fn report(&self) -> Document {
        let title =
            words!(Span::name(&self.scenario.name), " served for ", duration(self.window_ns));
        let mut rows = settings(&self.scenario);
        rows.push(("machine".into(), machine(&self.environment).into()));
        let failed = self.failure.iter().map(|failure| {
            let alarm = Block::alarm(words!(Span::strong("FAILED"), ": ", failure.as_str()));
            Section::bare("alarms", Depth::Answer, vec![alarm])
        });
        let proxy = vec![Block::sentence(proxy_line(&self.proxy))];
        let sections = [
            Section {
                heading: Heading::Title("What was served"),
                ..Section::bare("served", Depth::Answer, vec![Block::Settings(rows)])
            },
            Section::new("messages", "Messages", Depth::Answer, messages(self)),
            Section::new("proxy", "Proxy", Depth::Answer, proxy),
        ];
        Document {
            origin: origin(&self.environment),
            command: self.environment.command.clone().unwrap_or_default(),
            ..Document::new(title, &self.environment.zload, failed.chain(sections))
        }
    }
}

fn messages(result: &ServeResult) -> Vec<Block> {
    let served = format!(
        "{} requests served, {} replies sent",
        count(result.requests_served),
        count(result.replies_sent)
    );
    let refused = (result.requests_refused > 0).then(|| {
        let refused = count(result.requests_refused);
        format!("{refused} messages dropped: no body, or more than {MOST_FRAMES} frames")
    });
    let cut_off = (result.connections_cut_off > 0).then(|| {
        format!("{} connections closed: an endless message", count(result.connections_cut_off))
    });
    let rates = format!(
        "{} messages, both directions; {}",
        rate(result.proxy_messages_per_s),
        bytes_per_second(result.proxy_bytes_per_s)
    );
    let alarms = [refused, cut_off].into_iter().flatten().map(Block::alarm);
    std::iter::once(Block::sentence(served)).chain(alarms).chain([Block::sentence(rates)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_names_the_heaviest_draw() {
        let text = "load = { rate = '1/s' }\nworkers = { replies = { uniform = [0, 4] }, delay = { exponential = '1ms' } }";
        let scenario = Scenario::parse("test.toml", text, &[]).expect("a scenario");
        let warning = warning_beyond_loopback(&scenario);
        assert!(warning.contains("4 replies of up to 1MiB each"), "{warning}");
        assert!(warning.contains("1h of a worker's time"), "{warning}");
    }
}
