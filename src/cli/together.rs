//! What the options that bring shards together are written like.

use std::str::FromStr;

use zload_core::plan::Share;

/// `--shard`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichShard {
    /// This one.
    Given(Share),
    /// The one that the engine tells which started this process.
    Auto,
}

/// `--gather`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatherAt {
    /// At the host of shard 0, by its name or address, and a port.
    Endpoint(String),
    /// Where the engine says that the first process is.
    Auto,
}

/// `--start-at`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// Nanoseconds since 1970 (UTC).
    pub unix_ns: u64,
}

impl FromStr for WhichShard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            text => text.parse().map(Self::Given),
        }
    }
}

impl FromStr for GatherAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let place = text.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':'));
        let is_place = |(host, port): (&str, &str)| {
            let bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
            let named = !host.is_empty() && host != "*" && !host.contains(['/', ';', ' ']);
            bare && named && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        if place.is_some_and(is_place) {
            return Ok(Self::Endpoint(text.to_owned()));
        }
        Err("expected tcp://HOST:PORT with the host of shard 0, or auto in a Slurm step".to_owned())
    }
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = |text: &str| {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let is_number = |text: &str| text.bytes().all(|sign| sign.is_ascii_digit());
            if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
                return None;
            }
            let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
            whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
        };
        let instant = || text.parse::<jiff::Timestamp>().ok();
        let unix_ns = match text.strip_prefix('@') {
            Some(text) => seconds(text),
            None => instant().and_then(|instant| u64::try_from(instant.as_nanosecond()).ok()),
        };
        unix_ns.map(|unix_ns| Self { unix_ns }).ok_or_else(|| {
            "expected an instant as in 2026-11-25T21:30:00Z, or @ and the seconds since 1970, as in @1795642200".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_those_of_a_calendar_or_seconds_since_1970() {
        for (text, unix_ns) in [
            ("@0", 0),
            ("@1795642200", 1_795_642_200_000_000_000),
            ("@1795642200.25", 1_795_642_200_250_000_000),
            ("2026-11-25T21:30:00Z", 1_795_642_200_000_000_000),
            ("2026-11-25T22:30:00.5+01:00", 1_795_642_200_500_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Instant { unix_ns }), "{text}");
        }
        for bad in [
            "",
            "@",
            "@-1",
            "@1.0000000001",
            "@99999999999999",
            "21:30",
            "2026-11-25",
            "1969-12-31T23:00:00Z",
        ] {
            assert!(bad.parse::<Instant>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shards_gather_at_a_host_and_a_port() {
        for good in
            ["tcp://h1:5571", "tcp://10.0.0.1:1", "tcp://[::1]:65535", "tcp://zload-0.zload:5571"]
        {
            assert_eq!(good.parse(), Ok(GatherAt::Endpoint(good.to_owned())));
        }
        for bad in [
            "h1:5571",
            "tcp://h1",
            "tcp://*:5571",
            "tcp://h1:*",
            "tcp://h1:0",
            "tcp://h1:65536",
            "tcp://:5",
            "tcp://::1:5",
            "ipc:///tmp/x",
            "tcp://a/b:1",
            "",
        ] {
            assert!(bad.parse::<GatherAt>().is_err(), "{bad}");
        }
        assert_eq!("auto".parse(), Ok(GatherAt::Auto));
        assert_eq!("auto".parse(), Ok(WhichShard::Auto));
        assert_eq!("1/2".parse(), Ok(WhichShard::Given(Share::new(1, 2).unwrap())));
        assert!("8/8".parse::<WhichShard>().unwrap_err().contains("the last of 8 is 7/8"));
    }
}
