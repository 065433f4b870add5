//! The start of a server: zload's program once more, which arranges for its own end and then becomes the server.
//!
//! It sets its parent-death signal (prctl(2)) and executes the server, which keeps it: so the server dies with its guard,
//! also when zload and guard are killed at once. No code runs between fork and exec, which would be unsafe. The signal
//! comes when the thread ends that started it, and a guard has one thread. A program that changes its user (set-user-ID)
//! loses it, and what the server starts does not have it: there the guard's own care is all there is.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// This program, also when its file was replaced meanwhile.
pub(super) const OWN_PROGRAM: &str = "/proc/self/exe";

/// Starts `command` below this process, in a process group of its own; returns when it runs. Only for a process that has
/// one thread.
pub(super) fn start(command: &[OsString]) -> io::Result<Child> {
    // Both outputs of the server are the guard's standard error: one pipe, so its lines stay in their order.
    let output = io::stderr().as_fd().try_clone_to_owned()?;
    // Its end closes when the server is executed; what comes before that is why it cannot be.
    let (mut heard, told) = io::pipe()?;
    let own = getpid().as_raw_nonzero().to_string();
    let mut child = Command::new(OWN_PROGRAM)
        .arg0("zload")
        .args(["guard", "--become-server-of", &own, "--"])
        .args(command)
        .stdin(told)
        .stdout(output)
        .process_group(0)
        .spawn()?;
    let mut why_not = String::new();
    heard.read_to_string(&mut why_not)?;
    if why_not.is_empty() {
        return Ok(child);
    }
    child.wait()?;
    Err(match why_not.parse() {
        Ok(errno) => io::Error::from_raw_os_error(errno),
        Err(_) => io::Error::other(why_not),
    })
}

/// Becomes the server that `guard`, which started this process, is to watch; returns if it cannot.
pub(crate) fn become_server(command: &[OsString], guard: i32) {
    // Closed by the execution, like every descriptor that is made here.
    let Ok(told) = io::stdin().as_fd().try_clone_to_owned() else { return };
    let why_not = become_or_say_why(command, guard);
    let text =
        why_not.raw_os_error().map_or_else(|| why_not.to_string(), |errno| errno.to_string());
    // If the guard is gone, there is nobody to report to.
    let _gone = File::from(told).write_all(text.as_bytes());
}

fn become_or_say_why(command: &[OsString], guard: i32) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::from(io::ErrorKind::InvalidInput);
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // A guard that went before the signal was set will not go again.
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(guard) {
        return io::Error::other("the guard is gone");
    }
    Command::new(program).args(arguments).stdin(Stdio::null()).exec()
}
