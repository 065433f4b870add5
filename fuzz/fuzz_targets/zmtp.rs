//! What a peer of zload's own engine says: in whatever parts its bytes come, they mean the same, and no frame is larger than
//! what is accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zload_core::zmtp::{COMMAND, Command, Decoder, Handshake, Progress, Refusal, encode_pong};

const LIMIT: u64 = 200;

/// How the handshake ends, and the frames after it as far as they came, whole and not; read in parts of this size.
fn read(bytes: &[u8], part: usize) -> (Progress, Vec<(u8, Vec<u8>)>, bool) {
    let (mut handshake, mut decoder) = (Some(Handshake::default()), Decoder::new(LIMIT));
    let (mut frames, mut open) = (vec![(0, Vec::new())], false);
    let mut end = Progress::Waits;
    for mut input in bytes.chunks(part) {
        if let Some(of_it) = &mut handshake {
            match of_it.feed(input, b"own") {
                Progress::Waits => continue,
                // What of it is shown depends on how much has come.
                Progress::Refused(Refusal::Foreign(_)) => {
                    return (Progress::Refused(Refusal::Foreign(Vec::new())), frames, false);
                }
                Progress::Refused(why) => return (Progress::Refused(why), frames, false),
                Progress::Done(used) => {
                    input = &input[used..];
                    handshake = None;
                    end = Progress::Done(0);
                }
            }
        }
        loop {
            match decoder.next(&mut input) {
                Err(_) => return (end, frames, true),
                Ok(None) => break,
                Ok(Some(piece)) => {
                    if !open {
                        frames.push((piece.flags, Vec::new()));
                    }
                    open = piece.left > 0;
                    frames.last_mut().expect("one").1.extend_from_slice(piece.bytes);
                }
            }
        }
        assert!(input.is_empty());
    }
    (end, frames, false)
}

fuzz_target!(|data: &[u8]| {
    let Some((&part, bytes)) = data.split_first() else { return };
    let whole = read(bytes, usize::MAX);
    assert_eq!(read(bytes, usize::from(part).max(1)), whole);
    for (flags, body) in &whole.1 {
        assert!(body.len() as u64 <= LIMIT);
        if flags & COMMAND != 0
            && let Command::Ping(context) = Command::of(body)
        {
            encode_pong(context, &mut Vec::new());
        }
    }
});
