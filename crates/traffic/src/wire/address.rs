//! What endpoints mean on this machine: names of interfaces and of hosts, free ports, and whether a server listens.
//!
//! libzmq as its crate builds it does not know interfaces, and reports nothing when a host's name cannot be resolved: it
//! tries again for ever. So both are resolved here, once and before a socket sees the endpoint.

#![expect(unsafe_code, reason = "no safe crate here lists the addresses of interfaces")]

use std::borrow::Cow;
use std::ffi::CStr;
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::ipc;
use crate::Error;
use crate::machine::{Clock, threads};
use zload_core::scenario::Nanos;

/// How often a wait for a name looks whether it is to end.
const TICK: Duration = Duration::from_millis(20);

/// How long a connection may take to be accepted.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(1);

/// `endpoint` as libzmq can bind it: with the address of an interface in the place of its name.
pub fn to_bind(endpoint: &str) -> Cow<'_, str> {
    let Some((host, port)) = host_and_port(endpoint) else { return endpoint.into() };
    let name = host.trim_start_matches('[').trim_end_matches(']');
    if name == "*" || name.parse::<IpAddr>().is_ok() {
        return endpoint.into();
    }
    let addresses = of_interface(name);
    let wants_ipv6 = name != host;
    let first = |ipv6: bool| addresses.iter().find(|address| address.is_ipv6() == ipv6);
    match first(wants_ipv6).or_else(|| first(!wants_ipv6)) {
        None => endpoint.into(),
        Some(IpAddr::V4(address)) => format!("tcp://{address}:{port}").into(),
        // Addresses that hold on one link only need its name.
        Some(IpAddr::V6(address)) if address.is_unicast_link_local() => {
            format!("tcp://[{address}%{name}]:{port}").into()
        }
        Some(IpAddr::V6(address)) => format!("tcp://[{address}]:{port}").into(),
    }
}

/// `endpoint` as libzmq can connect to it, if it can at all: a name with only IPv6 addresses becomes one.
///
/// Fails at once for an unknown host and for a path that is not a socket; waits for the answer
/// about a host's name at most for `timeout`, and until `interrupted`.
pub fn to_connect(
    endpoint: &str,
    timeout: Nanos,
    interrupted: &AtomicBool,
) -> Result<String, Error> {
    if let Some(address) = endpoint.strip_prefix("ipc://") {
        ipc::ensure_no_other(address)?;
    }
    // libzmq takes an address to come from before a semicolon.
    let Some((host, port)) = host_and_port(endpoint) else { return Ok(endpoint.to_owned()) };
    let host = host.rsplit_once(';').map_or(host, |(_, peer)| peer);
    if host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() {
        return Ok(endpoint.to_owned());
    }
    let (name, number) = (host.to_owned(), port.parse().unwrap_or(0));
    let (tell, answer) = channel();
    // A resolver may take long, and cannot be interrupted.
    let ask = move || tell.send((name.as_str(), number).to_socket_addrs().map(Vec::from_iter));
    drop(threads::start("zload/resolver", 0, ask)?);
    let clock = Clock::start();
    loop {
        match answer.recv_timeout(TICK) {
            Ok(Ok(addresses)) => return Ok(best(endpoint, &addresses)),
            Ok(Err(error)) => {
                return Err(Error::Limit(format!(
                    "cannot connect to {endpoint}: no such host: {host} has no address: {error}"
                )));
            }
            Err(_) if interrupted.load(Ordering::Relaxed) => return Err(Error::Interrupted),
            Err(RecvTimeoutError::Timeout) if clock.now_ns() < timeout.0 => {}
            Err(_) => {
                return Err(Error::Limit(format!(
                    "cannot connect to {endpoint}: no address for {host} within {timeout} (clients.connect_timeout)"
                )));
            }
        }
    }
}

/// `endpoint` with a free port in the place of `*`, and an address in the place of an interface, to which no client can
/// connect.
///
/// The port is free when this returns, and nothing holds it until the server binds it. Another process may take it in
/// between; the kernel gives out such ports in an order that makes this unlikely, and the server would end by saying that
/// its address is in use.
pub fn to_listen(endpoint: &str) -> Result<String, Error> {
    let endpoint = &*to_bind(endpoint);
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

/// Whether a process accepts connections at `endpoint`.
pub fn is_taken(endpoint: &str) -> bool {
    if let Some(address) = endpoint.strip_prefix("tcp://") {
        let Ok(mut addresses) = address.to_socket_addrs() else { return false };
        return addresses
            .any(|address| TcpStream::connect_timeout(&address, ACCEPTED_WITHIN).is_ok());
    }
    endpoint.strip_prefix("ipc://").is_some_and(ipc::is_taken)
}

/// Without an IPv4 address IPv6 must be requested.
fn best(endpoint: &str, addresses: &[SocketAddr]) -> String {
    match addresses.first() {
        Some(first) if addresses.iter().all(SocketAddr::is_ipv6) && !endpoint.contains(';') => {
            format!("tcp://{first}")
        }
        _ => endpoint.to_owned(),
    }
}

fn host_and_port(endpoint: &str) -> Option<(&str, &str)> {
    endpoint.strip_prefix("tcp://")?.rsplit_once(':')
}

fn of_interface(name: &str) -> Vec<IpAddr> {
    let mut first = std::ptr::null_mut();
    // SAFETY: the pointer is written to only; it is freed below, exactly once.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Vec::new();
    }
    let mut addresses = Vec::new();
    let mut next = first;
    // SAFETY: each entry is null, which ends the list, or valid until the list is freed.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: an entry's name is a C string that lives as long as the list.
        let its_name = unsafe { CStr::from_ptr(entry.ifa_name) };
        if its_name.to_bytes() != name.as_bytes() || entry.ifa_addr.is_null() {
            continue;
        }
        // SAFETY: an address that is not null starts with its family, and has the length and form of that family.
        // Reads need no alignment.
        unsafe {
            let family = entry.ifa_addr.read_unaligned().sa_family;
            match i32::from(family) {
                libc::AF_INET => {
                    let address = entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    let bytes = address.sin_addr.s_addr.to_ne_bytes();
                    addresses.push(IpAddr::V4(Ipv4Addr::from(bytes)));
                }
                libc::AF_INET6 => {
                    let address = entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    addresses.push(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)));
                }
                _ => {}
            }
        }
    }
    // SAFETY: this list, once, and nothing of it is used after.
    unsafe { libc::freeifaddrs(first) };
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::context::Context;

    #[test]
    fn an_interface_is_bound_by_its_address_and_all_else_as_it_is() {
        assert_eq!(to_bind("tcp://lo:*"), "tcp://127.0.0.1:*");
        for other in [
            "tcp://*:5570",
            "tcp://0.0.0.0:*",
            "tcp://[::1]:*",
            "tcp://localhost:*",
            "tcp://no-such-interface:*",
            "inproc://lo:1",
            "ipc://lo:1",
        ] {
            assert_eq!(to_bind(other), other);
        }
    }

    #[test]
    fn hosts_are_known_before_anybody_connects() {
        let flag = AtomicBool::new(false);
        let connect = |endpoint: &str| to_connect(endpoint, Nanos::from_secs(60), &flag);
        for known in [
            "tcp://127.0.0.1:5",
            "tcp://[::1]:5",
            "tcp://localhost:5",
            "tcp://127.0.0.1:0;localhost:5",
            "ipc:///tmp/no-such-socket",
            "ipc://@name",
        ] {
            assert_eq!(connect(known).unwrap(), known);
        }
        for unknown in ["tcp://nohost.invalid:5", "tcp://127.0.0.1:0;nohost.invalid:5"] {
            let error = connect(unknown).unwrap_err().to_string();
            assert!(error.contains("no such host: nohost.invalid has no address"), "{error}");
        }
        let only: [SocketAddr; 1] = ["[::1]:5".parse().unwrap()];
        assert_eq!(best("tcp://six:5", &only), "tcp://[::1]:5");
    }

    #[test]
    fn only_a_star_becomes_another_port() {
        for fixed in ["tcp://127.0.0.1:5570", "tcp://[::1]:5570", "ipc://here.sock", "ipc:///a:*"] {
            assert_eq!(to_listen(fixed).unwrap(), fixed);
        }
        let free = to_listen("tcp://127.0.0.1:*").unwrap();
        let port = free.strip_prefix("tcp://127.0.0.1:").unwrap();
        assert_ne!(port.parse::<u16>().unwrap(), 0);
        let error = to_listen("tcp://no.such.host.invalid:*").unwrap_err().to_string();
        assert!(error.contains("no free port for tcp://no.such.host.invalid:*"), "{error}");
    }

    #[test]
    fn a_server_that_listens_is_seen_and_one_that_has_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let context = Context::new(1, 16).unwrap();
        for endpoint in [
            to_listen("tcp://127.0.0.1:*").unwrap(),
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
