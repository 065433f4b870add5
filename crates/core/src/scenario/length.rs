//! What ends the sending: a time, or a number of requests. Pure.

use super::value_error::{Checked, MAX_PHASE, refuse, refuse_with_help, within};
use super::{Arrivals, Count, Model, Nanos, Rate, Scenario};
use crate::quantity::{count, counted};

/// How long requests are sent if neither `run.duration`, nor `load.requests`, nor the load itself says so.
const DEFAULT_DURATION: Nanos = Nanos::from_secs(5);
const MOST_REQUESTS: Count = Count(1_000_000_000);
/// Poisson instants up to the last one are all drawn before the run: half a second's work.
const MOST_DRAWN: f64 = 20e6;

const PATH: &str = "load.requests";

impl Scenario {
    /// How long requests are sent and counted; `None` if the scenario says how many.
    pub fn duration(&self) -> Option<Nanos> {
        match self.load.requests {
            None => Some(self.run.duration.or(self.load.own_length()).unwrap_or(DEFAULT_DURATION)),
            Some(_) => None,
        }
    }

    /// The same in words, as in "5s" or "1,000 requests".
    pub fn length(&self) -> String {
        match (self.load.requests, self.duration()) {
            (Some(requests), _) => counted(u64::from(requests.0), "request"),
            (None, duration) => duration.unwrap_or(DEFAULT_DURATION).to_string(),
        }
    }

    /// Requests per second of an open load over all clients; `None` of a closed one.
    pub fn open_rate(&self) -> Option<f64> {
        let clients = f64::from(self.clients.count.0);
        let each = || self.load.rate_per_client.map(|rate| rate.per_second() * clients);
        match self.load.model {
            Model::Open => self.load.rate.map(Rate::per_second).or_else(each),
            Model::Closed => None,
        }
    }
}

/// Whether a number of requests can end this load.
pub(super) fn error(scenario: &Scenario) -> Checked {
    let Some(requests) = scenario.load.requests else { return Ok(()) };
    if scenario.run.duration.is_some() {
        let help = "a run ends after a time or a number of requests: leave one of them out";
        return refuse_with_help(PATH, "conflicts with run.duration", help);
    }
    if scenario.load.own_length().is_some() {
        let help = "a load with stages or a replay ends with them: leave it out";
        return refuse_with_help(PATH, "conflicts with load.stages or load.replay", help);
    }
    within(PATH, requests, Count(1), MOST_REQUESTS)?;
    let Some(rate) = scenario.open_rate() else {
        let clients = scenario.clients.count;
        if requests < clients {
            let each = format!("is {requests}, and there are {clients} clients");
            return refuse_with_help(PATH, each, "in a closed load each client sends at least one");
        }
        return Ok(());
    };
    let seconds = f64::from(requests.0) / rate;
    if seconds > MAX_PHASE.as_secs_f64() {
        return refuse(
            PATH,
            format!("takes {:.0} h at this rate; the maximum is {MAX_PHASE}", seconds / 3600.0),
        );
    }
    let drawn = f64::from(requests.0) + rate * scenario.run.warmup.as_secs_f64();
    if scenario.load.arrivals == Some(Arrivals::Poisson) && drawn > MOST_DRAWN {
        return refuse_with_help(
            PATH,
            format!("with the warm-up these are {:.0} Poisson arrivals", drawn.ceil()),
            &format!(
                "at most {} are drawn before a run: use run.duration, or arrivals = \"periodic\"",
                count(20_000_000)
            ),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load::Override;

    fn parse(text: &str, overrides: &[&str]) -> Result<Scenario, String> {
        let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
        Scenario::parse("a.toml", text, &overrides).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_run_ends_by_time_or_by_number_and_the_last_word_counts() {
        let plain = parse("load.rate = '1k/s'", &[]).unwrap();
        assert_eq!((plain.duration(), plain.length()), (Some(DEFAULT_DURATION), "5s".to_owned()));
        let so_many = "load = { rate = '1k/s', requests = 3000 }";
        let by_number = parse(so_many, &[]).unwrap();
        assert_eq!((by_number.duration(), by_number.length()), (None, "3,000 requests".to_owned()));
        assert_eq!(by_number.run.duration, None, "so that it is not written into the result");
        let both = format!("{so_many}\nrun.duration = '5s'");
        let shown = parse(&both, &[]).unwrap_err();
        assert!(shown.contains("load.requests: conflicts with run.duration"), "{shown}");
        assert_eq!(parse(so_many, &["run.duration=2s"]).unwrap().length(), "2s");
        let by_time = "load.rate = '1k/s'\nrun.duration = '5s'";
        assert_eq!(parse(by_time, &["load.requests=1"]).unwrap().length(), "1 request");
        assert!(parse(by_time, &["load.requests=7", "run.duration=2s"]).is_err());
    }

    #[test]
    fn what_no_load_can_end_by_is_refused() {
        for (text, said) in [
            ("load = { rate = '1/s', requests = 0 }", "from 1 to 1000000000"),
            ("load = { rate = '1/h', requests = 25 }", "takes 25 h at this rate"),
            ("load = { model = 'closed', requests = 2 }", "is 2, and there are 3 clients"),
            (
                "load = { rate = '1M/s', arrivals = 'poisson', requests = 19000001 }\nrun.warmup = '1s'",
                "20000001 Poisson arrivals",
            ),
        ] {
            let shown = parse(text, &[]).unwrap_err();
            assert!(shown.contains(said), "{shown}");
        }
    }
}
