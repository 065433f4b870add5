//! Clients of zload's own engine against libzmq, and against peers that break the protocol.

mod arrivals;

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::net::sockopt::set_socket_linger;

use super::*;
use crate::client::Settings;
use crate::client::state::Client;
use crate::wire::routes::Routes;
use zload_core::message::{Forms, Frames as _};
use zload_core::plan::{Plan, Share};
use zload_core::scenario::Scenario;
use zload_core::zmtp::{GREETING, encode_command, greeting};

/// A wait that is over long before this many looks.
const LOOKS: usize = 400;

/// Clients and what they are made of.
struct Side {
    world: ZmtpWorld,
    settings: Settings,
    clients: Vec<Client>,
    counters: Arc<DriverCounters>,
}

impl Side {
    /// This many clients of `endpoint`, not connected.
    fn new(endpoint: &str, clients: u32, rest: &str) -> Self {
        let text = format!("load.rate = '1/s'\nclients.count = {clients}\n{rest}");
        let scenario = Scenario::parse("a.toml", &text, &[]).unwrap();
        let plan = Arc::new(Plan::new(&scenario));
        let settings = Settings {
            plan: Arc::clone(&plan),
            share: Share::WHOLE,
            nonce: 1,
            keeps_seconds: false,
            forms: Arc::new(Forms::new(&scenario)),
            routes: Routes::to(endpoint),
            own_tables: false,
            engine: scenario.clients.engine,
            sockets: scenario.sockets_in_use(),
            io_threads: 1,
            drivers: 1,
            connect_timeout: scenario.clients.connect_timeout,
            stop_when: vec![],
        };
        let identities = plan.identities(settings.nonce);
        let clients: Vec<Client> = (0..clients)
            .map(|number| Client::new(number, identities.of(number), 7, &plan))
            .collect();
        let counters = Arc::new(DriverCounters::default());
        let stop = Arc::new(Stop::new().unwrap());
        let world = ZmtpWorld::new(&settings, &clients, &stop, &counters).unwrap();
        Self { world, settings, clients, counters }
    }

    fn connect(&mut self) -> Result<bool, crate::Error> {
        self.world.connect(&self.settings, &self.clients)
    }

    /// One connected client.
    fn connected(endpoint: &str, rest: &str) -> Self {
        let mut side = Self::new(endpoint, 1, rest);
        assert!(side.connect().unwrap(), "in time");
        side
    }

    /// Hands over a message; whether there was room.
    fn send(&mut self, client: u32, frames: &[&[u8]]) -> bool {
        let mut message = Message::default();
        for (place, frame) in frames.iter().enumerate() {
            *message.place(place) = frame.to_vec();
        }
        message.set_count(frames.len());
        self.world.send(client, None, &mut message).unwrap()
    }

    /// Waits for a client's next message.
    fn receive(&mut self, client: u32) -> Vec<Vec<u8>> {
        let mut message = [Message::default()];
        let mut moved = Vec::new();
        for _ in 0..LOOKS {
            let taken = self.world.take(client, &mut message).unwrap();
            assert!(self.world.flush(client).unwrap(), "its connection has ended");
            if taken.count == 1 {
                return (0..message[0].count()).map(|at| message[0].frame(at).to_vec()).collect();
            }
            self.world.wait(50_000_000, None, &mut moved).unwrap();
        }
        panic!("nothing came");
    }

    /// Looks after all connections until `done`.
    fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..LOOKS {
            if done(self) {
                return;
            }
            self.world.attend(std::time::Duration::from_millis(50)).unwrap();
        }
        panic!("it does not come about");
    }

    /// The next message that a server hears, while what is left of it is written.
    fn heard_by(&mut self, server: &zmq::Socket) -> Vec<Vec<u8>> {
        self.until(|_| server.poll(zmq::POLLIN, 0).unwrap() > 0);
        server.recv_multipart(0).unwrap()
    }

    /// Looks after a client until its connection has ended.
    fn end(&mut self, client: u32) {
        let mut heard = [Message::default()];
        self.until(|side| {
            while !side.world.take(client, &mut heard).unwrap().emptied {}
            !side.world.flush(client).unwrap()
        });
    }
}

fn router(with: impl FnOnce(&zmq::Socket) -> zmq::Result<()>) -> (zmq::Socket, String) {
    at("tcp://127.0.0.1:*", zmq::ROUTER, with)
}

fn at(
    endpoint: &str,
    kind: zmq::SocketType,
    with: impl FnOnce(&zmq::Socket) -> zmq::Result<()>,
) -> (zmq::Socket, String) {
    let socket = zmq::Context::new().socket(kind).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_rcvtimeo(20_000).unwrap();
    with(&socket).unwrap();
    socket.bind(endpoint).unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    (socket, endpoint)
}

#[test]
fn messages_of_every_shape_go_to_libzmq_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let ipc = format!("ipc://{}", folder.path().join("socket").display());
    for endpoint in ["tcp://127.0.0.1:*", &ipc] {
        let (router, endpoint) = at(endpoint, zmq::ROUTER, |_| Ok(()));
        let mut side = Side::connected(&endpoint, "load.payload = '1MiB'");
        for sizes in
            [&[64][..], &[0], &[255], &[256], &[70_000], &[1 << 20], &[0, 300, 0, 1, 200_000]]
        {
            let frames: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'x'; *size]).collect();
            let sent: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            assert!(side.send(0, &sent), "{sizes:?}");
            assert!(side.world.flush(0).unwrap());
            let message = side.heard_by(&router);
            router.send_multipart(&message, 0).unwrap();
            assert_eq!(side.receive(0), frames, "{sizes:?} {endpoint}");
            assert_eq!(message[0], side.clients[0].identity.as_bytes());
            assert_eq!(message[1..], frames, "{sizes:?} {endpoint}");
        }
    }
}

#[test]
fn many_messages_of_one_turn_are_read_in_order_whatever_the_turns_of_others() {
    let (router, endpoint) = router(|socket| socket.set_sndhwm(0));
    let mut side = Side::new(&endpoint, 3, "");
    assert!(side.connect().unwrap());
    // Two inboxes of one client hold less than came, so the rest waits while the others have their turns.
    let mut expected: Vec<VecDeque<String>> = vec![VecDeque::new(); 3];
    for client in 0..3 {
        for number in 0..2000 {
            let body = format!("{client} {number} {}", "x".repeat(number % 300));
            assert!(side.send(client, &[body.as_bytes()]));
            expected[client as usize].push_back(body);
        }
        assert!(side.world.flush(client).unwrap());
    }
    let echo = std::thread::spawn(move || {
        for _ in 0..6000 {
            let message = router.recv_multipart(0).unwrap();
            router.send_multipart(&message, 0).unwrap();
        }
        router
    });
    let mut inbox: [Message<Vec<u8>>; 7] = std::array::from_fn(|_| Message::default());
    let mut moved = Vec::new();
    for _ in 0..LOOKS {
        let mut any = true;
        while std::mem::take(&mut any) {
            for client in 0..3 {
                let taken = side.world.take(client, &mut inbox).unwrap();
                assert!(side.world.flush(client).unwrap());
                any |= taken.count > 0;
                for message in &inbox[..taken.count] {
                    let body = expected[client as usize].pop_front().unwrap();
                    assert!(message.frame(0) == body.as_bytes(), "{body}");
                }
            }
        }
        if expected.iter().all(VecDeque::is_empty) {
            drop(echo.join().unwrap());
            return;
        }
        side.world.wait(50_000_000, None, &mut moved).unwrap();
    }
    panic!("not all came: {:?}", expected.iter().map(VecDeque::len).collect::<Vec<_>>());
}

#[test]
fn a_server_that_speaks_first_and_asks_for_heartbeats_is_answered() {
    let (router, endpoint) = router(|socket| {
        socket.set_probe_router(true)?;
        socket.set_heartbeat_ivl(20)?;
        socket.set_heartbeat_timeout(60)
    });
    let mut side = Side::connected(&endpoint, "sockets.heartbeat_ivl = '20ms'");
    // Many times longer than a server waits that gets no answer.
    side.until(|side| side.world.times.beat > 15);
    assert!(side.send(0, &[b"question"]) && side.world.flush(0).unwrap(), "it is still there");
    let message = router.recv_multipart(0).unwrap();
    router.send_multipart([&message[0][..], b"answer"], 0).unwrap();
    assert_eq!(side.receive(0), [b"answer"], "what came before the question is none");
    assert_eq!(side.counters.closed.get() + side.counters.silent.get(), 0);
}

#[test]
fn a_full_server_closes_its_window_and_nothing_is_lost_or_sent_twice() {
    let (router, endpoint) = router(|socket| {
        socket.set_rcvhwm(1)?;
        socket.set_rcvbuf(4096)
    });
    let mut side = Side::connected(&endpoint, "sockets.sndbuf = '8KiB'");
    let body = |number: u32| [&number.to_be_bytes()[..], &[0; 996]].concat();
    let mut sent = 0;
    while side.send(0, &[&body(sent)]) {
        assert!(side.world.flush(0).unwrap());
        sent += 1;
        assert!(sent < 100_000, "nothing is held back");
    }
    let possible = side.world.possible(0).unwrap();
    assert!(!possible.send && !possible.receive, "{possible:?}");
    for number in 0..sent {
        assert_eq!(side.heard_by(&router)[1], body(number), "{number}");
    }
    side.until(|side| side.world.possible(0).unwrap().send);
    assert!(side.send(0, &[b"last"]) && side.world.flush(0).unwrap());
    assert_eq!(router.recv_multipart(0).unwrap()[1], b"last");
}

#[test]
fn the_second_of_one_identity_is_not_heard() {
    let (router, endpoint) = router(|_| Ok(()));
    let mut first = Side::connected(&endpoint, "");
    // ROUTER knows an identity from the handshake on that it has processed, which is before it hands out a message.
    assert!(first.send(0, &[b"1"]) && first.world.flush(0).unwrap());
    assert_eq!(router.recv_multipart(0).unwrap()[1], b"1");
    let mut second = Side::connected(&endpoint, "");
    assert!(second.send(0, &[b"2"]) && second.world.flush(0).unwrap(), "it looks well");
    assert!(first.send(0, &[b"3"]) && first.world.flush(0).unwrap());
    assert_eq!(router.recv_multipart(0).unwrap()[1], b"3");
    assert!(second.world.renew(0, "another").is_ok());
    second.until(|side| side.world.up == 1);
    assert!(second.send(0, &[b"4"]) && second.world.flush(0).unwrap());
    let message = router.recv_multipart(0).unwrap();
    assert_eq!(message, [&b"another"[..], b"4"], "under another identity it is heard");
}

#[test]
fn a_connection_that_ends_is_told_once_and_made_again_when_asked_for() {
    let (router, endpoint) = router(|socket| socket.set_maxmsgsize(500));
    let mut side = Side::connected(&endpoint, "sockets.reconnect_ivl = '1ms'");
    assert!(side.send(0, &[&[0; 501]]) && side.world.flush(0).unwrap());
    side.end(0);
    assert_eq!(side.counters.closed.get() + side.counters.reset.get(), 1);
    assert!(!side.send(0, &[b"x"]), "nowhere to");
    side.world.renew(0, "anew").unwrap();
    assert!(side.world.flush(0).unwrap(), "told once");
    side.until(|side| side.world.up == 1);
    assert_eq!(side.counters.made.get(), 1);
    assert!(side.send(0, &[b"x"]) && side.world.flush(0).unwrap());
    assert_eq!(router.recv_multipart(0).unwrap(), [&b"anew"[..], b"x"]);
}

#[test]
fn more_clients_connect_than_a_server_has_room_for_in_its_queue() {
    let (router, endpoint) = router(|socket| socket.set_backlog(100));
    let mut side = Side::new(&endpoint, 400, "");
    assert!(side.connect().unwrap());
    assert_eq!(side.counters.connected.get(), 400);
    for client in 0..400 {
        assert!(side.send(client, &[b"x"]) && side.world.flush(client).unwrap());
    }
    let heard: std::collections::BTreeSet<_> =
        (0..400).map(|_| router.recv_multipart(0).unwrap().remove(0)).collect();
    assert_eq!(heard.len(), 400, "each by its identity");
}

#[test]
fn who_is_no_server_for_a_client_is_named() {
    let (_publisher, publisher) = at("tcp://127.0.0.1:*", zmq::PUB, |_| Ok(()));
    let curve = raw(|mut stream| {
        let mut words = greeting();
        words[12..17].copy_from_slice(b"CURVE");
        stream.write_all(&words).unwrap();
        Some(stream)
    });
    let old = raw(|mut stream| {
        stream.write_all(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05").unwrap();
        Some(stream)
    });
    let web = raw(|mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
        Some(stream)
    });
    for (endpoint, why) in [
        (publisher, "is a PUB"),
        (curve, "wants the security mechanism CURVE"),
        (old, "speaks ZMTP 2.0"),
        (web, "does not speak ZeroMQ: it says \"HTTP/1.1"),
    ] {
        let timeout = "clients.connect_timeout = '300ms'";
        // A peer that closes before it has said what it is takes its words away: then only a closer look can tell.
        match Side::new(&endpoint, 2, timeout).connect() {
            Err(error) => assert!(error.to_string().contains(why), "{error}"),
            Ok(connected) => assert!(!connected && why == "is a PUB", "{why}"),
        }
    }
}

/// A server that does this with each connection, one after the other, and keeps what it gives.
fn raw(serve: impl Fn(TcpStream) -> Option<TcpStream> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        // Until the tests are over.
        listener.incoming().map(|stream| serve(stream.unwrap())).collect::<Vec<_>>()
    });
    endpoint
}

/// Shakes hands as a ROUTER would.
fn shake(stream: &mut TcpStream) {
    let mut words = greeting().to_vec();
    encode_command(b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER", &mut words);
    stream.write_all(&words).unwrap();
    let mut head = [0; GREETING + 2];
    stream.read_exact(&mut head).unwrap();
    stream.read_exact(&mut vec![0; usize::from(head[GREETING + 1])]).unwrap();
}

/// Ends a connection without its usual end.
fn reset(stream: TcpStream) -> Option<TcpStream> {
    set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
    None
}

/// A client that has asked a peer that shakes hands, hears the question and then does this.
fn asked(then: impl Fn(TcpStream) -> Option<TcpStream> + Send + 'static) -> Side {
    let endpoint = raw(move |mut stream| {
        shake(&mut stream);
        stream.read_exact(&mut [0; 4]).unwrap();
        then(stream)
    });
    let mut side = Side::connected(&endpoint, "sockets.maxmsgsize = '1KiB'");
    assert!(side.send(0, &[b"ab"]) && side.world.flush(0).unwrap());
    side
}

#[test]
fn bytes_that_come_one_by_one_are_a_message_and_unknown_commands_are_none() {
    let mut side = asked(|mut stream| {
        let mut words = Vec::new();
        encode_command(b"\x07UNKNOWN", &mut words);
        encode(MORE, b"", &mut words);
        encode_command(b"\x04PING\0\0context", &mut words);
        encode(0, &[7; 300], &mut words);
        stream.set_nodelay(true).unwrap();
        for byte in words {
            stream.write_all(&[byte]).unwrap();
        }
        let mut pong = [0; 14];
        stream.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"\x04\x0c\x04PONGcontext");
        stream.write_all(b"\0\x04pong").unwrap();
        Some(stream)
    });
    assert_eq!(side.receive(0), [&[][..], &[7; 300]]);
    assert_eq!(side.receive(0), [b"pong"]);
}

#[test]
fn whatever_a_peer_breaks_costs_its_connection_and_nothing_else() {
    /// The count of one reason.
    type Count = fn(&DriverCounters) -> u64;
    let cases: [(&'static [u8], Count); 5] = [
        // A frame of 2^62 bytes, one a byte too long, half a frame, half a message, half a head.
        (b"\x02\x40\0\0\0\0\0\0\0", |of| of.too_long.get()),
        (b"\x02\0\0\0\0\0\0\x04\x01", |of| of.too_long.get()),
        (b"\0\x05abc", |of| of.closed.get()),
        (b"\x01\x01a", |of| of.closed.get()),
        (b"\x02\0\0", |of| of.closed.get()),
    ];
    for (words, count) in cases {
        let mut side = asked(move |mut stream| {
            stream.write_all(words).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            Some(stream)
        });
        side.end(0);
        assert_eq!(count(&side.counters), 1, "{words:?}");
        let line = &side.world.lines[0];
        assert!(line.partial.is_none() && line.stash.capacity() + line.unsent.capacity() == 0);
    }
    // A reply that came before the end is heard.
    let mut side = asked(|mut stream| {
        stream.write_all(b"\0\x01a").unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        Some(stream)
    });
    assert_eq!(side.receive(0), [b"a"]);
    side.end(0);
    let mut side = asked(reset);
    side.end(0);
    assert_eq!(side.counters.reset.get(), 1);
}

#[test]
fn a_frame_that_is_announced_takes_no_memory_before_it_comes() {
    let endpoint = raw(|mut stream| {
        shake(&mut stream);
        stream.read_exact(&mut [0; 4]).unwrap();
        // 60 MiB are announced, and 100 bytes of them come.
        stream.write_all(b"\x02\0\0\0\0\x03\xc0\0\0").unwrap();
        stream.write_all(&[0; 100]).unwrap();
        Some(stream)
    });
    let mut side = Side::connected(&endpoint, "sockets.maxmsgsize = '64MiB'");
    assert!(side.send(0, &[b"ab"]) && side.world.flush(0).unwrap());
    side.until(|side| side.world.lines[0].partial.is_some());
    let partial = side.world.lines[0].partial.as_mut().unwrap();
    assert!(partial.message.place(0).capacity() < 1 << 16);
}

#[test]
fn connections_that_are_reset_in_the_handshake_are_tried_again() {
    let times = AtomicU32::new(0);
    let endpoint = raw(move |mut stream| match times.fetch_add(1, Ordering::Relaxed) {
        0 => reset(stream),
        1 => {
            stream.write_all(&greeting()[..20]).unwrap();
            reset(stream)
        }
        2 => None,
        _ => {
            shake(&mut stream);
            Some(stream)
        }
    });
    let mut side = Side::new(&endpoint, 1, "sockets.reconnect_ivl = '1ms'");
    assert!(side.connect().unwrap(), "in the end it is well");
}

#[test]
fn who_says_nothing_any_more_is_given_up() {
    let endpoint = raw(|mut stream| {
        shake(&mut stream);
        Some(stream)
    });
    let mut side = Side::connected(&endpoint, "sockets.heartbeat_ivl = '5ms'");
    side.end(0);
    assert_eq!(side.counters.silent.get(), 1);
}
