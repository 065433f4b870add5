//! How messages are watched as they pass, by clients and servers alike.

use std::sync::Arc;

use super::stations::Stations;
use super::tracer::Tracer;

/// How a server's messages are watched as they pass.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observation<'a> {
    /// Shows each of them.
    pub(crate) tracer: Option<&'a Arc<Tracer>>,
    /// Timestamps those of sampled requests.
    pub(crate) stations: Option<&'a Arc<Stations>>,
}
