//! Clients that sent and got nothing at all: a server that knows another connection by a client's identity ignores it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Those clients of a driver, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unheard {
    /// How many.
    pub clients: u64,
    /// The identity of one of them.
    pub first: Option<String>,
}

impl Unheard {
    /// This client has sent and got nothing.
    pub fn add(&mut self, identity: &str) {
        self.clients += 1;
        self.first.get_or_insert_with(|| identity.to_owned());
    }

    /// Takes in another driver's.
    pub fn merge(&mut self, other: &Self) {
        self.clients = self.clients.saturating_add(other.clients);
        if self.first.is_none() {
            self.first.clone_from(&other.first);
        }
    }
}
