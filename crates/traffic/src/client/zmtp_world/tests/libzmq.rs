//! Messages to libzmq and back.

use std::collections::VecDeque;

use super::*;

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
fn half_a_message_is_heard_by_nobody() {
    let (router, endpoint) = router(|socket| socket.set_rcvbuf(4096));
    let mut side = Side::connected(&endpoint, "sockets.sndbuf = '8KiB'");
    assert!(side.send(0, &[b"first", &vec![0; 8 << 20]]) && side.world.flush(0).unwrap());
    assert!(!side.world.lines[0].unsent.is_empty(), "the kernel has but a part of it");
    side.world.renew(0, "anew").unwrap();
    side.until(|side| side.world.up == 1);
    assert!(side.send(0, &[b"whole", b"message"]) && side.world.flush(0).unwrap());
    assert_eq!(side.heard_by(&router), [&b"anew"[..], b"whole", b"message"]);
}

#[test]
fn what_a_server_drops_for_a_client_that_does_not_read_is_missing_and_the_rest_comes_in_order() {
    let (router, endpoint) = router(|socket| {
        socket.set_sndhwm(1)?;
        socket.set_sndbuf(4096)
    });
    let mut side = Side::connected(&endpoint, "sockets.rcvbuf = '4KiB'");
    for number in 0..500_u32 {
        let body = [&number.to_be_bytes()[..], &[0; 996]].concat();
        assert!(side.send(0, &[&body]) && side.world.flush(0).unwrap());
        let message = side.world.lines[0].unsent.is_empty().then(|| router.recv_multipart(0));
        router.send_multipart(message.expect("it reads at once").unwrap(), 0).unwrap();
    }
    let (mut heard, mut message) = (Vec::new(), [Message::default()]);
    let mut moved = Vec::new();
    for _ in 0..LOOKS {
        // Where there is room for it again, an answer comes.
        assert!(side.send(0, &[b"last"]) && side.world.flush(0).unwrap());
        router.send_multipart(router.recv_multipart(0).unwrap(), 0).unwrap();
        loop {
            let taken = side.world.take(0, &mut message).unwrap();
            heard.extend((taken.count == 1).then(|| message[0].frame(0)[..4].to_vec()));
            if taken.emptied {
                break;
            }
        }
        if heard.last().is_some_and(|last| last == b"last") {
            heard.retain(|body| body != b"last");
            assert!(heard.len() > 1 && heard.len() < 500, "{}", heard.len());
            assert!(heard.is_sorted_by(|one, next| one < next), "in order, and none twice");
            return;
        }
        side.world.wait(50_000_000, None, &mut moved).unwrap();
    }
    panic!("no last one");
}
