//! What is read and what is written: scenarios and results, each whole and once.

pub(crate) mod destination;
pub(crate) mod input;
pub mod load;
pub(crate) mod quick;

pub(crate) use destination::{Destination, Inputs, create_new};
pub(crate) use input::{Input, Place};
