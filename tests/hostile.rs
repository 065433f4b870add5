//! Peers that mean harm: what they send may cost them their connection, and nobody else anything.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::{Zload, ledger, number};
use rustix::process::Signal;

/// A connection to a ROUTER that has shaken hands as a DEALER without an identity (ZMTP 3.0, RFC 23).
fn shake_hands(address: &str) -> TcpStream {
    let mut peer = TcpStream::connect(address).expect("a connection");
    let mut greeting = vec![0; 64];
    greeting[..12].copy_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0]);
    greeting[12..16].copy_from_slice(b"NULL");
    let mut ready = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER".to_vec();
    ready[1] = u8::try_from(ready.len() - 2).expect("a short command");
    // Step by step: libzmq resets a connection whose messages come before it has answered the handshake.
    peer.write_all(&greeting).and_then(|()| peer.read_exact(&mut greeting)).expect("a greeting");
    let mut answer = [0; 2];
    peer.write_all(&ready).and_then(|()| peer.read_exact(&mut answer)).expect("a handshake");
    peer.read_exact(&mut vec![0; usize::from(answer[1])]).expect("the rest of the answer");
    peer
}

/// Sends until the connection is ended; says how much that was, at most 8 GiB.
fn send_for_ever(mut peer: TcpStream, piece: &[u8]) -> u64 {
    let mut sent = 0;
    while sent < 8 << 30 && peer.write_all(piece).is_ok() {
        sent += piece.len() as u64;
    }
    sent
}

#[test]
fn who_sends_a_message_without_end_is_cut_off_and_the_others_are_served() {
    let scenario =
        "load = { rate = '100/s' }\nrun = { duration = '1s' }\nproxy = { engine = 'batch' }";
    let mut serving =
        Zload::with_scenario("serve", scenario).args(&["-q", "--format", "json"]).start();
    let line = serving.await_line("listening on ");
    let endpoint = line.trim_start_matches("listening on ").to_owned();
    let address = endpoint.trim_start_matches("tcp://").to_owned();
    // 2^33 bytes in one frame are refused at once; as frames of no byte each, with more to come, they fill memory first.
    let mut declared = b"\x02\0\0\0\x02\0\0\0\0".to_vec();
    declared.resize(1 << 20, 0);
    assert!(send_for_ever(shake_hands(&address), &declared) < 64 << 20);
    let attack =
        std::thread::spawn(move || send_for_ever(shake_hands(&address), &b"\x01\0".repeat(10_000)));
    let overrides =
        ["--set", "proxy.engine=external", "--set", &format!("proxy.frontend={endpoint}")];
    let result = Zload::run(scenario).args(&overrides).end().result(0);
    assert_eq!(ledger(&result)["requests_answered"], 100);
    serving.await_line("a peer sent an endless message");
    assert!(attack.join().expect("an end") < 8 << 30);
    serving.signal(Signal::INT);
    let result = serving.end().result(130);
    assert!(number(&result, "connections_cut_off") >= 1);
    assert!(number(&result, "requests_served") >= 100);
}
