//! Frames: their heads, written the canonical way and read in every way that libzmq takes. Hot path.

use super::{COMMAND, LONG};

/// Bytes of the longest head: flags and a length of 8 bytes.
const LONGEST_HEAD: usize = 9;
/// The largest body whose length has one byte.
const SHORT: usize = 255;

/// Bytes of the head of a frame with a body of this many bytes.
#[inline]
pub fn head_size(body: usize) -> usize {
    if body <= SHORT { 2 } else { LONGEST_HEAD }
}

/// Appends a frame of a message; `flags` is 0 or [`MORE`](super::MORE).
#[inline]
pub fn encode(flags: u8, body: &[u8], into: &mut Vec<u8>) {
    if let Ok(size) = u8::try_from(body.len()) {
        into.extend_from_slice(&[flags, size]);
    } else {
        let mut head = [0; LONGEST_HEAD];
        head[0] = flags | LONG;
        head[1..].copy_from_slice(&(body.len() as u64).to_be_bytes());
        into.extend_from_slice(&head);
    }
    into.extend_from_slice(body);
}

/// Appends the frame of a command.
pub fn encode_command(body: &[u8], into: &mut Vec<u8>) {
    encode(COMMAND, body, into);
}

/// Reads frames out of a stream that comes in parts.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// The largest body that is accepted.
    limit: u64,
    /// Bytes of the present frame's body that are still to come.
    left: u64,
    /// The present frame's flags; the frame is open from its head on until its last byte was given out.
    flags: u8,
    is_open: bool,
    /// The beginning of a head whose end has not come, and its bytes.
    head: [u8; LONGEST_HEAD],
    in_head: u8,
}

/// A piece of a frame: all of it, where all has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The flags of its frame.
    pub flags: u8,
    /// These bytes of the body, after those of the pieces before.
    pub bytes: &'a [u8],
    /// Bytes of the body that are still to come: with 0 the frame is whole.
    pub left: u64,
}

/// A frame that is larger than what is accepted. Nothing after it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// What its head says, in bytes.
    pub size: u64,
}

impl Decoder {
    /// For a stream at the beginning of a frame, in which no body is larger than `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit, left: 0, flags: 0, is_open: false, head: [0; LONGEST_HEAD], in_head: 0 }
    }

    /// Takes the next piece from the front of `input`; `None` if that holds no more.
    #[inline]
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, TooLong> {
        // Nearly all frames are short, and come whole.
        if !self.is_open
            && self.in_head == 0
            && let [flags, size, rest @ ..] = *input
            && flags & LONG == 0
            && let Some((bytes, behind)) = rest.split_at_checked(usize::from(*size))
            && u64::from(*size) <= self.limit
        {
            *input = behind;
            return Ok(Some(Piece { flags: *flags, bytes, left: 0 }));
        }
        self.next_in_parts(input)
    }

    #[inline(never)]
    fn next_in_parts<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, TooLong> {
        if !self.is_open && !self.open(input)? {
            return Ok(None);
        }
        if self.left > 0 && input.is_empty() {
            return Ok(None);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let (bytes, behind) = input.split_at(most.min(input.len()));
        *input = behind;
        self.left -= bytes.len() as u64;
        self.is_open = self.left > 0;
        Ok(Some(Piece { flags: self.flags, bytes, left: self.left }))
    }

    /// Reads a head, or what has come of it; true if that is all.
    fn open(&mut self, input: &mut &[u8]) -> Result<bool, TooLong> {
        loop {
            let have = usize::from(self.in_head);
            let is_long = have > 0 && self.head[0] & LONG != 0;
            let wanted = if is_long { LONGEST_HEAD } else { 2 };
            if have == wanted {
                break;
            }
            let Some((byte, behind)) = input.split_first() else { return Ok(false) };
            self.head[have] = *byte;
            self.in_head += 1;
            *input = behind;
        }
        let [flags, short, ..] = self.head;
        let size = if flags & LONG == 0 {
            u64::from(short)
        } else {
            let long = self.head.last_chunk().expect("the last 8 of 9 bytes");
            u64::from_be_bytes(*long)
        };
        if size > self.limit {
            return Err(TooLong { size });
        }
        (self.flags, self.left, self.is_open, self.in_head) = (flags, size, true, 0);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::MORE;
    use super::*;

    /// A frame as a decoder gave it, put together; and whether it was given up to its end.
    type Whole = (u8, Vec<u8>);

    /// The whole frames that come out of a stream that is read in parts of these sizes, and how it ended.
    fn decoded(stream: &[u8], parts: &[usize], limit: u64) -> (Vec<Whole>, Option<TooLong>) {
        let mut decoder = Decoder::new(limit);
        let (mut frames, mut open) = (Vec::new(), None::<Whole>);
        let mut sizes = parts.iter().copied().chain(std::iter::repeat(usize::MAX));
        let mut rest = stream;
        while !rest.is_empty() {
            let most = sizes.next().expect("endless").min(rest.len());
            let (mut input, behind) = rest.split_at(most);
            rest = behind;
            loop {
                match decoder.next(&mut input) {
                    Err(too_long) => return (frames, Some(too_long)),
                    Ok(None) => break,
                    Ok(Some(piece)) => {
                        let (flags, mut body) = open.take().unwrap_or((piece.flags, Vec::new()));
                        assert_eq!(flags, piece.flags, "flags are those of the frame");
                        body.extend_from_slice(piece.bytes);
                        match piece.left {
                            0 => frames.push((flags, body)),
                            _ => open = Some((flags, body)),
                        }
                    }
                }
            }
            assert!(input.is_empty(), "what was given is used up");
        }
        (frames, None)
    }

    #[test]
    fn short_and_long_frames_have_the_heads_of_the_protocol() {
        let mut stream = Vec::new();
        encode(MORE, b"", &mut stream);
        encode(0, &[7; 255], &mut stream);
        encode(0, &[8; 256], &mut stream);
        encode_command(b"\x04PING\0\0", &mut stream);
        assert_eq!(stream[..4], [1, 0, 0, 255]);
        assert_eq!(stream[259..268], [2, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(stream.len(), 2 + 257 + 265 + 9);
        assert_eq!(head_size(255) + head_size(256), 11);
        let (frames, end) = decoded(&stream, &[], 1000);
        assert_eq!((frames.len(), end), (4, None));
        assert_eq!(frames[3], (COMMAND, b"\x04PING\0\0".to_vec()));
    }

    #[test]
    fn a_short_body_in_the_long_form_is_read_and_reserved_flags_are_kept() {
        let (frames, _) = decoded(b"\x02\0\0\0\0\0\0\0\x02ab\xf1\x01c", &[], 10);
        assert_eq!(frames, [(2, b"ab".to_vec()), (0xf1, b"c".to_vec())]);
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_by_its_head() {
        let huge = [&b"\0\x01a\x02"[..], &(1_u64 << 62).to_be_bytes()].concat();
        let (frames, end) = decoded(&huge, &[], u64::MAX >> 2);
        assert_eq!((frames.len(), end), (1, Some(TooLong { size: 1 << 62 })));
        assert_eq!(decoded(b"\0\x03abc", &[], 2).1, Some(TooLong { size: 3 }));
    }

    fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
        let sizes = prop_oneof![0..4_usize, 250..260_usize, 0..2000_usize];
        let body = sizes.prop_flat_map(|size| prop::collection::vec(any::<u8>(), size));
        let flags = prop_oneof![Just(0), Just(MORE), Just(COMMAND)];
        prop::collection::vec((flags, body), 0..8)
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(frames in frames(), parts in prop::collection::vec(1..40_usize, 0..300)) {
            let mut stream = Vec::new();
            for (flags, body) in &frames {
                encode(*flags, body, &mut stream);
            }
            let (found, end) = decoded(&stream, &parts, 1 << 20);
            prop_assert_eq!(end, None);
            // A long frame has its flag besides.
            let found: Vec<_> = found.into_iter().map(|(flags, body)| (flags & !LONG, body)).collect();
            prop_assert_eq!(found, frames);
        }

        #[test]
        fn any_bytes_are_read_the_same_in_any_parts(
            bytes in prop::collection::vec(any::<u8>(), 0..3000),
            parts in prop::collection::vec(1..40_usize, 0..300),
            limit in 0..1000_u64,
        ) {
            let whole = decoded(&bytes, &[], limit);
            prop_assert!(whole.0.iter().all(|(_, body)| body.len() as u64 <= limit));
            prop_assert_eq!(decoded(&bytes, &parts, limit), whole);
        }
    }
}
