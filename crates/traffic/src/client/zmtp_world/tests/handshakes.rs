//! Handshakes with libzmq, and with what is no server for these clients.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;

use super::*;

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
    // As libzmq 3.2 and JeroMQ before 0.4.1: what follows the version is taken for frames, and ends the connection unless it
    // waits until the server's version has come.
    let older = raw(|mut stream| {
        stream.write_all(b"\xff\0\0\0\0\0\0\0\x01\x7f").unwrap();
        let heard = stream.read(&mut [0; 200]).ok()?;
        if heard > 12 {
            return None;
        }
        stream.write_all(b"\x01\x06\0\0").unwrap();
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
        (older, "speaks ZMTP 2.0"),
        (web, "does not speak ZeroMQ: it says \"HTTP/1.1"),
    ] {
        // A peer that closes before it has said what it is takes its words away: then only a closer look can tell, and
        // nobody waits until the time is over.
        let timeout = "clients.connect_timeout = '1h'";
        let error = Side::new(&endpoint, 2, timeout).connect().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
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
    // Of the greatest length that an identity may have.
    let another = "a".repeat(255);
    assert!(second.world.renew(0, &another).is_ok());
    second.until(|side| side.world.up == 1);
    assert!(second.send(0, &[b"4"]) && second.world.flush(0).unwrap());
    let message = router.recv_multipart(0).unwrap();
    assert_eq!(message, [another.as_bytes(), b"4"], "under another identity it is heard");
}

#[test]
fn a_handshake_that_is_reset_closed_or_never_ends_is_tried_again() {
    let times = AtomicU32::new(0);
    let endpoint = raw(move |mut stream| match times.fetch_add(1, Ordering::Relaxed) {
        0 => reset(stream),
        1 => {
            stream.write_all(&greeting()[..20]).unwrap();
            reset(stream)
        }
        2 => None,
        3 => Some(stream),
        _ => {
            shake(&mut stream);
            Some(stream)
        }
    });
    let mut side =
        Side::new(&endpoint, 1, "sockets = { reconnect_ivl = '1ms', handshake_ivl = '50ms' }");
    assert!(side.connect().unwrap(), "in the end it is well");
}

#[test]
fn a_server_that_takes_its_time_hears_no_message_before_its_ready_and_may_speak_first() {
    let (tell, told) = channel();
    let endpoint = raw(move |mut stream| {
        let mut greeted = [0; GREETING];
        let words = greeting();
        for step in [0..10, 10..11, 11..32, 32..GREETING] {
            stream.read_exact(&mut greeted[step.clone()]).unwrap();
            stream.write_all(&words[step]).unwrap();
        }
        assert_eq!(greeted, words);
        let mut head = [0; 2];
        stream.read_exact(&mut head).unwrap();
        stream.read_exact(&mut vec![0; usize::from(head[1])]).unwrap();
        let () = told.recv().unwrap();
        stream.set_nonblocking(true).unwrap();
        let early = stream.read(&mut head).map_err(|error| error.kind());
        assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
        stream.set_nonblocking(false).unwrap();
        stream.write_all(&router_ready()).unwrap();
        let () = told.recv().unwrap();
        // A word of its own, as with ZMQ_HELLO_MSG.
        stream.write_all(b"\0\x05hello").unwrap();
        let mut message = [0; 4];
        stream.read_exact(&mut message).unwrap();
        stream.write_all(&message).unwrap();
        Some(stream)
    });
    let mut side = Side::new(&endpoint, 1, "");
    side.until(|side| side.world.lines[0].flags.greeted);
    assert!(!side.send(0, &[b"ab"]) && side.world.flush(0).unwrap());
    tell.send(()).unwrap();
    assert!(side.connect().unwrap());
    tell.send(()).unwrap();
    let (mut heard, mut moved) = ([Message::default()], Vec::new());
    for _ in 0..LOOKS {
        if !side.world.lines[0].flags.heard {
            side.world.wait(50_000_000, None, &mut moved).unwrap();
            assert_eq!(side.world.take(0, &mut heard).unwrap().count, 0, "it answers nothing");
        }
    }
    assert!(side.send(0, &[b"ab"]) && side.world.flush(0).unwrap());
    assert_eq!(side.receive(0), [b"ab"]);
}

#[test]
fn a_refusal_of_libzmq_is_given_with_its_reason() {
    let context = zmq::Context::new();
    let authority = context.socket(zmq::REP).unwrap();
    authority.set_rcvtimeo(20_000).unwrap();
    authority.bind("inproc://zeromq.zap.01").unwrap();
    std::thread::spawn(move || {
        while let Ok(question) = authority.recv_multipart(0) {
            let answer: [&[u8]; 6] = [b"1.0", &question[1], b"400", b"who are you?", b"", b""];
            authority.send_multipart(answer, 0).unwrap();
        }
    });
    let router = context.socket(zmq::ROUTER).unwrap();
    router.set_linger(0).unwrap();
    router.set_zap_domain("zload").unwrap();
    router.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = router.get_last_endpoint().unwrap().unwrap();
    let error = Side::new(&endpoint, 1, "").connect().unwrap_err().to_string();
    assert!(error.contains("refuses the connection: 400"), "{error}");
}
