//! What a run says of the goals of a search: met, missed or void; and which goals there can be. Pure.

mod goals;
mod judge;

pub use goals::{goal_error, goals_of};
pub use judge::{Judged, judge};
