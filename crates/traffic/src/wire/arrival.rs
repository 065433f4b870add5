//! When what is read from a socket had arrived at this machine, as the kernel stamped it. Hot path, rarely taken.
//!
//! The kernel stamps each packet of a TCP connection as it comes, before the protocol is done with it
//! (Documentation/networking/timestamping.rst: `SOF_TIMESTAMPING_RX_SOFTWARE`), and tells with what is read the stamp of
//! the last packet that any of these bytes came in; of packets that it has joined meanwhile, that of the last one joined.
//! So all that is read had arrived by that instant: the time since then is how long it waited at least, and exactly if
//! it all came in one packet. Invariant: what is said here is never longer than what was read has waited, unless the wall
//! clock was set in between.

#![expect(unsafe_code, reason = "rustix does not wrap these calls; each says why it is sound")]

use std::mem::{size_of, size_of_val, zeroed};
use std::os::fd::{AsRawFd as _, OwnedFd};

use libc::{
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, CMSG_NXTHDR, SCM_TIMESTAMPING, SO_TIMESTAMPING,
    SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE, SOL_SOCKET, c_uint, c_void, cmsghdr,
    iovec, msghdr, socklen_t, timespec,
};
use rustix::io::{Errno as System, Result};
use rustix::net::{AddressFamily, sockopt};

use crate::machine::clock::unix_ns;

/// What the kernel tells of a stamp: by software, a field that is not used any more, by hardware.
type Stamps = [timespec; 3];

/// Asks the kernel to stamp what comes to this socket. Says whether it takes that on: not for Unix sockets, which have no
/// packets, and not every kernel does.
///
/// From the first of these sockets on, the kernel reads its clock for each packet that comes to this machine: on loopback about
/// 2 % of what writing and reading a short message takes (docs/performance.md).
pub fn stamp(socket: &OwnedFd) -> bool {
    let is_tcp = sockopt::socket_domain(socket)
        .is_ok_and(|domain| domain == AddressFamily::INET || domain == AddressFamily::INET6);
    let which: c_uint = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    let length = socklen_t::try_from(size_of_val(&which)).expect("a few bytes");
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel reads `length` bytes of the option.
    is_tcp
        && unsafe {
            let value = (&raw const which).cast::<c_void>();
            libc::setsockopt(socket.as_raw_fd(), SOL_SOCKET, SO_TIMESTAMPING, value, length) == 0
        }
}

/// Reads as `read` does; says besides how long ago all of that had arrived at this machine, in nanoseconds. `None` if the
/// kernel did not stamp it, or if the wall clock was set back since.
pub fn read(socket: &OwnedFd, into: &mut [u8]) -> Result<(usize, Option<u64>)> {
    // Room for the stamps and for what else the kernel may tell, aligned as its headers are.
    let mut told = [0_u64; 16];
    let mut part = iovec { iov_base: into.as_mut_ptr().cast::<c_void>(), iov_len: into.len() };
    // SAFETY: a structure of numbers and pointers, for which zeros are values.
    let mut message: msghdr = unsafe { zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    message.msg_control = told.as_mut_ptr().cast::<c_void>();
    message.msg_controllen = size_of_val(&told);
    // SAFETY: the descriptor is open as long as it is borrowed. The kernel writes at most as many bytes into `into` and `told`
    // as each is long, and nothing else refers to either meanwhile.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let Ok(count) = usize::try_from(count) else {
        return Err(System::from_io_error(&std::io::Error::last_os_error()).unwrap_or(System::IO));
    };
    let ago_ns = told_stamp(&message).and_then(|stamp_ns| unix_ns().checked_sub(stamp_ns));
    Ok((count, ago_ns))
}

/// The stamp that came with a message, in nanoseconds since 1970.
fn told_stamp(message: &msghdr) -> Option<u64> {
    // SAFETY: the kernel has written whole headers into the message's room, and says in `msg_controllen` how much of it it used;
    // these functions stay within that. What is read behind a header is as long as the header says, and need not be aligned.
    unsafe {
        let mut next: *const cmsghdr = CMSG_FIRSTHDR(message);
        while let Some(header) = next.as_ref() {
            let kind = (header.cmsg_level, header.cmsg_type);
            let length = CMSG_LEN(u32::try_from(size_of::<Stamps>()).ok()?);
            if kind == (SOL_SOCKET, SCM_TIMESTAMPING) && header.cmsg_len as u64 >= length.into() {
                let [stamp, ..] = CMSG_DATA(header).cast::<Stamps>().read_unaligned();
                return in_ns(&stamp).filter(|ns| *ns > 0);
            }
            next = CMSG_NXTHDR(message, header);
        }
    }
    None
}

fn in_ns(stamp: &timespec) -> Option<u64> {
    let seconds = u64::try_from(stamp.tv_sec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(stamp.tv_nsec).ok()?)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;
    use crate::machine::Clock;

    /// Both ends of a TCP connection.
    fn pair() -> (TcpStream, OwnedFd) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let out = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        out.set_nodelay(true).unwrap();
        (out, listener.accept().unwrap().0.into())
    }

    fn readable(socket: &OwnedFd) {
        poll(&mut [PollFd::new(socket, PollFlags::IN)], None).unwrap();
    }

    /// Passes this much time, awake.
    fn pass(clock: Clock, ns: u64) {
        let until_ns = clock.now_ns() + ns;
        while clock.now_ns() < until_ns {
            std::hint::spin_loop();
        }
    }

    /// Plays this over one connection until what came was stamped: the kernel begins to a little after it was asked to.
    fn until_stamped(mut trial: impl FnMut(&mut TcpStream, &OwnedFd, Clock) -> Option<()>) {
        let (mut out, socket) = pair();
        assert!(stamp(&socket));
        let clock = Clock::start();
        assert!((0..1_000).any(|_| trial(&mut out, &socket, clock).is_some()), "no stamp");
    }

    #[test]
    fn what_waits_at_a_socket_has_waited_as_long_as_it_did() {
        until_stamped(|out, socket, clock| {
            let mut buffer = [0; 64];
            let begin_ns = clock.now_ns();
            out.write_all(b"first").unwrap();
            readable(socket);
            let there_ns = clock.now_ns();
            pass(clock, 3_000_000);
            let waited_ns = clock.now_ns() - there_ns;
            let (count, ago_ns) = read(socket, &mut buffer).unwrap();
            let most_ns = clock.now_ns() - begin_ns;
            assert_eq!(&buffer[..count], b"first");
            let ago_ns = ago_ns?;
            assert!((waited_ns..=most_ns).contains(&ago_ns), "{waited_ns} {ago_ns} {most_ns}");
            Some(())
        });
    }

    #[test]
    fn of_several_packets_that_are_read_at_once_the_last_one_counts() {
        until_stamped(|out, socket, clock| {
            let mut buffer = [0; 64];
            let begin_ns = clock.now_ns();
            out.write_all(b"early").unwrap();
            readable(socket);
            pass(clock, 3_000_000);
            let late_ns = clock.now_ns();
            out.write_all(b"late").unwrap();
            let mut count = 0;
            while count < 9 {
                readable(socket);
                let (more, ago_ns) = read(socket, &mut buffer).unwrap();
                count += more;
                let now_ns = clock.now_ns();
                let Some(ago_ns) = ago_ns.filter(|_| more == 9) else { continue };
                assert!(ago_ns <= now_ns - late_ns, "no longer than the last one waits");
                assert!(now_ns - begin_ns > 3_000_000);
                return Some(());
            }
            None
        });
    }

    #[test]
    fn without_a_packet_there_is_no_stamp_and_an_error_is_one() {
        let (mut out, socket) = UnixStream::pair().map(|(out, of)| (out, of.into())).unwrap();
        assert!(!stamp(&socket), "a Unix socket");
        out.write_all(b"here").unwrap();
        let mut buffer = [0; 64];
        assert_eq!(read(&socket, &mut buffer), Ok((4, None)));
        rustix::io::ioctl_fionbio(&socket, true).unwrap();
        assert_eq!(read(&socket, &mut buffer), Err(System::AGAIN));
        drop(out);
        assert_eq!(read(&socket, &mut buffer), Ok((0, None)), "the end");
        let (mut out, socket) = pair();
        out.write_all(b"here").unwrap();
        readable(&socket);
        assert_eq!(read(&socket, &mut buffer), Ok((4, None)), "nobody asked for stamps");
    }
}
