//! Which request a message answers, in each of the ways in which a server may say it. Hot path.
//!
//! Invariant: a message that this client's requests do not explain answers none of them.

use super::world::{Body, Message};
use zload_core::message::{FILLING, Forms, Frames as _, HEADER_SIZE, Header, Id};
use zload_core::plan::{ClientKey, Plan};
use zload_core::scenario::Matching;

/// The filling, to compare it with.
static FILLED: [u8; 4096] = [FILLING; 4096];

/// What it takes to match a message with a request.
pub(super) struct Match<'a> {
    pub(super) forms: &'a Forms,
    pub(super) plan: &'a Plan,
    /// The client's number, its token, the number of its next request, and what the keys of its requests are made of.
    pub(super) client: u32,
    pub(super) token: u32,
    pub(super) next_request: u64,
    pub(super) key: ClientKey,
}

impl Match<'_> {
    /// The number of the request that a message answers by what it holds.
    #[inline]
    pub(super) fn request_of<B: Body>(&self, message: &Message<B>) -> Option<u64> {
        match self.forms.matching {
            Matching::Body => self.by_body(message),
            Matching::Envelope => self.by_envelope(message),
            Matching::Token => self.by_token(message),
            // It holds nothing that says so.
            Matching::Order => None,
        }
    }

    /// Its last frame is the body as it was sent: another key, size or filling is damage. Where a request is nothing but
    /// its body, a frame more was added on the way.
    #[inline]
    fn by_body<B: Body>(&self, message: &Message<B>) -> Option<u64> {
        let before = message.count().checked_sub(1)?;
        let body = message.frame(before);
        let header = Header::decode(body)?;
        (self.is_own(&header)
            && body.len() as u64 == self.plan.payload(header.key)
            && is_filling(&body[HEADER_SIZE..])
            && (before == 0 || !self.forms.plain))
            .then_some(header.request)
    }

    /// Its first frame is the tag of the request.
    fn by_envelope<B: Body>(&self, message: &Message<B>) -> Option<u64> {
        let tag = (message.count() > 0).then(|| message.frame(0))?;
        let header = Header::decode(tag).filter(|_| tag.len() == HEADER_SIZE)?;
        self.is_own(&header).then_some(header.request)
    }

    /// The request's token is in one of its frames.
    fn by_token<B: Body>(&self, message: &Message<B>) -> Option<u64> {
        let own = |id: &Id| {
            id.token == self.token && id.client == self.client && id.request < self.next_request
        };
        let in_frame = |place| Id::all(message.frame(place)).find(own);
        (0..message.count()).find_map(in_frame).map(|id| id.request)
    }

    #[inline]
    fn is_own(&self, header: &Header) -> bool {
        header.token == self.token
            && header.request < self.next_request
            && header.key == self.key.request(header.request)
    }
}

/// Whether these bytes are the filling of a body, as memory is compared fastest: by the block, of which most
/// bodies have one.
#[inline]
fn is_filling(bytes: &[u8]) -> bool {
    match FILLED.get(..bytes.len()) {
        Some(filled) => bytes == filled,
        None => bytes.chunks(FILLED.len()).all(|block| *block == FILLED[..block.len()]),
    }
}
