//! The header of a request, as it comes back from anybody: what is taken for one is written the same way again.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The file and not its crate, which would have libzmq compiled for 24 bytes.
#[path = "../../src/wire/header.rs"]
mod header;

fuzz_target!(|data: &[u8]| {
    if let Some(found) = header::Header::decode(data) {
        assert!(data.len() >= header::HEADER_SIZE);
        let mut body = vec![0; data.len()];
        found.encode(&mut body);
        assert_eq!(body[..header::HEADER_SIZE], data[..header::HEADER_SIZE]);
        assert_eq!(header::Header::decode(&body), Some(found));
    }
});
