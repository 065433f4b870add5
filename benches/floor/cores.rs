//! The cores that the programs may use: this process takes them for itself, and its children inherit them.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Outcome;

/// A choice of cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// Everything on one core.
    One,
    /// All that the machine offers.
    All,
}

/// The cores that this process had at its start.
pub(crate) struct Affinity(CpuSet);

impl Affinity {
    pub(crate) fn at_start() -> Outcome<Self> {
        sched_getaffinity(None).map(Self).map_err(|error| format!("sched_getaffinity: {error}"))
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.count()
    }

    /// Restricts this thread, and so the children it starts from now on.
    pub(crate) fn choose(&self, cores: Cores) -> Outcome<()> {
        let set = match cores {
            Cores::All => self.0,
            Cores::One => {
                // The last one: interrupts and the rest of the system prefer the first.
                let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| self.0.is_set(*cpu));
                let mut set = CpuSet::new();
                set.set(last.ok_or("this process may use no core")?);
                set
            }
        };
        sched_setaffinity(None, &set).map_err(|error| format!("sched_setaffinity: {error}"))
    }
}

impl Cores {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::One => "one core",
            Self::All => "all cores",
        }
    }
}
