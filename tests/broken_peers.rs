//! Servers that break the protocol in every way, under whole runs of both engines: no run ends for it, each request has its
//! place in the ledger, the reason is named, and memory stays what it was.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::sockopt::{
    set_socket_linger, set_socket_recv_buffer_size, set_socket_send_buffer_size,
};

use crate::support::{ENGINES, Zload, ledger, number};

/// Requests of a client's first connection that are heard, and those of each that are answered, before anything is broken.
const HEARD: usize = 4;
const ANSWERED: usize = 2;
/// Requests of a run with each engine, whose end they are, however slow the machine is. A socket of libzmq never connects
/// again after a breach of the protocol: so all of its requests are heard before that.
const REQUESTS: [u64; 2] = [12, 24];
/// What no run of three clients comes near to, in bytes.
const MUCH_MEMORY: u64 = 400 << 20;
/// Bodies are so short that their frames have a head of two bytes.
const RUN: &str = "load = { model = 'closed', in_flight = 4, payload = { uniform = ['24B', '200B'] } }\n\
                   sockets.reconnect_ivl = '1ms'\nrun = { warmup = '0s', drain = '2s' }";

/// A server's end of a connection.
struct Peer {
    stream: TcpStream,
    /// Requests that were answered, of all connections.
    answered: Arc<AtomicU64>,
}

impl Peer {
    /// Shakes hands as a ROUTER does.
    fn shake(&mut self) -> Option<()> {
        self.stream.set_nodelay(true).ok()?;
        self.say(&greeting())?;
        self.stream.read_exact(&mut [0; 64]).ok()?;
        self.say(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER")?;
        self.request().map(drop)
    }

    fn say(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).ok()
    }

    /// The next frame, head and body.
    fn request(&mut self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 2];
        self.stream.read_exact(&mut frame).ok()?;
        frame.resize(2 + usize::from(frame[1]), 0);
        self.stream.read_exact(&mut frame[2..]).ok()?;
        Some(frame)
    }

    fn answer(&mut self, frame: &[u8]) -> Option<()> {
        self.say(frame)?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        Some(())
    }

    /// Answers these requests and all that come, in pieces of this many bytes.
    fn answer_all(&mut self, heard: Vec<Vec<u8>>, piece: usize) -> Option<()> {
        let mut heard = heard.into_iter();
        loop {
            let frame = heard.next().or_else(|| self.request())?;
            let (last, before) = frame.split_last().expect("a frame has a head");
            before.chunks(piece).try_for_each(|bytes| self.say(bytes))?;
            self.answer(&[*last])?;
        }
    }

    /// Takes all that still comes, until the client ends the connection.
    fn hear_out(mut self) -> Option<()> {
        self.stream.read_to_end(&mut Vec::new()).ok().map(drop)
    }

    fn reset(self) -> Option<()> {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).ok()
    }
}

fn greeting() -> Vec<u8> {
    let mut greeting = vec![0; 64];
    greeting[..12].copy_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// Bytes without a meaning, the same in each run.
fn garbage() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    (0..8_000).flat_map(|_| next()).collect()
}

/// A server that does this with each connection, which has this number from 0; and how many requests it has answered.
fn server(
    serve: impl Fn(u64, Peer) -> Option<()> + Send + Sync + 'static,
) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("an address"));
    let (serve, answered) = (Arc::new(serve), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&answered);
    std::thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming().map_while(Result::ok)) {
            let (serve, answered) = (Arc::clone(&serve), Arc::clone(&counted));
            std::thread::spawn(move || serve(number, Peer { stream, answered }));
        }
    });
    (endpoint, answered)
}

fn against(endpoint: &str, engine: usize, requests: u64) -> Zload {
    let text = format!("proxy = {{ engine = 'external', frontend = '{endpoint}' }}\n{RUN}");
    Zload::run(&text).engine(ENGINES[engine]).args(&["--requests", &requests.to_string()])
}

/// What a server does with a connection of which some requests are answered and these are heard.
type Breaks = fn(Peer, Vec<Vec<u8>>) -> Option<()>;

/// A way to break a connection.
struct Case {
    name: &'static str,
    breaks: Breaks,
    /// What the report says of it, with each engine.
    said: [&'static str; 2],
    /// What becomes of requests.
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// All are answered.
    Answered,
    /// What is answered is heard, and the rest lost.
    Lost,
    /// Some answers may be lost with their connection.
    LostWithAnswers,
}

const fn case(name: &'static str, fate: Fate, said: [&'static str; 2], breaks: Breaks) -> Case {
    Case { name, breaks, said, fate }
}

/// libzmq does not say why its connections end.
const ENDED: &str = "connections ended during the run";
const CLOSED: &str = "closed by the server";
const TOO_LONG: &str = "by zload, for a frame longer than sockets.maxmsgsize";
const TIMEOUT: &str = "did not come within 1s of their requests (load.timeout)";

const CASES: [Case; 9] = [
    case("garbage", Fate::Lost, [ENDED, TOO_LONG], |mut peer, _| {
        peer.say(&garbage())?;
        peer.hear_out()
    }),
    case("a frame of 2^62 bytes", Fate::Lost, [ENDED, TOO_LONG], |mut peer, _| {
        peer.say(b"\x02\x40\0\0\0\0\0\0\0.")?;
        peer.hear_out()
    }),
    case("half a frame", Fate::Lost, [TIMEOUT, TIMEOUT], |mut peer, _| {
        peer.say(b"\0\x64half")?;
        peer.hear_out()
    }),
    case("half a multipart, and the end", Fate::Lost, [ENDED, CLOSED], |mut peer, heard| {
        peer.say(&[b"\x01", &heard[0][1..], b"\x01\0"].concat())?;
        peer.stream.shutdown(Shutdown::Write).ok()?;
        peer.hear_out()
    }),
    case("the end of one side", Fate::Lost, [ENDED, CLOSED], |peer, _| {
        peer.stream.shutdown(Shutdown::Write).ok()?;
        peer.hear_out()
    }),
    case("a reset", Fate::LostWithAnswers, [ENDED, "reset"], |peer, _| peer.reset()),
    case(
        "a request that is too large",
        Fate::LostWithAnswers,
        [ENDED, "brings a message larger than it accepts (ZMQ_MAXMSGSIZE)"],
        |mut peer, heard| {
            let mut heard = heard.into_iter();
            loop {
                let frame = heard.next().or_else(|| peer.request())?;
                if frame.len() > 100 {
                    return None;
                }
                peer.answer(&frame)?;
            }
        },
    ),
    case(
        "65,536 frames",
        Fate::Answered,
        ["3 messages answer no request"; 2],
        |mut peer, frame| {
            peer.say(&[&b"\x01\0".repeat(65_535)[..], b"\0\0"].concat())?;
            peer.answer_all(frame, usize::MAX)
        },
    ),
    case("one byte at a time", Fate::Answered, ["", ""], |mut peer, heard| {
        peer.answer_all(heard, 1)
    }),
];

/// Runs against a server that breaks all its connections in this way.
fn play(case: &Case, engine: usize, requests: u64) {
    let Case { breaks, said, fate, .. } = *case;
    let (endpoint, answered) = server(move |number, mut peer| {
        peer.shake()?;
        // Of a client's further connections nobody knows how many requests come.
        let first = if number < 3 { HEARD } else { 0 };
        let mut heard: VecDeque<_> = (0..first).map(|_| peer.request()).collect::<Option<_>>()?;
        for _ in 0..ANSWERED {
            let frame = heard.pop_front().or_else(|| peer.request())?;
            peer.answer(&frame)?;
        }
        if heard.is_empty() {
            heard.push_back(peer.request()?);
        }
        breaks(peer, heard.into())
    });
    let mut run = against(&endpoint, engine, requests);
    if fate != Fate::Answered {
        run = run.args(&["--set", "load.timeout=1s"]);
    }
    let result = run.result(0);
    let report = format!("{} {}", result["notes"], result["verdict"]["checks"]);
    assert!(report.contains(said[engine]), "no {:?} in {report}", said[engine]);
    let ledger = ledger(&result);
    let of = |field: &str| ledger[field].as_u64().expect("a count");
    assert_eq!(of("requests_sent"), requests);
    // On a busy machine an answer may be late.
    let unanswered = of("requests_lost") - of("replies_late");
    assert_eq!(unanswered == 0, fate == Fate::Answered, "{ledger}");
    // libzmq may drop what came before a connection's end.
    if fate != Fate::LostWithAnswers && ENGINES[engine] == "zmtp" {
        let heard = of("requests_answered") + of("replies_late");
        assert_eq!(heard, answered.load(Ordering::Relaxed), "{ledger}");
    }
    let resident = number(&result, "process.resident_bytes");
    assert!(resident < MUCH_MEMORY, "{resident}");
}

#[test]
fn whatever_a_server_breaks_is_named_and_counted() {
    for cases in CASES.chunks(3) {
        std::thread::scope(|scope| {
            for (case, engine) in cases.iter().flat_map(|case| [(case, 0), (case, 1)]) {
                let name = format!("{}, {}", case.name, ENGINES[engine]);
                let named = std::thread::Builder::new().name(name);
                let play = move || play(case, engine, REQUESTS[engine]);
                named.spawn_scoped(scope, play).expect("a thread");
            }
        });
    }
}

#[test]
fn questions_without_end_of_a_server_that_reads_nothing_cost_the_requests_and_no_memory() {
    let case = case("endless PINGs", Fate::Lost, [TIMEOUT, TIMEOUT], |mut peer, _| {
        let pings = b"\x04\x07\x04PING\0\0".repeat(10_000);
        while peer.say(&pings).is_some() {}
        None
    });
    for engine in [0, 1] {
        play(&case, engine, 3 * HEARD as u64);
    }
}

#[test]
fn handshakes_that_are_broken_for_some_clients_are_made_again() {
    for engine in [0, 1] {
        let (endpoint, _) = server(|number, mut peer| match number {
            0 => peer.reset(),
            1 => {
                peer.say(&greeting()[..20])?;
                peer.reset()
            }
            2 => None,
            _ => {
                peer.shake()?;
                peer.answer_all(vec![], usize::MAX)
            }
        });
        let result = against(&endpoint, engine, REQUESTS[engine]).result(0);
        assert_eq!(ledger(&result)["requests_answered"], REQUESTS[engine], "{}", ENGINES[engine]);
        assert!(!result["notes"].to_string().contains(ENDED), "{}", result["notes"]);
    }
}

#[test]
fn handshakes_that_are_broken_for_all_end_the_run_with_the_reason() {
    type Greets = fn(Peer) -> Option<()>;
    let cases: [(Greets, &str); 4] = [
        (Peer::reset, "ends each connection without a word"),
        (
            |mut peer| {
                peer.say(&[&greeting()[..], &garbage()].concat())?;
                peer.hear_out()
            },
            "greets as ZeroMQ does and never ends the handshake",
        ),
        (
            |mut peer| {
                peer.say(&[&greeting()[..], b"\x06\x40\0\0\0\0\0\0\0READY"].concat())?;
                peer.hear_out()
            },
            "greets as ZeroMQ does and never ends the handshake",
        ),
        // It takes what comes behind the first words for part of them, as JeroMQ did before 2017.
        (
            |mut peer| {
                let heard = peer.stream.read(&mut [0; 200]).ok()?;
                peer.say(&greeting())?;
                peer.stream.read_exact(&mut vec![0; 64 - heard.min(12)]).ok()?;
                peer.say(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER")?;
                peer.hear_out()
            },
            "set clients.engine = \"libzmq\"",
        ),
    ];
    for (greets, said) in cases {
        let (endpoint, _) = server(move |_, peer| greets(peer));
        let ended =
            against(&endpoint, 1, 12).args(&["--set", "clients.connect_timeout=200ms"]).end();
        assert_eq!(ended.code, Some(2), "{said}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "no {said:?} in {}", ended.stderr);
    }
}

#[test]
fn a_server_that_reads_nothing_while_it_writes_is_read_and_so_goes_on() {
    // Neither side's buffers hold what is in flight: who writes before it reads waits for the other for ever.
    let (endpoint, _) = server(|_, mut peer| {
        set_socket_send_buffer_size(&peer.stream, 64 << 10).ok()?;
        set_socket_recv_buffer_size(&peer.stream, 64 << 10).ok()?;
        peer.shake()?;
        let mut frame = vec![0; 9 + (64 << 10)];
        loop {
            peer.stream.read_exact(&mut frame).ok()?;
            peer.say(&frame)?;
        }
    });
    let text = format!(
        "proxy = {{ engine = 'external', frontend = '{endpoint}' }}\nclients.engine = 'zmtp'\n\
         load = {{ model = 'closed', in_flight = 100, payload = '64KiB', requests = 300 }}\n\
         sockets = {{ sndbuf = '64KiB', rcvbuf = '64KiB' }}"
    );
    let result = Zload::run(&text).result(0);
    let notes = result["notes"].to_string();
    assert!(notes.contains("the server's window was closed"), "{notes}");
    assert_eq!(ledger(&result)["requests_answered"], 300);
}
