//! Whether a server answers: requests of a separate client, which is gone before a run starts.
//!
//! A connection that is accepted says little (the kernel does it), so the proof is a full round trip: handshake, request, reply.
//! A request may legitimately get no reply, as the server may draw its fan-out by itself, and one that is not answered yet is
//! work that the server still has to do: so more of them are sent, in pauses that double.

use super::link::{Link, failed};
use crate::Error;
use crate::machine::Clock;
use crate::wire::{Context, Errno, address, greeting, sockets};
use zload_core::message::{Forms, Header, Values};
use zload_core::plan::{DrawKey, Plan};
use zload_core::scenario::{Nanos, Sockets};

const FIRST_PAUSE_NS: u64 = 100_000_000;
/// How often the server is looked at while nothing comes, in milliseconds.
const LOOK_EVERY_MS: i64 = 10;
/// How soon a connection that was refused is tried again, in milliseconds.
const RETRY_MS: i32 = 10;
/// The plan's requests among which the lightest is chosen.
const CHOSEN_FROM: u64 = 256;

pub(super) fn await_answer(
    endpoint: &str,
    options: &Sockets,
    (plan, forms): (&Plan, &Forms),
    timeout: Nanos,
    link: &mut Link<'_>,
) -> Result<(), Error> {
    let context = Context::new(1, 16)?;
    let socket = sockets::open_connecting(&context, options)?;
    let option = |error: zmq::Error| {
        Errno::from(error).failed("an option of the socket that waits for the server")
    };
    socket.set_reconnect_ivl(RETRY_MS).map_err(option)?;
    let token = std::process::id();
    socket.set_identity(format!("zload-probe-{token:08X}").as_bytes()).map_err(option)?;
    socket.dial(endpoint)?;
    let key = lightest(plan);
    let (clock, mut sent, mut connected) = (Clock::start(), 0_u64, false);
    let (mut send_at_ns, mut pause_ns) = (0, FIRST_PAUSE_NS);
    loop {
        if link.interrupted() {
            return Err(Error::Interrupted);
        }
        if let Some(end) = link.ended() {
            return Err(failed("the server ended before it answered a request", end));
        }
        let now_ns = clock.now_ns();
        if now_ns >= timeout.0 {
            // Before it is stopped: this also looks at who listens.
            let why = no_answer(endpoint, connected, sent);
            let what = format!("{why} within {timeout} (server.ready_timeout)");
            let output = link.stop().last_output.clone();
            return Err(Error::Server { what, output });
        }
        let due = now_ns >= send_at_ns;
        let wanted = if due { zmq::POLLIN | zmq::POLLOUT } else { zmq::POLLIN };
        // An interrupted wait is one that found nothing.
        let _found = socket.poll(wanted, LOOK_EVERY_MS);
        let events = socket.get_events().unwrap_or(zmq::PollEvents::empty());
        if events.contains(zmq::POLLIN) {
            return Ok(());
        }
        connected |= events.contains(zmq::POLLOUT);
        if due && events.contains(zmq::POLLOUT) {
            let header = Header { token, request: sent, key };
            if socket.send_multipart(request(plan, forms, header), zmq::DONTWAIT).is_ok() {
                sent += 1;
                send_at_ns = clock.now_ns() + pause_ns;
                pause_ns *= 2;
            }
        }
    }
}

/// A request, after whatever the server wants to hear first.
fn request(plan: &Plan, forms: &Forms, header: Header) -> Vec<Vec<u8>> {
    let planned = plan.request_of(header.key);
    let values = Values { header, client: 0, payload: planned.payload };
    let form = forms.hello().filter(|_| header.request == 0);
    form.unwrap_or_else(|| forms.request(plan.operation(header.key))).render(&values)
}

/// The key among the plan's first whose request expects a reply and costs the server the least.
fn lightest(plan: &Plan) -> DrawKey {
    let keys = (0..CHOSEN_FROM).map(|request| plan.key(0, request));
    let work_ns = |key: &DrawKey| {
        let delays = (0..plan.replies(*key)).map(|reply| plan.delay_ns(*key, reply));
        delays.fold(0, u64::saturating_add)
    };
    keys.filter(|key| plan.replies(*key) > 0).min_by_key(work_ns).unwrap_or(plan.key(0, 0))
}

fn no_answer(endpoint: &str, connected: bool, sent: u64) -> String {
    if connected {
        format!(
            "a server listens at {endpoint} and answered none of {sent} requests: it must send the body of each request back to its client, unless [request] says otherwise (`zload probe` tries the known forms). None came"
        )
    } else if let Some(objection) = greeting::look(endpoint).objection(endpoint) {
        objection
    } else if address::is_taken(endpoint) {
        format!("what listens at {endpoint} ended no handshake")
    } else {
        format!(
            "nothing listens at {endpoint}, though the server runs: does it bind {{frontend}}? It did not"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use zload_core::scenario::Scenario;

    #[test]
    fn the_probe_asks_for_little_work_and_for_a_reply() {
        let text = "load = { rate = '1/s' }\n\
                    workers = { replies = { uniform = [0, 4] }, delay = { uniform = ['1ms', '1s'] } }";
        let plan = Plan::new(&Scenario::parse("a.toml", text, &[]).unwrap());
        let key = lightest(&plan);
        assert_eq!(plan.replies(key), 1);
        assert!(plan.delay_ns(key, 0) < 100_000_000, "one of some 50 such requests has less");
    }

    #[test]
    fn reasons_for_no_answer_are_distinguished() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        assert!(no_answer(&endpoint, true, 3).contains("answered none of 3 requests"));
        assert!(no_answer(&endpoint, false, 0).contains("does not speak ZeroMQ"));
        drop(listener);
        assert!(no_answer(&endpoint, false, 0).contains("nothing listens"));
    }
}
