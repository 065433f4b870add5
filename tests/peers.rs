//! What listens where clients connect and is no server for them: each says so by itself, and zload says which it is.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::{ENGINES, Zload};

/// A TCP server that says this to each client, and listens until the client goes.
fn tcp(word: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let _gone = stream.write_all(word);
                let _gone = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    format!("tcp://{address}")
}

/// The greeting of libzmq's ROUTER with `ZMQ_CURVE_SERVER`, which the libzmq that is built in here lacks.
const CURVE_SERVER: &[u8; 64] =
    b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// A socket of ZeroMQ, made ready by `with`.
fn socket(
    context: &zmq::Context,
    kind: zmq::SocketType,
    with: impl FnOnce(&zmq::Socket) -> zmq::Result<()>,
) -> (zmq::Socket, String) {
    let socket = context.socket(kind).expect("a socket");
    socket.set_linger(0).expect("linger");
    with(&socket).expect("an option");
    socket.bind("tcp://127.0.0.1:*").expect("a port");
    let endpoint = socket.get_last_endpoint().expect("bound").expect("UTF-8");
    (socket, endpoint)
}

#[test]
fn where_no_handshake_ends_probe_and_run_say_why() {
    let context = zmq::Context::new();
    let (_plain, plain) = socket(&context, zmq::ROUTER, |socket| socket.set_plain_server(true));
    let (_publisher, publisher) = socket(&context, zmq::PUB, |_| Ok(()));
    for (endpoint, said) in [
        (plain, "wants the security mechanism PLAIN"),
        (tcp(CURVE_SERVER), "wants the security mechanism CURVE"),
        (publisher, "is a PUB: zload's clients are DEALERs"),
        (tcp(b""), "does not speak ZeroMQ, or its process stands still"),
        (tcp(b"SSH-2.0-OpenSSH_9.6\r\n"), "does not speak ZeroMQ: it says \"SSH-2.0-OpenSSH_9.6"),
    ] {
        let probed = Zload::new(&["probe", &endpoint]).end();
        assert_eq!(probed.code, Some(2), "{}", probed.stdout);
        assert!(probed.stderr.contains(said), "{said}: {}", probed.stderr);
        for engine in ENGINES {
            let text = format!(
                "proxy = {{ engine = 'external', frontend = '{endpoint}' }}\nload.rate = '10/s'\n\
                 clients = {{ connect_timeout = '100ms', engine = '{engine}' }}\nrun = {{ duration = '200ms', drain = '100ms' }}"
            );
            let ran = Zload::with_scenario("run", &text).args(&["--format", "json"]).end();
            // To libzmq any first byte but one is the greeting of a peer of ZMTP 1.0, which then never answers.
            let connected = ran.code == Some(3);
            assert!(!connected || engine == "libzmq", "{}", ran.stdout);
            let text = if connected { ran.stdout.replace("\\\"", "\"") } else { ran.stderr };
            assert!(text.contains(said), "{engine}: {said}: {text}");
        }
    }
}

#[test]
fn a_server_that_ends_connections_for_the_size_of_requests_is_told_from_one_that_is_silent() {
    let context = zmq::Context::new();
    // Room for the handshake, and for no body of 64 bytes.
    let (_strict, strict) = socket(&context, zmq::ROUTER, |socket| socket.set_maxmsgsize(60));
    let (_silent, silent) = socket(&context, zmq::ROUTER, |_| Ok(()));
    for (endpoint, ends) in [(strict, true), (silent, false)] {
        let probed = Zload::new(&["probe", &endpoint, "--timeout", "100ms"]).end();
        assert_eq!(probed.code, Some(1), "{}", probed.stderr);
        assert_eq!(probed.stdout.contains("ZMQ_MAXMSGSIZE"), ends, "{}", probed.stdout);
        for engine in ENGINES {
            let text = format!(
                "proxy = {{ engine = 'external', frontend = '{endpoint}' }}\nload.rate = '100/s'\n\
                 run = {{ duration = '200ms', drain = '100ms' }}\nclients.engine = '{engine}'"
            );
            let result = Zload::run(&text).end().stdout;
            assert_eq!(result.contains("larger than it accepts"), ends, "{engine}: {result}");
        }
    }
}
