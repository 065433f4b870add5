//! The sample of traces as text that takes little: numbers of few bytes, compressed.
//!
//! What the server's stations saw is not among it, as a part of a run has its server elsewhere. Invariant: reading
//! any text needs at most the memory of a full sample.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Timestamps, Trace, Traces};
use crate::plan::DrawKey;

/// The numbers of a trace.
const FIELDS: usize = 7;
/// No sample is longer: each number takes at most ten bytes.
const LONGEST: u64 = (Traces::MOST * FIELDS * 10) as u64;

/// The traces of the sampled requests of a part of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackedTraces {
    /// One of this many requests is in the sample; a power of two.
    pub one_in: u64,
    /// Requests that should be in the sample and are not.
    pub skipped: u64,
    /// Of each request, in the order of their intended instants: client, number, expected replies, and in nanoseconds from
    /// the intended instant of the one before to its own, from there to its sending and to its first reply, and to its last
    /// reply plus one, or 0 if not all came. Each number in groups of seven bits, the lowest first, all but the last with the
    /// eighth bit set; compressed with zlib, base64.
    pub packed: String,
    /// Of each request in the same order, packed alike: how long its first reply waited at this machine until the client took
    /// it, in nanoseconds plus one, or 0 if that is not known, and how much of that the client was asleep and being woken. Null
    /// if it is known of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<String>,
}

impl PackedTraces {
    /// The sample.
    pub fn of(traces: &Traces) -> Self {
        let mut bytes = Vec::new();
        let mut before_ns = 0;
        let ordered = traces.intended_from(0);
        for trace in &ordered {
            let since_ns = |ns: u64| ns.saturating_sub(trace.intended_ns);
            let last = trace.last_response_ns().map_or(0, |ns| ns.saturating_add(1));
            let fields: [u64; FIELDS] = [
                trace.client.into(),
                trace.request,
                trace.owed.into(),
                trace.intended_ns - before_ns,
                since_ns(trace.sent_ns),
                since_ns(trace.received_ns),
                last,
            ];
            for field in fields {
                push(&mut bytes, field);
            }
            before_ns = trace.intended_ns;
        }
        let arrivals = ordered.iter().any(|trace| trace.arrived_ns > 0).then(|| arrivals(&ordered));
        Self {
            one_in: traces.one_in().max(1),
            skipped: traces.skipped(),
            packed: deflated(&bytes),
            arrivals,
        }
    }

    /// The sample, whose requests have these keys by client and number; `None` if zload did not write it.
    pub fn unpacked(&self, key: impl Fn(u32, u64) -> DrawKey) -> Option<Traces> {
        if !self.one_in.is_power_of_two() || self.one_in > 1 << 62 {
            return None;
        }
        let bytes = inflated(&self.packed)?;
        let mut rest = bytes.as_slice();
        let of_arrivals = match &self.arrivals {
            Some(packed) => Some(inflated(packed)?),
            None => None,
        };
        let mut arrivals = of_arrivals.as_deref();
        let mut kept = Vec::new();
        let mut before_ns = 0;
        while !rest.is_empty() {
            let mut fields = [0; FIELDS];
            for field in &mut fields {
                *field = pop(&mut rest)?;
            }
            let [client, request, owed, gap_ns, slip_ns, response_ns, last] = fields;
            let intended_ns = u64::checked_add(before_ns, gap_ns)?;
            let client = u32::try_from(client).ok()?;
            let last_received_ns = match last.checked_sub(1) {
                Some(ns) => intended_ns.checked_add(ns)?,
                None => 0,
            };
            let received_ns = intended_ns.checked_add(response_ns)?;
            let (waited, waking_ns) = match &mut arrivals {
                Some(rest) => (pop(rest)?, pop(rest)?),
                None => (0, 0),
            };
            kept.push(Trace {
                key: key(client, request),
                client,
                owed: u32::try_from(owed).ok()?,
                request,
                intended_ns,
                sent_ns: intended_ns.checked_add(slip_ns)?,
                timestamps: Timestamps::default(),
                arrived_ns: match waited.checked_sub(1) {
                    Some(ns) => received_ns.checked_sub(ns)?,
                    None => 0,
                },
                waking_ns,
                received_ns,
                last_received_ns,
            });
            before_ns = intended_ns;
        }
        let sampled = kept.iter().all(|trace| trace.key.0 & (self.one_in - 1) == 0);
        let fits = sampled && kept.len() <= Traces::MOST && arrivals.is_none_or(<[u8]>::is_empty);
        fits.then(|| Traces::restored(kept, self.one_in, self.skipped))
    }
}

/// What is known of when the first replies to these requests arrived.
fn arrivals(traces: &[Trace]) -> String {
    let mut bytes = Vec::new();
    for trace in traces {
        let is_known = trace.arrived_ns > 0;
        let waited = trace.received_ns.saturating_sub(trace.arrived_ns).saturating_add(1);
        push(&mut bytes, if is_known { waited } else { 0 });
        push(&mut bytes, trace.waking_ns);
    }
    deflated(&bytes)
}

fn deflated(bytes: &[u8]) -> String {
    let mut deflated = Vec::new();
    ZlibEncoder::new(bytes, Compression::default())
        .read_to_end(&mut deflated)
        .expect("reading from memory cannot fail");
    STANDARD.encode(deflated)
}

fn inflated(packed: &str) -> Option<Vec<u8>> {
    let deflated = STANDARD.decode(packed).ok()?;
    let mut bytes = Vec::new();
    ZlibDecoder::new(&*deflated).take(LONGEST + 1).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn pop(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(client: u32, request: u64) -> DrawKey {
        DrawKey::new(7, client, request)
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            requests in prop::collection::vec(
                (0..9_u32, 0..1_000_u64, 0..4_u32, 0..1_u64 << 40, 0..1_u64 << 33, prop::option::of(0..1_u64 << 33)), 0..60,
            ),
            stamped in any::<bool>(),
        ) {
            let mut traces = Traces::new(100, 1);
            for (client, request, owed, intended_ns, took_ns, last) in requests {
                let is_stamped = stamped && request % 3 > 0;
                let received_ns = intended_ns + took_ns;
                traces.keep(Trace {
                    key: key(client, request), client, owed, request, intended_ns,
                    sent_ns: intended_ns + took_ns / 3, received_ns,
                    arrived_ns: if is_stamped { received_ns - took_ns / 5 } else { 0 },
                    waking_ns: if is_stamped { took_ns / 7 } else { 0 },
                    last_received_ns: last.map_or(0, |ns| received_ns + ns + 1),
                    ..Trace::default()
                });
            }
            let unpacked = PackedTraces::of(&traces).unpacked(key).unwrap();
            prop_assert_eq!(unpacked.intended_from(0), traces.intended_from(0));
            prop_assert_eq!(unpacked.one_in(), traces.one_in());
        }

        #[test]
        fn any_text_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), one_in in any::<u64>()) {
            let mut deflated = Vec::new();
            ZlibEncoder::new(&*bytes, Compression::fast()).read_to_end(&mut deflated).unwrap();
            let packed = STANDARD.encode(deflated);
            let none = PackedTraces::of(&Traces::new(1, 1)).packed;
            for (packed, arrivals) in [(packed.clone(), None), (none, Some(packed))] {
                let _refused = PackedTraces { one_in, skipped: 0, packed, arrivals }.unpacked(key);
            }
        }
    }

    #[test]
    fn what_is_no_sample_is_none() {
        let good = PackedTraces::of(&Traces::new(1, 1));
        assert!(good.unpacked(key).is_some());
        assert!(PackedTraces { one_in: 3, ..good.clone() }.unpacked(key).is_none());
        let more = Some(deflated(&[1, 1]));
        assert!(PackedTraces { arrivals: more, ..good.clone() }.unpacked(key).is_none());
        assert!(PackedTraces { packed: "no".to_owned(), ..good }.unpacked(key).is_none());
    }
}
