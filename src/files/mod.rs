//! What is read and what is written: scenarios and results, each whole and once.

pub mod destination;
pub mod input;
pub mod leftovers;
pub mod load;

pub use destination::{Destination, Inputs};
pub use input::Input;
