//! The pure part of zload that a run needs: what a scenario says, what will happen, and what is kept of what happens.
//!
//! Data flows through the rooms in this order, and a room uses only those before it: a [`scenario`] is what the user
//! wrote; the [`plan`] is everything that will happen, as a pure function of it; a [`message`] is what of it
//! is on the wire; [`record`] keeps what happens, in constant memory; [`facts`] are the measurements that the engine
//! hands over; the [`twin`] simulates the same plan without a world. What is made of the facts is in `zload-report`. The
//! protocol that clients of zload's own engine speak is [`zmtp`].
//!
//! Invariant: no socket, no file, no thread, no clock, and no dependency that has any.

#![forbid(unsafe_code)]

mod sum;
pub mod text;
pub mod zmtp;
pub mod quantity;
pub mod problem;
pub mod stats;
pub mod scenario;
pub mod plan;
pub mod message;
pub mod record;
pub mod facts;
pub mod twin;
