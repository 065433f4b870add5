//! Goals: limits that must all hold in a trial. Those on percentiles are judged by counts. Pure.
//!
//! That 99 % of the replies come within 20 ms is that at most one of 100 requests is slower. Counts need no size of the sample,
//! and a request that was lost, given up or never sent is slow, so that a system looks no better for what it drops.

use crate::scenario::{Amount, Nanos, Relation, Threshold};

/// A goal, and its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// What it is called.
    pub name: String,
    /// The limits, all of which must hold; without any the system must keep up with the load and lose nothing.
    pub limits: Vec<Threshold>,
}

/// Which response times a limit is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// To the first reply of a request.
    FirstReply,
    /// To the last.
    LastReply,
    /// Of every reply.
    Reply,
    /// To the first, from the sending.
    Service,
}

/// A limit on a percentile, as a count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// The response times.
    pub values: Values,
    /// The share that may be slower.
    pub allowed_ratio: f64,
    /// The time that the others must keep, in nanoseconds.
    pub limit_ns: u64,
    /// Whether exactly that time keeps it.
    at_most: bool,
}

const NAMES: [(&str, Values); 4] = [
    ("first_reply", Values::FirstReply),
    ("last_reply", Values::LastReply),
    ("reply", Values::Reply),
    ("service", Values::Service),
];
const SHARES: [(&str, f64); 8] = [
    ("p50", 0.5),
    ("p75", 0.25),
    ("p90", 0.1),
    ("p95", 0.05),
    ("p99", 0.01),
    ("p999", 0.001),
    ("p9999", 0.0001),
    ("max", 0.0),
];

impl Values {
    /// Their name in a result.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, values)| *values == self).map_or("", |(name, _)| name)
    }

    /// What they are the times of, for people.
    pub fn of_what(self) -> &'static str {
        match self {
            Self::FirstReply => "first replies",
            Self::LastReply => "last replies",
            Self::Reply => "replies",
            Self::Service => "replies, from the sending,",
        }
    }
}

impl Counted {
    /// The limit as a count, if it is one on a percentile or the largest of these times.
    pub fn of(limit: &Threshold) -> Option<Self> {
        let field = limit.field.strip_suffix("_ns").unwrap_or(&limit.field);
        let (values, share) = field.strip_prefix("latency.").unwrap_or(field).split_once('.')?;
        let (_, values) = NAMES.iter().find(|(name, _)| *name == values)?;
        let (_, allowed_ratio) = SHARES.iter().find(|(name, _)| *name == share)?;
        let Amount::Time(Nanos(limit_ns)) = limit.limit else { return None };
        let at_most = match limit.relation {
            Relation::Below => false,
            Relation::AtMost => true,
            _ => return None,
        };
        Some(Self { values: *values, allowed_ratio: *allowed_ratio, limit_ns, at_most })
    }

    /// Whether a time is slower than the limit.
    pub fn is_slow(&self, ns: u64) -> bool {
        ns > self.limit_ns || (ns == self.limit_ns && !self.at_most)
    }

    /// How many of this many may be slow.
    pub fn allowed(&self, of: u64) -> u64 {
        // A hundredth is no exact number.
        crate::quantity::saturating(self.allowed_ratio * of as f64 + 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> Option<Counted> {
        Counted::of(&text.parse().unwrap())
    }

    #[test]
    fn a_percentile_is_a_count() {
        let limit = counted("first_reply.p99 < 20ms").unwrap();
        assert_eq!((limit.values, limit.limit_ns), (Values::FirstReply, 20_000_000));
        assert_eq!([0, 99, 100, 2_012].map(|of| limit.allowed(of)), [0, 0, 1, 20]);
        assert!(limit.is_slow(20_000_000) && !limit.is_slow(19_999_999));
        assert!(!counted("latency.reply.max <= 20ms").unwrap().is_slow(20_000_000));
        assert_eq!(counted("last_reply.max < 1s").unwrap().allowed(1 << 40), 0);
        assert_eq!(counted("service.p999_ns < 1s").unwrap().allowed(9_000), 9);
        for other in
            ["first_reply.p99 > 1ms", "slip.p99 < 1ms", "ledger.requests_lost == 0", "a < 1"]
        {
            assert_eq!(counted(other), None, "{other}");
        }
    }
}
