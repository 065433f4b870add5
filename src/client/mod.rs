//! The clients' side of a run: drivers, each a thread with many clients, over a world that tests can replace.
//!
//! Invariant: a driver, its clients and its tracker touch nothing but a `World`.

mod connect;
mod counters;
mod driver;
mod event;
mod side;
mod sockets_world;
mod state;
pub(crate) mod tracker;
mod waiter;
mod world;

pub(crate) use event::Event;
pub(crate) use side::Clients;
