//! What a message of a run passes: clients, proxy, workers, and the sockets between them. Hot path.
//!
//! Data flows through the rooms in this order, and a room uses only those before it: the [`error`] that all of zload reports;
//! [`leftovers`], files that must not stay behind; the [`machine`] has clocks, threads and limits; [`wire`] is ZeroMQ and the
//! kernel's sockets; [`client`] and [`server`] are the two sides of a run. Who runs them is no part of it, and is compiled quickly.

#[cfg(not(target_os = "linux"))]
compile_error!("zload runs on Linux only: it uses epoll, eventfd and /proc");

pub mod client;
pub mod error;
pub mod leftovers;
pub mod machine;
pub mod server;
pub mod wire;

pub use error::Error;
