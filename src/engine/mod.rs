//! What makes a plan happen: a run, or a server alone, watched from outside.
//!
//! [`run()`] plays a plan with clients and, unless the engine is external, a server; [`serve()`] is the server alone.
//! Both end when the plan does, when the caller asks for it, or when nothing moves any more, and both say what was
//! measured until then.

mod controller;
mod gauge;
mod memory;
mod run;
mod serve;
mod setup;
mod watch;

pub(crate) use run::{note_end, run, run_against, start_process};
pub(crate) use serve::serve;
