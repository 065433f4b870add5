//! zload: a load tester for ZeroMQ ROUTER/DEALER proxies. This crate is the program; what a message passes is
//! [`zload_traffic`], and what is pure [`zload_core`] and [`zload_report`].
//!
//! Data flows through the rooms in this order, and a room uses only those before it: [`files`] are read and written;
//! the `environment` is where a run is made; `process` is an external server; shards `gather`, and a `launcher` says which one
//! this is; the `engine` runs a plan with clients and server. An [`experiment`] runs several alternately, and a `selftest` one
//! with faults that are known beforehand. `progress` shows how it goes, and [`command`] glues them together, one file for
//! each subcommand of [`cli`].

#[cfg(not(target_os = "linux"))]
compile_error!("zload runs on Linux only: it uses epoll, eventfd and /proc");

mod environment;
pub mod files;
mod process;
mod gather;
mod launcher;
mod engine;
pub mod experiment;
mod selftest;
mod progress;
pub mod cli;
pub mod command;

pub use zload_traffic::{Error, machine, server, wire};
use zload_traffic::{client, leftovers};
