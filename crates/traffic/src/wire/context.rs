//! A ZeroMQ context that can be shut down.
//!
//! The zmq crate's context stops at 1,023 sockets and cannot be shut down, so blocked threads could not be woken.
//! This one owns the raw context: sockets are made from it and wrapped in the crate's safe [`zmq::Socket`].
//! Invariant: the context outlives its sockets, because every [`Socket`] holds a share of it.

#![expect(
    unsafe_code,
    reason = "zmq_ctx_* have no safe wrapper; each call below says why it is sound"
)]

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fmt;
use std::ops::Deref;
use std::os::fd::{AsRawFd as _, BorrowedFd, IntoRawFd as _};
use std::ptr::NonNull;
use std::sync::Arc;

use super::ipc::{self, Listening, SocketFile};
use super::{address, errno::Errno};
use crate::Error;
use crate::machine::limits::open_descriptors;

/// Sockets that are opened to see how many descriptors one takes.
const PROBED: u64 = 4;

/// A context that can be shut down, with room for many sockets.
#[derive(Debug, Clone)]
pub struct Context {
    shared: Arc<RawContext>,
}

/// A socket that keeps its context alive. Options are set through the zmq crate's socket, which it dereferences to.
///
/// Field order matters: the file of a socket that listens must go before the socket is closed, so that no process takes it for
/// a stale one; and the socket before its share of the context, for terminating a context waits for its sockets.
pub struct Socket {
    files: RefCell<Vec<SocketFile>>,
    options: zmq::Socket,
    raw: NonNull<c_void>,
    _context: Arc<RawContext>,
}

#[derive(Debug)]
struct RawContext(NonNull<c_void>);

// SAFETY: libzmq documents contexts as thread safe ("A ØMQ context is thread safe and may be shared among as many
// application threads as necessary", zmq_ctx_new(3)).
unsafe impl Send for RawContext {}
// SAFETY: as above.
unsafe impl Sync for RawContext {}
// SAFETY: a socket may move between threads when a full memory barrier goes with it (zmq_socket(3)), as it does in
// every safe way to move a value. It is not `Sync`: the pointer inside keeps it so.
unsafe impl Send for Socket {}

impl Context {
    /// A context with this many I/O threads and room for `sockets` sockets.
    pub fn new(io_threads: u32, sockets: u32) -> Result<Self, Error> {
        // SAFETY: takes no arguments; null on failure, which is checked.
        let raw = unsafe { zmq_sys::zmq_ctx_new() };
        let raw = NonNull::new(raw).ok_or_else(|| failed("a ZeroMQ context cannot be made"))?;
        let context = Self { shared: Arc::new(RawContext(raw)) };
        context.set(zmq_sys::ZMQ_IO_THREADS, io_threads, "io_threads")?;
        context.set(zmq_sys::ZMQ_MAX_SOCKETS, sockets, "max_sockets")?;
        Ok(context)
    }

    /// This context, whose threads are called `prefix/ZMQbg/…`; it must not have had a socket yet.
    pub fn named(self, prefix: u32) -> Result<Self, Error> {
        self.set(zmq_sys::ZMQ_THREAD_NAME_PREFIX, prefix, "thread_name_prefix")?;
        Ok(self)
    }

    fn set(&self, option: u32, value: u32, name: &str) -> Result<(), Error> {
        let (Ok(option), Ok(value)) = (c_int::try_from(option), c_int::try_from(value)) else {
            return Err(Error::Limit(format!("{name} = {value} is more than ZeroMQ accepts")));
        };
        // SAFETY: the context is alive as long as `self.shared`.
        match unsafe { zmq_sys::zmq_ctx_set(self.shared.0.as_ptr(), option, value) } {
            0 => Ok(()),
            _ => Err(failed(&format!("ZeroMQ context option {name} = {value}"))),
        }
    }

    /// A new socket. Its linger is 0 from the start, so that no unsent message can keep a run from ending.
    pub fn socket(&self, kind: zmq::SocketType) -> Result<Socket, Error> {
        // SAFETY: the context is alive as long as `self.shared`.
        let raw = unsafe { zmq_sys::zmq_socket(self.shared.0.as_ptr(), kind as c_int) };
        let raw = NonNull::new(raw)
            .ok_or_else(|| failed(&format!("a {kind:?} socket cannot be made")))?;
        // SAFETY: `raw` is a fresh socket with no other owner; the wrapper closes it on drop, before the context's
        // share beside it goes. The crate asks for a pointer from its own `into_raw`, which is the same thing.
        let socket = unsafe { zmq::Socket::from_raw(raw.as_ptr()) };
        let socket = Socket {
            files: RefCell::default(),
            options: socket,
            raw,
            _context: Arc::clone(&self.shared),
        };
        socket.set_linger(0).map_err(|error| Errno::from(error).failed("linger = 0"))?;
        Ok(socket)
    }

    /// Makes every blocking call on the context's sockets end with `ETERM`, now and from now on.
    pub fn shut_down(&self) {
        // SAFETY: the context is alive as long as `self.shared`; shutting down twice is harmless.
        unsafe { zmq_sys::zmq_ctx_shutdown(self.shared.0.as_ptr()) };
    }
}

impl Socket {
    /// Binds, and gives the endpoint that it became (a port instead of `*`).
    ///
    /// Over ipc, what is not a socket or is in use is refused, and the socket's file goes with this socket; see `ipc.rs`.
    pub fn listen(&self, endpoint: &str) -> Result<String, Error> {
        if let Some(address) = endpoint.strip_prefix("ipc://") {
            return self.listen_at_path(address);
        }
        self.bind(&address::to_bind(endpoint))
    }

    fn listen_at_path(&self, address: &str) -> Result<String, Error> {
        let backlog = self.get_backlog().unwrap_or(libc::SOMAXCONN);
        let Listening { socket, endpoint, file } = ipc::listen(address, backlog)?;
        self.files.borrow_mut().extend(file);
        self.use_descriptor(socket.as_raw_fd())?;
        self.bind(&endpoint)?;
        // It is libzmq's from now on, which closes it.
        let _owned_by_libzmq = socket.into_raw_fd();
        self.use_descriptor(-1)?;
        Ok(endpoint)
    }

    /// The next bind uses this listening socket and makes none.
    fn use_descriptor(&self, descriptor: c_int) -> Result<(), Error> {
        let value: *const c_int = &raw const descriptor;
        let option = c_int::try_from(zmq_sys::ZMQ_USE_FD).expect("a small number");
        // SAFETY: the socket is valid for the call, and the value is a C int as this option needs it.
        let done = unsafe {
            zmq_sys::zmq_setsockopt(self.raw(), option, value.cast(), size_of::<c_int>())
        };
        if done == 0 { Ok(()) } else { Err(failed("handing a socket to ZeroMQ")) }
    }

    fn bind(&self, endpoint: &str) -> Result<String, Error> {
        self.call("cannot bind", endpoint, zmq_sys::zmq_bind)?;
        match self.get_last_endpoint() {
            Ok(Ok(bound)) => Ok(bound),
            Ok(Err(_)) | Err(_) => Ok(endpoint.to_owned()),
        }
    }

    /// Connects; over tcp and ipc the connection is made in the background.
    pub fn dial(&self, endpoint: &str) -> Result<(), Error> {
        self.call("cannot connect to", endpoint, zmq_sys::zmq_connect)
    }

    /// Calls what libzmq does with an endpoint; on failure it is what `cannot` says.
    fn call(
        &self,
        cannot: &str,
        endpoint: &str,
        function: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int,
    ) -> Result<(), Error> {
        let what = format!("{cannot} {endpoint}");
        let Ok(name) = CString::new(endpoint) else {
            return Err(Errno(zmq_sys::errno::EINVAL).failed(what));
        };
        // libzmq takes addresses such as `[::1]` only on sockets with IPv6 enabled.
        if endpoint.starts_with("tcp://[") {
            self.set_ipv6(true).map_err(|error| {
                Errno::from(error).failed(format!("allowing IPv6 for {endpoint}"))
            })?;
        }
        // SAFETY: socket and name are valid for the call, which both functions take and nothing else.
        match unsafe { function(self.raw(), name.as_ptr()) } {
            0 => Ok(()),
            _ => Err(failed(&what)),
        }
    }

    /// Ends what the crate's `monitor` began: a monitor whose reader has gone would make libzmq's thread wait for ever.
    pub fn end_monitor(&self) {
        // SAFETY: the socket is valid for the call; a null address ends its monitor and is not read.
        unsafe { zmq_sys::zmq_socket_monitor(self.raw(), std::ptr::null(), 0) };
    }

    /// The descriptor that tells when something may have changed (`ZMQ_FD`); to wait for, not to read from.
    pub fn fd(&self) -> Result<BorrowedFd<'_>, Error> {
        let fd = self
            .get_fd()
            .map_err(|error| Errno::from(error).failed("the descriptor of a client's socket"))?;
        // SAFETY: the descriptor belongs to this socket, which is open as long as it is borrowed.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Whether a message could be sent: of a socket that connects, whether its handshake is done (see `sockets.rs`).
    pub fn is_writable(&self) -> bool {
        self.get_events().is_ok_and(|events| events.contains(zmq::POLLOUT))
    }

    /// The pointer for calls that the crate does not wrap; valid as long as `self`.
    #[inline]
    pub fn raw(&self) -> *mut c_void {
        self.raw.as_ptr()
    }
}

impl Deref for Socket {
    type Target = zmq::Socket;

    #[inline]
    fn deref(&self) -> &zmq::Socket {
        &self.options
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Socket({:?})", self.raw)
    }
}

impl Drop for RawContext {
    fn drop(&mut self) {
        // SAFETY: the last share goes, so no socket is left that uses the context, and nothing can use it after.
        // The call waits only for sockets to be closed (they are) and for lingering messages (linger is 0).
        while unsafe { zmq_sys::zmq_ctx_term(self.0.as_ptr()) } == -1 && last_errno() == Errno::INTR
        {
        }
    }
}

/// What the last failed call of this thread said.
#[inline]
pub fn last_errno() -> Errno {
    // SAFETY: reads a thread-local number.
    Errno(unsafe { zmq_sys::zmq_errno() })
}

fn failed(what: &str) -> Error {
    last_errno().failed(what)
}

/// How many descriptors a socket takes: one where libzmq has eventfd, else two.
pub fn descriptors_per_socket() -> Result<u64, Error> {
    let context = Context::new(1, 16)?;
    // The first socket also starts the context's threads, which have their own descriptors.
    let _first = context.socket(zmq::DEALER)?;
    let before = open_descriptors();
    let _probes: Vec<Socket> =
        (0..PROBED).map(|_| context.socket(zmq::DEALER)).collect::<Result<_, _>>()?;
    // Another thread may open or close one meanwhile.
    Ok(((open_descriptors().saturating_sub(before) + 1) / PROBED).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::host::{CLIENT_THREADS, SERVER_THREADS, threads};
    use zload_core::facts::Role;

    #[test]
    fn this_build_of_libzmq_takes_one_descriptor_per_socket() {
        assert_eq!(descriptors_per_socket().unwrap(), 1, "is .cargo/config.toml in force?");
    }

    #[test]
    fn the_threads_of_each_context_are_known_by_their_names() {
        let socket_of = |prefix| {
            let context = Context::new(1, 16).unwrap().named(prefix).unwrap();
            let socket = context.socket(zmq::DEALER).unwrap();
            socket.set_rcvtimeo(10_000).unwrap();
            socket
        };
        let (client, server) = (socket_of(CLIENT_THREADS), socket_of(SERVER_THREADS));
        client.dial(&server.listen("tcp://127.0.0.1:*").unwrap()).unwrap();
        // A thread names itself when it starts, so it has a name when a message has passed it.
        client.send("x", 0).unwrap();
        assert_eq!(server.recv_bytes(0).unwrap(), b"x");
        let threads = threads();
        let count = |role| threads.iter().filter(|thread| thread.role == role).count();
        assert!(count(Role::ClientIo) >= 1 && count(Role::ServerIo) >= 1, "{threads:?}");
    }
}
