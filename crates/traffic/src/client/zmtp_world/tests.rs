//! Clients of zload's own engine against libzmq, and against peers that break the protocol.

mod arrivals;
mod broken;
mod handshakes;
mod libzmq;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

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

/// What a ROUTER says after its greeting.
fn router_ready() -> Vec<u8> {
    let mut words = Vec::new();
    encode_command(b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER", &mut words);
    words
}

/// Shakes hands as a ROUTER would.
fn shake(stream: &mut TcpStream) {
    stream.write_all(&[&greeting()[..], &router_ready()].concat()).unwrap();
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
