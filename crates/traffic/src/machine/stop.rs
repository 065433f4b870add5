//! Stop: one flag that every thread of a run looks at, and that ends every wait at once.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::Error;

/// The request to end, made once and never taken back.
#[derive(Debug)]
pub struct Stop {
    requested: AtomicBool,
    sending_ended: AtomicBool,
    /// Readable from the request on: threads sleep by polling it.
    wake: OwnedFd,
}

impl Stop {
    /// One that nobody has asked for yet. Fails if there is no descriptor for it.
    pub fn new() -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Error::Limit(format!("no descriptor for the stop event: {error}")))?;
        let (requested, sending_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { requested, sending_ended, wake })
    }

    /// Asks every thread to end.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
        self.end_sending();
        // The counter cannot overflow by a handful of requests, and any written value makes it readable.
        rustix::io::write(&self.wake, &1_u64.to_ne_bytes())
            .expect("an eventfd takes a small value");
    }

    /// Asks the drivers to send nothing more and, unless a stop is requested, to wait for replies as at the end of the plan. They hear it when they next look,
    /// which is a tenth of a second later at most.
    pub fn end_sending(&self) {
        self.sending_ended.store(true, Ordering::Relaxed);
    }

    /// Whether nothing more is to be sent.
    #[inline]
    pub fn sending_ended(&self) -> bool {
        self.sending_ended.load(Ordering::Relaxed)
    }

    /// Whether every thread is to end.
    #[inline]
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Sleeps for `wait`; returns early when the end is asked for or a signal arrives.
    pub fn sleep(&self, wait: Duration) {
        let mut fds = [PollFd::new(&self.wake, PollFlags::IN)];
        // Failing here is being woken early, which every caller allows.
        let _woken = poll(&mut fds, Some(&timespec(wait)));
    }

    /// The descriptor that becomes readable with the request, for loops that wait for more than the stop.
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// `wait` in the kernel's form.
pub fn timespec(wait: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    }
}
