//! The handshake of a DEALER without security: a greeting of 64 bytes and a READY command from either side.
//!
//! libzmq fills the pad of its greeting with a number of its own, and matches names of properties by their case; what is
//! read here follows RFC 37 in both, and what is written is what libzmq expects.

use std::ops::Range;

use super::{COMMAND, LONG, encode_command};

/// Bytes of a greeting, and of the signature that every version starts with.
pub const GREETING: usize = 64;
/// Bytes of the signature.
pub const SIGNATURE: usize = 10;
/// Where the name of the mechanism is.
pub const MECHANISM: Range<usize> = 12..32;
/// A first command that is longer than this is none, in bytes.
pub const READY_LIMIT: usize = 4096;
/// The version that is spoken: 3.1.
const VERSION: [u8; 2] = [3, 1];
/// The sockets that a DEALER can talk to.
const PARTNERS: [&[u8]; 3] = [b"ROUTER", b"REP", b"DEALER"];

/// Why a peer is none for a DEALER without security. Texts are a peer's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It says something else than a greeting.
    Foreign(Vec<u8>),
    /// It speaks an older version of ZMTP, whose major number this is.
    Version(u8),
    /// It wants this mechanism.
    Mechanism(Vec<u8>),
    /// It is a socket of this type.
    Socket(Vec<u8>),
    /// It refuses the connection for this reason.
    Refuses(Vec<u8>),
    /// After its greeting comes something else than a READY.
    NoReady,
}

/// How far a handshake has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// More has to come.
    Waits,
    /// It is done; this many bytes of the last input were of it, and the rest follows it.
    Done(usize),
    /// It never ends well.
    Refused(Refusal),
}

/// What has been heard of a peer so far, which is never more than a greeting and a command of [`READY_LIMIT`] bytes.
#[derive(Debug, Clone, Default)]
pub struct Handshake {
    heard: Vec<u8>,
}

impl Handshake {
    /// Takes in what has come, from a peer that was told `identity`.
    pub fn feed(&mut self, input: &[u8], identity: &[u8]) -> Progress {
        let before = self.heard.len();
        let room = (GREETING + 9 + READY_LIMIT).saturating_sub(before);
        self.heard.extend_from_slice(&input[..input.len().min(room)]);
        match self.look(identity) {
            Err(refusal) => Progress::Refused(refusal),
            Ok(Some(end)) => Progress::Done(end - before),
            Ok(None) => Progress::Waits,
        }
    }

    /// Whether nothing has been heard.
    pub fn is_silent(&self) -> bool {
        self.heard.is_empty()
    }

    /// Where the handshake ends in what was heard; `None` if its end has not come.
    fn look(&self, identity: &[u8]) -> Result<Option<usize>, Refusal> {
        let heard = &self.heard[..];
        let foreign = || Err(Refusal::Foreign(heard.to_vec()));
        match (heard.first(), heard.get(SIGNATURE - 1)) {
            (Some(&first), _) if first != 0xff => return foreign(),
            (_, Some(last)) if last & 1 == 0 => return foreign(),
            _ => {}
        }
        if let Some(&major) = heard.get(SIGNATURE)
            && major < VERSION[0]
        {
            return Err(Refusal::Version(major));
        }
        let Some((greeting, rest)) = heard.split_at_checked(GREETING) else { return Ok(None) };
        let mechanism = greeting[MECHANISM].split(|byte| *byte == 0).next().unwrap_or_default();
        if mechanism != b"NULL" {
            return Err(Refusal::Mechanism(mechanism.to_vec()));
        }
        let Some((command, end)) = first_command(rest)? else { return Ok(None) };
        match said(command) {
            Some((b"READY", properties)) => {
                // RFC 23 asks for it; libzmq takes a peer without it.
                let Some(partner) = property(properties, b"Socket-Type") else {
                    return Ok(Some(GREETING + end));
                };
                let own =
                    partner == b"DEALER" && property(properties, b"Identity") == Some(identity);
                if own && !identity.is_empty() {
                    return Err(Refusal::Foreign(b"what it was sent".to_vec()));
                }
                if !PARTNERS.contains(&partner) {
                    return Err(Refusal::Socket(partner.to_vec()));
                }
                Ok(Some(GREETING + end))
            }
            // A reason is a short text.
            Some((b"ERROR", [_length, why @ ..])) => Err(Refusal::Refuses(why.to_vec())),
            _ => Err(Refusal::NoReady),
        }
    }
}

/// The body of the command in front, and where its frame ends; `None` if its end has not come.
fn first_command(rest: &[u8]) -> Result<Option<(&[u8], usize)>, Refusal> {
    let Some(&flags) = rest.first() else { return Ok(None) };
    if flags & COMMAND == 0 {
        return Err(Refusal::NoReady);
    }
    let (size, start) = if flags & LONG == 0 {
        let Some(&size) = rest.get(1) else { return Ok(None) };
        (u64::from(size), 2)
    } else {
        let Some(size) = rest.get(1..9).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        (u64::from_be_bytes(*size), 9)
    };
    let Some(size) = usize::try_from(size).ok().filter(|size| *size <= READY_LIMIT) else {
        return Err(Refusal::NoReady);
    };
    Ok(rest.get(start..start + size).map(|body| (body, start + size)))
}

/// The greeting.
pub fn greeting() -> [u8; GREETING] {
    let mut greeting = [0; GREETING];
    greeting[0] = 0xff;
    greeting[SIGNATURE - 1] = 0x7f;
    greeting[SIGNATURE..SIGNATURE + 2].copy_from_slice(&VERSION);
    greeting[MECHANISM.start..MECHANISM.start + 4].copy_from_slice(b"NULL");
    greeting
}

/// Appends the READY of a DEALER with this identity, which has at most 255 bytes, as a frame.
pub fn ready(identity: &[u8], into: &mut Vec<u8>) {
    let mut command = b"\x05READY".to_vec();
    for (name, value) in [(&b"Socket-Type"[..], &b"DEALER"[..]), (b"Identity", identity)] {
        command.push(u8::try_from(name.len()).expect("a short name"));
        command.extend_from_slice(name);
        command.extend_from_slice(&u32::try_from(value.len()).expect("short").to_be_bytes());
        command.extend_from_slice(value);
    }
    encode_command(&command, into);
}

/// A command's name and what follows it.
pub fn said(command: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = command.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// The value of a property, of a READY's body behind its name.
pub fn property<'a>(mut rest: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    loop {
        let (name, behind) = said(rest)?;
        let (length, behind) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (value, behind) = behind.split_at_checked(length)?;
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a ROUTER says first.
    fn router() -> Vec<u8> {
        let mut said = greeting().to_vec();
        encode_command(b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0", &mut said);
        said
    }

    fn heard(bytes: &[u8]) -> Progress {
        Handshake::default().feed(bytes, b"A")
    }

    #[test]
    fn a_router_is_a_partner_and_what_follows_its_ready_is_left() {
        let mut bytes = router();
        let end = bytes.len();
        bytes.extend_from_slice(b"\0\0");
        assert_eq!(heard(&bytes), Progress::Done(end));
        bytes[1..9].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        bytes[11] = 0;
        assert_eq!(heard(&bytes), Progress::Done(end), "libzmq's pad, and version 3.0");
        let mut own = greeting().to_vec();
        ready(b"B", &mut own);
        assert_eq!(heard(&own), Progress::Done(own.len()), "another DEALER");
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let with = |place: usize, bytes: &[u8]| {
            let mut said = router();
            said[place..place + bytes.len()].copy_from_slice(bytes);
            heard(&said)
        };
        let refused = Progress::Refused;
        assert_eq!(with(12, b"CURVE"), refused(Refusal::Mechanism(b"CURVE".to_vec())));
        assert_eq!(with(10, &[1]), refused(Refusal::Version(1)));
        assert_eq!(heard(b"SSH-2.0"), refused(Refusal::Foreign(b"SSH-2.0".to_vec())));
        let mut said = greeting().to_vec();
        encode_command(b"\x05READY\x0bSocket-Type\0\0\0\x03PUB", &mut said);
        assert_eq!(heard(&said), refused(Refusal::Socket(b"PUB".to_vec())));
        let error = [&greeting()[..], b"\x04\x0a\x05ERROR\x03400"].concat();
        assert_eq!(heard(&error), refused(Refusal::Refuses(b"400".to_vec())));
        for broken in [&b"\0\x01a"[..], b"\x04\x02\x01x", b"\x06\xff\0\0\0\0\0\0\0"] {
            let said = [&greeting()[..], broken].concat();
            assert_eq!(heard(&said), refused(Refusal::NoReady));
        }
        let mut echo = greeting().to_vec();
        ready(b"A", &mut echo);
        assert_eq!(heard(&echo), refused(Refusal::Foreign(b"what it was sent".to_vec())));
    }

    #[test]
    fn properties_without_a_meaning_here_are_let_be_and_names_may_be_written_in_any_case() {
        let command = [
            &b"\x05READY\x09X-Comment\0\0\x01\x2c"[..],
            &[b'c'; 300],
            b"\x05Empty\0\0\0\0\x08identity\0\0\0\x01A\x0bsocket-TYPE\0\0\0\x06ROUTER",
            b"\x08Resource\0\0\0\x01r",
        ];
        let mut said = greeting().to_vec();
        encode_command(&command.concat(), &mut said);
        assert_eq!(heard(&said), Progress::Done(said.len()));
    }

    #[test]
    fn an_identity_of_any_length_fits_in_a_ready() {
        for length in [0, 1, 200, 255] {
            let mut said = greeting().to_vec();
            ready(&vec![b'i'; length], &mut said);
            assert_eq!(heard(&said), Progress::Done(said.len()), "{length}");
        }
    }

    /// Feeds in parts; gives how it ended, and how many bytes were of the handshake.
    fn in_parts(bytes: &[u8], parts: &[usize]) -> (Progress, usize) {
        let mut handshake = Handshake::default();
        let (mut rest, mut used) = (bytes, 0);
        let mut sizes = parts.iter().copied().chain(std::iter::repeat(usize::MAX));
        while !rest.is_empty() {
            let (input, behind) = rest.split_at(sizes.next().expect("endless").min(rest.len()));
            rest = behind;
            match handshake.feed(input, b"A") {
                Progress::Waits => used += input.len(),
                Progress::Done(of_it) => return (Progress::Done(0), used + of_it),
                Progress::Refused(Refusal::Foreign(_)) => {
                    return (Progress::Refused(Refusal::Foreign(Vec::new())), 0);
                }
                refused @ Progress::Refused(_) => return (refused, 0),
            }
        }
        (Progress::Waits, used)
    }

    proptest! {
        #[test]
        fn any_split_ends_the_same(
            place in 0..110_usize, byte: u8, tail in prop::collection::vec(any::<u8>(), 0..40),
            parts in prop::collection::vec(1..30_usize, 0..60),
        ) {
            let mut bytes = [router(), tail].concat();
            if let Some(damaged) = bytes.get_mut(place) {
                *damaged = byte;
            }
            prop_assert_eq!(in_parts(&bytes, &parts), in_parts(&bytes, &[]));
        }

        #[test]
        fn any_bytes_end_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            parts in prop::collection::vec(1..30_usize, 0..60),
        ) {
            let after_greeting = [&greeting()[..], &bytes].concat();
            prop_assert_eq!(in_parts(&after_greeting, &parts), in_parts(&after_greeting, &[]));
            prop_assert_eq!(in_parts(&bytes, &parts), in_parts(&bytes, &[]));
        }
    }
}
