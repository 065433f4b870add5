//! The share of a plan's clients that one process plays, among several that play the plan together. Pure.
//!
//! Client c belongs to share c mod n, so that each share is as even as the whole: of a periodic load dealt in ranges, one
//! share would send all requests of a moment and the others none. The plan knows nothing of it: its requests, instants and
//! hash are the same however many play it. A run alone is the share 0 of 1.

use std::fmt;
use std::str::FromStr;

use super::Plan;

/// More processes than this are a mistake.
pub const MOST_SHARES: u32 = 4_096;

/// Which clients of a plan one process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    index: u32,
    count: u32,
}

impl Share {
    /// All clients.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Share `index` (from 0) of `count`; says what is wrong if there is no such one.
    pub fn new(index: u32, count: u32) -> Result<Self, String> {
        if count == 0 {
            return Err("there is no share of 0".to_owned());
        }
        if count > MOST_SHARES {
            return Err(format!("a plan has at most {MOST_SHARES} shards, not {count}"));
        }
        if index >= count {
            return Err(format!(
                "shards count from 0, so the last of {count} is {}/{count}",
                count - 1
            ));
        }
        Ok(Self { index, count })
    }

    /// Which of them, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The clients of it, of a plan that has this many, in rising order.
    pub fn clients(self, of: u32) -> impl Iterator<Item = u32> {
        (self.index..of).step_by(self.count as usize)
    }

    /// How many these are.
    pub fn number_of(self, clients: u32) -> u32 {
        clients.saturating_sub(self.index).div_ceil(self.count)
    }

    /// Requests of an open load that its clients send in the measured window, by plan; `None` of a closed load, and where
    /// counting them would take too long.
    pub fn requests(self, plan: &Plan) -> Option<u64> {
        let (from_ns, to_ns) = (plan.warmup_ns(), plan.send_end_ns());
        let of = |client| Some(plan.schedule(client)?.count_between(from_ns, to_ns));
        if plan.countable_until_ns(0) < to_ns {
            return None;
        }
        self.clients(plan.clients()).map(of).sum()
    }

    /// Its name in files, all of one length: `02-of-16`.
    pub fn file_name(self) -> String {
        let digits = (self.count - 1).to_string().len();
        format!("{:0digits$}-of-{}", self.index, self.count)
    }
}

/// As people say it.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}", self.index, self.count)
    }
}

/// `2/8` is the third of eight.
impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some((index.parse::<u32>().ok()?, count.parse::<u32>().ok()?))
        });
        let Some((index, count)) = numbers else {
            return Err("expected INDEX/COUNT, as in 2/8 for the third of eight".to_owned());
        };
        Self::new(index, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_written_as_index_and_count_from_0() {
        let share: Share = "2/8".parse().unwrap();
        assert_eq!((share.index(), share.count()), (2, 8));
        assert_eq!(
            (share.to_string().as_str(), share.file_name().as_str()),
            ("shard 2 of 8", "2-of-8")
        );
        assert_eq!("2/1000".parse::<Share>().unwrap().file_name(), "002-of-1000");
        assert_eq!("9/10".parse::<Share>().unwrap().file_name(), "9-of-10");
        for (text, part) in [
            ("8/8", "shards count from 0, so the last of 8 is 7/8"),
            ("0/0", "no share of 0"),
            ("0/5000", "at most 4096"),
            ("3", "as in 2/8"),
            ("-1/8", "as in 2/8"),
            ("1/8/2", "as in 2/8"),
            ("a/b", "as in 2/8"),
        ] {
            let error = text.parse::<Share>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn shares_divide_the_clients_evenly(count in 1..50_u32, clients in 0..500_u32) {
            let shares: Vec<Vec<u32>> =
                (0..count).map(|index| Share::new(index, count).unwrap().clients(clients).collect()).collect();
            let mut all = shares.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..clients).collect::<Vec<_>>());
            for (index, share) in (0..).zip(&shares) {
                let number = Share::new(index, count).unwrap().number_of(clients);
                prop_assert_eq!(share.len(), number as usize);
                prop_assert!((clients / count..=clients.div_ceil(count)).contains(&number));
            }
        }
    }
}
