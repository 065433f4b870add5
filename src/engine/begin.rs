//! When a plan begins: asked when all clients are connected.

use crate::Error;
use crate::machine::Clock;
use zload_core::facts::Start;

/// When a plan begins, as far as that is known.
pub(crate) enum Beginning {
    /// Not known yet.
    Awaited,
    /// As soon as all drivers have heard of it.
    Now,
    /// When this clock reads 0: soon, or before now, which is a late start.
    At(Clock, Start),
}

/// Says when a plan begins.
pub(crate) trait Begin {
    /// Waits a moment at most. It is said a moment before the start, so that all drivers can hear of it.
    fn look(&mut self) -> Result<Beginning, Error>;
}

/// As soon as all clients are connected.
pub(crate) struct AtOnce;

impl Begin for AtOnce {
    fn look(&mut self) -> Result<Beginning, Error> {
        Ok(Beginning::Now)
    }
}
