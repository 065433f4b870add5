//! ZMTP 3.1 as bytes (RFC 37), as a DEALER without security speaks it: frames, the handshake, and commands. Pure. Hot path.
//!
//! Bytes come in and pieces of frames go out; nothing here waits, allocates per message, or holds a connection. Invariants:
//! how a stream is split into reads changes nothing of what it says, and no bytes of a peer make this panic or take
//! memory.

mod frame;
mod handshake;

pub use frame::{Decoder, Piece, TooLong, encode, encode_command, head_size};
pub use handshake::{
    GREETING, Handshake, MECHANISM, Progress, READY_LIMIT, Refusal, SIGNATURE, greeting, property,
    ready, said,
};

/// The flag of a frame after which more frames of the same message follow.
pub const MORE: u8 = 1;
/// The flag of a frame whose length has 8 bytes.
pub const LONG: u8 = 2;
/// The flag of a frame that is a command.
pub const COMMAND: u8 = 4;

/// The longest context of a PING, which its PONG returns (RFC 37).
const LONGEST_CONTEXT: usize = 16;

/// A command after the handshake, as far as it means something to a DEALER; RFC 37 lets all others be ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// The peer wants a PONG with this context.
    Ping(&'a [u8]),
    /// The peer ends the connection for this reason.
    Error(&'a [u8]),
    /// Any other one.
    Ignored,
}

/// The PING of a peer that expects nothing of the other side but an answer: no time to live, no context.
pub const PING: &[u8] = b"\x04PING\0\0";

impl<'a> Command<'a> {
    /// What the body of a command's frame says.
    pub fn of(body: &'a [u8]) -> Self {
        match said(body) {
            // Its time to live says when the peer closes the connection, which asks nothing of the one that answers.
            Some((b"PING", [_, _, context @ ..])) => {
                Self::Ping(&context[..context.len().min(LONGEST_CONTEXT)])
            }
            Some((b"ERROR", [_length, why @ ..])) => Self::Error(why),
            _ => Self::Ignored,
        }
    }
}

/// Appends the answer to a PING with this context.
pub fn encode_pong(context: &[u8], into: &mut Vec<u8>) {
    let mut body = [0; 5 + LONGEST_CONTEXT];
    let context = &context[..context.len().min(LONGEST_CONTEXT)];
    body[..5].copy_from_slice(b"\x04PONG");
    body[5..5 + context.len()].copy_from_slice(context);
    encode_command(&body[..5 + context.len()], into);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ping_is_answered_with_its_context_and_other_commands_are_not() {
        assert_eq!(Command::of(PING), Command::Ping(b""));
        assert_eq!(Command::of(b"\x04PING\0\x03abc"), Command::Ping(b"abc"));
        assert_eq!(Command::of(b"\x05ERROR\x03300"), Command::Error(b"300"));
        for ignored in [&b"\x04PING\0"[..], b"\x04PONGabc", b"\x09SUBSCRIBEx", b"\x09", b""] {
            assert_eq!(Command::of(ignored), Command::Ignored);
        }
        let mut answer = b"x".to_vec();
        encode_pong(b"abc", &mut answer);
        assert_eq!(answer, b"x\x04\x08\x04PONGabc");
        let long = [7; 40];
        answer.clear();
        encode_pong(&long, &mut answer);
        assert_eq!(answer.len(), 2 + 5 + LONGEST_CONTEXT, "no more than RFC 37 allows");
    }

    proptest! {
        #[test]
        fn any_command_can_be_read(body in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Command::Ping(context) = Command::of(&body) {
                encode_pong(context, &mut Vec::new());
            }
        }
    }
}
