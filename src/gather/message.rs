//! What the shards of a run say to each other, as bytes: a magic word, the protocol's version, one JSON object.
//!
//! Invariant: pure; no message is longer than [`MOST_BYTES`], and no bytes make reading it fail otherwise than by a value.

use serde::{Deserialize, Serialize};

/// No message is longer, in bytes.
pub(super) const MOST_BYTES: usize = 1024;
/// The version of this protocol.
pub(super) const PROTOCOL: u32 = 1;
/// What every message of any version begins with.
const MAGIC: &str = "zload-gather/";
/// The longest name of a host, version or hash that is kept, in bytes.
const MOST_NAME: usize = 64;
/// The longest sentence, in characters: with escapes it fits in a message.
const MOST_SENTENCE: usize = 400;

/// Who a shard is and what it plays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shard {
    /// Which shard, from 0.
    pub(crate) index: u32,
    /// Of how many.
    pub(crate) count: u32,
    /// Hash of the plan.
    pub(crate) plan: String,
    /// Hash of the scenario, without what may differ from shard to shard.
    pub(crate) scenario: String,
    /// The version of zload.
    pub(crate) zload: String,
    /// Where it runs.
    pub(crate) host: String,
    /// Its process there.
    pub(crate) pid: u32,
}

/// One thing that is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// A member: I am here.
    Hello(Shard),
    /// The host: not all are here.
    Waiting,
    /// The host: all are here and alike, and this is the id of the run.
    Welcome { run: u64 },
    /// A member: my clients are connected.
    Ready,
    /// The host: all are ready, compare your clock with mine.
    Sync,
    /// A member: what does your clock say? Each has a number of its own.
    Ping { number: u32 },
    /// The host's answer, in nanoseconds of its clock.
    Pong { number: u32, host_ns: u64 },
    /// A member: I know your clock; the longest round trip, in nanoseconds.
    Synced { worst_ns: u64 },
    /// The host: begin at this instant of my clock, at which my wall clock shows `unix_ns`.
    Start { run: u64, at_ns: u64, unix_ns: u64 },
    /// The host: there will be no run.
    Refused { why: String },
    /// Either: I have given up.
    Left,
}

/// What is said, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// A number that only this process has.
    pub(super) from: u64,
    pub(super) said: Said,
}

/// Bytes that are no message of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Not from zload, or damaged.
    Stranger,
    /// Of another version of the protocol.
    Protocol(u32),
}

impl Shard {
    /// This shard in a sentence.
    pub(super) fn name(&self) -> String {
        format!("shard {} of {} on {} (pid {})", self.index, self.count, self.host, self.pid)
    }

    /// The same shard, with names that are short and safe to repeat.
    #[must_use]
    pub(super) fn tidied(&self) -> Self {
        Self {
            plan: tidy(&self.plan),
            scenario: tidy(&self.scenario),
            zload: tidy(&self.zload),
            host: tidy(&self.host),
            ..*self
        }
    }
}

fn tidy(name: &str) -> String {
    let plain = |sign: &char| sign.is_ascii_alphanumeric() || "-._:+".contains(*sign);
    name.chars().filter(plain).take(MOST_NAME).collect()
}

impl Message {
    pub(super) fn write(&self) -> Vec<u8> {
        let said = match &self.said {
            Said::Hello(shard) => Said::Hello(shard.tidied()),
            Said::Refused { why } => {
                let plain = |sign: char| if matches!(sign, ' '..='~') { sign } else { '?' };
                let plain = why.chars().map(plain);
                Said::Refused { why: plain.take(MOST_SENTENCE).collect() }
            }
            other => other.clone(),
        };
        let object = serde_json::to_string(&Self { from: self.from, said });
        let object = object.expect("strings and numbers are JSON");
        format!("{MAGIC}{PROTOCOL}\n{object}").into_bytes()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unread> {
        if bytes.len() > MOST_BYTES {
            return Err(Unread::Stranger);
        }
        let text = str::from_utf8(bytes).map_err(|_| Unread::Stranger)?;
        let rest = text.strip_prefix(MAGIC).ok_or(Unread::Stranger)?;
        let (version, object) = rest.split_once('\n').ok_or(Unread::Stranger)?;
        match version.parse() {
            Ok(PROTOCOL) => {}
            Ok(other) => return Err(Unread::Protocol(other)),
            Err(_) => return Err(Unread::Stranger),
        }
        let mut message: Self = serde_json::from_str(object).map_err(|_| Unread::Stranger)?;
        if let Said::Hello(shard) = &mut message.said {
            if shard.index >= shard.count {
                return Err(Unread::Stranger);
            }
            *shard = shard.tidied();
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shard(name: &str) -> Shard {
        let name = name.to_owned();
        Shard {
            index: 2,
            count: u32::MAX,
            plan: name.clone(),
            scenario: name.clone(),
            zload: name.clone(),
            host: name,
            pid: u32::MAX,
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..2000), version in any::<u32>()) {
            let _read = Message::read(&bytes);
            let mut begun = format!("{MAGIC}{version}\n").into_bytes();
            begun.extend(&bytes);
            let _read = Message::read(&begun);
        }

        #[test]
        fn a_damaged_message_can_be_read(at in 0..100_usize, byte in any::<u8>(), cut in 0..200_usize) {
            let mut bytes = Message { from: 7, said: Said::Hello(shard("a")) }.write();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut);
            let _read = Message::read(&bytes);
        }

        #[test]
        fn what_is_written_is_short_and_read_as_it_was_meant(name in ".{0,300}", from in any::<u64>(), at_ns in any::<u64>()) {
            for said in [
                Said::Hello(shard(&name)),
                Said::Refused { why: name.clone() },
                Said::Start { run: from, at_ns, unix_ns: u64::MIN },
                Said::Pong { number: u32::MAX, host_ns: at_ns },
                Said::Ready,
            ] {
                let bytes = Message { from, said }.write();
                prop_assert!(bytes.len() <= MOST_BYTES, "{}", bytes.len());
                let message = Message::read(&bytes).unwrap();
                prop_assert_eq!(message.from, from);
                prop_assert_eq!(message.write(), bytes);
            }
        }
    }

    #[test]
    fn what_is_not_of_this_protocol_is_told_apart() {
        let bytes = Message { from: 1, said: Said::Ready }.write();
        assert_eq!(Message::read(&bytes), Ok(Message { from: 1, said: Said::Ready }));
        assert_eq!(Message::read(b"zload-gather/9\n{}"), Err(Unread::Protocol(9)));
        for stranger in [&b"GET / HTTP/1.1\r\n"[..], b"zload-gather/1", b"zload-gather/1\n{}", b""]
        {
            assert_eq!(Message::read(stranger), Err(Unread::Stranger));
        }
        let beyond = Shard { index: 8, count: 8, ..shard("h") };
        let bytes = Message { from: 1, said: Said::Hello(beyond) }.write();
        assert_eq!(Message::read(&bytes), Err(Unread::Stranger));
    }
}
