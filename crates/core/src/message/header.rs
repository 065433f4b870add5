//! The header: what a server returns with each reply, so that it can be identified.
//!
//! It is the start of a generated body, or the tag in an envelope. Layout, little-endian:
//! magic (4 bytes), token of run and client (4), number of the request (8), key of its draws (8); then filling.
//! Invariant: decoding never panics, whatever the bytes.

use crate::{plan::DrawKey, scenario::MIN_PAYLOAD};

const MAGIC: [u8; 4] = *b"zld1";

/// Bytes that a body must have to hold a header.
pub const HEADER_SIZE: usize = 24;
const _: () =
    assert!(HEADER_SIZE as u64 == MIN_PAYLOAD.0, "the scenario's least payload is the header");

/// A request, by what is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Tells this run's client from any other, so that a stray reply is not taken for an answer.
    pub token: u32,
    /// The request's number at its client.
    pub request: u64,
    /// The key from which a worker draws fan-out and delays.
    pub key: DrawKey,
}

impl Header {
    /// Writes the header over the first bytes of `body`, which must have [`HEADER_SIZE`] of them.
    #[inline]
    pub fn encode(&self, body: &mut [u8]) {
        let header: &mut [u8; HEADER_SIZE] =
            body.first_chunk_mut().expect("a header is written where there is room for it");
        header[..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&self.token.to_le_bytes());
        header[8..16].copy_from_slice(&self.request.to_le_bytes());
        header[16..].copy_from_slice(&self.key.0.to_le_bytes());
    }

    /// Reads the header, if `body` starts with one.
    #[inline]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_SIZE] = body.first_chunk()?;
        let (magic, rest) = header.split_first_chunk::<4>()?;
        let (token, rest) = rest.split_first_chunk::<4>()?;
        let (request, rest) = rest.split_first_chunk::<8>()?;
        let key = rest.first_chunk::<8>()?;
        (*magic == MAGIC).then(|| Self {
            token: u32::from_le_bytes(*token),
            request: u64::from_le_bytes(*request),
            key: DrawKey(u64::from_le_bytes(*key)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(
            token: u32, request: u64, key: u64, size in HEADER_SIZE..200_usize,
        ) {
            let header = Header { token, request, key: DrawKey(key) };
            let mut body = vec![b'.'; size];
            header.encode(&mut body);
            prop_assert_eq!(Header::decode(&body), Some(header));
        }

        #[test]
        fn anything_can_be_decoded(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let starts_as_one = bytes.starts_with(&MAGIC) && bytes.len() >= HEADER_SIZE;
            prop_assert_eq!(Header::decode(&bytes).is_some(), starts_as_one);
        }
    }

    #[test]
    fn a_truncated_header_is_none() {
        let mut body = [0; HEADER_SIZE];
        Header { token: 1, request: 2, key: DrawKey(3) }.encode(&mut body);
        assert!(Header::decode(&body).is_some());
        assert_eq!(Header::decode(&body[..HEADER_SIZE - 1]), None);
    }
}
