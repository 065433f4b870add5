//! Writing a result: atomically, to a place that was proven writable before the run began.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::{Error, text};

/// The place a result will be written to, proven writable before the run begins.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    place: Place,
}

/// What lies at the end of the path.
#[derive(Debug)]
enum Place {
    /// A regular file or nothing yet: this one beside it takes its place.
    Beside { target: PathBuf, file: NamedTempFile },
    /// A device or a pipe, which is written to and never replaced.
    Stream(File),
}

impl Destination {
    /// Opens what will be written to, if what is made of `input` is to be saved at all, so that an unwritable place is
    /// found before anything is measured.
    pub fn reserve(path: Option<&Path>, input: &Path) -> Result<Option<Self>, Error> {
        let Some(path) = path else { return Ok(None) };
        let same = |path: &Path| {
            Some(std::fs::canonicalize(path).ok()? == std::fs::canonicalize(input).ok()?)
        };
        let place = match std::fs::metadata(path) {
            _ if path == Path::new("-") => Err(io::Error::other(
                "for standard output use --format json; for a file of that name, ./-",
            )),
            _ if same(path) == Some(true) => Err(io::Error::other(
                "it is the scenario or result that is read, and would be replaced",
            )),
            Ok(there) if there.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
            // A rename would ask nobody: what may not be written to is not replaced either.
            Ok(there) => OpenOptions::new().write(true).open(path).and_then(|stream| {
                if there.is_file() {
                    // The file that a link points to is replaced, and not the link.
                    beside(std::fs::canonicalize(path)?, there.permissions())
                } else {
                    Ok(Place::Stream(stream))
                }
            }),
            Err(_) => beside(path.to_owned(), Permissions::from_mode(0o644)),
        };
        let place = place.map_err(|source| Error::Write { path: path.to_owned(), source })?;
        Ok(Some(Self { path: path.to_owned(), place }))
    }

    /// Refuses two destinations that are the same file: the second would replace the first.
    pub fn ensure_distinct(destinations: &[&Option<Self>]) -> Result<(), Error> {
        let mut files: Vec<&Path> = Vec::new();
        for destination in destinations.iter().copied().flatten() {
            let Place::Beside { target, .. } = &destination.place else { continue };
            if files.contains(&target.as_path()) {
                let source = io::Error::other("it is given twice, for two different things");
                return Err(Error::Write { path: destination.path.clone(), source });
            }
            files.push(target);
        }
        Ok(())
    }

    /// Writes the text. A regular file is moved into place: readers see the old one or the new one, never a part.
    pub fn save(self, text: &str) -> Result<(), Error> {
        let written = match self.place {
            Place::Beside { target, mut file } => file
                .as_file_mut()
                .write_all(text.as_bytes())
                .and_then(|()| file.as_file().sync_all())
                .and_then(|()| file.persist(target).map_err(|error| error.error))
                .map(drop),
            Place::Stream(mut stream) => stream.write_all(text.as_bytes()),
        };
        written.map_err(|source| Error::Write { path: self.path, source })
    }
}

/// Opens a file beside `target`.
fn beside(target: PathBuf, permissions: Permissions) -> io::Result<Place> {
    // Without this, `result/` would be written into the folder above and fail when it is moved into place.
    if target.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::metadata(folder)?;
    let file = tempfile::Builder::new()
        .prefix(".zload-")
        .permissions(permissions)
        .tempfile_in(folder)
        // The builder's own words name a file that no user knows.
        .map_err(|error| io::Error::from(error.kind()))?;
    Ok(Place::Beside { target, file })
}

/// A result as a JSON value, in which fields are found by their names.
pub fn to_value(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("results have string keys and no failing serializer")
}

/// The JSON text of a result, safe to show, with a newline at its end.
pub fn to_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value)
        .expect("results have string keys and no failing serializer");
    text::json(&text) + "\n"
}
