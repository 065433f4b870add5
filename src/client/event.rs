//! What drivers tell whoever watches the run.

use crate::Error;
use crate::machine::threads::ThreadId;
use crate::wire::errno::Errno;
use zload_core::record::{Recorded, SecondSlice};

/// What a driver tells.
pub(crate) enum Event {
    Connected(ThreadId),
    NotConnected(Error),
    Second(SecondSlice),
    Ended(Box<Result<Recorded, Errno>>),
}
