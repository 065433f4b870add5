//! The verdict on synthetic runs.

mod checks;
mod documented;
mod effects;
mod evidence;
mod lag;
mod overload;
