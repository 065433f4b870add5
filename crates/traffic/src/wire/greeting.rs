//! The first words of what listens at an endpoint: whether it speaks ZMTP, which mechanism it wants, which socket it is.
//!
//! libzmq tries again for ever and says no more than that there was no handshake, so this looks over a plain connection, as a
//! DEALER without security would come (RFC 37: a greeting of 64 bytes, then a READY command from either side).
//! Invariant: it ends within a few seconds, whatever comes.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::ipc;
use crate::machine::Clock;
use zload_core::scenario::{ClientEngine, Endpoints};
use zload_core::text;
use zload_core::zmtp::{
    COMMAND, GREETING, LONG, MECHANISM, READY_LIMIT, Refusal, SIGNATURE, greeting, property, ready,
    said,
};

/// How long a connection may take to be accepted, and what comes over it to come.
const PATIENCE: Duration = Duration::from_secs(1);
/// The first version of ZMTP whose greeting names a mechanism.
const FIRST_WITH_MECHANISM: u8 = 3;
/// What this names itself, so that it knows its own words when they come back.
const IDENTITY: &[u8] = b"zload-look";
/// Bytes of what is no greeting that are shown.
const SHOWN: usize = 24;
/// How many endpoints of a list are looked at: each may take a second.
const LOOKED_AT: usize = 8;
/// The sockets that a DEALER can talk to.
const PARTNERS: [&str; 3] = ["ROUTER", "REP", "DEALER"];

/// What listens at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Nothing that accepts a connection.
    Nobody,
    /// It says nothing.
    Silent,
    /// It ends the connection before it has said anything.
    Closes,
    /// It says something else than a greeting.
    Foreign(Vec<u8>),
    /// It speaks ZeroMQ, and no more is known.
    Unknown,
    /// Its greeting is one, and then it says no more.
    Stuck,
    /// It wants this mechanism.
    Mechanism(String),
    /// It is a socket of this type.
    Socket(String),
    /// It refuses the connection for this reason.
    Refuses(String),
    /// It speaks this major version of ZMTP, which libzmq does, too, and zload's own engine does not.
    Old(u8),
}

impl From<Refusal> for Peer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Foreign(said) => Self::Foreign(said),
            Refusal::Version(major) => Self::Old(major),
            Refusal::Mechanism(of) => Self::Mechanism(text::bytes(&of)),
            Refusal::Socket(of) => Self::Socket(text::bytes(&of)),
            Refusal::Refuses(why) => Self::Refuses(text::bytes(&why)),
            Refusal::NoReady => Self::Stuck,
        }
    }
}

impl Peer {
    /// Why no DEALER of zload's ever ends its handshake there, if that is sure.
    pub fn objection(&self, endpoint: &str) -> Option<String> {
        Some(match self {
            Self::Nobody | Self::Unknown | Self::Old(_) => return None,
            Self::Socket(of) if PARTNERS.contains(&of.as_str()) => return None,
            Self::Silent => format!(
                "what listens at {endpoint} does not speak ZeroMQ, or its process stands still: it accepts connections and says nothing"
            ),
            Self::Closes => format!(
                "what listens at {endpoint} does not speak ZeroMQ: it ends each connection without a word"
            ),
            Self::Foreign(bytes) => format!(
                "what listens at {endpoint} does not speak ZeroMQ: it says \"{}\"",
                text::bytes(&bytes[..bytes.len().min(SHOWN)])
            ),
            Self::Stuck => format!(
                "what listens at {endpoint} greets as ZeroMQ does and never ends the handshake"
            ),
            Self::Mechanism(of) => format!(
                "the server at {endpoint} wants the security mechanism {of}, and zload's clients have none (NULL): no handshake ends"
            ),
            Self::Socket(of) => format!(
                "the socket at {endpoint} is a {of}: zload's clients are DEALERs, which talk to ROUTER, REP and DEALER sockets"
            ),
            Self::Refuses(why) => {
                format!("the server at {endpoint} refuses the connection: {why}")
            }
        })
    }

    /// Why a client of zload's own engine did not end its handshake there, as far as that is known.
    pub fn objection_to_zmtp(&self, endpoint: &str) -> Option<String> {
        match self {
            Self::Old(major) => Some(format!(
                "the server at {endpoint} speaks ZMTP {}, and clients.engine = \"zmtp\" speaks 3.1: set clients.engine = \"libzmq\"",
                if *major == 0 { "1.0" } else { "2.0" }
            )),
            // The look takes the handshake in steps, as libzmq does.
            Self::Socket(of) if PARTNERS.contains(&of.as_str()) => Some(
                "it shakes hands in steps only, and clients.engine = \"zmtp\" says all at once: set clients.engine = \"libzmq\"".to_owned(),
            ),
            other => other.objection(endpoint),
        }
    }

    /// Whether no client of zload's own engine ever ends its handshake there, unless another server takes the place of this one.
    pub fn refuses_zmtp(&self) -> bool {
        match self {
            Self::Old(_) | Self::Mechanism(_) | Self::Refuses(_) => true,
            Self::Socket(of) => !PARTNERS.contains(&of.as_str()),
            _ => false,
        }
    }
}

/// What is in the way of clients at these endpoints, as far as a look says: of zload's own engine, or of libzmq.
pub fn objection(endpoints: &Endpoints, engine: ClientEngine) -> Option<String> {
    let of = |peer: &Peer, endpoint: &str| match engine {
        ClientEngine::Zmtp => peer.objection_to_zmtp(endpoint),
        ClientEngine::Libzmq => peer.objection(endpoint),
    };
    if let Some(only) = endpoints.only() {
        return of(&look(only), only);
    }
    endpoints.all().iter().take(LOOKED_AT).find_map(|endpoint| match look(endpoint) {
        Peer::Nobody => Some(format!("nothing listens at {endpoint}")),
        // Others of the list may have come through there.
        peer @ Peer::Socket(_) => peer.objection(endpoint),
        peer => of(&peer, endpoint),
    })
}

/// Looks at what listens at an endpoint, which has no name of a host in it that takes long to resolve.
pub fn look(endpoint: &str) -> Peer {
    if let Some(address) = endpoint.strip_prefix("tcp://") {
        // libzmq takes an address to come from before a semicolon.
        let address = address.rsplit_once(';').map_or(address, |(_, peer)| peer);
        let addresses = address.to_socket_addrs().into_iter().flatten();
        let mut outcomes = addresses.map(|to| TcpStream::connect_timeout(&to, PATIENCE));
        let is_reset = |error: &Error| error.kind() == ErrorKind::ConnectionReset;
        let found = outcomes.find(|outcome| outcome.as_ref().err().is_none_or(is_reset));
        let stream = match found {
            None => return Peer::Nobody,
            // It was accepted, and reset before it could be looked at.
            Some(Err(_)) => return Peer::Closes,
            Some(Ok(stream)) => stream,
        };
        let limited = stream.set_read_timeout(Some(PATIENCE / 10)).is_ok()
            && stream.set_write_timeout(Some(PATIENCE)).is_ok();
        return if limited { Talk::new(stream).peer() } else { Peer::Unknown };
    }
    let Some(stream) = endpoint.strip_prefix("ipc://").and_then(ipc::connect) else {
        return Peer::Nobody;
    };
    let limited = UnixStream::set_read_timeout(&stream, Some(PATIENCE / 10)).is_ok()
        && UnixStream::set_write_timeout(&stream, Some(PATIENCE)).is_ok();
    if limited { Talk::new(stream).peer() } else { Peer::Unknown }
}

/// What is said over a connection.
struct Talk<S> {
    stream: S,
    clock: Clock,
    heard: Vec<u8>,
    /// No more comes.
    ended: bool,
}

impl<S: Read + Write> Talk<S> {
    fn new(stream: S) -> Self {
        Self { stream, clock: Clock::start(), heard: Vec::new(), ended: false }
    }

    fn peer(mut self) -> Peer {
        // What a peer does that closes at once is read below. One that wants another mechanism closes when it has heard this one, which
        // takes its own away: so it is asked for first, and the rest said if it waits for that.
        let greeting = greeting();
        let (begin, rest) = greeting.split_at(MECHANISM.start);
        let _closed = self.stream.write_all(begin);
        self.hear(GREETING, limit_ns() / 2);
        let waits = self.heard.len() < GREETING;
        if waits {
            let _closed = self.stream.write_all(rest);
            self.hear(GREETING, limit_ns());
        }
        let signed = self.heard.first() == Some(&0xff)
            && self.heard.get(SIGNATURE - 1).is_none_or(|byte| *byte == 0x7f);
        match (self.heard.len(), self.ended) {
            (0, false) => return Peer::Silent,
            (0, true) => return Peer::Closes,
            _ if !signed => return Peer::Foreign(self.heard),
            _ => {}
        }
        let version = self.heard.get(SIGNATURE).copied().unwrap_or(0);
        if self.heard.len() < GREETING {
            let is_old = self.heard.len() > SIGNATURE && version < FIRST_WITH_MECHANISM;
            return if is_old { Peer::Old(version) } else { Peer::Stuck };
        }
        let mechanism = self.heard[MECHANISM].split(|byte| *byte == 0).next().unwrap_or_default();
        if mechanism != b"NULL" {
            return Peer::Mechanism(text::bytes(mechanism));
        }
        if !waits {
            let _closed = self.stream.write_all(rest);
        }
        self.socket_type()
    }

    /// The type of its socket, as its READY says it.
    fn socket_type(mut self) -> Peer {
        let mut own = Vec::new();
        ready(IDENTITY, &mut own);
        let _closed = self.stream.write_all(&own);
        self.hear(GREETING + 2, limit_ns());
        let Some(&[flags, length]) = self.heard.get(GREETING..GREETING + 2) else {
            return Peer::Stuck;
        };
        if flags & !LONG != COMMAND {
            return Peer::Unknown;
        }
        let (start, length) = if flags & LONG == 0 {
            (GREETING + 2, usize::from(length))
        } else {
            self.hear(GREETING + 9, limit_ns());
            let length = self.heard.get(GREETING + 1..GREETING + 9).and_then(<[u8]>::first_chunk);
            let Some(length) = length.map(|length: &[u8; 8]| u64::from_be_bytes(*length)) else {
                return Peer::Stuck;
            };
            (GREETING + 9, usize::try_from(length).unwrap_or(usize::MAX))
        };
        if length > READY_LIMIT {
            return Peer::Unknown;
        }
        self.hear(start + length, limit_ns());
        let Some(command) = self.heard.get(start..start + length) else { return Peer::Stuck };
        if self.heard.get(GREETING..) == Some(&own[..]) {
            return Peer::Foreign(b"what it was sent".to_vec());
        }
        match said(command) {
            Some((b"READY", rest)) => property(rest, b"Socket-Type")
                .map_or(Peer::Unknown, |of| Peer::Socket(text::bytes(of))),
            // A reason is a short text.
            Some((b"ERROR", [_length, why @ ..])) => Peer::Refuses(text::bytes(why)),
            _ => Peer::Unknown,
        }
    }

    /// Waits until this many bytes have been heard in all, if they come in time.
    fn hear(&mut self, bytes: usize, limit_ns: u64) {
        let mut buffer = [0; 512];
        while self.heard.len() < bytes && !self.ended && self.clock.now_ns() < limit_ns {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(read) => self.heard.extend_from_slice(&buffer[..read]),
                Err(error) => {
                    let waits =
                        [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted];
                    self.ended = !waits.contains(&error.kind());
                }
            }
        }
    }
}

fn limit_ns() -> u64 {
    u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What a look at a peer finds that says this, and then ends the connection or not.
    fn of_bytes(said: &[u8], ends: bool) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        let said = said.to_vec();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&said).unwrap();
            if ends {
                stream.shutdown(std::net::Shutdown::Write).unwrap();
            }
            // Until the look is over.
            let _all = stream.read_to_end(&mut Vec::new());
        });
        let found = look(&endpoint);
        peer.join().unwrap();
        found
    }

    #[test]
    fn sockets_say_what_they_are() {
        let context = zmq::Context::new();
        for (kind, name) in
            [(zmq::ROUTER, "ROUTER"), (zmq::REP, "REP"), (zmq::PUB, "PUB"), (zmq::DEALER, "DEALER")]
        {
            let socket = context.socket(kind).unwrap();
            socket.bind("tcp://127.0.0.1:*").unwrap();
            let endpoint = socket.get_last_endpoint().unwrap().unwrap();
            let peer = look(&endpoint);
            assert_eq!(peer, Peer::Socket(name.to_owned()));
            assert_eq!(peer.objection(&endpoint).is_some(), name == "PUB");
        }
        let plain = context.socket(zmq::ROUTER).unwrap();
        plain.set_plain_server(true).unwrap();
        plain.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = plain.get_last_endpoint().unwrap().unwrap();
        assert_eq!(look(&endpoint), Peer::Mechanism("PLAIN".to_owned()));
        drop(plain);
        let folder = tempfile::tempdir().unwrap();
        let path = format!("ipc://{}", folder.path().join("socket").display());
        assert_eq!(look(&path), Peer::Nobody);
        let router = context.socket(zmq::ROUTER).unwrap();
        router.bind(&path).unwrap();
        assert_eq!(look(&path), Peer::Socket("ROUTER".to_owned()));
    }

    #[test]
    fn what_is_no_socket_of_zeromq_is_told_apart() {
        assert_eq!(of_bytes(b"", true), Peer::Closes);
        assert_eq!(of_bytes(b"", false), Peer::Silent);
        let http = b"HTTP/1.1 400 Bad Request\r\n";
        assert_eq!(of_bytes(http, true), Peer::Foreign(http.to_vec()));
        let said = Peer::Foreign(http.to_vec()).objection("tcp://h:1").unwrap();
        assert!(
            said.contains("does not speak ZeroMQ: it says \"HTTP/1.1 400 Bad Request"),
            "{said}"
        );
        assert_eq!(of_bytes(&greeting(), false), Peer::Stuck);
        assert_eq!(of_bytes(&greeting()[..SIGNATURE], false), Peer::Stuck);
        let mut echo = greeting().to_vec();
        ready(IDENTITY, &mut echo);
        assert_eq!(of_bytes(&echo, false), Peer::Foreign(b"what it was sent".to_vec()));
        let refusal = [&greeting()[..], b"\x04\x0a\x05ERROR\x03400"].concat();
        assert_eq!(of_bytes(&refusal, true), Peer::Refuses("400".to_owned()));
        let mut curve = greeting();
        curve[MECHANISM.start..MECHANISM.start + 5].copy_from_slice(b"CURVE");
        assert_eq!(of_bytes(&curve, false), Peer::Mechanism("CURVE".to_owned()));
        assert_eq!(of_bytes(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05", false), Peer::Old(1), "2.0");
    }
}
