//! Notes on a result: what is unusual, and its likely cause. Pure.

use super::unlike::NO_PERCENTILES;
use crate::verdict::{self, SampledRequest};
use zload_core::facts::{Connections, Measured, ServerUse};
use zload_core::plan::Plan;
use zload_core::quantity;
use zload_core::record::{Ledger, Strangers, Unheard};
use zload_core::scenario::{MOST_FRAMES, Matching, Nanos, Protocol, Scenario};
use zload_core::text;

/// libzmq's own high-water mark.
const DEFAULT_HWM: i32 = 1000;
/// With fewer requests than this from each client it says little that one got no reply.
const FEW_REQUESTS: u64 = 4;

/// What helps to read the figures, and no check of the verdict says.
pub(super) fn notes(plan: &Plan, run: &Measured, ledger: &Ledger) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(utilisation) = plan.summary().utilisation.filter(|utilisation| *utilisation > 1.0) {
        notes.push(format!(
            "the offered load is {:.0} % of the workers' capacity: the queue and the latencies grow for as long as the run lasts",
            utilisation * 100.0
        ));
    }
    if plan.is_unlike() {
        notes.push(format!("no percentiles of the whole run: {NO_PERCENTILES}; each stage that holds a rate has its own"));
    }
    if run.probes.is_some() {
        notes.push("probe clients are in no figure of the load's requests and replies; proxy, workers and process have their load, too, and the simulation serves them".to_owned());
    }
    notes.extend(
        run.stopped.as_ref().map(|why| format!("the sending was ended by run.stop_when: {why}")),
    );
    notes.extend(of_ledger(run, ledger));
    if run.cut_off > 0 {
        notes.push(format!(
            "{} connections were closed: the peer sent an endless message, or messages far larger than planned, and memory grew by more than the plan explains",
            run.cut_off
        ));
    }
    notes.extend(run.connections.and_then(of_connections));
    notes.extend(run.connections.and_then(of_windows));
    if let Some(refused) = run.server_in_all.map(|totals| totals.refused).filter(|count| *count > 0)
    {
        notes.push(format!(
            "workers dropped {refused} messages without a body or with more than {MOST_FRAMES} frames"
        ));
    }
    notes.extend(run.server_process.as_ref().and_then(of_end));
    if run.recorded.rest_uncounted {
        notes.push(
            "the rest of this Poisson plan is too long to count after an interruption: planned and unsent requests are those up to the interruption"
                .to_owned(),
        );
    }
    notes
}

/// The longest time in which no reply came while requests waited.
pub(super) fn of_stalls(plan: &Plan, run: &Measured) -> Option<String> {
    let traces = run.recorded.traces.intended_from(plan.warmup_ns());
    let requests: Vec<SampledRequest> = traces.iter().map(SampledRequest::from).collect();
    let stalls = verdict::stalls(&requests);
    let longest = stalls.first()?;
    let felt = longest.felt as u64 * run.recorded.traces.one_in();
    let more = match stalls.len() - 1 {
        0 => String::new(),
        more => format!("; also {}", quantity::counted(more as u64, "shorter stall")),
    };
    Some(format!(
        "a stall of {} at {}: no reply came while {}{} waited{more}",
        quantity::duration(longest.length_ns),
        quantity::duration(longest.from_ns.saturating_sub(plan.warmup_ns())),
        if run.recorded.traces.one_in() > 1 { "about " } else { "" },
        quantity::counted(felt, "request")
    ))
}

/// What became of the connections, if any of them ended.
fn of_connections(connections: Connections) -> Option<String> {
    let Connections { begun, ended, made, requests_lost, .. } = connections;
    let missing = ended.saturating_sub(made);
    let back = match (ended, missing) {
        (0, _) => return None,
        (_, 0) => " and came back".to_owned(),
        (ended, missing) if missing == ended => ", and none was back when it was over".to_owned(),
        (_, missing) => {
            format!(", of which {} were not back when it was over", quantity::count(missing))
        }
    };
    let (why, lost) = match reasons(connections) {
        None => (String::new(), "messages in flight were then lost".to_owned()),
        Some(why) => {
            let lost = quantity::counted(requests_lost, "request");
            (format!(" ({why})"), format!("{lost} in flight then lost, and not sent again"))
        }
    };
    let of = if ended > begun {
        let all = quantity::counted(ended, "connection");
        format!("{all}, {} at a time, ended during the run", quantity::count(begun))
    } else {
        let all = quantity::counted(begun, "connection");
        format!("{} of {all} ended during the run", quantity::count(ended))
    };
    Some(format!(
        "{of}{back}{why}: {lost}, and requests due before reconnection were sent late or not at all"
    ))
}

/// That requests waited for the server to read, if it is known.
fn of_windows(connections: Connections) -> Option<String> {
    let Connections { window_closed, most_unsent, .. } = connections;
    let times = match window_closed {
        0 => return None,
        1 => "once".to_owned(),
        times => format!("{} times", quantity::count(times)),
    };
    Some(format!(
        "the server's window was closed {times}: it did not read as fast as its clients sent, up to {} of one connection waited in the kernel, and requests due meanwhile were held back",
        quantity::counted(most_unsent, "byte")
    ))
}

/// Why connections ended; `None` where libzmq made them, which does not say.
fn reasons(connections: Connections) -> Option<String> {
    let reasons = [
        (connections.closed, "closed by the server"),
        (connections.reset, "reset"),
        (connections.too_long, "by zload, for a frame longer than sockets.maxmsgsize"),
        (connections.silent, "by zload, for silence longer than sockets.heartbeat_timeout"),
    ];
    let given = reasons.iter().filter(|(ended, _)| *ended > 0);
    let words: Vec<String> =
        given.map(|(ended, why)| format!("{} {why}", quantity::count(*ended))).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// What is unusual about the end of an external server, if anything.
fn of_end(used: &ServerUse) -> Option<String> {
    let end = used.end.as_ref()?;
    if end.had_to_be_killed {
        return Some(
            "the server did not end on SIGTERM and was killed: give it more time (server.stop_timeout), or handle SIGTERM"
                .to_owned(),
        );
    }
    (end.left_behind > 0).then(|| {
        format!(
            "the server ended before {} of the processes that it had started; they were killed",
            end.left_behind
        )
    })
}

/// What the ledger's exceptions mean.
fn of_ledger(run: &Measured, ledger: &Ledger) -> Vec<String> {
    let whole = run.is_whole();
    let mut notes = Vec::new();
    if ledger.requests_planned == 0 && whole {
        notes.push(
            "no request was due in the measured window, so there are no figures: raise load.rate or run.duration"
                .to_owned(),
        );
    }
    if ledger.replies_duplicate > 0 {
        notes.push(format!(
            "{} duplicate replies: the server answered more often than `workers.replies` says",
            ledger.replies_duplicate
        ));
    }
    if ledger.requests_unsent > 0 && whole {
        notes.push(format!(
            "{} requests could not be sent: the send queue was full (EAGAIN: high-water mark, or no connection) or the drivers were too late",
            ledger.requests_unsent
        ));
    }
    if ledger.replies_unexpected > 0 {
        notes.push(format!(
            "{} messages answer no request that expects a reply{}",
            ledger.replies_unexpected,
            strangers(&run.recorded.strangers)
        ));
    }
    notes
}

/// The likely cause of lost replies.
pub(super) fn lost_because(
    scenario: &Scenario,
    plan: &Plan,
    run: &Measured,
    ledger: &Ledger,
) -> String {
    let lost = ledger.replies_lost;
    // Replies that built-in workers sent and no client got; a few may still be on their way.
    let missing =
        run.server_in_all.map_or(0, |totals| totals.replies.saturating_sub(run.received_by_all()));
    let sndhwm = scenario.sockets.sndhwm.unwrap_or(DEFAULT_HWM);
    let timeout_ns =
        plan.timeout_ns().filter(|ns| *ns < plan.drain_ns() || ledger.replies_late > 0);
    if !run.is_whole() && run.stopped.is_none() {
        format!("{lost} replies were outstanding when the run was cut short, and count as lost")
    } else if missing * 2 > lost && !scenario.has_proxy() {
        format!(
            "workers sent {missing} replies that no client got: the proxy between them did not deliver them"
        )
    } else if sndhwm > 0 && missing * 2 > lost {
        format!(
            "workers sent {missing} replies that no client got: a ROUTER drops messages to a client whose queue is full (sockets.sndhwm = {sndhwm}). Raise {} (0 is no limit)",
            scenario.sockets.marks().collect::<Vec<_>>().join(" and ")
        )
    } else if let Some(ended) = ended_with(scenario, run, ledger) {
        ended
    } else if let Some(ignored) = ignored(scenario, plan, run) {
        ignored
    } else if let Some(timeout_ns) = timeout_ns {
        format!(
            "{lost} replies did not come within {} of their requests (load.timeout); {} of them came later",
            Nanos(timeout_ns),
            ledger.replies_late
        )
    } else if run.received_in_all == 0 && may_drop_unheard(scenario) {
        unanswered(scenario, run, lost)
    } else if !scenario.has_proxy() {
        format!("{lost} replies of the external server did not come in time")
    } else {
        format!(
            "{lost} replies were still outstanding when the drain ended: raise run.drain, or lower the load"
        )
    }
}

/// What explains lost replies if most were lost with their connections; only zload's own engine knows which were.
fn ended_with(scenario: &Scenario, run: &Measured, ledger: &Ledger) -> Option<String> {
    let connections = run.connections?;
    let most = connections.requests_lost * 2 > ledger.requests_lost;
    let why = reasons(connections).filter(|_| most)?;
    if run.received_in_all == 0 && may_drop_unheard(scenario) {
        return Some(unanswered(scenario, run, ledger.replies_lost));
    }
    let by_server = connections.closed + connections.reset > 0;
    Some(format!(
        "{} were in flight on connections that ended ({why}){}",
        quantity::counted(connections.requests_lost, "request"),
        if by_server {
            ": a server ends one, too, that brings a message larger than it accepts (ZMQ_MAXMSGSIZE)"
        } else {
            ""
        }
    ))
}

/// Whether requests of another form than it expects may be dropped without a word.
fn may_drop_unheard(scenario: &Scenario) -> bool {
    !scenario.has_proxy() || scenario.worker_protocol() == Protocol::Rep
}

/// The likely cause when a server that listens has not answered at all.
fn unanswered(scenario: &Scenario, run: &Measured, lost: u64) -> String {
    if let Some(objection) = &run.objection {
        return format!("{lost} replies were expected, and {objection}");
    }
    let ended = run.connections.map_or(0, |connections| connections.ended);
    if ended > 0 {
        return format!(
            "{lost} replies were expected, and the server sent no message at all and ended {} when requests came: they are larger than it accepts (ZMQ_MAXMSGSIZE), or it refuses what they say",
            quantity::counted(ended, "connection")
        );
    }
    let form = match scenario.matching() {
        Matching::Envelope => {
            "does the server return the frames before the delimiter, and is it the delimiter that it expects?"
        }
        _ => {
            "a REP server drops requests without an empty delimiter frame, and does not say so: try request.match = \"envelope\""
        }
    };
    format!(
        "{lost} replies were expected, and the server, whose connections were made, sent no message at all; {form} `zload probe {}` tries the known forms",
        scenario.proxy.frontend.of(0)
    )
}

/// Some of the messages that answer no request, as far as they were kept.
fn strangers(kept: &Strangers) -> String {
    let shown: Vec<String> =
        kept.frames().map(|frame| format!("\"{}\"", text::bytes(frame))).collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!("; their last frames begin with {}", shown.join(", "))
    }
}

/// What explains lost replies if some clients got none at all while others did: their identities are taken. Where each
/// client sent but a few, that may as well be chance.
fn ignored(scenario: &Scenario, plan: &Plan, run: &Measured) -> Option<String> {
    let Unheard { clients, first } = &run.recorded.unheard;
    let ignored = !scenario.has_proxy()
        && run.received_in_all > 0
        && run.sent_in_all >= FEW_REQUESTS * u64::from(plan.clients());
    let by = if run.shards.is_empty() {
        "by another run or one that has just ended; run again, with new identities"
    } else {
        "as by a shard that runs twice or another run of the plan; stop that, and run again"
    };
    first.as_ref().filter(|_| ignored).map(|first| {
        format!(
            "{clients} of {} clients ({first}{}) sent requests and got no reply while others did: a ROUTER ignores a client whose identity is taken, {by}",
            plan.clients(),
            if *clients > 1 { " and others" } else { "" }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_ended_are_named_with_those_that_came_back() {
        let note = |begun, ended, made| {
            of_connections(Connections { begun, ended, made, ..Connections::default() })
        };
        assert_eq!((note(10, 0, 0), note(10, 0, 3)), (None, None));
        for (of, expected) in [
            ((10, 3, 3), "3 of 10 connections ended during the run and came back:"),
            ((8, 108, 108), "108 connections, 8 at a time, ended during the run and came back:"),
            ((1, 1, 2), "1 of 1 connection ended during the run and came back:"),
            (
                (10, 3, 1),
                "3 of 10 connections ended during the run, of which 2 were not back when it was over:",
            ),
            (
                (4, 4, 0),
                "4 of 4 connections ended during the run, and none was back when it was over:",
            ),
        ] {
            let note = note(of.0, of.1, of.2).unwrap();
            assert!(note.starts_with(expected), "{note}");
        }
        let known = Connections {
            begun: 10,
            ended: 3,
            made: 3,
            closed: 2,
            too_long: 1,
            requests_lost: 7,
            ..Connections::default()
        };
        let note = of_connections(known).unwrap();
        assert!(
            note.starts_with(
                "3 of 10 connections ended during the run and came back (2 closed by the server, 1 by zload, for a frame longer than sockets.maxmsgsize): 7 requests in flight then lost"
            ),
            "{note}"
        );
    }
}
