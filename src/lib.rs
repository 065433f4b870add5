//! zload: a load tester for ZeroMQ ROUTER/DEALER proxies.
//!
//! Data flows through the rooms in this order, and a room uses only those before it: a [`scenario`] is what the user
//! wrote; the [`plan`] is everything that will happen, as a pure function of it; the [`topology`] makes it happen on
//! real sockets, and [`measure`] keeps what happened in constant memory, while the [`twin`] plays the same plan without a
//! world; the [`verdict`] says whether to believe it, by the [`stats`] of it; a [`result`] is what is saved, [`selftest`]
//! tries all of that with faults that are known beforehand, and [`render`] turns results into text. To [`compare`] is to hold
//! results against each other, which an [`experiment`] makes by playing them in turn. [`command`] glues them together, one
//! file for each subcommand of [`cli`].

pub mod text;
pub mod quantity;
pub mod problem;
pub mod error;
pub mod stats;
pub mod scenario;
pub mod plan;
pub mod measure;
pub mod facts;
pub mod twin;
pub mod verdict;
pub mod result;
pub mod compare;
pub mod files;
pub mod machine;
pub mod wire;
mod client;
pub mod server;
mod process;
mod engine;
pub mod experiment;
pub mod selftest;
pub mod render;
pub mod progress;
pub mod cli;
pub mod command;

pub use error::Error;
