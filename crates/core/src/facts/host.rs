//! What the machine and the threads did in a window: `machine::host` finds it out, the verdict judges it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sum::since_fields;

/// What a thread of this process is for, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs clients.
    Driver,
    /// Moves the clients' messages between ZeroMQ and the kernel.
    ClientIo,
    /// The proxy.
    Proxy,
    /// Serves requests.
    Worker,
    /// Moves the server's messages between ZeroMQ and the kernel.
    ServerIo,
    /// Everything else: the controller, ZeroMQ's reapers.
    Other,
}

/// A thread of this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Thread {
    /// The kernel's number for it.
    pub id: u32,
    /// Its name, of which the kernel keeps 15 bytes.
    pub name: String,
    /// What it is for.
    pub role: Role,
}

/// The cost of one thread, in all or between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadCost {
    /// Time on a CPU, in nanoseconds.
    pub cpu_ns: u64,
    /// Time it was ready and waited for a CPU, in nanoseconds.
    pub wait_ns: u64,
    /// How often it gave the CPU up by itself; `None` for workers, which are not read that closely.
    pub voluntary: Option<u64>,
    /// How often the CPU was taken from it.
    pub involuntary: Option<u64>,
}

since_fields! { ThreadCost: cpu_ns, wait_ns, voluntary, involuntary }

/// What happened between two readings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostUse {
    /// Time between them, in nanoseconds.
    pub span_ns: u64,
    /// What each thread cost that was there at both.
    pub threads: Vec<(Thread, ThreadCost)>,
    /// What the whole machine did, if the kernel reports it.
    pub machine: Option<MachineUse>,
    /// How often the CPU quota of this process's group was used up; `None` if it has none.
    pub quota: Option<QuotaUse>,
    /// CPU time of this process, in nanoseconds.
    pub process_cpu_ns: u64,
    /// CPU time of an external server, in nanoseconds; `None` if there is none or the kernel does not say.
    pub server_cpu_ns: Option<u64>,
    /// By how much the time of day went on more than the monotonic clock, in nanoseconds: it was set, or is being led.
    pub realtime_step_ns: i64,
    /// How long the machine was suspended, in nanoseconds.
    pub suspended_ns: u64,
}

/// What a CPU quota (of a container, say) did between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuotaUse {
    /// CPU time per time: 0.5 is half a CPU.
    pub cpus: f64,
    /// Periods in which the group ran.
    pub periods: u64,
    /// Those of them in which it used up its quota and stopped until the next.
    pub throttled: u64,
    /// For how long it was stopped, in nanoseconds, over all CPUs.
    pub throttled_ns: u64,
}

impl QuotaUse {
    /// Share of the periods in which the group was stopped.
    pub fn throttled_share(&self) -> f64 {
        self.throttled as f64 / self.periods.max(1) as f64
    }
}

/// How the CPU time of the whole machine was spent; shares from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MachineUse {
    /// Given to other machines by the hypervisor.
    pub steal_share: f64,
    /// Used by processes other than this one and a server that it started, or by the kernel on its own account.
    pub other_share: f64,
    /// Used by any process, this one too.
    pub busy_share: f64,
}

impl HostUse {
    /// What the threads of this role cost.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &ThreadCost> {
        self.threads.iter().filter(move |(thread, _)| thread.role == role).map(|(_, cost)| cost)
    }

    /// Share of the time between the readings that is `part_ns`.
    pub fn share(&self, part_ns: u64) -> f64 {
        if self.span_ns == 0 { 0.0 } else { part_ns as f64 / self.span_ns as f64 }
    }
}
