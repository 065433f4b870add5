//! Reads of which it is asked when that had arrived, on the clock of the plan.
//!
//! The kernel stamps by the wall clock. It is compared with the plan's clock at each such read, so that nothing is left of
//! what lies between two comparisons: both are slewed alike, and the wall clock may be set at any time.

use std::os::fd::OwnedFd;

use rustix::io::Result;

use crate::machine::Clock;
use crate::wire::arrival;

/// Reads; says when all of that had arrived at this machine by this clock, at the latest; 0 if that is not known.
#[cold]
pub(super) fn read_stamped(
    descriptor: &OwnedFd,
    into: &mut [u8],
    clock: Clock,
) -> Result<(usize, u64)> {
    let (count, ago_ns) = arrival::read(descriptor, into)?;
    // Read after the wall clock: what comes between makes the arrival later and never earlier.
    let arrived_ns = ago_ns.and_then(|ago_ns| clock.now_ns().checked_sub(ago_ns));
    Ok((count, arrived_ns.unwrap_or(0)))
}
