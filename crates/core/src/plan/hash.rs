//! What decides the offered work, and the hash of that. Pure.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::change;
use crate::scenario::{Arrivals, Bytes, Count, Distribution, Matching, Nanos, Operation, Request};

/// All that decides the offered work, in the order in which it is hashed. Not among it: what does the work
/// (threads, engine, sockets, workers' number) and how long replies are waited for.
#[derive(Serialize)]
pub(super) struct Identity<'a> {
    pub(super) version: &'a str,
    pub(super) seed: u64,
    pub(super) clients: u32,
    /// Probe clients, and requests per second of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) probes: Option<(u32, f64)>,
    pub(super) warmup_ns: u64,
    pub(super) send_end_ns: u64,
    pub(super) open: Option<(f64, Arrivals)>,
    pub(super) closed: Option<(u32, &'a Distribution<Nanos>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<change::Identity<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests: Option<Count>,
    pub(super) payload: &'a Distribution<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<Forms<'a>>,
    pub(super) replies: &'a Distribution<Count>,
    pub(super) delay: &'a Distribution<Nanos>,
}

/// What decides the form of requests.
#[derive(Serialize)]
pub(super) struct Forms<'a> {
    matching: Matching,
    frames: Vec<Vec<&'a str>>,
    weights: Vec<f64>,
    /// Digests of the files that the frames name.
    files: Vec<(&'a str, String)>,
}

impl<'a> Forms<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let digest = |(path, content): (&'a String, &Arc<[u8]>)| (&**path, digest_of(content));
        Self {
            matching: request.matching,
            frames: request.operations(),
            weights: request.mix.iter().map(Operation::weight).collect(),
            files: request.files.iter().map(digest).collect(),
        }
    }
}

/// The hash of the identity's JSON.
pub(super) fn hash_of(identity: &Identity<'_>) -> String {
    digest_of(&serde_json::to_vec(identity).expect("plain data serializes"))
}

/// The first 16 hexadecimal digits of the SHA-256.
fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
