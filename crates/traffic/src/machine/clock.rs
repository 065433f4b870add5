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

    /// What the wall clock shows when this clock reads 0, in nanoseconds since 1970 (UTC), as the two stand now.
    pub fn unix_ns_of_zero(self) -> u64 {
        let read = |_| {
            let before = Instant::now();
            let unix_ns = i128::from(unix_ns());
            let between = Instant::now().saturating_duration_since(before);
            let middle = before + between / 2;
            let ahead_ns = nanos(self.origin.saturating_duration_since(middle));
            let behind_ns = nanos(middle.saturating_duration_since(self.origin));
            (between, unix_ns + i128::from(ahead_ns) - i128::from(behind_ns))
        };
        // A thread that is interrupted between two readings pairs them wrongly.
        let (_, unix_ns) = (0..5).map(read).min().expect("five readings");
        u64::try_from(unix_ns).unwrap_or(0)
    }

    /// A clock that reads 0 when this one reads `at_ns`.
    #[must_use]
    pub fn zero_at(self, at_ns: u64) -> Self {
        Self { origin: self.origin + Duration::from_nanos(at_ns) }
    }

    /// A clock that reads 0 when the wall clock shows this, in nanoseconds since 1970 (UTC), as the two stand now.
    pub fn zero_at_unix(zero_unix_ns: u64) -> Self {
        let clock = Self::start();
        let now_unix_ns = unix_ns();
        let late = Duration::from_nanos(now_unix_ns.saturating_sub(zero_unix_ns));
        match zero_unix_ns.checked_sub(now_unix_ns) {
            Some(wait_ns) => clock.zero_at(wait_ns),
            // A system that is younger than that has no such instant.
            None => Self { origin: clock.origin.checked_sub(late).unwrap_or(clock.origin) },
        }
    }

    /// How long until the clock reads `instant_ns`; zero if it is past.
    #[inline]
    pub fn until(self, instant_ns: u64) -> Duration {
        (self.origin + Duration::from_nanos(instant_ns)).saturating_duration_since(Instant::now())
    }
}

/// What the wall clock shows, in nanoseconds since 1970 (UTC).
pub fn unix_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let [seconds, below] = [now.tv_sec, now.tv_nsec].map(|of| u64::try_from(of).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(below)
}

/// A time in nanoseconds; 584 years and more are the most there is.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
