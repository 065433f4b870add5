//! Endpoints as they are written: one or several, and what one says without asking the machine.

use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Where clients connect to: one endpoint, or a list of them over which clients are spread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "EndpointsForm", into = "EndpointsForm")]
#[schemars(with = "EndpointsForm")]
pub struct Endpoints(Vec<String>);

/// [`Endpoints`] as they are written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected an endpoint or a list of endpoints")]
enum EndpointsForm {
    One(#[schemars(transform = schema::frontend)] String),
    Many(#[schemars(schema_with = "schema::frontends")] Vec<String>),
}

impl Endpoints {
    /// All of them, in the order in which they are written.
    pub fn all(&self) -> &[String] {
        &self.0
    }

    /// The only one, if it is one.
    pub fn only(&self) -> Option<&str> {
        if let [only] = &*self.0 { Some(only) } else { None }
    }

    /// Where the client with this number connects to: the next one for the next client, in turn.
    ///
    /// # Panics
    ///
    /// If there are none, which the checks of a scenario refuse.
    pub fn of(&self, client: u32) -> &str {
        &self.0[client as usize % self.0.len()]
    }

    /// What `change` makes of each.
    ///
    /// # Errors
    ///
    /// The first error of `change`.
    pub fn try_map<E>(&self, change: impl FnMut(&String) -> Result<String, E>) -> Result<Self, E> {
        self.0.iter().map(change).collect()
    }
}

impl FromIterator<String> for Endpoints {
    fn from_iter<T: IntoIterator<Item = String>>(endpoints: T) -> Self {
        Self(Vec::from_iter(endpoints))
    }
}

impl<T: Into<String>> From<T> for Endpoints {
    fn from(endpoint: T) -> Self {
        Self(vec![endpoint.into()])
    }
}

impl From<EndpointsForm> for Endpoints {
    fn from(form: EndpointsForm) -> Self {
        match form {
            EndpointsForm::One(endpoint) => Self(vec![endpoint]),
            EndpointsForm::Many(endpoints) => Self(endpoints),
        }
    }
}

impl From<Endpoints> for EndpointsForm {
    fn from(endpoints: Endpoints) -> Self {
        match endpoints.only() {
            Some(_) => Self::One(endpoints.0.concat()),
            None => Self::Many(endpoints.0),
        }
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(", "))
    }
}

/// Whether clients on other machines may reach what listens at `endpoint`, an address without names.
pub fn is_beyond_loopback(endpoint: &str) -> bool {
    let Some(address) = endpoint.strip_prefix("tcp://") else { return false };
    match address.parse::<SocketAddr>() {
        Ok(address) => !address.ip().to_canonical().is_loopback(),
        // Only addresses of one link have more in them than this form.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_reach_an_address() {
        for near in [
            "tcp://127.0.0.1:5",
            "tcp://127.8.0.1:5",
            "tcp://[::1]:5",
            "tcp://[::ffff:127.0.0.1]:5",
            "ipc:///tmp/socket",
        ] {
            assert!(!is_beyond_loopback(near), "{near}");
        }
        for far in [
            "tcp://0.0.0.0:5",
            "tcp://[::]:5",
            "tcp://192.0.2.1:5",
            "tcp://[2001:db8::1]:5",
            "tcp://[fe80::1%eth0]:5",
        ] {
            assert!(is_beyond_loopback(far), "{far}");
        }
    }
}
