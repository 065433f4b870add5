//! What comes over the connections of zload's own engine, read into one buffer and taken from there as messages. Hot path.
//!
//! A message that has come whole is copied once, into the driver's inbox. Of one that has not, what has come is kept with its
//! connection until the rest does.

use rustix::io::Errno as System;

use super::arrivals::read_stamped;
use super::{End, Flags, Line, ZmtpWorld};
use crate::client::world::Message;
use zload_core::message::Frames as _;
use zload_core::scenario::MOST_FRAMES;
use zload_core::zmtp::{COMMAND, Command, MORE, encode_pong};

/// Bytes of a command that are kept of one that comes in parts: PING and ERROR are shorter.
const LONGEST_COMMAND: usize = 512;
/// Bytes that may wait at a connection for the sake of a peer that asks for answers and does not read them.
const MOST_UNSENT: usize = 1 << 20;

/// Part of a message.
#[derive(Default)]
pub(super) struct Partial {
    pub(super) message: Message<Vec<u8>>,
    /// Whole frames of it.
    frames: usize,
    /// The frame after these has begun.
    is_open: bool,
    command: Vec<u8>,
}

impl ZmtpWorld {
    /// Reads for a client, into the buffer; false if the kernel has nothing.
    pub(super) fn read(&mut self, client: u32) -> bool {
        if self.reader != client && !self.unread.is_empty() {
            let left = &self.input[self.unread.clone()];
            let of = &mut self.lines[self.reader as usize];
            of.stash.extend_from_slice(left);
            of.stash_arrived_ns = self.arrived_ns;
            self.unread = 0..0;
        }
        self.reader = client;
        let line = &mut self.lines[client as usize];
        if !line.stash.is_empty() {
            self.input[..line.stash.len()].copy_from_slice(&line.stash);
            self.unread = 0..line.stash.len();
            line.stash = Vec::new();
            self.arrived_ns = std::mem::take(&mut line.stash_arrived_ns);
            return true;
        }
        let Some(descriptor) = line.descriptor.as_ref().filter(|_| line.flags.readable) else {
            return false;
        };
        let read = match line.asked {
            0 => rustix::io::read(descriptor, &mut self.input[..]).map(|count| (count, 0)),
            _ => read_stamped(descriptor, &mut self.input, self.clock),
        };
        match read {
            Ok((0, _)) => self.end(client, End::Closed),
            Ok((count, arrived_ns)) => {
                self.arrived_ns = arrived_ns;
                // Less than there is room for is all there was, unless an end comes after it.
                line.flags.readable = count == self.input.len() || line.flags.ending;
                line.heard_at_beat = self.times.beat;
                self.unread = 0..count;
                return true;
            }
            Err(System::INTR) => return self.read(client),
            Err(System::AGAIN) => {
                line.flags.readable = false;
                if line.flags.ending {
                    self.end(client, End::Reset);
                }
            }
            Err(_) => self.end(client, End::Reset),
        }
        false
    }

    /// Takes a message, or what has come of one, out of the buffer; true if it is whole, and for the driver.
    #[inline]
    pub(super) fn message(&mut self, client: u32, into: &mut Message<Vec<u8>>) -> bool {
        let Self { lines, input, unread, .. } = self;
        let line = &mut lines[client as usize];
        let (mut frames, mut is_open) = (0, false);
        if line.partial.is_some() {
            (frames, is_open) = resume(line, into, &mut self.command, &mut self.spare);
        }
        let mut rest = &input[unread.clone()];
        loop {
            let piece = match line.decoder.next(&mut rest) {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(_) => {
                    self.end(client, End::TooLong);
                    return false;
                }
            };
            if piece.flags & COMMAND != 0 {
                let is_whole = piece.left == 0;
                let room = LONGEST_COMMAND.saturating_sub(self.command.len());
                self.command.extend_from_slice(&piece.bytes[..piece.bytes.len().min(room)]);
                if is_whole {
                    answer(line, &self.command, &mut self.output);
                    self.writer = client;
                    self.command.clear();
                }
                continue;
            }
            let place = into.place(frames);
            if !is_open {
                place.clear();
            }
            place.extend_from_slice(piece.bytes);
            is_open = piece.left > 0;
            if is_open {
                continue;
            }
            // The place after the last one is overwritten by all that have none.
            let is_kept = frames < MOST_FRAMES;
            frames += usize::from(is_kept);
            if piece.flags & MORE == 0 {
                into.set_count(if is_kept { frames } else { 0 });
                unread.start = unread.end - rest.len();
                line.failures = 0;
                return line.flags.settled || first(&mut line.flags, into, self.knows_probes);
            }
        }
        *unread = 0..0;
        if frames > 0 || is_open || !self.command.is_empty() {
            suspend(line, (frames, is_open), into, &mut self.command, &mut self.spare);
        }
        false
    }
}

/// Whether one of the first messages of a connection is for the driver. What a server says before it is asked answers
/// nothing (`ZMQ_PROBE_ROUTER`, `ZMQ_HELLO_MSG`); a probe may cross the first request on its way.
#[cold]
fn first(flags: &mut Flags, message: &Message<Vec<u8>>, knows_probes: bool) -> bool {
    let is_first = !std::mem::replace(&mut flags.heard, true);
    let is_probe = knows_probes && message.count() == 1 && message.frame(0).is_empty();
    flags.settled = flags.spoken;
    flags.spoken && !(is_first && is_probe)
}

/// Does what a command asks for.
#[cold]
fn answer(line: &Line, command: &[u8], output: &mut Vec<u8>) {
    let Command::Ping(context) = Command::of(command) else { return };
    if line.unsent.len() < MOST_UNSENT {
        encode_pong(context, output);
    }
}

/// Goes on with a message of which a part has come; gives how far it is.
#[cold]
fn resume(
    line: &mut Line,
    into: &mut Message<Vec<u8>>,
    command: &mut Vec<u8>,
    spare: &mut Option<Box<Partial>>,
) -> (usize, bool) {
    let Some(mut partial) = line.partial.take() else { return (0, false) };
    std::mem::swap(into, &mut partial.message);
    std::mem::swap(command, &mut partial.command);
    partial.command.clear();
    let far = (partial.frames, partial.is_open);
    *spare = Some(partial);
    far
}

/// Keeps what has come of a message.
#[cold]
fn suspend(
    line: &mut Line,
    (frames, is_open): (usize, bool),
    message: &mut Message<Vec<u8>>,
    command: &mut Vec<u8>,
    spare: &mut Option<Box<Partial>>,
) {
    let mut partial = spare.take().unwrap_or_default();
    (partial.frames, partial.is_open) = (frames, is_open);
    std::mem::swap(message, &mut partial.message);
    std::mem::swap(command, &mut partial.command);
    command.clear();
    line.partial = Some(partial);
}
