//! What libzmq says when a call fails.
//!
//! The zmq crate's own error type panics on numbers it has no name for (an ipc path through a file, say), so failures
//! are kept as the number they are. Invariant: converting and printing never fails.

use std::fmt;
use std::io;

use crate::Error;

/// An error number of libzmq or of the system below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// Nothing to receive, or no room to send.
    pub const AGAIN: Self = Self(zmq_sys::errno::EAGAIN);
    /// No descriptor is left.
    pub const MFILE: Self = Self(zmq_sys::errno::EMFILE);
    /// A signal came: try again. Frames do so by themselves.
    pub const INTR: Self = Self(zmq_sys::errno::EINTR);
    /// The context was shut down: the run is over.
    pub const TERM: Self = Self(zmq_sys::errno::ETERM);

    /// The error of a call that was to do `what`.
    pub fn failed(self, what: impl Into<String>) -> Error {
        Error::Socket { what: what.into(), why: self.to_string() }
    }

    /// What a user can do about it, to follow the error's text.
    fn advice(self) -> &'static str {
        match self.0 {
            zmq_sys::errno::EADDRINUSE => {
                "; another process has this endpoint: end it, or name another port or path in the scenario \
                 (`*` is any free one)"
            }
            zmq_sys::errno::EADDRNOTAVAIL | zmq_sys::errno::ENODEV => {
                "; this machine has no such address (a server binds to an IP address, an interface \
                 or *, not to a host name)"
            }
            zmq_sys::errno::EACCES => {
                "; ports below 1024 and other users' directories need privileges"
            }
            zmq_sys::errno::EMFILE => {
                "; no descriptor is left: raise the limit with `ulimit -n` or lower clients.count"
            }
            _ => "",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            zmq_sys::errno::EFSM => "operation not possible in this state".to_owned(),
            zmq_sys::errno::ENOCOMPATPROTO => {
                "the protocol does not support this socket type".to_owned()
            }
            zmq_sys::errno::ETERM => "the context was shut down".to_owned(),
            zmq_sys::errno::EMTHREAD => "no I/O thread is available".to_owned(),
            number => io::Error::from_raw_os_error(number).to_string(),
        };
        write!(formatter, "{text}{}", self.advice())
    }
}

impl From<zmq::Error> for Errno {
    fn from(error: zmq::Error) -> Self {
        Self(error.to_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_can_be_printed() {
        for number in (0..200).chain([zmq_sys::errno::ETERM, zmq_sys::errno::EFSM, -1, i32::MAX]) {
            assert!(!Errno(number).to_string().is_empty());
        }
        assert!(
            Errno(zmq_sys::errno::EADDRINUSE).to_string().contains("name another port or path")
        );
    }
}
