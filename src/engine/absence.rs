//! Whether the server has gone for good, of a run that ends by no time: no client is connected, and none is again for as long as
//! connecting may take. Pure; instants come in from outside.

use zload_core::scenario::{Nanos, Scenario};

/// Remembers since when no client is connected.
#[derive(Debug)]
pub(super) struct Absence {
    patience: Nanos,
    since_ns: Option<u64>,
}

impl Absence {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self { patience: scenario.clients.connect_timeout, since_ns: None }
    }

    /// Looks once; says so if the server has been away for too long.
    pub(super) fn look(&mut self, now_ns: u64, none_connected: bool) -> Option<String> {
        if !none_connected {
            self.since_ns = None;
            return None;
        }
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        (now_ns.saturating_sub(since_ns) >= self.patience.0).then(|| {
            format!(
                "the server has gone: no client was connected for {} (clients.connect_timeout), and requests that are counted (load.requests) end by no time",
                self.patience
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_stays_away_has_gone() {
        let text = "load = { model = 'closed', requests = 5 }\nclients.connect_timeout = '2s'";
        let mut absence = Absence::new(&Scenario::parse("a.toml", text, &[]).unwrap());
        for (now_ns, away, gone) in [
            (0, false, false),
            (1_000_000_000, true, false),
            (2_900_000_000, true, false),
            (2_950_000_000, false, false),
            (4_000_000_000, true, false),
            (6_000_000_000, true, true),
        ] {
            assert_eq!(absence.look(now_ns, away).is_some(), gone, "{now_ns}");
        }
    }
}
