//! Connections to a server without libzmq: where to, from where, and with which of the kernel's options.
//!
//! Nothing here waits, so a connection that is dialled need not be made yet.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use rustix::io::Errno as System;
use rustix::net::{
    self, AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

use super::{errno::Errno, ipc, routes::Routes};
use crate::Error;
use zload_core::scenario::{Bytes, Sockets};

/// Where connections go, and what they are like.
#[derive(Debug)]
pub struct Dialer {
    routes: Routes,
    /// What each of the endpoints is, in their order.
    targets: Vec<Target>,
    rcvbuf: Option<usize>,
    sndbuf: Option<usize>,
    tos: Option<u8>,
}

#[derive(Debug)]
enum Target {
    /// To this address, and from this one if the endpoint says so.
    Tcp(SocketAddr, Option<SocketAddr>),
    Ipc(SocketAddrUnix),
}

impl Dialer {
    /// For endpoints over tcp or ipc whose hosts have addresses.
    pub fn new(routes: &Routes, options: &Sockets) -> Result<Self, Error> {
        let target = |endpoint: &String| {
            target(endpoint).map_err(|why| Error::Socket {
                what: format!("cannot connect to {endpoint} with clients.engine = \"zmtp\""),
                why,
            })
        };
        let targets = routes.endpoints().all().iter().map(target).collect::<Result<_, Error>>()?;
        let bytes = |size: Option<Bytes>| size.and_then(|size| usize::try_from(size.0).ok());
        Ok(Self {
            routes: routes.clone(),
            targets,
            rcvbuf: bytes(options.rcvbuf),
            sndbuf: bytes(options.sndbuf),
            tos: options.tos.and_then(|tos| u8::try_from(tos).ok()),
        })
    }

    /// A connection of the client with this number that is made, or is being made: then its descriptor becomes writable.
    pub fn dial(&self, client: u32) -> Result<OwnedFd, Errno> {
        self.try_dial(client).map_err(|error| Errno(error.raw_os_error()))
    }

    fn try_dial(&self, client: u32) -> rustix::io::Result<OwnedFd> {
        let (target, source) = self.routes.of(client);
        let target = &self.targets[target];
        let family = match target {
            Target::Tcp(SocketAddr::V4(_), _) => AddressFamily::INET,
            Target::Tcp(SocketAddr::V6(_), _) => AddressFamily::INET6,
            Target::Ipc(_) => AddressFamily::UNIX,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        if let Some(size) = self.rcvbuf {
            sockopt::set_socket_recv_buffer_size(&socket, size)?;
        }
        if let Some(size) = self.sndbuf {
            sockopt::set_socket_send_buffer_size(&socket, size)?;
        }
        let begun = match target {
            Target::Ipc(address) => net::connect(&socket, address),
            Target::Tcp(address, from) => {
                // As libzmq: a request is on its way at once.
                sockopt::set_tcp_nodelay(&socket, true)?;
                match (self.tos, family) {
                    (Some(tos), AddressFamily::INET6) => {
                        sockopt::set_ipv6_tclass(&socket, u32::from(tos))?;
                    }
                    (Some(tos), _) => sockopt::set_ip_tos(&socket, tos)?,
                    (None, _) => {}
                }
                if self.routes.resets() {
                    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
                }
                if let Some(from) = source.map(|source| SocketAddr::new(source, 0)).or(*from) {
                    if from.port() == 0 {
                        late_port(&socket)?;
                    }
                    net::bind(&socket, &from)?;
                }
                net::connect(&socket, address)
            }
        };
        match begun {
            Ok(()) | Err(System::INPROGRESS | System::INTR) => Ok(socket),
            Err(error) => Err(error),
        }
    }

    /// How a connection turned out whose descriptor has become writable.
    pub fn outcome(socket: &OwnedFd) -> Result<(), Errno> {
        let outcome = sockopt::socket_error(socket).and_then(|outcome| outcome);
        outcome.map_err(|error| Errno(error.raw_os_error()))?;
        // With nobody there, a connection to a port of this machine may get just that port as its own, and so connects to
        // itself: then the server could not have its port back.
        let address = |name: SocketAddrAny| SocketAddr::try_from(name).ok();
        let own = net::getsockname(socket).ok().and_then(address);
        if own.is_some() && own == net::getpeername(socket).ok().flatten().and_then(address) {
            return Err(Errno(libc::ECONNREFUSED));
        }
        Ok(())
    }
}

fn target(endpoint: &str) -> Result<Target, String> {
    match endpoint.split_once("://") {
        Some(("tcp", address)) => tcp(address),
        Some(("ipc", address)) => {
            ipc::address(address).map(Target::Ipc).map_err(|error| error.to_string())
        }
        _ => Err("it speaks over tcp and ipc".to_owned()),
    }
}

/// Has the port be chosen when the socket connects, where it must be another one only for connections to the same endpoint.
#[expect(unsafe_code, reason = "rustix does not wrap this option")]
fn late_port(socket: &OwnedFd) -> rustix::io::Result<()> {
    let yes: libc::c_int = 1;
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel reads one C int.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const yes).cast::<libc::c_void>(),
            libc::socklen_t::try_from(size_of_val(&yes)).expect("an int is short"),
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(System::from_io_error(&io::Error::last_os_error()).unwrap_or(System::INVAL))
    }
}

/// `address`, or `from;address` as libzmq writes it.
fn tcp(address: &str) -> Result<Target, String> {
    let resolved = |address: &str| {
        let all = address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?;
        let all: Vec<SocketAddr> = all.collect();
        // libzmq, too, prefers IPv4.
        let first = all.iter().find(|address| address.is_ipv4()).or(all.first());
        first.copied().ok_or_else(|| format!("{address} has no address"))
    };
    match address.rsplit_once(';') {
        Some((from, to)) => Ok(Target::Tcp(resolved(to)?, Some(resolved(from)?))),
        None => Ok(Target::Tcp(resolved(address)?, None)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn dialer(endpoint: &str, options: &Sockets) -> Dialer {
        Dialer::new(&Routes::to(endpoint), options).unwrap()
    }

    /// Dials and waits; gives the connection or why there is none.
    fn dialled(dialer: &Dialer) -> Result<OwnedFd, Errno> {
        let socket = dialer.dial(0)?;
        poll(&mut [PollFd::new(&socket, PollFlags::OUT)], None).unwrap();
        Dialer::outcome(&socket).map(|()| socket)
    }

    #[test]
    fn options_and_the_address_to_come_from_are_those_of_the_scenario() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = Sockets {
            sndbuf: Some(Bytes(20_000)),
            rcvbuf: Some(Bytes(30_000)),
            tos: Some(0x20),
            ..Sockets::default()
        };
        let from = format!("tcp://127.0.0.2:0;127.0.0.1:{port}");
        let socket = dialled(&dialer(&from, &options)).unwrap();
        // The kernel takes twice of what is asked for, for its own needs.
        assert_eq!(sockopt::socket_send_buffer_size(&socket).unwrap(), 40_000);
        assert_eq!(sockopt::socket_recv_buffer_size(&socket).unwrap(), 60_000);
        assert_eq!(sockopt::ip_tos(&socket).unwrap(), 0x20);
        assert!(sockopt::tcp_nodelay(&socket).unwrap());
        let (mut accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip().to_string(), "127.0.0.2");
        drop(socket);
        assert_eq!(accepted.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn nobody_there_is_an_error_and_no_connection_to_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let nobody = dialer(&format!("tcp://{address}"), &Sockets::default());
        assert_eq!(dialled(&nobody).unwrap_err(), Errno(libc::ECONNREFUSED));
        // From its own port there always is somebody: itself.
        let itself = dialer(&format!("tcp://{address};{address}"), &Sockets::default());
        assert_eq!(dialled(&itself).unwrap_err(), Errno(libc::ECONNREFUSED));
    }

    #[test]
    fn an_endpoint_of_another_kind_is_refused_by_name() {
        for (endpoint, why) in [
            ("inproc://a", "it speaks over tcp and ipc"),
            ("tcp://nohost.invalid:1", "nohost.invalid:1"),
        ] {
            let error =
                Dialer::new(&Routes::to(endpoint), &Sockets::default()).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("clients.engine"), "{error}");
        }
    }
}
