//! What is read: a file, a pipe, or standard input, which is called `-`.
//!
//! Invariants: each is opened and read once, to its end, so a pipe serves as well as a file; nothing larger than it may be
//! is kept.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;
use zload_core::problem::nearest;
use zload_core::text;

/// Entries of a directory that are searched for suggestions, and how many are named.
const MOST_LOOKED_AT: usize = 1_000;
const MOST_NAMED: usize = 6;

/// The text of something that was given by its path.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    /// What it holds: any bytes.
    pub(crate) bytes: Vec<u8>,
}

/// A path, and what keeps something there, if anything has to.
pub(crate) type Place = (PathBuf, Option<File>);

/// Whether a path means standard input; a file of that name is `./-`.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// What people call it.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".to_owned() } else { text::path(path) }
}

impl Input {
    /// Reads at most this many bytes (whole MiB); fails if there are more, with `what` in the error, as in `scenario`.
    pub(crate) fn read(path: &Path, most: u64, what: &str) -> Result<Self, Error> {
        let unreadable = |source: io::Error| Error::Read {
            path: name(path).into(),
            help: suggestion(path, &source),
            source,
        };
        let mut bytes = Vec::new();
        opened(path)
            .and_then(|from| from.take(most + 1).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        if bytes.len() as u64 > most {
            let reason = format!("it is larger than {} MiB, so it is not a {what}", most >> 20);
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// A path at which other processes find the same text, as long as this one lives and keeps the file: the one that was
    /// given, unless what is there is read once or is another thing to each process, as a pipe and `/dev/stdin` are.
    pub(crate) fn for_others(&self) -> Result<Place, Error> {
        let special = ["/dev", "/proc"].iter().any(|folder| self.path.starts_with(folder));
        if !is_stdin(&self.path) && !special && self.path.is_file() {
            return Ok((self.path.clone(), None));
        }
        self.copied()
    }

    /// The same path for a text that is at no path of its own.
    pub(crate) fn copied(&self) -> Result<Place, Error> {
        let copy = || {
            // It has no name, so none is left behind.
            let mut copy = tempfile::tempfile()?;
            copy.write_all(&self.bytes)?;
            Ok(copy)
        };
        let copy = copy().map_err(|source: io::Error| {
            let name = name(&self.path);
            Error::Failed(format!("{name} cannot be copied for the sides: {source}"))
        })?;
        Ok((format!("/proc/{}/fd/{}", std::process::id(), copy.as_raw_fd()).into(), Some(copy)))
    }
}

/// What is read in passing, and of which no more is kept than its reader keeps.
pub(crate) struct Stream {
    from: io::Take<Box<dyn Read>>,
}

impl Stream {
    /// Reads at most this many bytes: what is longer fails there.
    pub(crate) fn open(path: &Path, most: u64) -> Result<Self, Error> {
        let from = opened(path).map_err(|source| Error::Read {
            path: name(path).into(),
            help: suggestion(path, &source),
            source,
        })?;
        Ok(Self { from: from.take(most) })
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.from.limit() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
        }
        self.from.read(into)
    }
}

/// Suggestions for a path that cannot be read: the file beside it whose name is nearest, or those in a directory.
fn suggestion(path: &Path, error: &io::Error) -> String {
    let names = |folder: &Path| -> Vec<String> {
        let entries =
            std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_LOOKED_AT);
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match error.kind() {
        io::ErrorKind::NotFound => {
            let wanted = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            let with_ending = format!("{wanted}.toml");
            let names = names(folder);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let found = names.iter().find(|name| **name == with_ending);
            let found = found.copied().or_else(|| nearest(wanted, &names));
            found.map_or_else(String::new, |found| {
                format!("; did you mean {}?", text::path(&path.with_file_name(found)))
            })
        }
        io::ErrorKind::IsADirectory => {
            let mut names = names(path);
            names.retain(|name| Path::new(name).extension() == Some("toml".as_ref()));
            names.truncate(MOST_NAMED);
            if names.is_empty() {
                String::new()
            } else {
                format!("; it holds {}", text::shown(&names.join(", ")))
            }
        }
        _ => String::new(),
    }
}

/// Opens a file, or standard input, which has an end and is then empty.
fn opened(path: &Path) -> io::Result<Box<dyn Read>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if !is_stdin(path) {
        return Ok(Box::new(File::open(path)?));
    }
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::other("`-` was given twice, and standard input can be read once"));
    }
    Ok(Box::new(io::stdin()))
}
