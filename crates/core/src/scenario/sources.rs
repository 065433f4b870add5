//! Whether clients can come from the addresses that `clients.sources` names. Pure.

use super::Scenario;
use super::value_error::{Checked, refuse, refuse_with_help};

const PATH: &str = "clients.sources";

pub(super) fn error(scenario: &Scenario) -> Checked {
    let sources = &scenario.clients.sources;
    if sources.is_empty() {
        return Ok(());
    }
    if let Some(none) = sources.iter().find(|of| of.is_unspecified() || of.is_multicast()) {
        return refuse(PATH, format!("{none} is no address that a connection can come from"));
    }
    for frontend in scenario.proxy.frontend.all() {
        if !frontend.starts_with("tcp:") {
            let message = format!("has no effect on clients of {frontend}");
            return refuse_with_help(PATH, message, "leave it out: only tcp has such addresses");
        }
        if frontend.contains(';') {
            let message = format!("conflicts with {frontend}, which names where clients come from");
            return refuse_with_help(PATH, message, "leave one of both out");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_addresses_that_a_connection_can_come_from() {
        let parsed = |sources: &str, frontend: &str| {
            let text = format!(
                "load.rate = '1/s'\nclients.sources = {sources}\nproxy.frontend = '{frontend}'"
            );
            Scenario::parse("a.toml", &text, &[]).map_err(|problem| problem.to_string())
        };
        let tcp = "tcp://127.0.0.1:*";
        let scenario = parsed("['127.0.0.2', '::1']", tcp).unwrap();
        assert_eq!(scenario.clients.sources.len(), 2);
        for (sources, frontend, why) in [
            ("['0.0.0.0']", tcp, "no address that a connection can come from"),
            ("['224.0.0.1']", tcp, "no address that a connection can come from"),
            ("['localhost']", tcp, "clients.sources"),
            ("['127.0.0.2']", "ipc:///tmp/x", "only tcp has such addresses"),
            ("['127.0.0.2']", "tcp://127.0.0.3:0;127.0.0.1:5", "conflicts"),
        ] {
            let refused = parsed(sources, frontend).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
