//! The ledger: every message of the measured part in exactly one place.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::sum::merge_fields;

/// Every message of the measured window, each in exactly one place.
///
/// `requests_planned = sent + unsent`, `sent = answered + silent + lost`, `replies_expected = received + lost`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[schemars(!remote, transform = with_ratios)]
pub struct Ledger {
    /// Requests that the plan (open load) or a free slot (closed load) asked for.
    pub requests_planned: u64,
    /// Requests that were handed to ZeroMQ.
    pub requests_sent: u64,
    /// Requests that were not: the run was interrupted, or the send queue was full.
    pub requests_unsent: u64,
    /// Requests of which every expected reply came.
    pub requests_answered: u64,
    /// Those of them with an error among their replies (`request.ok`, `request.error`).
    #[serde(default)]
    pub requests_failed: u64,
    /// Requests that expect no reply.
    pub requests_silent: u64,
    /// Requests of which at least one expected reply never came.
    pub requests_lost: u64,
    /// Expected replies for the requests sent.
    pub replies_expected: u64,
    /// Expected replies that came in time.
    pub replies_received: u64,
    /// Those of them that were errors.
    #[serde(default)]
    pub replies_failed: u64,
    /// Replies that came after their request was given up; they count as lost.
    pub replies_late: u64,
    /// Expected replies that did not come in time.
    pub replies_lost: u64,
    /// Replies beyond the expected number.
    pub replies_duplicate: u64,
    /// Messages that answer no request of this run: garbage, replies to other runs or to silent requests.
    pub replies_unexpected: u64,
}

impl Ledger {
    /// The first equation that does not hold, in words.
    pub fn contradiction(&self) -> Option<String> {
        // A ledger out of a file may hold anything: wide enough that no sum wraps round to what it should be.
        let sum = |parts: &[u64]| parts.iter().copied().map(u128::from).sum::<u128>();
        let equations = [
            (
                "requests_planned = requests_sent + requests_unsent",
                self.requests_planned,
                sum(&[self.requests_sent, self.requests_unsent]),
            ),
            (
                "requests_sent = requests_answered + requests_silent + requests_lost",
                self.requests_sent,
                sum(&[self.requests_answered, self.requests_silent, self.requests_lost]),
            ),
            (
                "replies_expected = replies_received + replies_lost",
                self.replies_expected,
                sum(&[self.replies_received, self.replies_lost]),
            ),
        ];
        let parts = [
            ("requests_failed <= requests_answered", self.requests_failed, self.requests_answered),
            ("replies_failed <= replies_received", self.replies_failed, self.replies_received),
        ];
        let unequal = |(_, left, right): &(_, u64, u128)| u128::from(*left) != *right;
        let equation = equations.into_iter().find(unequal);
        let part = parts.into_iter().find(|(_, part, whole)| part > whole);
        equation
            .or(part.map(|(relation, part, whole)| (relation, part, u128::from(whole))))
            .map(|(relation, left, right)| format!("{relation} does not hold: {left} and {right}"))
    }

    /// Requests lost as a share of those sent; `None` if none was sent.
    pub fn lost_ratio(&self) -> Option<f64> {
        (self.requests_sent > 0).then(|| self.requests_lost as f64 / self.requests_sent as f64)
    }

    /// Requests answered by an error as a share of those answered; `None` if none was.
    pub fn error_ratio(&self) -> Option<f64> {
        let answered = self.requests_answered;
        (answered > 0).then(|| self.requests_failed as f64 / answered as f64)
    }
}

merge_fields! {
    Ledger: requests_planned, requests_sent, requests_unsent, requests_answered, requests_failed,
    requests_silent, requests_lost, replies_expected, replies_received, replies_failed, replies_late, replies_lost,
    replies_duplicate, replies_unexpected
}

/// Shares of the counts are saved with them, so that they can have thresholds; reading
/// computes them again.
impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WithShares<'a> {
            #[serde(flatten, serialize_with = "Ledger::serialize")]
            counts: &'a Ledger,
            lost_ratio: Option<f64>,
            error_ratio: Option<f64>,
        }
        WithShares { counts: self, lost_ratio: self.lost_ratio(), error_ratio: self.error_ratio() }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Ledger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

fn with_ratios(schema: &mut Schema) {
    let properties = schema.ensure_object().get_mut("properties");
    if let Some(properties) = properties.and_then(|properties| properties.as_object_mut()) {
        for (name, description) in [
            (
                "lost_ratio",
                "Requests lost as a share of those sent, from 0 to 1; null if none was sent.",
            ),
            (
                "error_ratio",
                "Requests answered by an error as a share of those answered, from 0 to 1; null if none was.",
            ),
        ] {
            let field = json!({
                "description": description,
                "type": ["number", "null"],
                "format": "double",
            });
            properties.insert(name.to_owned(), field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_wrap_round_are_no_proof() {
        let wrapped = Ledger { requests_sent: u64::MAX, requests_unsent: 1, ..Ledger::default() };
        assert!(wrapped.contradiction().unwrap().contains("requests_planned"));
        assert_eq!(Ledger::default().contradiction(), None);
    }

    #[test]
    fn what_is_saved_says_the_share_that_was_lost_and_reads_back() {
        let mut ledger = Ledger::default();
        assert_eq!(serde_json::to_value(ledger).unwrap()["lost_ratio"], json!(null));
        (ledger.requests_sent, ledger.requests_lost) = (8, 2);
        let saved = serde_json::to_value(ledger).unwrap();
        assert_eq!((&saved["lost_ratio"], &saved["requests_lost"]), (&json!(0.25), &json!(2)));
        assert_eq!(serde_json::from_value::<Ledger>(saved).unwrap(), ledger);
    }
}
