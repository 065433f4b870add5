//! Unix sockets for `ipc://`: bound here and handed to libzmq, which would delete any file at the path before it binds.
//!
//! Invariants: only sockets without a listener are ever replaced; a file that was made is removed before its socket
//! is closed, and only while it is the one that was made. Makers of the same path take turns by a lock on its directory,
//! which leaves nothing behind. Not covered: programs other than zload that bind the same path within the same
//! microseconds, and directories that may not be read or cannot be locked.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno as System;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::errno::Errno;
use crate::Error;
use crate::files::leftovers::{Leftover, Removal};
use crate::machine::Stop;

/// How often the lock on a directory is tried; what holds it longer is not a zload that binds.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Listening {
    pub(crate) socket: OwnedFd,
    /// The endpoint that others connect to.
    pub(crate) endpoint: String,
    /// What is at its path; `None` for an abstract name.
    pub(crate) file: Option<SocketFile>,
}

/// The file of a socket that zload made. Dropped, which must be before the socket is closed, it is removed.
pub(crate) struct SocketFile(Leftover);

struct Made {
    path: CString,
    /// Keeps the file's number from being given to another file.
    itself: OwnedFd,
    /// The directory that was made for it.
    folder: Option<CString>,
}

#[derive(Debug, PartialEq, Eq)]
enum Occupant {
    Nobody,
    /// A socket without a listener.
    Stale,
    /// A socket with a listener.
    Alive,
    /// No socket, but this.
    Other(&'static str),
}

/// Listens at `address`: a path, `*` for one in a new private directory, or `@name` in the abstract namespace (`zmq_ipc(7)`).
pub(crate) fn listen(address: &str, backlog: i32) -> Result<Listening, Error> {
    let endpoint = format!("ipc://{address}");
    let refused = |error: System| refusal(&endpoint, error);
    if let Some(name) = address.strip_prefix('@') {
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(refused)?;
        let socket = open().map_err(refused)?;
        net::bind(&socket, &address)
            .and_then(|()| net::listen(&socket, backlog))
            .map_err(refused)?;
        return Ok(Listening { socket, endpoint, file: None });
    }
    if address != "*" {
        let (socket, file) = watched(|| listen_at(Path::new(address), None, backlog))?;
        return Ok(Listening { socket, endpoint, file: Some(file) });
    }
    let folder = tempfile::Builder::new().prefix("zload-").tempdir().map_err(|error| {
        Error::Limit(format!("cannot bind {endpoint}: no temporary directory for it: {error}"))
    })?;
    let path = folder.path().join("socket");
    // On an error the directory goes by itself.
    let (socket, file) = watched(|| listen_at(&path, Some(folder.path()), backlog))?;
    let _kept_until_the_file_goes: PathBuf = folder.keep();
    Ok(Listening { socket, endpoint: format!("ipc://{}", path.display()), file: Some(file) })
}

pub(crate) fn is_taken(address: &str) -> bool {
    match address.strip_prefix('@') {
        Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())
            .is_ok_and(|address| matches!(knock(&address), Ok(Occupant::Alive))),
        None => matches!(occupant(Path::new(address)), Ok(Occupant::Alive)),
    }
}

/// An address as the kernel takes it: a path, or `@name` in the abstract namespace.
pub(crate) fn address(address: &str) -> rustix::io::Result<SocketAddrUnix> {
    match address.strip_prefix('@') {
        Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
        None => SocketAddrUnix::new(address),
    }
}

/// A connection to the socket at this address, if one is accepted.
pub(crate) fn connect(address: &str) -> Option<UnixStream> {
    let socket = open().ok()?;
    net::connect(&socket, &self::address(address).ok()?).ok()?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false).ok().map(|()| stream)
}

/// Refuses a path that is not a socket: connecting fails, and libzmq deletes it on bind.
pub(crate) fn ensure_no_other(address: &str) -> Result<(), Error> {
    if address.starts_with('@') {
        return Ok(());
    }
    match occupant(Path::new(address)) {
        Ok(Occupant::Other(kind)) => Err(no_socket(&format!("ipc://{address}"), kind)),
        // Other errors show when it is used.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Listens so that the file goes with a sudden end, too.
fn watched(
    listen: impl FnOnce() -> Result<(OwnedFd, Made), Error>,
) -> Result<(OwnedFd, SocketFile), Error> {
    let (socket, leftover) = Leftover::make(|| {
        let (socket, made) = listen()?;
        let remove: Removal = Box::new(move || made.remove());
        Ok::<_, Error>((socket, remove))
    })?;
    Ok((socket, SocketFile(leftover)))
}

fn listen_at(
    path: &Path,
    own_folder: Option<&Path>,
    backlog: i32,
) -> Result<(OwnedFd, Made), Error> {
    let endpoint = format!("ipc://{}", path.display());
    let refused = |error: System| refusal(&endpoint, error);
    let c_path =
        |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|_| refused(System::INVAL));
    let address = SocketAddrUnix::new(path).map_err(refused)?;
    let _turn = turn(path)?;
    match occupant(path).map_err(refused)? {
        Occupant::Nobody => {}
        Occupant::Stale => fs::unlink(path).map_err(refused)?,
        Occupant::Alive => return Err(refused(System::ADDRINUSE)),
        Occupant::Other(kind) => return Err(no_socket(&endpoint, kind)),
    }
    let folder = own_folder.map(c_path).transpose()?;
    let (socket, its_path) = (open().map_err(refused)?, c_path(path)?);
    net::bind(&socket, &address).map_err(refused)?;
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let itself = net::listen(&socket, backlog)
        .and_then(|()| fs::open(path, look, Mode::empty()))
        .inspect_err(|_| {
            let _gone = fs::unlink(path);
        })
        .map_err(refused)?;
    Ok((socket, Made { path: its_path, itself, folder }))
}

/// A socket that never waits: neither to connect, nor in libzmq to accept a connection that has gone again.
fn open() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// The lock under which paths of this directory are looked at and bound, where the directory can be locked.
fn turn(path: &Path) -> Result<Option<OwnedFd>, Error> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = fs::open(parent.unwrap_or(Path::new(".")), flags, Mode::empty()) else {
        return Ok(None);
    };
    let stop = Stop::new()?;
    for _ in 0..LOCK_TRIES {
        match fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(System::WOULDBLOCK) => stop.sleep(LOCK_PAUSE),
            locked => return Ok(locked.is_ok().then_some(folder)),
        }
    }
    Ok(None)
}

fn occupant(path: &Path) -> rustix::io::Result<Occupant> {
    let stat = match fs::lstat(path) {
        Err(System::NOENT) => return Ok(Occupant::Nobody),
        stat => stat?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => knock(&SocketAddrUnix::new(path)?),
        FileType::RegularFile => Ok(Occupant::Other("a file")),
        FileType::Directory => Ok(Occupant::Other("a directory")),
        FileType::Symlink => Ok(Occupant::Other("a symbolic link")),
        FileType::Fifo => Ok(Occupant::Other("a named pipe")),
        _ => Ok(Occupant::Other("a device")),
    }
}

/// Whether a process listens at the socket of this address. One whose backlog is full is alive, as is one of another type.
fn knock(address: &SocketAddrUnix) -> rustix::io::Result<Occupant> {
    match net::connect(open()?, address) {
        Ok(()) | Err(System::AGAIN | System::PROTOTYPE) => Ok(Occupant::Alive),
        Err(System::CONNREFUSED) => Ok(Occupant::Stale),
        Err(System::NOENT) => Ok(Occupant::Nobody),
        Err(error) => Err(error),
    }
}

fn refusal(endpoint: &str, error: System) -> Error {
    let what = format!("cannot bind {endpoint}");
    match error {
        System::NOENT => Error::Limit(format!("{what}: there is no such directory")),
        System::ACCESS | System::PERM => Error::Limit(format!(
            "{what}: this user may not create a file in that directory, or connect to the existing socket to check whether a server listens"
        )),
        error => Errno(error.raw_os_error()).failed(what),
    }
}

fn no_socket(endpoint: &str, kind: &str) -> Error {
    Error::Limit(format!(
        "{endpoint} cannot be used: this path is {kind} and not a socket: remove it, or use another path"
    ))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.0.remove();
    }
}

impl Made {
    /// Removes the file, unless it was replaced by now.
    fn remove(&self) {
        let same = |stat: fs::Stat| (stat.st_dev, stat.st_ino);
        let there = fs::statat(fs::CWD, &*self.path, AtFlags::SYMLINK_NOFOLLOW).map(same);
        let made = fs::fstat(self.itself.as_fd()).map(same);
        if there.is_ok() && there == made {
            let _gone = fs::unlink(&*self.path);
        }
        if let Some(folder) = &self.folder {
            let _gone = fs::rmdir(&**folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    fn at(path: &Path) -> Result<Listening, Error> {
        listen(path.to_str().unwrap(), 10)
    }

    #[test]
    fn what_is_no_socket_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "precious").unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        fs::mknodat(fs::CWD, path("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        for (name, kind) in [
            ("file", "a file"),
            ("folder", "a directory"),
            ("link", "a symbolic link"),
            ("dangling", "a symbolic link"),
            ("pipe", "a named pipe"),
        ] {
            let before = fs::lstat(path(name)).unwrap().st_ino;
            let error = at(&path(name)).err().unwrap().to_string();
            assert!(error.contains(&format!("this path is {kind}")), "{error}");
            assert_eq!(fs::lstat(path(name)).unwrap().st_ino, before);
            assert!(ensure_no_other(path(name).to_str().unwrap()).is_err());
        }
        assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "precious");
    }

    #[test]
    fn a_socket_is_replaced_only_when_nobody_listens_and_removed_only_when_it_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let first = at(&path).unwrap();
        let error = at(&path).err().unwrap().to_string();
        assert!(error.contains("another process has this endpoint"), "{error}");
        UnixStream::connect(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = at(&path).unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_full_backlog_and_another_type_are_alive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        let listening = listen(path.to_str().unwrap(), 0).unwrap();
        let address = SocketAddrUnix::new(&path).unwrap();
        let callers: Vec<OwnedFd> = (0..3).map(|_| open().unwrap()).collect();
        assert!(callers.iter().any(|caller| net::connect(caller, &address) == Err(System::AGAIN)));
        assert!(at(&path).is_err() && is_taken(path.to_str().unwrap()));
        drop(listening);
        let path = folder.path().join("datagram");
        let _datagram = UnixDatagram::bind(&path).unwrap();
        assert!(at(&path).is_err());
    }

    /// As their own processes would: without the lock that is this process's.
    #[test]
    fn of_those_that_start_at_once_over_a_stale_socket_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        for _ in 0..50 {
            drop(UnixListener::bind(&path).unwrap());
            let winners = std::thread::scope(|scope| {
                let all: Vec<_> =
                    (0..4).map(|_| scope.spawn(|| listen_at(&path, None, 10).ok())).collect();
                all.into_iter().filter_map(|one| one.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(winners.len(), 1);
            UnixStream::connect(&path).unwrap();
            winners[0].1.remove();
        }
    }

    #[test]
    fn a_star_is_a_private_folder_that_goes_with_the_socket_and_an_abstract_name_has_no_file() {
        let listening = listen("*", 10).unwrap();
        let path = PathBuf::from(listening.endpoint.strip_prefix("ipc://").unwrap());
        UnixStream::connect(&path).unwrap();
        drop(listening);
        assert!(!path.parent().unwrap().exists());
        let name = format!("@zload-ipc-test-{}", std::process::id());
        let listening = listen(&name, 10).unwrap();
        assert!(listening.file.is_none() && is_taken(&name));
        assert!(listen(&name, 10).is_err());
        drop(listening);
        assert!(!is_taken(&name));
    }
}
