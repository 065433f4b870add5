//! Messages that answer no request: the first few of them, to be shown.

/// How many are kept, and how many bytes of each.
const MOST: usize = 3;
const MOST_BYTES: usize = 60;

/// The start of the last frame of the first few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strangers(Vec<Vec<u8>>);

impl Strangers {
    /// This was the last frame of one.
    pub fn add(&mut self, frame: &[u8]) {
        if self.0.len() < MOST {
            self.0.push(frame[..frame.len().min(MOST_BYTES)].to_vec());
        }
    }

    /// Those that were kept.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Takes in another driver's.
    pub fn merge(&mut self, other: &Self) {
        other.frames().for_each(|frame| self.add(frame));
    }
}
