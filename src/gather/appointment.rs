//! A start at an instant of the wall clock.

use std::time::Duration;

use crate::Error;
use crate::machine::{Clock, Stop, clock};
use zload_core::quantity::duration;

/// The plan's clock is handed over this long before the start, so that a wall clock that is corrected meanwhile is heeded.
const EARLY: Duration = Duration::from_millis(100);
/// The longest that one look waits.
const LOOK: Duration = Duration::from_millis(20);

/// An instant at which a run begins.
#[derive(Debug)]
pub(crate) struct Appointment {
    unix_ns: u64,
    /// Only to wait with.
    pause: Stop,
}

impl Appointment {
    /// For this instant, in nanoseconds since 1970 (UTC); an error if it is past.
    pub(crate) fn at(unix_ns: u64) -> Result<Self, Error> {
        let late_ns = clock::unix_ns().saturating_sub(unix_ns);
        if late_ns > 0 {
            return Err(Error::Failed(format!(
                "--start-at is {} ago: give an instant that all shards can reach",
                duration(late_ns)
            )));
        }
        Ok(Self { unix_ns, pause: Stop::new()? })
    }

    /// Waits a moment; gives the run's clock shortly before its start, or when that is past.
    pub(crate) fn look(&self) -> Option<Clock> {
        let left = Duration::from_nanos(self.unix_ns.saturating_sub(clock::unix_ns()));
        let wait = left.saturating_sub(EARLY);
        if !wait.is_zero() {
            self.pause.sleep(LOOK.min(wait));
            return None;
        }
        Some(Clock::zero_at_unix(self.unix_ns))
    }

    /// The instant, in nanoseconds since 1970 (UTC).
    pub(crate) fn unix_ns(&self) -> u64 {
        self.unix_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_at_its_instant_and_none_in_the_past() {
        let error = Appointment::at(clock::unix_ns() - 3_000_000_000).unwrap_err().to_string();
        assert!(error.contains("--start-at is 3") && error.contains(" s ago"), "{error}");
        let instant = clock::unix_ns() + 150_000_000;
        let appointment = Appointment::at(instant).unwrap();
        let clock = loop {
            if let Some(clock) = appointment.look() {
                break clock;
            }
        };
        assert!(clock::unix_ns() >= instant - 100_000_000);
        let off_ns = clock.unix_ns_of_zero().abs_diff(instant);
        // Only a correction of the wall clock or a pause of this thread between two readings lies between.
        assert!(off_ns < 1_000_000_000, "{off_ns}");
    }
}
