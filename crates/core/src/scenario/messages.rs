//! The largest message that a run accepts. Pure.
//!
//! Without a limit a peer chooses how much memory this process takes: it declares a frame of any size and sends it slowly.

use super::value_error::{Checked, refuse, refuse_with_help};
use super::{Bytes, Scenario, Sockets};

/// A request's body holds at least the header that identifies its replies.
pub const MIN_PAYLOAD: Bytes = Bytes(24);
/// Larger messages would measure the memory and not the proxy.
pub const MAX_PAYLOAD: Bytes = Bytes(64 << 20);

/// The least limit that is set unasked. Every handshake fits, and what foreign peers send in normal use; a reply of theirs
/// that is longer than the plan's is to be counted as unexpected, and not to cost the connection.
const LEAST_UNASKED: Bytes = Bytes(1 << 20);

/// The least limit that may be asked for. libzmq counts the handshake, too: a READY command with socket type and an
/// identity of 255 bytes is below 300 bytes long.
const LEAST_ASKED: Bytes = Bytes(512);

/// The most frames of a message that are kept: zload's own have an address, a tag and a body, those of a REQ an empty one
/// more, and what routes through several devices an address for each. A longer one is dropped.
pub const MOST_FRAMES: usize = 64;

impl Scenario {
    /// The largest body that the plan may draw.
    pub fn largest_payload(&self) -> Bytes {
        self.load.payload.greatest().unwrap_or(MAX_PAYLOAD)
    }

    /// The largest frame that a socket of the run accepts: what `sockets.maxmsgsize` says, or else what the plan needs.
    /// libzmq closes the connection that brings a larger one.
    pub fn message_limit(&self) -> Bytes {
        let needed = match &self.request {
            // Nobody knows how long the replies of a server are that does not echo.
            Some(_) => MAX_PAYLOAD,
            None => Bytes(self.largest_payload().0.max(LEAST_UNASKED.0)),
        };
        self.sockets.maxmsgsize.unwrap_or(needed)
    }

    /// The options of the run's sockets, with the limit that holds.
    pub fn sockets_in_use(&self) -> Sockets {
        Sockets { maxmsgsize: Some(self.message_limit()), ..self.sockets.clone() }
    }
}

impl Sockets {
    /// The high-water marks that bound anything, by their keys: 0 is no bound.
    pub fn marks(&self) -> impl Iterator<Item = &'static str> {
        let marks = [("sockets.sndhwm", self.sndhwm), ("sockets.rcvhwm", self.rcvhwm)];
        marks.into_iter().filter(|(_, value)| *value != Some(0)).map(|(name, _)| name)
    }
}

/// Whether what the plan sends, and the handshake before it, fits in the limit.
pub(super) fn error(scenario: &Scenario) -> Checked {
    const PATH: &str = "sockets.maxmsgsize";
    let Some(most) = scenario.sockets.maxmsgsize else { return Ok(()) };
    if most < LEAST_ASKED {
        return refuse_with_help(
            PATH,
            format!("is {most}, too small for a handshake: no client could connect"),
            &format!("use at least {LEAST_ASKED}; by default it is what load.payload needs"),
        );
    }
    match scenario.load.payload.greatest() {
        Some(payload) if payload > most => refuse(
            PATH,
            format!(
                "is {most}, less than the {payload} of load.payload: such requests would never arrive"
            ),
        ),
        None if most < MAX_PAYLOAD => refuse_with_help(
            PATH,
            format!(
                "is {most}, but load.payload has no upper bound below {MAX_PAYLOAD}: larger requests would never arrive"
            ),
            "leave it out, or give load.payload an upper bound: uniform or choice",
        ),
        _ => Ok(()),
    }
}
