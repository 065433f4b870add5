//! The stations of the server: where the instants of a sampled request are stamped on its way. Hot path, rarely taken.
//!
//! A sampled request has a [`Tag`] in its own frame before its body, which proxy and workers pass on as any
//! frame; each that passes it on timestamps the slot that it names. Requests without a tag cost the server nothing, because no body
//! is looked at. Tags travel only to workers of the same process, also through a proxy of somebody else between them; a server whose workers
//! are its own never gets one.
//! Invariant: a slot is stamped only under the serial number of its present request, and each station once.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{errno::Errno, frame::Frame};
use crate::machine::Clock;
use zload_core::record::Timestamps;

const MAGIC: [u8; 8] = *b"zld\0tag1";
const TAG_SIZE: usize = 16;

/// Where a request is stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Station {
    /// The proxy took the request.
    ProxyIn,
    /// The proxy is about to hand it on.
    ProxyOut,
    /// When the worker that took it had ended its last delay.
    WorkerFree,
    /// A worker took it.
    WorkerStart,
    /// The worker is about to hand on the first reply.
    WorkerReply,
    /// The proxy took the first reply.
    BackIn,
    /// The proxy is about to hand it on.
    BackOut,
    /// The worker's number, which is no instant.
    Worker,
}

const STATIONS: usize = Station::Worker as usize + 1;

/// Names the slot of a sampled request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Which slot.
    pub slot: u32,
    /// Which use of the slot.
    pub serial: u32,
}

/// One sampled request that is under way. Two cache lines of its own: no two requests share any.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot {
    serial: AtomicU64,
    timestamps: [AtomicU64; STATIONS],
}

/// The slots of all sampled requests that are under way, and the clock they are stamped by.
#[derive(Debug)]
pub struct Stations {
    clock: Clock,
    slots: Box<[Slot]>,
}

impl Stations {
    /// Stations with this many slots.
    pub fn new(slots: usize) -> Self {
        Self { clock: Clock::start(), slots: (0..slots).map(|_| Slot::default()).collect() }
    }

    /// The clock of the timestamps.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Timestamps a station, unless it was stamped for this request before: of several replies the first counts.
    pub fn stamp(&self, tag: Tag, station: Station, value: u64) {
        let Some(slot) = self.slots.get(tag.slot as usize) else { return };
        let stamp = &slot.timestamps[station as usize];
        // Orderings are relaxed: a request's stations follow one another through ZeroMQ's own synchronization.
        if slot.serial.load(Ordering::Relaxed) == u64::from(tag.serial)
            && stamp.load(Ordering::Relaxed) == 0
        {
            stamp.store(value, Ordering::Relaxed);
        }
    }

    /// Makes a slot ready for a request.
    pub fn begin(&self, tag: Tag) {
        let slot = &self.slots[tag.slot as usize];
        slot.timestamps.iter().for_each(|stamp| stamp.store(0, Ordering::Relaxed));
        slot.serial.store(u64::from(tag.serial), Ordering::Relaxed);
    }

    /// What was stamped in a slot, with the clock's reading at `zero_ns` as the instant 0.
    pub fn read(&self, slot: u32, zero_ns: u64) -> Timestamps {
        let timestamps = &self.slots[slot as usize].timestamps;
        let value = |station: Station| timestamps[station as usize].load(Ordering::Relaxed);
        let instant = |station: Station| value(station).saturating_sub(zero_ns);
        Timestamps {
            proxy_in_ns: instant(Station::ProxyIn),
            proxy_out_ns: instant(Station::ProxyOut),
            worker_free_ns: instant(Station::WorkerFree),
            worker_start_ns: instant(Station::WorkerStart),
            worker_reply_ns: instant(Station::WorkerReply),
            back_in_ns: instant(Station::BackIn),
            back_out_ns: instant(Station::BackOut),
            worker: value(Station::Worker),
        }
    }
}

impl Tag {
    /// The frame with the tag.
    pub fn frame(self) -> Result<Frame, Errno> {
        let mut frame = Frame::filled(TAG_SIZE, 0)?;
        let bytes = frame.bytes_mut().expect("a new frame is shared with nobody");
        bytes.copy_from_slice(&self.bytes());
        Ok(frame)
    }

    /// The content of that frame.
    pub fn bytes(self) -> [u8; TAG_SIZE] {
        let mut bytes = [0; TAG_SIZE];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.slot.to_le_bytes());
        bytes[12..].copy_from_slice(&self.serial.to_le_bytes());
        bytes
    }

    /// The tag in a frame, if there is one.
    pub fn of(frame: &Frame) -> Option<Self> {
        Self::decode(frame.bytes())
    }

    /// The tag that these bytes are, if they are one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; TAG_SIZE] = bytes.try_into().ok()?;
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (slot, rest) = rest.split_first_chunk::<4>()?;
        let serial = rest.first_chunk::<4>()?;
        (*magic == MAGIC)
            .then(|| Self { slot: u32::from_le_bytes(*slot), serial: u32::from_le_bytes(*serial) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_its_frame_and_nothing_else_is_one() {
        let tag = Tag { slot: 7, serial: 0x0102_0304 };
        assert_eq!(Tag::of(&tag.frame().unwrap()), Some(tag));
        for size in [0, 15, 16, 17] {
            assert_eq!(Tag::of(&Frame::filled(size, b'z').unwrap()), None, "{size}");
        }
    }

    #[test]
    fn each_station_is_stamped_once_and_only_for_the_present_request() {
        let stations = Stations::new(2);
        let tag = Tag { slot: 1, serial: 5 };
        stations.begin(tag);
        stations.stamp(Tag { slot: 1, serial: 4 }, Station::BackIn, 70);
        stations.stamp(Tag { slot: 2, serial: 5 }, Station::BackIn, 80);
        stations.stamp(tag, Station::BackIn, 100);
        stations.stamp(tag, Station::BackIn, 200);
        assert_eq!(stations.read(1, 40), Timestamps { back_in_ns: 60, ..Timestamps::default() });
        stations.begin(Tag { slot: 1, serial: 6 });
        assert_eq!(stations.read(1, 0), Timestamps::default());
    }
}
