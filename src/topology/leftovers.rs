//! Files that must not stay behind when zload ends at once: temporary files, sockets in the file system.
//!
//! Who makes such a file makes it through [`Leftover::make`] and drops that when the file has gone or has found its place.
//! The end calls [`remove_all`]. Invariant: no file is made between that call and the end.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

static PATHS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that goes if zload ends at once. Dropping this keeps the file: it only ends the watch over it.
#[derive(Debug)]
pub struct Leftover(PathBuf);

impl Leftover {
    /// Calls `make`, which makes the file at `path` and must not take long. Fails as `make` does.
    pub fn make<T>(path: &Path, make: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Self)> {
        // So that it names the same file whatever the current folder is.
        let path = std::path::absolute(path)?;
        // A sudden end waits for this lock, or this waits for ever: there is no file that it does not know of.
        let mut paths = paths();
        let value = make()?;
        paths.insert(path.clone());
        Ok((value, Self(path)))
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        paths().remove(&self.0);
    }
}

/// Removes every such file. For the last moment of the process: whoever wants to make or to release one waits until it ends.
pub fn remove_all() {
    let paths = paths();
    for path in paths.iter() {
        // It may be gone already, and there is nobody left to tell.
        let _gone = std::fs::remove_file(path);
    }
    std::mem::forget(paths);
}

fn paths() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    PATHS.lock().unwrap_or_else(PoisonError::into_inner)
}
