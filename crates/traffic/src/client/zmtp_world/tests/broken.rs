//! Peers that break the protocol, or are slow at it.

use std::io::{Read as _, Write as _};

use super::*;

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
fn who_says_nothing_any_more_is_given_up() {
    let endpoint = raw(|mut stream| {
        shake(&mut stream);
        Some(stream)
    });
    let mut side = Side::connected(&endpoint, "sockets.heartbeat_ivl = '5ms'");
    side.end(0);
    assert_eq!(side.counters.silent.get(), 1);
}

#[test]
fn who_asks_for_ever_and_reads_no_answer_takes_no_turn_for_ever_and_no_memory() {
    let mut side = asked(|mut stream| {
        // And a frame of a message without end, beside each question.
        let words = b"\x04\x07\x04PING\0\0\x01\x01.".repeat(10_000);
        while stream.write_all(&words).is_ok() {}
        None
    });
    let mut heard = [Message::default()];
    let (mut ended, mut full) = (0, 0);
    side.until(|side| {
        for _ in 0..100 {
            let taken = side.world.take(0, &mut heard).unwrap();
            assert!(side.world.flush(0).unwrap() && taken.count == 0);
            // The turn is over after one read, and not when nothing is left.
            ended += u32::from(!taken.emptied);
            let kept = side.world.output.capacity() + side.world.lines[0].unsent.len();
            assert!(kept < 3 << 20, "{kept}");
            full += u32::from(side.world.lines[0].unsent.len() >= 1 << 20);
        }
        full > 200
    });
    assert!(ended > 0);
}
