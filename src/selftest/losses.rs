//! Planted losses and duplicates: the ledger must say exactly how many.

use super::bench::Bench;
use super::{Found, Kind};
use crate::Error;
use crate::server::planted::{Fault, Witness};
use zload_core::record::Ledger;
use zload_report::result::Figure;

pub(super) const KIND: Kind = Kind {
    name: "known losses",
    planted: "a server that leaves every 10th request unanswered, and answers every 7th of the others twice",
    make,
};

const LOSE_EVERY: u64 = 10;
const DOUBLE_EVERY: u64 = 7;
const REQUESTS: u64 = 1_000;
/// Replies have two seconds to come: what has not come then is lost.
const SCENARIO: &str = "load = { rate = '1k/s' }\nclients = { count = 3 }\nrun = { duration = '1s', drain = '2s' }\n\
                        sockets = { sndhwm = 0, rcvhwm = 0 }";

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let fault = Fault::LoseAndDouble { lose_every: LOSE_EVERY, double_every: DOUBLE_EVERY };
    let (played, witness) = bench.play_against(fault, SCENARIO)?;
    Ok(Found { figures: judge(&played.result.ledger, &witness), allowance: None })
}

fn judge(ledger: &Ledger, witness: &Witness) -> Vec<Figure> {
    let lost = REQUESTS / LOSE_EVERY;
    // Every 70th is both, and lost.
    let doubled = REQUESTS / DOUBLE_EVERY - REQUESTS / (LOSE_EVERY * DOUBLE_EVERY);
    vec![
        Figure::exactly("requests that the server received", REQUESTS, witness.taken.len() as u64),
        Figure::exactly("requests sent", REQUESTS, ledger.requests_sent),
        Figure::exactly("requests answered", REQUESTS - lost, ledger.requests_answered),
        Figure::exactly("requests lost", lost, ledger.requests_lost),
        Figure::exactly("replies lost", lost, ledger.replies_lost),
        Figure::exactly("duplicate replies", doubled, ledger.replies_duplicate),
        Figure::exactly("messages that answer no request", 0, ledger.replies_unexpected),
        Figure::truth("the ledger adds up", true, ledger.contradiction().is_none()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use zload_core::plan::DrawKey;

    #[test]
    fn one_message_in_the_wrong_place_is_noticed() {
        let ledger = Ledger {
            requests_planned: 1_000,
            requests_sent: 1_000,
            requests_answered: 900,
            requests_lost: 100,
            replies_expected: 1_000,
            replies_received: 900,
            replies_lost: 100,
            replies_duplicate: 128,
            ..Ledger::default()
        };
        let witness = Witness { taken: vec![(DrawKey(0), 0); 1_000], ..Witness::default() };
        let hold = |ledger, witness: &Witness| crate::selftest::hold(&judge(&ledger, witness));
        assert!(hold(ledger, &witness));
        for lie in [
            Ledger { replies_duplicate: 127, ..ledger },
            Ledger { replies_duplicate: 127, replies_unexpected: 1, ..ledger },
            Ledger { requests_lost: 99, requests_answered: 901, ..ledger },
            Ledger { replies_received: 901, ..ledger },
        ] {
            assert!(!hold(lie, &witness), "{lie:?}");
        }
        assert!(!hold(ledger, &Witness::default()));
    }
}
