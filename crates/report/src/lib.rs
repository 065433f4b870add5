//! The pure part of zload after a run: what is concluded from what was measured, and how that is said.
//!
//! Data flows through the rooms in this order, and a room uses only those before it: the [`verdict`] says whether to
//! believe a measurement; a [`result`] is what is saved; [`compare`] compares results; [`merge`] makes one
//! of the shards of a run; a [`search`] judges trials; a [`sweep`] says what many runs say together; a [`report`] is what is
//! said of a result, and [`mod@print`] gives it a form.
//!
//! No message passes through here, so that it is compiled quickly rather than to be quick.
//!
//! Invariant: no socket, no file, no thread, no clock, and no dependency that has any.

#![forbid(unsafe_code)]

pub mod verdict;
pub mod result;
pub mod compare;
pub mod merge;
pub mod search;
pub mod sweep;
pub mod report;
pub mod print;
