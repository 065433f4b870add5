//! What may hold for a reply: a frame that contains or is certain bytes. Pure.

use memchr::memmem::Finder;

use super::Frames;
use crate::scenario::{Condition, bytes_of};

/// A condition, made ready to be looked at for each reply.
#[derive(Debug, Clone)]
pub struct Check {
    frame: Option<i32>,
    contains: Option<Finder<'static>>,
    equals: Option<Vec<u8>>,
}

impl Check {
    /// Makes a validated condition ready.
    pub fn new(condition: &Condition) -> Self {
        let bytes = |text: &String| bytes_of(text).expect("validation has read it");
        let finder = |text| Finder::new(&bytes(text)).into_owned();
        Self {
            frame: condition.frame,
            contains: condition.contains.as_ref().map(finder),
            equals: condition.equals.as_ref().map(bytes),
        }
    }

    /// Whether it holds. It does not for a reply that has no such frame.
    #[inline]
    pub fn holds<F: Frames + ?Sized>(&self, reply: &F) -> bool {
        let count = reply.count();
        let Some(place) = self.frame else {
            return (0..count).any(|place| self.holds_for(reply.frame(place)));
        };
        let distance = place.unsigned_abs() as usize;
        let place = if place < 0 { count.checked_sub(distance) } else { Some(distance) };
        place.filter(|place| *place < count).is_some_and(|place| self.holds_for(reply.frame(place)))
    }

    #[inline]
    fn holds_for(&self, frame: &[u8]) -> bool {
        self.contains.as_ref().is_none_or(|text| text.find(frame).is_some())
            && self.equals.as_ref().is_none_or(|bytes| bytes == frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_looks_at_its_frame_or_at_all() {
        let reply: [&[u8]; 3] = [b"", b"MDPC02", b"\x04"];
        for (condition, expected) in [
            ("equals = 'hex:04'", true),
            ("equals = 'hex:04'\nframe = 2", true),
            ("equals = 'hex:04'\nframe = -1", true),
            ("equals = 'hex:04'\nframe = 1", false),
            ("equals = 'hex:04'\nframe = 3", false),
            ("equals = 'hex:04'\nframe = -4", false),
            ("equals = ''\nframe = -3", true),
            ("contains = 'DPC'", true),
            ("contains = 'DPC'\nequals = 'DPC'", false),
        ] {
            let check = Check::new(&toml::from_str(condition).unwrap());
            assert_eq!(check.holds(&reply[..]), expected, "{condition}");
        }
    }
}
