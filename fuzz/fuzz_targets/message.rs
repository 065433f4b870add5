//! What comes from a peer, where zload looks for the header or the token of a request: what is taken for one is written
//! the same way again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zload_core::message::{HEADER_SIZE, Header, ID_SIZE, Id};

fuzz_target!(|data: &[u8]| {
    if let Some(found) = Header::decode(data) {
        assert!(data.len() >= HEADER_SIZE);
        let mut body = vec![0; data.len()];
        found.encode(&mut body);
        assert_eq!(body[..HEADER_SIZE], data[..HEADER_SIZE]);
        assert_eq!(Header::decode(&body), Some(found));
    }
    for id in Id::all(data) {
        let mut text = [0; ID_SIZE];
        id.write(&mut text);
        assert!(data.windows(ID_SIZE).any(|window| window == text));
    }
});
