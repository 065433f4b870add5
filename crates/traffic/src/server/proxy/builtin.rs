//! Engine `builtin`: libzmq's `zmq_proxy`, which counts nothing that can be read from outside.

use crate::wire::{Errno, Socket};

pub(super) fn run(frontend: &Socket, backend: &Socket) -> Result<(), Errno> {
    loop {
        match zmq::proxy(frontend, backend) {
            // It ends at any signal that its thread happens to get; no message is lost by entering it again.
            Ok(()) | Err(zmq::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
