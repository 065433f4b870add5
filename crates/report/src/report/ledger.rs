//! A ledger as the sums that hold for it.

use super::document::{Block, Span, Words, words};
use crate::result::Ledger;
use zload_core::quantity::count;

/// The sums of a ledger that is at this path in the result.
pub(super) fn ledger(path: &str, ledger: &Ledger) -> Block {
    let value = |field: &str, name: &str, number: u64| {
        (format!("{path}.{field}"), number.to_string(), format!("{name} {}", count(number)))
    };
    let term = |field: &str, name: &str, number: u64| {
        let (field, number, shown) = value(field, name, number);
        Span::Value(field, number, shown)
    };
    // What should not be there catches the eye where it is.
    let unless_zero = |field: &str, name: &str, number: u64| {
        if number == 0 {
            return term(field, name, number);
        }
        let (field, number, shown) = value(field, name, number);
        Span::Alarm(field, number, shown)
    };
    let sent = || term("requests_sent", "sent", ledger.requests_sent);
    let planned = term("requests_planned", "planned", ledger.requests_planned);
    let unsent = unless_zero("requests_unsent", "unsent", ledger.requests_unsent);
    let answered = term("requests_answered", "answered", ledger.requests_answered);
    let silent = term("requests_silent", "silent", ledger.requests_silent);
    let failed = unless_zero("requests_failed", "errors", ledger.requests_failed);
    let lost = unless_zero("requests_lost", "lost", ledger.requests_lost);
    let expected = term("replies_expected", "expected", ledger.replies_expected);
    let received = term("replies_received", "received", ledger.replies_received);
    let replies_lost = unless_zero("replies_lost", "lost", ledger.replies_lost);
    let late = unless_zero("replies_late", "late", ledger.replies_late);
    let duplicate = unless_zero("replies_duplicate", "duplicate", ledger.replies_duplicate);
    let unexpected = unless_zero("replies_unexpected", "unexpected", ledger.replies_unexpected);
    let mut rows: Vec<(Words, Words)> = vec![
        ("requests".into(), words!(planned, " = ", sent(), " + ", unsent)),
        ("".into(), words!(sent(), " = ", answered, " + ", silent, " + ", lost)),
        ("replies".into(), words!(expected, " = ", received, " + ", replies_lost)),
        ("".into(), words!("and ", late, ", ", duplicate, ", ", unexpected)),
    ];
    if ledger.requests_failed > 0 {
        rows.insert(2, ("".into(), words!("of those answered ", failed)));
    }
    Block::Settings(rows)
}
