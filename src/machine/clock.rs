//! The run's one time base.

use std::time::{Duration, Instant};

/// Nanoseconds since an instant that all threads of a run share. Monotonic; reading costs about 25 ns.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
impl Clock {
    /// A clock that reads 0 now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// This clock, set so that it reads 0 in `wait` from now.
    pub fn zero_in(wait: Duration) -> Self {
        Self { origin: Self::start().origin + wait }
    }

    /// What `other`, which started earlier, read when this clock read 0.
    pub fn origin_in(self, other: Self) -> u64 {
        let between = self.origin.saturating_duration_since(other.origin);
        nanos(between)
    }

    /// Nanoseconds since the origin; 0 before it.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "2^64 ns are 584 years")]
    pub fn now_ns(self) -> u64 {
        Instant::now().saturating_duration_since(self.origin).as_nanos() as u64
    }

    /// The time of day when this clock reads 0, in nanoseconds since 1970 (UTC).
    pub fn unix_ns_of_zero(self) -> u64 {
        let to_zero_ns = i128::from(nanos(self.until(0))) - i128::from(self.now_ns());
        let now_ns = jiff::Timestamp::now().as_nanosecond();
        u64::try_from(now_ns + to_zero_ns).unwrap_or(0)
    }

    /// How long until the clock reads `instant_ns`; zero if it is past.
    #[inline]
    pub fn until(self, instant_ns: u64) -> Duration {
        (self.origin + Duration::from_nanos(instant_ns)).saturating_duration_since(Instant::now())
    }
}

/// A time in nanoseconds; 584 years and more are the most there is.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
