//! Writing a result: atomically, to a place that was proven writable before the run began.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Error;

/// The place a result will be written to, proven writable before the run begins.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Destination {
    /// Opens a file beside `path`, so that an unwritable place is found before anything is measured.
    pub fn reserve(path: &Path) -> Result<Self, Error> {
        let unwritable = |source| Error::Write { path: path.to_owned(), source };
        if path.is_dir() {
            return Err(unwritable(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".zload-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(folder)
            .map_err(unwritable)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes `value` as JSON and moves it into place: readers see the old file or the new one, never a part.
    pub fn save(mut self, value: &impl Serialize) -> Result<(), Error> {
        let unwritable = |source| Error::Write { path: self.path.clone(), source };
        let text = to_json(value);
        self.file.write_all(text.as_bytes()).map_err(unwritable)?;
        self.file.as_file().sync_all().map_err(unwritable)?;
        self.file.persist(&self.path).map_err(|error| unwritable(error.error))?;
        Ok(())
    }
}

/// The JSON text of a result, with a newline at its end.
pub fn to_json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value)
        .expect("results have string keys and no failing serializer");
    text.push('\n');
    text
}
