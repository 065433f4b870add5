//! The pure part of zload: what a scenario says, what will happen, what was found and what that means.
//!
//! Data flows through the rooms in this order, and a room uses only those before it: a [`scenario`] is what the user
//! wrote; the [`plan`] is everything that will happen, as a pure function of it; a [`message`] is what of it
//! is on the wire; [`record`] keeps what happens, in
//! constant memory; [`facts`] are the measurements that the engine hands over; the [`twin`] simulates the same plan without a
//! world; the [`verdict`] says whether to believe a measurement, by the [`stats`] of it; a [`result`] is what is saved;
//! [`compare`] compares results; a [`report`] is what is said of a result, and [`mod@print`] gives
//! it a form.
//!
//! Invariant: no socket, no file, no thread, no clock, and no dependency that has any.

#![forbid(unsafe_code)]

mod sum;
pub mod text;
pub mod quantity;
pub mod problem;
pub mod stats;
pub mod scenario;
pub mod plan;
pub mod message;
pub mod record;
pub mod facts;
pub mod twin;
pub mod verdict;
pub mod result;
pub mod compare;
pub mod report;
pub mod print;
