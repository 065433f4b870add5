//! Sampled traces in the Chrome trace format, which Perfetto opens: a lane for each client, the proxy and each worker.
//!
//! A request is a slice in its client's lane with its legs inside; a client that has several in flight gets a lane more
//! for each. Proxy and workers show the part of the trace that was theirs. The format is that of "Trace Event Format"
//! (complete events and metadata events); its times are microseconds, so nanoseconds are after the point and, exactly,
//! among the arguments.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use zload_core::plan::{Identities, Plan};
use zload_core::record::{Leg, Trace};

/// Traces that are shown at most: as many as a viewer takes without complaint.
const MOST_TRACES: usize = 1 << 14;

const CLIENTS: u32 = 1;
const PROXY: u32 = 2;
const WORKERS: u32 = 3;
/// The proxy's lanes.
const REQUESTS: u64 = 1;
const REPLIES: u64 = 2;

/// A slice of a lane.
#[derive(Serialize)]
struct Slice<'a> {
    name: &'a str,
    ph: &'static str,
    pid: u32,
    tid: u64,
    ts: f64,
    dur: f64,
    args: Value,
}

/// These traces, in order of their intended instants, as one JSON object; clients are called as the server saw
/// them.
pub fn chrome_trace(traces: &[Trace], plan: &Plan, identities: &Identities) -> String {
    let mut shown: Vec<&Trace> = traces.iter().collect();
    let mut one_in = 1_u64;
    while shown.len() > MOST_TRACES && one_in < 1 << 20 {
        one_in *= 2;
        // The sample was chosen by the low bits of the key; the high ones are still free to choose by.
        shown.retain(|trace| (trace.key.0 >> 44) & (one_in - 1) == 0);
    }
    let mut events = Events::default();
    let mut lanes = Lanes::default();
    for trace in shown {
        let lane = lanes.lane_of(trace, identities);
        events.add(trace, lane);
    }
    let mut json = lanes.names();
    json.extend(events.names());
    json.extend(events.lines);
    let head = json!({ "plan_hash": plan.hash(), "one_in_of_sample": one_in });
    format!(
        "{{\"displayTimeUnit\":\"ns\",\"otherData\":{head},\"traceEvents\":[\n{}\n]}}\n",
        json.join(",\n")
    )
}

/// Which lane of its client each request is in: the first that is free again.
#[derive(Default)]
struct Lanes {
    /// By client: its lanes' numbers, and until when each is taken.
    of_client: BTreeMap<u32, Vec<(u64, u64)>>,
    names: Vec<String>,
}

impl Lanes {
    fn lane_of(&mut self, trace: &Trace, identities: &Identities) -> u64 {
        let lanes = self.of_client.entry(trace.client).or_default();
        let end_ns = trace.received_ns.max(trace.intended_ns);
        if let Some((lane, until_ns)) =
            lanes.iter_mut().find(|(_, until_ns)| *until_ns <= trace.intended_ns)
        {
            *until_ns = end_ns;
            return *lane;
        }
        let lane = self.names.len() as u64 + 1;
        lanes.push((lane, end_ns));
        let identity = identities.of(trace.client);
        self.names.push(match lanes.len() {
            1 => format!("client {identity}"),
            number => format!("client {identity} ({number})"),
        });
        lane
    }

    fn names(&self) -> Vec<String> {
        let lanes = (1..).zip(&self.names).map(|(lane, name)| thread_name(CLIENTS, lane, name));
        std::iter::once(process_name(CLIENTS, "clients")).chain(lanes).collect()
    }
}

#[derive(Default)]
struct Events {
    lines: Vec<String>,
    workers: BTreeSet<u64>,
}

impl Events {
    fn add(&mut self, trace: &Trace, lane: u64) {
        let number = trace.request + 1;
        let mut args = Map::new();
        args.insert("response_ns".to_owned(), trace.response_ns().into());
        let mut since_ns = trace.intended_ns;
        let mut legs = Vec::new();
        for (leg, leg_ns) in Leg::ALL.into_iter().zip(trace.legs()) {
            let Some(leg_ns) = leg_ns else { continue };
            args.insert(format!("{}_ns", leg.name()), leg_ns.into());
            legs.push((leg, since_ns, leg_ns));
            since_ns += leg_ns;
        }
        let request = format!("request #{number}");
        self.slice(
            &request,
            (CLIENTS, lane),
            trace.intended_ns,
            trace.response_ns(),
            Value::Object(args),
        );
        for (leg, from_ns, leg_ns) in legs {
            self.slice(leg.name(), (CLIENTS, lane), from_ns, leg_ns, json!({ "ns": leg_ns }));
            let place = match leg {
                Leg::InProxy => (PROXY, REQUESTS),
                Leg::BackInProxy => (PROXY, REPLIES),
                Leg::InWorker => {
                    self.workers.insert(trace.timestamps.worker);
                    (WORKERS, trace.timestamps.worker)
                }
                _ => continue,
            };
            self.slice(&request, place, from_ns, leg_ns, json!({ "client": trace.client }));
        }
    }

    fn slice(
        &mut self,
        name: &str,
        (pid, tid): (u32, u64),
        from_ns: u64,
        lasts_ns: u64,
        args: Value,
    ) {
        let micros = |ns: u64| ns as f64 / 1e3;
        let slice =
            Slice { name, ph: "X", pid, tid, ts: micros(from_ns), dur: micros(lasts_ns), args };
        self.lines.push(serde_json::to_string(&slice).expect("plain data serializes"));
    }

    fn names(&self) -> Vec<String> {
        let mut names = vec![
            process_name(PROXY, "proxy"),
            thread_name(PROXY, REQUESTS, "requests"),
            thread_name(PROXY, REPLIES, "replies"),
            process_name(WORKERS, "workers"),
        ];
        let workers = self.workers.iter();
        names.extend(
            workers.map(|worker| thread_name(WORKERS, *worker, &format!("worker {worker}"))),
        );
        names
    }
}

fn process_name(pid: u32, name: &str) -> String {
    json!({ "name": "process_name", "ph": "M", "pid": pid, "args": { "name": name } }).to_string()
}

fn thread_name(pid: u32, tid: u64, name: &str) -> String {
    json!({ "name": "thread_name", "ph": "M", "pid": pid, "tid": tid, "args": { "name": name } })
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zload_core::record::Timestamps;
    use zload_core::scenario::Scenario;

    fn trace(request: u64, intended_ns: u64) -> Trace {
        let at = |after_ns: u64| intended_ns + after_ns;
        Trace {
            client: 1,
            request,
            intended_ns,
            sent_ns: at(1),
            timestamps: Timestamps {
                proxy_in_ns: at(3),
                proxy_out_ns: at(6),
                worker_start_ns: at(10),
                worker_reply_ns: at(1_000),
                worker: 2,
                ..Timestamps::default()
            },
            received_ns: at(1_500),
            ..Trace::default()
        }
    }

    #[test]
    fn slices_of_one_lane_nest_and_legs_fill_their_request() {
        let plan = Plan::new(
            &Scenario::parse("test.toml", "load = { rate = '1/s' }", &[]).expect("a scenario"),
        );
        // The second request leaves while the first is under way, the third after it.
        let text = chrome_trace(
            &[trace(0, 0), trace(1, 700), trace(2, 1_500)],
            &plan,
            &plan.identities(1),
        );
        let trace: Value = serde_json::from_str(&text).expect("one JSON object");
        let events = trace["traceEvents"].as_array().expect("an array");
        let of = |pid: u32, name: &str| -> Vec<&Value> {
            events.iter().filter(|event| event["pid"] == pid && event["name"] == name).collect()
        };
        let lanes: Vec<u64> = (1..=3)
            .map(|number| of(CLIENTS, &format!("request #{number}"))[0]["tid"].as_u64().unwrap())
            .collect();
        assert_eq!(lanes, [1, 2, 1]);
        let first = of(CLIENTS, "request #1")[0];
        let args = first["args"].as_object().unwrap();
        let legs = args.iter().filter(|(name, _)| *name != "response_ns");
        assert_eq!(legs.map(|(_, ns)| ns.as_u64().unwrap()).sum::<u64>(), 1_500);
        assert_eq!(of(WORKERS, "request #2")[0]["tid"], 2);
        assert_eq!(of(CLIENTS, "to_client")[0]["dur"], 0.5);
        assert!(text.contains("worker 2") && text.contains("(2)"), "lanes have names: {text}");
    }
}
