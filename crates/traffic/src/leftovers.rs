//! Files that must not stay behind when zload ends at once: temporary files, sockets in the file system.
//!
//! Who makes such a file makes it through [`Leftover::make`] and drops that when the file has gone or has found its place.
//! The end calls [`remove_all`]. Invariant: no file is made between that call and the end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Removes one file. A failure cannot be reported any more.
pub type Removal = Box<dyn Fn() + Send>;

static REMOVALS: Mutex<BTreeMap<u64, Removal>> = Mutex::new(BTreeMap::new());

/// A file that goes if zload ends at once. Dropping this keeps the file: it only ends the watch over it.
#[derive(Debug)]
pub struct Leftover(u64);

impl Leftover {
    /// Calls `make`, which makes a file and says how to remove it, and must not take long. Fails as `make` does.
    pub fn make<T, E>(make: impl FnOnce() -> Result<(T, Removal), E>) -> Result<(T, Self), E> {
        // A sudden end waits for this lock, or this waits for ever: there is no file that it does not know of.
        let mut removals = removals();
        let (value, removal) = make()?;
        let number = removals.last_key_value().map_or(0, |(last, _)| last + 1);
        removals.insert(number, removal);
        Ok((value, Self(number)))
    }

    /// Removes the file now.
    pub fn remove(&self) {
        if let Some(remove) = removals().get(&self.0) {
            remove();
        }
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        removals().remove(&self.0);
    }
}

/// Removes every such file. For the last moment of the process: making or releasing one then waits until the process ends.
pub fn remove_all() {
    let removals = removals();
    removals.values().for_each(|remove| remove());
    std::mem::forget(removals);
}

fn removals() -> MutexGuard<'static, BTreeMap<u64, Removal>> {
    REMOVALS.lock().unwrap_or_else(PoisonError::into_inner)
}
