//! The simulated server: what it returns of a request, and what it says besides.
//!
//! It echoes plain requests. Of others it returns what the way of matching asks for, and then two frames: whether it went well,
//! and whether this is the last reply.

use std::sync::Arc;

use rand::Rng as _;
use rand_xoshiro::SplitMix64;

use super::faults::Faults;
use super::truth::Said;
use zload_core::message::Forms;
use zload_core::scenario::Matching;

/// What a scenario says of its requests: nothing, or how replies are matched, and what they say.
#[derive(Default)]
pub(super) struct Drawn {
    pub(super) matching: Matching,
    /// Replies mark the last of them.
    pub(super) marks_last: bool,
    /// The tables of the scenario.
    pub(super) text: String,
}

impl Drawn {
    /// Half of the worlds have plain requests.
    pub(super) fn new(random: &mut SplitMix64) -> Self {
        let mut draw = |below: u64| random.next_u64() % below;
        let (matching, frames) = match draw(6) {
            0 => (Matching::Envelope, "'{tag}', '', '{body}'"),
            1 => (Matching::Token, "'{\"id\":\"{id}\"}', '{number}{pad}'"),
            2 => (Matching::Order, "'{number}', '{id}'"),
            _ => return Self::default(),
        };
        let frames = match draw(2) {
            0 => format!("frames = [{frames}]"),
            _ => format!(
                "mix = [{{ name = 'a', weight = 3, frames = [{frames}] }}, {{ name = 'b', frames = [{frames}, 'b'] }}]"
            ),
        };
        let errors =
            ["", "ok = { frame = -2, equals = 'ok' }", "error = { frame = -2, contains = 'ba' }"]
                [usize::try_from(draw(3)).expect("small")];
        let marks_last = matching != Matching::Order && draw(2) == 0;
        let last = if marks_last { "last = { frame = -1, equals = 'end' }" } else { "" };
        let external = "[proxy]\nengine = 'external'\nfrontend = 'tcp://127.0.0.1:9'\n";
        let elsewhere = if marks_last { external } else { "" };
        let name = matching.name();
        let text = format!("{elsewhere}[request]\nmatch = '{name}'\n{frames}\n{errors}\n{last}\n");
        Self { matching, marks_last, text }
    }

    /// What can go wrong and be told apart: where replies are known by their order alone, none is copied, damaged or, if
    /// there are several on their way, lost.
    pub(super) fn tolerated(&self, faults: Faults, overlapping: bool) -> Faults {
        if self.matching != Matching::Order {
            return faults;
        }
        let [request_lost, reply_lost] = [faults.request_lost, faults.reply_lost]
            .map(|one_in| if overlapping { 0 } else { one_in });
        Faults { duplicated: 0, garbled: 0, request_lost, reply_lost, ..faults }
    }
}

/// A server of requests in these forms.
pub(super) struct Server {
    pub(super) forms: Arc<Forms>,
}

impl Server {
    /// What it says with a reply, which is the last one or not. One in five is an error, where there are errors.
    pub(super) fn says(&self, random: u64, last: bool) -> Said {
        let bad = [b"bad".to_vec(), b"end".to_vec()];
        let failed = random.is_multiple_of(5) && self.forms.failed(&Reply(&bad));
        Said { failed, last: last || !self.forms.marks_last() }
    }

    /// The frames of a reply to `request`.
    pub(super) fn reply(&self, request: &[Vec<u8>], said: Said) -> Vec<Vec<u8>> {
        let returned = match self.forms.matching {
            Matching::Body => return request.to_vec(),
            Matching::Envelope => 2,
            Matching::Token => 1,
            Matching::Order => 0,
        };
        let word: &[u8] = if said.failed { b"bad" } else { b"ok" };
        let mark: &[u8] = if said.last { b"end" } else { b"part" };
        let returned = request[..returned].iter().map(Vec::as_slice);
        returned.chain([word, mark]).map(<[u8]>::to_vec).collect()
    }

    /// The frame by which a reply is known: damage to it leaves a message that answers nothing.
    pub(super) fn known_by(&self, reply: &[Vec<u8>]) -> usize {
        if self.forms.matching == Matching::Body { reply.len() - 1 } else { 0 }
    }

    /// Whether any damage to that frame is noticed: a token has no sum that proves it.
    pub(super) fn notices_any(&self) -> bool {
        self.forms.matching != Matching::Token
    }
}

/// Frames as a form looks at them.
struct Reply<'a>(&'a [Vec<u8>]);

impl zload_core::message::Frames for Reply<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn frame(&self, place: usize) -> &[u8] {
        &self.0[place]
    }
}
