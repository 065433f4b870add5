//! `zload probe`: which form of request a server answers.

use std::io::Write;
use std::sync::Arc;

use serde_json::Value;

use super::{DONE, NO, interruption, print};
use crate::Error;
use crate::cli::ProbeArgs;
use crate::engine::{self, Part};
use crate::wire::{address, greeting, greeting::Peer};
use zload_core::facts::Measured;
use zload_core::plan::Plan;
use zload_core::quantity::{counted, duration};
use zload_core::scenario::Scenario;

/// Requests of each form: three in three tenths of a second.
const LOAD: &str = "[load]\nrate = \"10/s\"\n[clients]\ncount = 1\nengine = \"libzmq\"\n[run]\nduration = \"300ms\"\n";
/// What is sent as the body where nothing else is given.
const BODY: &str = "{body}";

/// A form of request: how it is called, how its replies are matched, and its frames.
struct Form {
    name: &'static str,
    matching: &'static str,
    frames: Vec<String>,
}

pub(super) fn probe(args: &ProbeArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let interrupted = interruption()?;
    let timeout = Scenario::default().clients.connect_timeout;
    let endpoint = address::to_connect(&args.endpoint, timeout, &interrupted)?;
    let peer = greeting::look(&endpoint);
    if let Some(objection) = peer.objection(&args.endpoint) {
        return Err(Error::Failed(objection));
    }
    let mut said = format!("# {} answers requests of these forms:\n", args.endpoint);
    let mut tried = String::new();
    let mut found = 0;
    for form in forms(&args.frames) {
        let scenario = scenario(args, &form)?;
        let plan = Arc::new(Plan::new(&scenario));
        let (measured, _) =
            engine::run(Part::whole(&scenario, &plan), false, &interrupted, &mut |_| {})?;
        if measured.interrupted {
            return Err(Error::Interrupted);
        }
        if let Some(failure) = measured.failure {
            return Err(Error::Failed(failure));
        }
        let ledger = measured.recorded.ledger;
        if ledger.requests_answered > 0 && ledger.replies_unexpected == 0 {
            found += 1;
            said += &table(&form, &measured);
        } else {
            tried += &format!("{}: {}\n", form.name, without_success(&measured));
        }
    }
    if found > 0 {
        print(out, said.as_bytes())?;
        return Ok(DONE);
    }
    let advice = "the server may want other frames (zload probe --frame TEXT, once for each frame, {id} for a token of the request) \
                  or a login first (request.hello)";
    let what = match &peer {
        Peer::Socket(of) if of == "DEALER" => {
            ", whose socket is a DEALER, as a proxy's backend is: do its clients connect elsewhere?"
        }
        _ => "",
    };
    print(
        out,
        format!("{tried}{}{what} answered none of these forms: {advice}\n", args.endpoint)
            .as_bytes(),
    )?;
    Ok(NO)
}

/// The forms that are tried, from the one that says most about each reply to the one that says least.
fn forms(given: &[String]) -> Vec<Form> {
    let body = [BODY.to_owned()];
    let frames = if given.is_empty() { &body[..] } else { given };
    let form = |name, matching, before: &[&str]| Form {
        name,
        matching,
        frames: before.iter().map(|frame| (*frame).to_owned()).chain(frames.to_vec()).collect(),
    };
    let has_id = frames.iter().any(|frame| frame.contains("{id}"));
    let ends_with_body = frames.last().is_some_and(|frame| frame == BODY);
    let forms = [
        ends_with_body.then(|| form("the body comes back", "body", &[])),
        ends_with_body
            .then(|| form("the body comes back, after an empty delimiter", "body", &[""])),
        Some(form("the envelope before an empty delimiter comes back", "envelope", &[])),
        has_id.then(|| form("the token comes back", "token", &[])),
        has_id.then(|| form("the token comes back, after an empty delimiter", "token", &[""])),
        Some(form("one reply for each request", "order", &[])),
        Some(form("one reply for each request, after an empty delimiter", "order", &[""])),
    ];
    forms.into_iter().flatten().collect()
}

/// A string of TOML, which one of JSON is, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn scenario(args: &ProbeArgs, form: &Form) -> Result<Scenario, Error> {
    let frames: Vec<String> = form.frames.iter().map(|frame| quoted(frame)).collect();
    let text = format!(
        "{LOAD}drain = {timeout}\n[proxy]\nengine = \"external\"\nfrontend = {}\n[request]\nmatch = \"{}\"\nframes = [{}]\n",
        quoted(&args.endpoint),
        form.matching,
        frames.join(", "),
        timeout = quoted(&args.timeout.to_string()),
    );
    Ok(Scenario::parse(&args.endpoint, &text, &[])?)
}

/// The table of a scenario for a form that was answered.
fn table(form: &Form, measured: &Measured) -> String {
    let recorded = &measured.recorded;
    let ledger = &recorded.ledger;
    let fastest = recorded.service.min().map(|ns| format!(", the fastest in {}", duration(ns)));
    let fastest = fastest.unwrap_or_default();
    let frames: Vec<String> = form.frames.iter().map(|frame| quoted(frame)).collect();
    format!(
        "\n# {}: {} of {} answered{fastest}\n[request]\nmatch = \"{}\"\nframes = [{}]\n",
        form.name,
        ledger.requests_answered,
        counted(ledger.requests_sent, "request"),
        form.matching,
        frames.join(", ")
    )
}

/// What became of requests that were not answered as they should.
fn without_success(measured: &Measured) -> String {
    let ledger = &measured.recorded.ledger;
    match (ledger.replies_unexpected, measured.connections.map_or(0, |of| of.ended)) {
        (0, 0) => format!("no answer to {}", counted(ledger.requests_sent, "request")),
        (0, _) => {
            "no answer, and the server ended the connection when requests came: they are larger than it accepts (ZMQ_MAXMSGSIZE), or it refuses what they say"
                .to_owned()
        }
        (strangers, _) => {
            format!("{} that no request explains", counted(strangers, "message"))
        }
    }
}
