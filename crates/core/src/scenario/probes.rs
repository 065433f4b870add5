//! Whether probe clients can be beside a load: few, and slow enough that they measure it and are not it. Pure.

use super::value_error::{Checked, refuse_with_help, within};
use super::{Count, Rate, Scenario, Stages};
use crate::quantity::{count, rate, rounded};

/// Requests per second of each probe client, on average: a few seconds give enough for a median, and one thread has time for a
/// hundred such clients.
pub const PROBE_RATE: f64 = 20.0;

/// More than this are a load.
const MOST_PROBES: Count = Count(100);
/// Probes send at most this share of what is offered, or of what workers can do: what they measure changes by no more.
const MOST_SHARE: f64 = 0.1;

const PATH: &str = "clients.probes";

impl Scenario {
    /// Requests per second of all probe clients together, on average; 0 without any.
    pub fn probes_per_s(&self) -> f64 {
        f64::from(self.clients.probes.0) * PROBE_RATE
    }
}

/// Whether these probes measure the load and do not make it.
pub(super) fn error(scenario: &Scenario) -> Checked {
    let probes = scenario.clients.probes;
    within(PATH, probes, Count(0), MOST_PROBES)?;
    if probes == Count(0) {
        return Ok(());
    }
    if scenario.load.requests.is_some() {
        let message = "conflicts with load.requests: probes send as long as a time lasts";
        return refuse_with_help(PATH, message, "use run.duration, or leave one of them out");
    }
    let Some((of, per_second)) = measured_beside(scenario) else { return Ok(()) };
    let (own, most) = (scenario.probes_per_s(), MOST_SHARE * per_second);
    if own <= most {
        return Ok(());
    }
    let fitting = (most / PROBE_RATE).floor();
    let help = if fitting < 1.0 {
        format!(
            "they may send at most a tenth of that: probes are for loads of {} and more",
            rate(PROBE_RATE / MOST_SHARE)
        )
    } else {
        format!("they may send at most a tenth of that: use at most {}", count(rounded(fitting)))
    };
    let message = format!("send {} in all, beside {of} {}", rate(own), rate(per_second));
    refuse_with_help(PATH, message, &help)
}

/// What the probes must be small against: the least of the load's mean rate and what zload's own workers can do, as far as either is known.
fn measured_beside(scenario: &Scenario) -> Option<(&'static str, f64)> {
    let stages = scenario.load.stages.as_ref().map(mean_of);
    let offered = scenario.open_rate().or(stages).map(|rate| ("a load of", rate));
    let capacity = scenario.workers_per_s().map(|rate| ("workers that can serve", rate));
    offered.into_iter().chain(capacity).min_by(|one, other| one.1.total_cmp(&other.1))
}

/// The mean rate of all stages, per second.
fn mean_of(stages: &Stages) -> f64 {
    let requests = stages.0.iter().map(|stage| {
        let rate = stage.rate.per_second();
        let to = stage.to.map_or(rate, Rate::per_second);
        f64::midpoint(rate, to) * stage.length.as_secs_f64()
    });
    requests.sum::<f64>() / stages.length().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Scenario, String> {
        Scenario::parse("a.toml", text, &[]).map_err(|problem| problem.to_string())
    }

    #[test]
    fn probes_are_few_and_small_beside_the_load() {
        let plain = parse("load.rate = '1k/s'\nclients.probes = 2").unwrap();
        assert!((plain.probes_per_s() - 40.0).abs() < 1e-9);
        assert!(parse("load.model = 'closed'\nclients.probes = 100").is_ok());
        for (text, said) in [
            ("load.rate = '100k/s'\nclients.probes = 101", "must be from 0 to 100, not 101"),
            ("load.rate = '1k/s'\nclients.probes = -1", "-1 is out of range"),
            (
                "load.rate = '1k/s'\nclients.probes = 6",
                "send 120/s in all, beside a load of 1.00 k/s",
            ),
            ("load.rate = '1k/s'\nclients.probes = 6", "use at most 5"),
            ("load.rate = '3/s'\nclients.probes = 1", "for loads of 200/s and more"),
            ("load.stages = '9s@100/s'\nclients.probes = 1", "a load of 100/s"),
            (
                "load.model = 'closed'\nclients.probes = 1\nworkers = { count = 5, delay = '1s' }",
                "beside workers that can serve 5/s",
            ),
            (
                "load = { rate = '1k/s', requests = 9 }\nclients.probes = 1",
                "conflicts with load.requests",
            ),
        ] {
            let shown = parse(text).unwrap_err();
            assert!(shown.contains(said), "{shown}");
        }
    }
}
