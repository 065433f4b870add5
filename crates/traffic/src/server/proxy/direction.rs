//! One direction of the proxy: takes messages from one side and hands them to the other, frame by frame. Hot path.
//!
//! Invariant: the frames of a message stay together and in order, whatever is refused on the way.

use crate::server::counters::ProxyCounters;
use crate::wire::{Errno, Frame, Socket, Station, Stations, Tag};

/// What an engine has moved, summed without atomics and published after each wake.
#[derive(Default)]
pub(super) struct Tally {
    messages_in: u64,
    messages_out: u64,
    bytes: u64,
    pub(super) wakes: u64,
}

impl Tally {
    #[inline]
    pub(super) fn publish(&self, counters: &ProxyCounters) {
        counters.messages_in.set(self.messages_in);
        counters.messages_out.set(self.messages_out);
        counters.bytes.set(self.bytes);
        counters.wakes.set(self.wakes);
    }
}

/// A direction, and the frame that is on its way.
pub(super) struct Direction<'a> {
    pub(super) from: &'a Socket,
    pub(super) to: &'a Socket,
    stations: Option<&'a Stations>,
    /// Where sampled requests are stamped when they are taken, and when they are handed on.
    taken: Station,
    handed_on: Station,
    frame: Frame,
    /// `frame` holds the beginning of a message that the other side had no room for.
    pub(super) held: bool,
    /// When that message was taken, by the stations' clock.
    held_since_ns: Option<u64>,
}

/// Both directions between two sockets: of the requests, and of the replies.
pub(super) fn both<'a>(
    frontend: &'a Socket,
    backend: &'a Socket,
    stations: Option<&'a Stations>,
) -> [Direction<'a>; 2] {
    let direction = |from, to, taken, handed_on| Direction {
        from,
        to,
        stations,
        taken,
        handed_on,
        frame: Frame::new(),
        held: false,
        held_since_ns: None,
    };
    [
        direction(frontend, backend, Station::ProxyIn, Station::ProxyOut),
        direction(backend, frontend, Station::BackIn, Station::BackOut),
    ]
}

impl Direction<'_> {
    /// Moves messages until there are none, there is no room, or `most` have been moved; says how many. Never waits.
    #[inline]
    pub(super) fn drain(&mut self, most: u32, tally: &mut Tally) -> Result<u32, Errno> {
        for moved in 0..most {
            if !self.held {
                match self.frame.receive(self.from, zmq::DONTWAIT) {
                    Ok(_) => tally.messages_in += 1,
                    Err(Errno::AGAIN) => return Ok(moved),
                    Err(errno) => return Err(errno),
                }
            }
            // The sign that more frames follow stays with a frame that was refused.
            let more = self.frame.more();
            let flags = if more { zmq::DONTWAIT | zmq::SNDMORE } else { zmq::DONTWAIT };
            match self.frame.send(self.to, flags) {
                Ok(()) => self.held = false,
                Err(Errno::AGAIN) => {
                    self.hold();
                    return Ok(moved);
                }
                Err(errno) => return Err(errno),
            }
            self.forward_rest(more, tally)?;
        }
        Ok(most)
    }

    /// Moves one message, however long that takes.
    #[inline]
    pub(super) fn forward(&mut self, tally: &mut Tally) -> Result<(), Errno> {
        self.frame.receive(self.from, 0)?;
        self.forward_taken(tally)
    }

    /// Takes the first frame of what is left of a message; says whether others follow it.
    #[inline]
    pub(super) fn take_first(&mut self) -> Result<bool, Errno> {
        self.frame.receive(self.from, 0)?;
        Ok(self.frame.more())
    }

    /// Moves the message whose first frame has been taken, however long that takes.
    #[inline]
    pub(super) fn forward_taken(&mut self, tally: &mut Tally) -> Result<(), Errno> {
        tally.messages_in += 1;
        // The send may wait for room, and that wait is the proxy's.
        self.held_since_ns = self.stations.map(|stations| stations.clock().now_ns());
        let more = self.frame.more();
        self.frame.send(self.to, if more { zmq::SNDMORE } else { 0 })?;
        self.forward_rest(more, tally)
    }

    #[cold]
    fn hold(&mut self) {
        if !self.held {
            self.held = true;
            self.held_since_ns = self.stations.map(|stations| stations.clock().now_ns());
        }
    }

    /// Moves the frames that follow the first one, which has been sent with `more` to come.
    ///
    /// Neither call can be refused: ZeroMQ delivers the frames of a message together, and takes the rest of a message of
    /// which it took the first frame.
    #[inline]
    fn forward_rest(&mut self, mut more: bool, tally: &mut Tally) -> Result<(), Errno> {
        let mut tag = None;
        while more {
            let size = self.frame.receive(self.from, 0)?;
            more = self.frame.more();
            if more {
                // Few messages have a frame between address and body: a sampled request's tag, an envelope, a foreign one's own.
                tag = tag.or_else(|| self.stamp_taken());
            } else {
                tally.bytes += size as u64;
                if let (Some(tag), Some(stations)) = (tag, self.stations) {
                    stations.stamp(tag, self.handed_on, stations.clock().now_ns());
                }
            }
            self.frame.send(self.to, if more { zmq::SNDMORE } else { 0 })?;
        }
        self.held_since_ns = None;
        tally.messages_out += 1;
        Ok(())
    }

    #[cold]
    fn stamp_taken(&self) -> Option<Tag> {
        let stations = self.stations?;
        let tag = Tag::of(&self.frame)?;
        let taken_ns = self.held_since_ns.unwrap_or_else(|| stations.clock().now_ns());
        stations.stamp(tag, self.taken, taken_ns);
        Some(tag)
    }
}
