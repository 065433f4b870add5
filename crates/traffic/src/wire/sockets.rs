//! Options of every socket: the scenario's `[sockets]`, and what zload needs whatever the scenario says.

use super::context::{Context, Socket};
use super::errno::Errno;
use crate::Error;
use zload_core::scenario::{Bytes, Nanos, Sockets};

/// Connections that may wait to be accepted. libzmq's own 100 makes a thousand clients that connect at once wait for
/// retransmissions of 1 s and more.
const BACKLOG: i32 = 4096;

/// Opens a socket with the scenario's options.
pub fn open(context: &Context, kind: zmq::SocketType, options: &Sockets) -> Result<Socket, Error> {
    let socket = context.socket(kind)?;
    set("backlog", options.backlog.or(Some(BACKLOG)), |value| socket.set_backlog(value))?;
    set("affinity", options.affinity.map(u64::from), |value| socket.set_affinity(value))?;
    set("handshake_ivl", millis(options.handshake_ivl), |value| socket.set_handshake_ivl(value))?;
    set("heartbeat_ivl", millis(options.heartbeat_ivl), |value| socket.set_heartbeat_ivl(value))?;
    set("heartbeat_timeout", millis(options.heartbeat_timeout), |value| {
        socket.set_heartbeat_timeout(value)
    })?;
    set("maxmsgsize", bytes(options.maxmsgsize), |value| socket.set_maxmsgsize(value))?;
    set("rcvbuf", bytes(options.rcvbuf).map(int), |value| socket.set_rcvbuf(value))?;
    set("rcvhwm", options.rcvhwm, |value| socket.set_rcvhwm(value))?;
    set("reconnect_ivl", millis(options.reconnect_ivl), |value| socket.set_reconnect_ivl(value))?;
    set("reconnect_ivl_max", millis(options.reconnect_ivl_max), |value| {
        socket.set_reconnect_ivl_max(value)
    })?;
    set("sndbuf", bytes(options.sndbuf).map(int), |value| socket.set_sndbuf(value))?;
    set("sndhwm", options.sndhwm, |value| socket.set_sndhwm(value))?;
    set("tos", options.tos, |value| socket.set_tos(value))?;
    Ok(socket)
}

/// Opens a DEALER that connects. It is writable only once its handshake is done (`ZMQ_IMMEDIATE`), so a run can wait
/// for that, and a request is never queued for a connection that does not exist.
pub fn open_connecting(context: &Context, options: &Sockets) -> Result<Socket, Error> {
    let socket = open(context, zmq::DEALER, options)?;
    set("immediate", Some(true), |value| socket.set_immediate(value))?;
    Ok(socket)
}

fn set<T: Copy + std::fmt::Debug>(
    name: &str,
    value: Option<T>,
    setter: impl FnOnce(T) -> zmq::Result<()>,
) -> Result<(), Error> {
    let Some(value) = value else { return Ok(()) };
    setter(value).map_err(|error| Errno::from(error).failed(format!("sockets.{name} = {value:?}")))
}

fn millis(duration: Option<Nanos>) -> Option<i32> {
    duration.map(|duration| i32::try_from(duration.0 / 1_000_000).unwrap_or(i32::MAX))
}

fn bytes(size: Option<Bytes>) -> Option<i64> {
    size.map(|size| i64::try_from(size.0).unwrap_or(i64::MAX))
}

fn int(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
