//! What a report says of requests that have a form of their own: the operations of a mix, errors, and gaps between replies.

use super::document::{Block, Depth, Row, Section, Span, Table, Words};
use super::latency::{self, Named};
use super::value::counted;
use crate::result::{LatencySummary, OperationFigures, RequestFigures, RunResult};
use zload_core::quantity::count;

/// The section, if there is anything to say.
pub(super) fn requests(result: &RunResult) -> Option<Section> {
    let request = result.request.as_ref()?;
    let mut blocks = Vec::new();
    if !request.operations.is_empty() {
        blocks.push(Block::Table(operations(request)));
    }
    let named = distributions(request);
    if !named.is_empty() {
        blocks.push(Block::Table(latency::table("requests", &named)));
        blocks.push(Block::note(
            "by operation: response time to the first reply; errors: response time of the replies that are errors, which no other \
             distribution counts; gaps: time between two replies to a request",
        ));
        blocks.extend(latency::too_few(latency::missing(&named)));
    }
    (!blocks.is_empty()).then(|| Section::new("requests", "Requests", Depth::Detail, blocks))
}

fn operations(request: &RequestFigures) -> Table {
    let row = |(place, of): (usize, &OperationFigures)| {
        let path = |name: &str| format!("request.operations.{place}.{name}");
        let alarm = |name: &str, number: u64| -> Words {
            if number == 0 {
                return counted(path(name), number);
            }
            Span::Alarm(path(name), number.to_string(), count(number)).into()
        };
        Row::of([
            Span::name(&of.name).into(),
            counted(path("requests_sent"), of.requests_sent),
            counted(path("requests_answered"), of.requests_answered),
            alarm("requests_failed", of.requests_failed),
            alarm("requests_lost", of.requests_lost),
        ])
    };
    Table::of(["operation", "sent", "answered", "errors", "lost"])
        .rows(request.operations.iter().enumerate().map(row))
}

fn distributions(request: &RequestFigures) -> Vec<Named<'_>> {
    let operations = request.operations.iter().enumerate().map(|(place, of)| {
        let path = format!("request.operations.{place}.first_reply");
        (Span::name(&of.name).into(), path, &of.first_reply)
    });
    let others: [(&str, &LatencySummary); 2] =
        [("errors", &request.failed), ("gaps", &request.gap)];
    let paths = ["request.failed", "request.gap"];
    let others = others.into_iter().zip(paths).filter(|((_, of), _)| of.count > 0);
    let others = others.map(|((name, of), path)| (name.into(), path.to_owned(), of));
    operations.chain(others).collect()
}
