//! Messages as bytes: what a request looks like on the wire, and what a reply says of the request that it answers. Pure.
//! Hot path.
//!
//! Invariant: nothing here panics on what a peer sends, whatever the bytes.

mod condition;
mod form;
mod header;
mod id;

use crate::plan::{DrawKey, Plan};
use crate::scenario::{Matching, Scenario};

pub use condition::Check;
pub use form::{FILLING, FrameForm, RequestForm, Values};
pub use header::{HEADER_SIZE, Header};
pub use id::{ID_SIZE, Id};

/// The frames of a message.
pub trait Frames {
    /// How many there are.
    fn count(&self) -> usize;
    /// The content of one of them, from 0.
    fn frame(&self, place: usize) -> &[u8];
}

#[cfg(test)]
impl Frames for [&[u8]] {
    fn count(&self) -> usize {
        self.len()
    }

    fn frame(&self, place: usize) -> &[u8] {
        self[place]
    }
}

/// The form of all messages of a run.
#[derive(Debug, Clone)]
pub struct Forms {
    /// How a reply finds its request.
    pub matching: Matching,
    /// A request is its generated body and nothing else, and so is its reply.
    pub plain: bool,
    operations: Vec<RequestForm>,
    names: Vec<String>,
    hello: Option<RequestForm>,
    ok: Option<Check>,
    error: Option<Check>,
    last: Option<Check>,
}

impl Forms {
    /// The forms of a validated scenario, whose files have been read.
    pub fn new(scenario: &Scenario) -> Self {
        let request = scenario.request.clone().unwrap_or_default();
        let form = |frames: &[&str]| RequestForm::new(frames, &request.files);
        let hello: Vec<&str> = request.hello.iter().map(String::as_str).collect();
        let check = |condition: &Option<_>| condition.as_ref().map(Check::new);
        Self {
            matching: request.matching,
            plain: request.matching == Matching::Body
                && request.frames.is_empty()
                && request.mix.is_empty(),
            operations: request.operations().iter().map(|frames| form(frames)).collect(),
            names: request.mix.iter().map(|operation| operation.name.clone()).collect(),
            hello: (!hello.is_empty()).then(|| form(&hello)),
            ok: check(&request.ok),
            error: check(&request.error),
            last: check(&request.last),
        }
    }

    /// The form of a request of this operation.
    #[inline]
    pub fn request(&self, operation: u16) -> &RequestForm {
        &self.operations[usize::from(operation)]
    }

    /// The operations of the mix, by their names; none without a mix.
    pub fn operations(&self) -> &[String] {
        &self.names
    }

    /// What a client sends before the run, if it does.
    pub fn hello(&self) -> Option<&RequestForm> {
        self.hello.as_ref()
    }

    /// Whether a reply is an error.
    #[inline]
    pub fn failed<F: Frames + ?Sized>(&self, reply: &F) -> bool {
        self.ok.as_ref().is_some_and(|ok| !ok.holds(reply))
            || self.error.as_ref().is_some_and(|error| error.holds(reply))
    }

    /// Whether the number of replies is found out as they come, by a mark in the last one.
    #[inline]
    pub fn marks_last(&self) -> bool {
        self.last.is_some()
    }

    /// Whether a reply is marked as the last one.
    #[inline]
    pub fn is_last<F: Frames + ?Sized>(&self, reply: &F) -> bool {
        self.last.as_ref().is_some_and(|last| last.holds(reply))
    }

    /// The key of the request that a worker received, without the client's address; `None` if it is not a request of zload's.
    pub fn key<F: Frames + ?Sized>(&self, request: &F, plan: &Plan) -> Option<DrawKey> {
        let count = request.count();
        if self.matching == Matching::Body {
            let body = request.frame(count.checked_sub(1)?);
            return Header::decode(body).map(|header| header.key);
        }
        // A REP socket keeps the tag to itself: then a generated body or a token says which request it is.
        let by_header = || (0..count).find_map(|place| Header::decode(request.frame(place)));
        let by_token = || (0..count).find_map(|place| Id::all(request.frame(place)).next());
        let of_token = |id: Id| plan.key(id.client, id.request);
        let of_header = || by_header().map(|header| header.key);
        match self.matching {
            Matching::Token => by_token().map(of_token).or_else(of_header),
            _ => of_header().or_else(|| by_token().map(of_token)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(request: &str) -> (Forms, Plan) {
        let text = format!("load = {{ rate = '1/s', payload = '40B' }}\n{request}");
        let scenario = Scenario::parse("a.toml", &text, &[]).unwrap();
        (Forms::new(&scenario), Plan::new(&scenario))
    }

    fn written(forms: &Forms, plan: &Plan, client: u32, number: u64) -> Vec<Vec<u8>> {
        let planned = plan.request(client, number);
        let header = Header { token: 77, request: number, key: planned.key };
        let values = Values { header, client, payload: planned.payload };
        forms.request(plan.operation(planned.key)).render(&values)
    }

    #[test]
    fn a_worker_finds_the_key_in_every_form() {
        for request in [
            "",
            "[request]\nframes = ['a', '{body}']",
            "[request]\nmatch = 'envelope'",
            "[request]\nmatch = 'envelope'\nframes = ['{tag}', '<IDS|MSG>', 'a']",
            "[request]\nmatch = 'order'\nframes = ['a {id}']",
            "[request]\nmatch = 'token'\nframes = ['zl {\"id\":\"{id}\"}{pad}', 'b']",
        ] {
            let (forms, plan) = forms(request);
            let frames = written(&forms, &plan, 3, 1_000_000);
            let frames: Vec<&[u8]> = frames.iter().map(|frame| &frame[..]).collect();
            assert_eq!(forms.key(&frames[..], &plan), Some(plan.key(3, 1_000_000)), "{request}");
            if forms.matching == Matching::Envelope && request.ends_with("'envelope'") {
                let behind_rep = forms.key(&frames[2..], &plan);
                assert_eq!(behind_rep, Some(plan.key(3, 1_000_000)), "by its body");
            }
            assert_eq!(forms.key(&[&b"zl"[..]][..], &plan), None);
        }
        let (forms, plan) =
            forms("[request]\nmatch = 'token'\nframes = ['{id}{pad}', '{client}-{number}']");
        let frames = written(&forms, &plan, 12, 345);
        assert_eq!(frames.iter().map(Vec::len).sum::<usize>(), 40);
        assert_eq!(frames[1], b"12-345");
    }

    #[test]
    fn operations_are_drawn_by_their_weight() {
        let (forms, plan) = forms(
            "[request]\n[[request.mix]]\nname = 'read'\nweight = 9\nframes = ['r', '{body}']\n\
             [[request.mix]]\nname = 'write'\nframes = ['w', '{body}']",
        );
        let writes = (0..10_000).filter(|&number| plan.operation(plan.key(0, number)) == 1).count();
        assert!((900..1_100).contains(&writes), "{writes}");
        assert_eq!(forms.operations(), ["read", "write"]);
    }
}
