//! `{id}`: a request's own token as text, for servers that copy a string of the request into their reply.
//!
//! 32 ASCII characters, whatever the values, so that requests have the same size: `zl`, then in lower-case hexadecimal
//! digits the token of run and client (8), the client's number (8), the request's number (14).
//! Invariant: looking for it never panics, whatever the bytes.

use memchr::memmem;

/// Bytes of a token as text.
pub const ID_SIZE: usize = 32;
const MAGIC: &[u8] = b"zl";
/// Where each value ends.
const TOKEN_END: usize = 10;
const CLIENT_END: usize = 18;

/// A request, as its `{id}` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    /// Tells this run's client from any other.
    pub token: u32,
    /// The client's number.
    pub client: u32,
    /// The request's number at its client: its last 56 bits.
    pub request: u64,
}

impl Id {
    /// Writes it over `into`, which has [`ID_SIZE`] bytes.
    #[inline]
    pub fn write(&self, into: &mut [u8]) {
        into[..2].copy_from_slice(MAGIC);
        digits(u64::from(self.token), &mut into[2..TOKEN_END]);
        digits(u64::from(self.client), &mut into[TOKEN_END..CLIENT_END]);
        digits(self.request, &mut into[CLIENT_END..ID_SIZE]);
    }

    /// Every token in `bytes`, in order.
    #[inline]
    pub fn all(bytes: &[u8]) -> impl Iterator<Item = Self> {
        memmem::find_iter(bytes, MAGIC).filter_map(|at| Self::read(bytes.get(at..at + ID_SIZE)?))
    }

    fn read(text: &[u8]) -> Option<Self> {
        Some(Self {
            token: u32::try_from(number(&text[2..TOKEN_END])?).ok()?,
            client: u32::try_from(number(&text[TOKEN_END..CLIENT_END])?).ok()?,
            request: number(&text[CLIENT_END..])?,
        })
    }
}

/// Writes the last digits of a number, as many as there is room for.
#[inline]
fn digits(mut value: u64, into: &mut [u8]) {
    for digit in into.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_found_wherever_it_is(
            token: u32, client: u32, request in 0..1_u64 << 56, before in "[a-z0-9]{0,40}", after in "\\PC{0,9}",
        ) {
            let id = Id { token, client, request };
            let mut text = [0; ID_SIZE];
            id.write(&mut text);
            let reply = [before.as_bytes(), &text, after.as_bytes()].concat();
            prop_assert!(Id::all(&reply).any(|found| found == id));
        }

        #[test]
        fn anything_can_be_searched(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _count = Id::all(&bytes).count();
        }
    }

    #[test]
    fn what_is_cut_off_or_altered_is_none() {
        let mut text = [0; ID_SIZE];
        Id { token: 1, client: 2, request: 3 }.write(&mut text);
        assert_eq!(&text, b"zl000000010000000200000000000003");
        assert_eq!(Id::all(&text[..ID_SIZE - 1]).count(), 0);
        text[9] = b'G';
        assert_eq!(Id::all(&text).count(), 0);
    }
}
