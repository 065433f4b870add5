//! `clients.engine`: what the clients speak with, and which options mean nothing to it. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scenario;
use super::value_error::{Checked, refuse_with_help};

/// What speaks ZMTP for the clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientEngine {
    /// libzmq, as users' own clients do: a DEALER socket each, behind I/O threads.
    #[default]
    Libzmq,
    /// zload itself, in the driver's thread: a connection each, and no thread between.
    Zmtp,
}

impl ClientEngine {
    /// The name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Libzmq => "libzmq",
            Self::Zmtp => "zmtp",
        }
    }
}

/// What speaks for the clients if the scenario does not say: beside zload's own proxy libzmq, as in the guide's example;
/// with a server of others zload itself, so that no client library is in the figures, unless an option is given that only
/// libzmq has.
pub(super) fn usual(scenario: &Scenario) -> ClientEngine {
    let of_libzmq = options_of_libzmq(scenario).iter().any(|(_, given, _)| *given);
    if scenario.has_proxy() || of_libzmq { ClientEngine::Libzmq } else { ClientEngine::Zmtp }
}

const QUEUE: &str =
    "zload's own engine has no queue: what the kernel does not take waits at its client";
const THREADS: &str = "zload's own engine has no I/O threads";

/// Whether each option means something to somebody: a queue or a thread of libzmq's does not exist in zload's own engine,
/// but a built-in server or workers may have one.
pub(super) fn error(scenario: &Scenario) -> Checked {
    if scenario.clients.engine == ClientEngine::Libzmq
        || scenario.has_proxy()
        || scenario.has_workers()
    {
        return Ok(());
    }
    for (path, given, why) in options_of_libzmq(scenario) {
        if given {
            let message = format!("has no effect with clients.engine = \"zmtp\": {why}");
            let help = "leave it out, or set clients.engine = \"libzmq\"";
            return refuse_with_help(path, message, help);
        }
    }
    Ok(())
}

/// The options that clients of zload's own engine do not have: whether each is given, and why it means nothing to them.
fn options_of_libzmq(scenario: &Scenario) -> [(&'static str, bool, &'static str); 5] {
    let sockets = &scenario.sockets;
    [
        ("sockets.sndhwm", sockets.sndhwm.is_some(), QUEUE),
        ("sockets.rcvhwm", sockets.rcvhwm.is_some(), QUEUE),
        ("sockets.affinity", sockets.affinity.is_some(), THREADS),
        ("proxy.io_threads", scenario.proxy.io_threads.0 != 1, THREADS),
        ("sockets.backlog", sockets.backlog.is_some(), "clients do not listen"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_other_servers_have_no_library_unless_the_scenario_says_so() {
        let engine = |rest: &str| {
            let text = format!("load.rate = '1/s'\n{rest}");
            Scenario::parse("a.toml", &text, &[]).unwrap().clients.engine
        };
        let external = "proxy = { engine = 'external', frontend = 'tcp://127.0.0.1:5' }";
        assert_eq!(engine(""), ClientEngine::Libzmq);
        for zmtp in [
            external,
            "server.command = ['./s', '{frontend}']",
            "proxy.frontend = 'tcp://127.0.0.1:5'\nworkers.connect = 'tcp://127.0.0.1:6'",
        ] {
            assert_eq!(engine(zmtp), ClientEngine::Zmtp, "{zmtp}");
            for libzmq in ["clients.engine = 'libzmq'", "sockets.sndhwm = 5"] {
                assert_eq!(engine(&format!("{zmtp}\n{libzmq}")), ClientEngine::Libzmq, "{zmtp}");
            }
        }
    }

    fn parsed(rest: &str) -> Result<Scenario, String> {
        let text = format!("load.rate = '1/s'\nclients.engine = 'zmtp'\n{rest}");
        Scenario::parse("a.toml", &text, &[]).map_err(|problem| problem.to_string())
    }

    #[test]
    fn an_option_that_nobody_has_is_refused_by_name() {
        let external = "proxy = { engine = 'external', frontend = 'tcp://127.0.0.1:5' }";
        for (key, why) in [
            ("sockets.sndhwm = 0", "has no queue"),
            ("sockets.rcvhwm = 5", "has no queue"),
            ("sockets.affinity = 1", "has no I/O threads"),
            ("sockets.backlog = 5", "clients do not listen"),
        ] {
            let refused = parsed(&format!("{external}\n{key}")).unwrap_err();
            assert!(refused.contains(why), "{refused}");
            assert!(parsed(key).is_ok(), "the built-in server has it");
        }
        let threads =
            "proxy = { engine = 'external', frontend = 'tcp://127.0.0.1:5', io_threads = 2 }";
        assert!(parsed(threads).unwrap_err().contains("has no I/O threads"));
        for key in ["sndbuf = '64KiB'", "heartbeat_ivl = '1s'", "reconnect_ivl = '1s'", "tos = 8"] {
            assert!(parsed(&format!("{external}\nsockets.{key}")).is_ok(), "{key}");
        }
    }
}
