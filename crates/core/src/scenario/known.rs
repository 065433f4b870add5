//! What zload's own workers can know of a request. Pure.
//!
//! They draw replies and delays from the request's own header or token. Where all requests are served alike they need neither.

use super::frame_text::{FrameText, Placeholder};
use super::value_error::{Checked, ValueError};
use super::{MIN_PAYLOAD, Protocol, Scenario};

/// Whether zload's workers can tell which request they have, where they do not serve all alike.
pub(super) fn error(scenario: &Scenario) -> Checked {
    let Some(request) = &scenario.request else { return Ok(()) };
    let workers = &scenario.workers;
    let alike = workers.replies.constant().is_some() && workers.delay.constant().is_some();
    if alike || !scenario.has_workers() {
        return Ok(());
    }
    let behind_rep = scenario.worker_protocol() == Protocol::Rep;
    let holds_header = scenario.load.payload.least().is_some_and(|least| least >= MIN_PAYLOAD);
    for (place, frames) in request.operations().into_iter().enumerate() {
        // A REP socket keeps all up to the first empty frame to itself.
        let empty = frames.iter().position(|frame| frame.is_empty()).filter(|_| behind_rep);
        let seen = &frames[empty.map_or(0, |place| place + 1)..];
        let tells = |frame: &&str| {
            let Ok(frame) = FrameText::parse(frame) else { return false };
            frame.has(Placeholder::Id)
                || frame.is(Placeholder::Tag)
                || (frame.is(Placeholder::Body) && holds_header)
        };
        if seen.iter().any(tells) {
            continue;
        }
        let named = request.mix.get(place);
        let operation = named.map_or_else(String::new, |of| format!("operation {}: ", of.name));
        let where_from = if behind_rep { "what follows the empty frame" } else { "its frames" };
        return Err(ValueError {
            path: if named.is_some() { "request.mix" } else { "request.frames" },
            item: named.map(|_| place),
            message: format!(
                "{operation}zload's workers cannot tell from {where_from} which request it is, so its replies and delays would not be the plan's"
            ),
            help: Some(
                "put {id} into a frame, or {body} of at least 24B (load.payload); or make workers.delay and workers.replies constant"
                    .to_owned(),
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_do_not_serve_all_alike_must_know_the_request() {
        let of = |payload: &str, request: &str, workers: &str| {
            let text = format!(
                "load = {{ rate = '1/s', payload = '{payload}' }}\n[request]\n{request}\n[workers]\n{workers}"
            );
            Scenario::parse("a.toml", &text, &[]).map_err(|problem| problem.to_string())
        };
        let (rep, varies) = (
            "protocol = 'rep'\ndelay = { uniform = ['1ms', '2ms'] }",
            "delay = { uniform = ['1ms', '2ms'] }",
        );
        for (payload, request, workers) in [
            ("8B", "match = 'envelope'", rep),
            ("64B", "match = 'envelope'\nframes = ['x']", rep),
            ("64B", "match = 'order'\nframes = ['x']", varies),
            ("64B", "match = 'token'\nframes = ['{id}', '', 'x']", rep),
        ] {
            let error = of(payload, request, workers).unwrap_err();
            assert!(error.contains("cannot tell from"), "{request}: {error}");
            // Where all are served alike there is nothing to know.
            of(payload, request, "delay = '1ms'").unwrap();
        }
        for (payload, request, workers) in [
            ("24B", "match = 'envelope'", rep),
            ("8B", "match = 'envelope'", varies),
            ("8B", "match = 'envelope'\nframes = ['{id}']", rep),
            ("8B", "match = 'order'\nframes = ['{id}']", varies),
        ] {
            of(payload, request, workers).unwrap();
        }
    }
}
