//! A server of the user's own: a process that zload starts, waits for, watches and stops.

mod endpoint;
mod guard;
mod launch;
mod link;
mod probe;
mod server_process;
mod tail;
mod tree;

pub(crate) use guard::guard;
pub(crate) use launch::become_server;
pub(crate) use server_process::ServerProcess;
