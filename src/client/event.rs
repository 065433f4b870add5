//! What drivers tell whoever watches the run.

use crate::Error;
use crate::machine::threads::ThreadId;
use crate::measure::{Recorded, SecondSlice};
use crate::wire::errno::Errno;

/// What a driver tells.
pub(crate) enum Event {
    Connected(ThreadId),
    NotConnected(Error),
    Second(SecondSlice),
    Ended(Box<Result<Recorded, Errno>>),
}
