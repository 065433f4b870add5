//! When replies arrived at the clients' machine, by the kernel's stamps.

use super::*;

/// Passes this much time, awake.
fn pass(side: &Side, ns: u64) {
    let until_ns = side.world.now_ns() + ns;
    while side.world.now_ns() < until_ns {
        std::hint::spin_loop();
    }
}

/// Sends a request and waits until its replies are there; gives between which instants they came.
fn answered(side: &mut Side, router: &zmq::Socket, client: u32, replies: usize) -> (u64, u64) {
    assert!(side.send(client, &[b"request"]) && side.world.flush(client).unwrap());
    let message = router.recv_multipart(0).unwrap();
    let from_ns = side.world.now_ns();
    for _ in 0..replies {
        router.send_multipart(&message, 0).unwrap();
    }
    let mut moved = Vec::new();
    for _ in 0..LOOKS {
        side.world.wait(50_000_000, None, &mut moved).unwrap();
        if moved.contains(&client) {
            return (from_ns, side.world.now_ns());
        }
    }
    panic!("nothing came");
}

/// Plays this until there is a stamp: the kernel begins to stamp a little after it was asked to.
fn once_stamped(mut play: impl FnMut() -> bool) {
    assert!((0..LOOKS).any(|_| play()), "no stamp");
}

#[test]
fn a_reply_that_waits_for_its_driver_arrived_before() {
    let (router, endpoint) = router(|_| Ok(()));
    let mut side = Side::connected(&endpoint, "");
    let mut inbox = [Message::default()];
    once_stamped(|| {
        side.world.ask_arrivals(0, true);
        let (from_ns, there_ns) = answered(&mut side, &router, 0, 1);
        // It is there, and nobody reads it.
        pass(&side, 3_000_000);
        assert_eq!(side.world.take(0, &mut inbox).unwrap().count, 1);
        let arrived_ns = side.world.arrived_ns();
        side.world.ask_arrivals(0, false);
        assert!(arrived_ns == 0 || arrived_ns >= from_ns, "{arrived_ns} {from_ns}");
        // A thread that is put off between two looks at clocks says less than it could.
        arrived_ns > 0 && arrived_ns <= there_ns
    });
    answered(&mut side, &router, 0, 1);
    assert_eq!(side.world.take(0, &mut inbox).unwrap().count, 1);
    assert_eq!(side.world.arrived_ns(), 0, "nobody asks any more");
}

#[test]
fn what_is_taken_after_the_turns_of_others_arrived_when_it_was_read() {
    let (router, endpoint) = router(|_| Ok(()));
    let mut side = Side::new(&endpoint, 2, "");
    assert!(side.connect().unwrap());
    let mut inbox = [Message::default()];
    once_stamped(|| {
        side.world.ask_arrivals(0, true);
        let (from_ns, _) = answered(&mut side, &router, 0, 2);
        // libzmq may write them one by one: all are there after those that come behind them.
        answered(&mut side, &router, 1, 1);
        assert_eq!(side.world.take(0, &mut inbox).unwrap().count, 1);
        let first_ns = side.world.arrived_ns();
        // Without a stamp of its own; what is left of the other client's is put aside.
        assert_eq!(side.world.take(1, &mut inbox).unwrap().count, 1);
        assert_eq!(side.world.arrived_ns(), 0);
        let is_left = !side.world.lines[0].stash.is_empty();
        let mut heard = [Message::default()];
        side.until(|side| side.world.take(0, &mut heard).unwrap().count == 1);
        let second_ns = side.world.arrived_ns();
        side.world.ask_arrivals(0, false);
        assert!(!is_left || second_ns == first_ns, "{first_ns} {second_ns}");
        assert!(first_ns == 0 || first_ns >= from_ns);
        is_left && first_ns > 0
    });
}

#[test]
fn over_ipc_it_is_not_known_when_a_reply_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let ipc = format!("ipc://{}", folder.path().join("socket").display());
    let (router, endpoint) = at(&ipc, zmq::ROUTER, |_| Ok(()));
    let mut side = Side::connected(&endpoint, "");
    let mut inbox = [Message::default()];
    for _ in 0..20 {
        side.world.ask_arrivals(0, true);
        answered(&mut side, &router, 0, 1);
        assert_eq!(side.world.take(0, &mut inbox).unwrap().count, 1);
        assert_eq!(side.world.arrived_ns(), 0);
        side.world.ask_arrivals(0, false);
    }
}
