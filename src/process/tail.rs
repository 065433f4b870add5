//! The last lines of an output, however much of it comes. Invariant: memory is bounded, and what is shown is printable.

use std::collections::VecDeque;

use zload_core::text;

const MOST_BYTES: usize = 64 << 10;
const MOST_LINES: usize = 20;
/// The length at which a line is cut, in characters.
const LONGEST_LINE: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    pub(super) fn push(&mut self, more: &[u8]) {
        let more = &more[more.len().saturating_sub(MOST_BYTES)..];
        let beyond = (self.bytes.len() + more.len()).saturating_sub(MOST_BYTES);
        self.bytes.drain(..beyond);
        self.bytes.extend(more);
    }

    /// The last lines that say something.
    pub(super) fn lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let mut lines: Vec<String> = bytes
            .rsplit(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .take(MOST_LINES)
            .map(printable)
            .collect();
        lines.reverse();
        lines
    }
}

fn printable(line: &[u8]) -> String {
    // No sign has more bytes, so this is more than is shown.
    let begin = &line[..line.len().min(4 * (LONGEST_LINE + 1))];
    let blanks: Vec<u8> =
        begin.iter().map(|byte| if *byte == b'\t' { b' ' } else { *byte }).collect();
    let mut shown = text::bytes(blanks.trim_ascii_end());
    if let Some((cut, _)) = shown.char_indices().nth(LONGEST_LINE) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_lines_that_say_something_are_kept_in_their_order() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("line {number}\n\n").as_bytes());
        }
        tail.push(b"\x1b[31mthe end");
        let lines = tail.lines();
        assert_eq!(lines.len(), MOST_LINES);
        assert_eq!(lines[MOST_LINES - 2], "line 99999");
        assert_eq!(lines[MOST_LINES - 1], r"\u{1b}[31mthe end");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_whatever_pieces_is_the_same_and_small(
            bytes in prop::collection::vec(any::<u8>(), 0..2_000), piece in 1_usize..500, times in 1_usize..100,
        ) {
            let all = bytes.repeat(times);
            let mut whole = Tail::default();
            whole.push(&all);
            let mut pieces = Tail::default();
            all.chunks(piece).for_each(|piece| pieces.push(piece));
            prop_assert_eq!(whole.lines(), pieces.lines());
            prop_assert!(whole.bytes.len() == all.len().min(MOST_BYTES));
            for line in whole.lines() {
                prop_assert!(line.chars().count() <= LONGEST_LINE + 1 && !line.chars().any(text::acts));
            }
        }
    }
}
