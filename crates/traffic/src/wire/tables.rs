//! A table of descriptors of a thread's own, so that the limit of a process is that of each of its drivers.

#![expect(unsafe_code, reason = "rustix does not wrap this call")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Gives the calling thread a table of its own, which has standard input, output and error, and `kept`, under the numbers
/// that they had. Nothing that others open or close from now on is seen here, and the other way round.
///
/// A copy of all would hold the ends of pipes and listeners open that others close, so the kernel makes one without them
/// (`CLOSE_RANGE_UNSHARE`, since Linux 5.9).
///
/// The thread must own nothing that has a descriptor but `kept`: it would close, at its end, whatever has that number then.
pub fn own_table(kept: BorrowedFd<'_>) -> io::Result<()> {
    let kept =
        libc::c_uint::try_from(kept.as_raw_fd()).expect("a descriptor is no negative number");
    let standard = 3;
    if kept > standard {
        close_range(standard, kept - 1)?;
    }
    close_range(kept.max(standard - 1) + 1, libc::c_uint::MAX)
}

/// Closes these in the calling thread alone, which has a table of its own then.
fn close_range(first: libc::c_uint, last: libc::c_uint) -> io::Result<()> {
    const UNSHARE: libc::c_uint = 1 << 1;
    // SAFETY: it takes numbers only. Descriptors of other threads stay open, as the table is copied first; this thread has
    // none that it will use or close, as its caller was told.
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, first, last, UNSHARE) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, pipe};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_thread_with_its_own_table_keeps_nothing_open_and_closes_nothing_of_others() {
        let kept = File::open("/dev/zero").unwrap();
        let (mut reader, writer) = pipe().unwrap();
        let opened = std::thread::scope(|scope| {
            let own = || {
                own_table(kept.as_fd()).unwrap();
                let mut zero = [1];
                (&kept).read_exact(&mut zero).unwrap();
                assert_eq!(zero, [0]);
                // The lowest number that is free: the pipe's is.
                let opened = File::open("/dev/null").unwrap();
                let others = reader.as_raw_fd().min(writer.as_raw_fd());
                assert!(opened.as_raw_fd() <= others, "{opened:?}");
            };
            scope.spawn(own).join()
        });
        opened.unwrap();
        // The only end of the pipe that is open for writing is this one, and it works.
        io::Write::write_all(&mut &writer, b"x").unwrap();
        drop(writer);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"x");
    }
}
