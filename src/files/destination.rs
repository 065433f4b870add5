//! Writing a result: atomically, to a path that was proven writable before the run started.
//!
//! Invariants: an input is never replaced, under any name; between the check and the saving nothing is there that
//! did not before.

use std::collections::BTreeSet;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::input;
use crate::Error;
use crate::leftovers::{Leftover, Removal};
use zload_core::scenario::Scenario;

/// The most links that are followed to a file that is not there yet, as Linux does.
const MOST_LINKS: usize = 40;

/// The files that a command reads or runs, by what they are and not by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs(BTreeSet<(u64, u64)>);

/// The place a result will be written to, proven writable before the run starts.
#[derive(Debug)]
pub(crate) struct Destination {
    path: PathBuf,
    place: Place,
}

/// What is at the end of the path.
#[derive(Debug)]
enum Place {
    /// A regular file or nothing yet: a new one takes its place.
    Beside { target: PathBuf, permissions: Option<Permissions> },
    /// A device or a pipe, which is written to and never replaced.
    Stream(File),
}

impl Inputs {
    /// These files; `-` is standard input.
    pub(crate) fn of(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        let mut inputs = Self::default();
        for path in paths {
            inputs.add(path.as_ref());
        }
        inputs
    }

    /// Also all files that the server's command names, anywhere in an argument: program, script, configuration.
    #[must_use]
    pub(crate) fn and_server(mut self, scenario: &Scenario) -> Self {
        let Some(server) = &scenario.server else { return self };
        for argument in &server.command {
            self.add(Path::new(argument));
            let is_between = |c: char| c.is_whitespace() || "='\",;:".contains(c);
            argument.split(is_between).for_each(|part| self.add(Path::new(part)));
        }
        self.and_programs(server.command.first())
    }

    /// Besides, these programs, which are looked for in `PATH` if there is no slash in their names.
    #[must_use]
    pub(crate) fn and_programs(
        mut self,
        programs: impl IntoIterator<Item = impl AsRef<Path>>,
    ) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        for program in programs {
            let program = program.as_ref();
            self.add(program);
            if program.components().count() == 1 {
                std::env::split_paths(&path).for_each(|folder| self.add(&folder.join(program)));
            }
        }
        self
    }

    fn add(&mut self, path: &Path) {
        let metadata = if input::is_stdin(path) { of_stdin() } else { std::fs::metadata(path) };
        if let Ok(metadata) = metadata
            && metadata.is_file()
        {
            self.0.insert((metadata.dev(), metadata.ino()));
        }
    }

    fn has(&self, file: &Metadata) -> bool {
        self.0.contains(&(file.dev(), file.ino()))
    }
}

/// What standard input is redirected from.
fn of_stdin() -> io::Result<Metadata> {
    File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()
}

/// Writes a file that is not there yet.
pub(crate) fn create_new(path: &Path, text: &str) -> Result<(), Error> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| {
        let source = match source.kind() {
            io::ErrorKind::AlreadyExists => {
                io::Error::other("it exists, and nothing is replaced: choose another name")
            }
            _ => source,
        };
        Error::Write { path: path.to_owned(), source }
    })
}

impl Destination {
    /// Proves that it can be written to, if what is made of `inputs` is to be saved at all, so that an unwritable place is
    /// found before anything is measured.
    pub(crate) fn reserve(path: Option<&Path>, inputs: &Inputs) -> Result<Option<Self>, Error> {
        let Some(path) = path else { return Ok(None) };
        let place = match std::fs::metadata(path) {
            _ if path == Path::new("-") => Err(io::Error::other(
                "for standard output use --format json; for a file of that name, ./-",
            )),
            Ok(there) if inputs.has(&there) => Err(io::Error::other(
                "it would replace an input: the scenario, a result, or a program or file that it uses",
            )),
            Ok(there) if there.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
            // A rename ignores permissions: a file that may not be written is not replaced either.
            Ok(there) => OpenOptions::new().write(true).open(path).and_then(|stream| {
                if there.is_file() {
                    // The file that a link points to is replaced, and not the link.
                    beside(&std::fs::canonicalize(path)?, Some(there.permissions()))
                } else {
                    Ok(Place::Stream(stream))
                }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                beside(&end_of_links(path), None)
            }
            Err(error) => Err(error),
        };
        let place = place.map_err(|source| Error::Write { path: path.to_owned(), source })?;
        Ok(Some(Self { path: path.to_owned(), place }))
    }

    /// Refuses two destinations that are the same file: the second would replace the first.
    pub(crate) fn ensure_distinct(destinations: &[&Option<Self>]) -> Result<(), Error> {
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
    pub(crate) fn save(self, text: &str) -> Result<(), Error> {
        let written = match &self.place {
            Place::Beside { target, permissions } => replace(target, permissions.as_ref(), text),
            Place::Stream(stream) => (&*stream).write_all(text.as_bytes()),
        };
        written.map_err(|source| Error::Write { path: self.path, source })
    }

    /// The same for an intermediate result, so that it is not lost. A stream gets only the final one, and what fails here
    /// fails again then, and is reported.
    pub(crate) fn save_so_far(&self, text: impl FnOnce() -> String) {
        if let Place::Beside { target, permissions } = &self.place {
            let _told_later = replace(target, permissions.as_ref(), &text());
        }
    }
}

/// Puts a new file with this text in the place of `target`; with these permissions, or as new files have them.
fn replace(target: &Path, permissions: Option<&Permissions>, text: &str) -> io::Result<()> {
    let create = |path: &Path| {
        // A file that others may not read is not readable in the meantime either.
        let mode = if permissions.is_some() { 0o600 } else { 0o644 };
        // So that it names the same file whatever the current directory is.
        let path = std::path::absolute(path)?;
        Leftover::make(|| {
            let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            let remove: Removal = Box::new(move || drop(std::fs::remove_file(&path)));
            Ok::<_, io::Error>((file, remove))
        })
    };
    let mut made = tempfile::Builder::new().prefix(".zload-").make_in(folder_of(target), create)?;
    let (file, _) = made.as_file_mut();
    file.write_all(text.as_bytes())?;
    permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions.clone()))?;
    file.sync_all()?;
    made.persist(target).map(drop).map_err(|error| error.error)
}

/// Proves that a file beside `target` can be made, and makes none.
fn beside(target: &Path, permissions: Option<Permissions>) -> io::Result<Place> {
    // Without this, `result/` would be written into the directory above and fail when it is moved into place.
    let name = match target.file_name() {
        Some(name) if !target.as_os_str().as_encoded_bytes().ends_with(b"/") => name,
        _ => return Err(io::Error::from(io::ErrorKind::NotADirectory)),
    };
    let folder = std::fs::canonicalize(folder_of(target))?;
    // A file without a name, where the file system knows such.
    tempfile::tempfile_in(&folder)
        // The builder's own words name a file that no user knows.
        .map_err(|error| io::Error::from(error.kind()))?;
    Ok(Place::Beside { target: folder.join(name), permissions })
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Where a file is made that is written to through links to nothing.
fn end_of_links(path: &Path) -> PathBuf {
    let mut end = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = std::fs::read_link(&end) else { break };
        end = folder_of(&end).join(next);
    }
    end
}
