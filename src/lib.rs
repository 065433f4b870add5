//! zload: a load tester for ZeroMQ ROUTER/DEALER proxies. This crate is what touches the world; what is pure is
//! [`zload_core`].
//!
//! Data flows through the rooms in this order, and a room uses only those before it: [`files`] are read and written; the
//! [`machine`] has clocks, threads and limits; [`wire`] is ZeroMQ; `client` and [`server`] are the two sides of a run, and
//! `process` is an external server; shards `gather`, and a `launcher` says which one this is; the `engine` runs a plan with them. An [`experiment`] runs several alternately,
//! and a `selftest` one with faults that are known beforehand. `progress` shows how it goes, and
//! [`command`] glues them together, one file for each subcommand of [`cli`].

#[cfg(not(target_os = "linux"))]
compile_error!("zload runs on Linux only: it uses epoll, eventfd and /proc");

pub mod error;
pub mod files;
pub mod machine;
pub mod wire;
mod client;
pub mod server;
mod process;
mod gather;
mod launcher;
mod engine;
pub mod experiment;
mod selftest;
mod progress;
pub mod cli;
pub mod command;

pub use error::Error;
