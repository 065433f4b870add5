//! What an endpoint says without asking the machine.

use std::net::SocketAddr;

/// Whether clients on other machines may reach what listens at `endpoint`, an address without names.
pub fn is_beyond_loopback(endpoint: &str) -> bool {
    let Some(address) = endpoint.strip_prefix("tcp://") else { return false };
    match address.parse::<SocketAddr>() {
        Ok(address) => !address.ip().to_canonical().is_loopback(),
        // Only addresses of one link have more in them than this form.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_reach_an_address() {
        for near in [
            "tcp://127.0.0.1:5",
            "tcp://127.8.0.1:5",
            "tcp://[::1]:5",
            "tcp://[::ffff:127.0.0.1]:5",
            "ipc:///tmp/socket",
        ] {
            assert!(!is_beyond_loopback(near), "{near}");
        }
        for far in [
            "tcp://0.0.0.0:5",
            "tcp://[::]:5",
            "tcp://192.0.2.1:5",
            "tcp://[2001:db8::1]:5",
            "tcp://[fe80::1%eth0]:5",
        ] {
            assert!(is_beyond_loopback(far), "{far}");
        }
    }
}
