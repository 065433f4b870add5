//! The endpoint that a server is to bind: a free port in the place of `*`, and whether somebody is there already.

use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::Error;
use crate::wire::{address, ipc};

/// How long a connection may take to be accepted.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(1);

/// `endpoint` with a free port in the place of `*`, and an address in the place of an interface, to which no client can
/// connect.
///
/// The port is free when this returns, and nothing holds it until the server binds it. Another process may take it in
/// between; the kernel gives out such ports in an order that makes this unlikely, and the server would end by saying that
/// its address is in use.
pub(super) fn concrete(endpoint: &str) -> Result<String, Error> {
    let endpoint = &*address::to_bind(endpoint);
    let Some(host) = endpoint.strip_prefix("tcp://").and_then(|rest| rest.strip_suffix(":*"))
    else {
        return Ok(endpoint.to_owned());
    };
    let port = TcpListener::bind(format!("{host}:0"))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| Error::Limit(format!("there is no free port for {endpoint}: {error}")))?
        .port();
    Ok(format!("tcp://{host}:{port}"))
}

/// Whether somebody accepts connections at `endpoint`.
pub(super) fn is_taken(endpoint: &str) -> bool {
    if let Some(address) = endpoint.strip_prefix("tcp://") {
        let Ok(mut addresses) = address.to_socket_addrs() else { return false };
        return addresses
            .any(|address| TcpStream::connect_timeout(&address, ACCEPTED_WITHIN).is_ok());
    }
    endpoint.strip_prefix("ipc://").is_some_and(ipc::is_taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Context;

    #[test]
    fn only_a_star_becomes_another_port() {
        for fixed in ["tcp://127.0.0.1:5570", "tcp://[::1]:5570", "ipc://here.sock", "ipc:///a:*"] {
            assert_eq!(concrete(fixed).unwrap(), fixed);
        }
        let free = concrete("tcp://127.0.0.1:*").unwrap();
        let port = free.strip_prefix("tcp://127.0.0.1:").unwrap();
        assert_ne!(port.parse::<u16>().unwrap(), 0);
        let error = concrete("tcp://no.such.host.invalid:*").unwrap_err().to_string();
        assert!(error.contains("no free port for tcp://no.such.host.invalid:*"), "{error}");
    }

    #[test]
    fn a_server_that_listens_is_seen_and_one_that_has_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let context = Context::new(1, 16).unwrap();
        for endpoint in [
            concrete("tcp://127.0.0.1:*").unwrap(),
            format!("ipc://{}", path.display()),
            format!("ipc://@zload-test-{}", std::process::id()),
        ] {
            assert!(!is_taken(&endpoint), "{endpoint}");
            let socket = context.socket(zmq::ROUTER).unwrap();
            socket.listen(&endpoint).unwrap();
            assert!(is_taken(&endpoint), "{endpoint}");
        }
    }
}
