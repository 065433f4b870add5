//! The connections of this process, as the kernel knows them; and cutting one off.
//!
//! libzmq owns the descriptors and does not say which peer has sent how much, so the kernel is asked for all of them.
//! A connection that is shut down ends for libzmq as if its peer had ended it: it drops the unfinished message, a server
//! goes on for the others, and a client connects again.

#![expect(
    unsafe_code,
    reason = "a few calls on descriptors that libzmq owns; each says why it is sound"
)]

use std::collections::HashSet;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

use libc::{
    IPPROTO_TCP, SHUT_RDWR, SO_LINGER, SOL_SOCKET, TCP_INFO, TIOCOUTQ, c_int, c_void, linger,
    socklen_t, tcp_info,
};

use crate::machine::host::numbers_in;
use zload_core::facts::Connections;

/// The state of a TCP connection that both ends keep up (`TCP_ESTABLISHED` of the kernel's `tcp_states.h`).
const ESTABLISHED: u8 = 1;

/// A TCP connection and what has passed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    descriptor: RawFd,
    /// Bytes that the peer sent.
    received: u64,
    taken: u64,
}

/// All TCP connections of this process; none where the kernel does not say.
pub fn connections() -> Vec<Connection> {
    descriptors().filter_map(Connection::of).collect()
}

/// The sockets of this process that have a peer, TCP or Unix, by a number that the kernel gives to no other as long as
/// one of both is there: a connection that ends and is made again has another. None where the kernel does not say.
pub fn connected() -> HashSet<u64> {
    descriptors().filter(|descriptor| has_peer(*descriptor)).filter_map(number_of).collect()
}

/// What became of this many connections of clients and workers since there were these sockets, if the kernel says. A few
/// belong to others, and stay.
#[expect(clippy::implicit_hasher, reason = "it is what `connected` gives")]
pub fn since(begun: &HashSet<u64>, own: u32) -> Option<Connections> {
    let now = connected();
    let missing = |from: &HashSet<u64>, to| from.difference(to).count() as u64;
    (begun.len() >= own as usize).then(|| Connections {
        begun: u64::from(own),
        ended: missing(begun, &now),
        made: missing(&now, begun),
        ..Connections::default()
    })
}

fn number_of(descriptor: RawFd) -> Option<u64> {
    let name = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
    name.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn descriptors() -> impl Iterator<Item = RawFd> {
    numbers_in("/proc/self/fd")
}

/// Whether a descriptor is a socket whose peer is there: over TCP, one that has said something, as ZeroMQ's do at once.
fn has_peer(descriptor: RawFd) -> bool {
    if let Some(info) = tcp_info_of(descriptor) {
        return info.tcpi_state == ESTABLISHED && info.tcpi_bytes_received > 0;
    }
    // SAFETY: used for this call only. A descriptor that was closed meanwhile is refused by it, and one that is another's
    // by now is answered for.
    let socket = unsafe { BorrowedFd::borrow_raw(descriptor) };
    rustix::net::getpeername(socket).is_ok()
}

/// Bytes that were written to a socket and that its peer's kernel has not taken; `None` if the kernel does not say.
pub fn unsent_bytes(socket: &OwnedFd) -> Option<u64> {
    let mut bytes: c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes one C int.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), TIOCOUTQ, &raw mut bytes) };
    if outcome == 0 { u64::try_from(bytes).ok() } else { None }
}

/// What the kernel says of a TCP connection; `None` if the descriptor is none.
fn tcp_info_of(descriptor: RawFd) -> Option<tcp_info> {
    // SAFETY: a structure of numbers, for which zeros are values.
    let mut info: tcp_info = unsafe { zeroed() };
    let mut length = socklen_t::try_from(size_of::<tcp_info>()).ok()?;
    // SAFETY: the kernel writes at most `length` bytes into `info`, which is as long. A descriptor that is closed by
    // now, or is anything but a TCP socket, is refused by the call.
    let outcome = unsafe {
        libc::getsockopt(
            descriptor,
            IPPROTO_TCP,
            TCP_INFO,
            (&raw mut info).cast::<c_void>(),
            &raw mut length,
        )
    };
    (outcome == 0).then_some(info)
}

/// The connections whose peers sent most since `before` without being sent as much in return: by more than `least` bytes,
/// and at least half of what the first of them did. An echo server sends back what it takes, so a peer in honest use
/// hardly stands out.
pub fn greediest(before: &[Connection], now: &[Connection], least: u64) -> Vec<Connection> {
    let kept = |connection: &Connection| {
        // One of which less is known now has a descriptor that was another's.
        let earlier = before.iter().find(|earlier| {
            earlier.descriptor == connection.descriptor && earlier.received <= connection.received
        });
        let (received, taken) = earlier.map_or((0, 0), |earlier| (earlier.received, earlier.taken));
        (connection.received - received).saturating_sub(connection.taken.saturating_sub(taken))
    };
    let most = now.iter().map(kept).max().unwrap_or(0);
    now.iter().filter(|peer| kept(peer) > least.max(most / 2)).copied().collect()
}

/// Gives the system back what has been freed: the allocator keeps it, above all in pieces between what is in use.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes and gives plain numbers; the allocator locks itself.
    unsafe {
        libc::malloc_trim(0);
    }
}

impl Connection {
    /// `None` if the descriptor is no TCP connection.
    fn of(descriptor: RawFd) -> Option<Self> {
        let info = tcp_info_of(descriptor)?;
        Some(Self { descriptor, received: info.tcpi_bytes_received, taken: info.tcpi_bytes_acked })
    }

    /// Ends the connection in both directions; false if it is gone. The peer hears of it at once, by a reset, when libzmq
    /// closes the descriptor, and does not go on waiting for room.
    pub fn cut_off(self) -> bool {
        let at_once = linger { l_onoff: 1, l_linger: 0 };
        let length = socklen_t::try_from(size_of::<linger>()).expect("a few bytes");
        // SAFETY: the kernel reads the option, and touches no other memory. The descriptor stays open, libzmq's as
        // before. Should libzmq have closed it since and have another connection under its number, that one ends
        // instead, as it could at any time.
        unsafe {
            let value = (&raw const at_once).cast::<c_void>();
            libc::setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, value, length);
            libc::shutdown(self.descriptor, SHUT_RDWR) == 0
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let out = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (out, listener.accept().unwrap().0)
    }

    /// Of these alone: other tests have their own connections.
    fn look(streams: &[&TcpStream]) -> Vec<Connection> {
        let all = connections();
        let of = |stream: &&TcpStream| {
            let descriptor = stream.as_raw_fd();
            *all.iter().find(|connection| connection.descriptor == descriptor).unwrap()
        };
        streams.iter().map(of).collect()
    }

    #[test]
    fn the_peer_that_only_sends_is_found_and_cut_off() {
        let ((mut talker, mut heard), (mut echoed, mut echo)) = (pair(), pair());
        let before = look(&[&heard, &echo]);
        assert_eq!(greediest(&before, &before, 0), []);
        let mut buffer = [7; 3_000];
        talker.write_all(&buffer).unwrap();
        heard.read_exact(&mut buffer).unwrap();
        echoed.write_all(&[7; 3_000]).unwrap();
        echo.read_exact(&mut buffer).unwrap();
        echo.write_all(&buffer).unwrap();
        echoed.read_exact(&mut buffer).unwrap();
        let found = greediest(&before, &look(&[&heard, &echo]), 1_000);
        let [found] = found[..] else { panic!("one of them: {found:?}") };
        assert_eq!((found.descriptor, found.received), (heard.as_raw_fd(), 3_000));
        assert!(found.cut_off());
        assert_eq!(talker.read(&mut buffer).unwrap(), 0, "the peer sees the end");
    }

    #[test]
    fn a_connection_that_is_made_again_is_another_and_one_without_a_peer_is_none() {
        let number = |descriptor| number_of(descriptor).unwrap();
        let (mut out, mut peer) = pair();
        let tcp = number(out.as_raw_fd());
        assert!(!connected().contains(&tcp), "nothing came from the peer");
        peer.write_all(b"x").unwrap();
        out.read_exact(&mut [0]).unwrap();
        assert!(connected().contains(&tcp));
        drop(peer);
        assert_eq!(out.read(&mut [0]).unwrap(), 0);
        assert!(!connected().contains(&tcp), "the peer is gone");
        let (one, _other) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let [one, listener] = [one.as_raw_fd(), listener.as_raw_fd()].map(number);
        assert!(connected().contains(&one) && !connected().contains(&listener));
    }
}
