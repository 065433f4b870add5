//! Keeping this process, and those it starts, on some of the processors.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Error;

/// Keeps everything from now on on `count` of the processors that this process may use: the last ones, since the first have
/// the machine's interrupts.
pub(crate) fn keep_on(count: u32) -> Result<(), Error> {
    let allowed = sched_getaffinity(None)
        .map_err(|errno| Error::Limit(format!("the processors cannot be read: {errno}")))?;
    let available: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let wanted = count as usize;
    if wanted > available.len() {
        return Err(Error::Limit(format!(
            "--cpus {count}: this process may use {} processors",
            available.len()
        )));
    }
    let mut chosen = CpuSet::new();
    available.iter().rev().take(wanted).for_each(|cpu| chosen.set(*cpu));
    sched_setaffinity(None, &chosen)
        .map_err(|errno| Error::Limit(format!("the processors cannot be chosen: {errno}")))
}
