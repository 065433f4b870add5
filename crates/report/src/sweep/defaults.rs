//! What a sweep takes where nothing was said: which rates, which figures.

use crate::result::figures::{self, PARTS};
use zload_core::scenario::{Model, Scenario};

/// Rates below the bound, and shares of it between which they lie.
const RATES: u32 = 10;
const LOWEST: f64 = 0.1;
const HIGHEST: f64 = 0.95;
/// One rate above it shows what overload looks like.
const BEYOND: f64 = 1.05;

/// The rates of a sweep of the load, as a scenario has them: 10 from 10 % to 95 % of what the system can do, and 105 % of it.
pub fn rates_below(bound_per_s: f64) -> Vec<String> {
    let step = (HIGHEST - LOWEST) / f64::from(RATES - 1);
    let shares = (0..RATES).map(|place| LOWEST + step * f64::from(place));
    let rates = shares.chain([BEYOND]).map(|share| rounded(share * bound_per_s));
    let mut rates: Vec<String> = rates.map(|per_s| format!("{per_s}/s")).collect();
    rates.dedup();
    rates
}

/// To three digits.
fn rounded(value: f64) -> f64 {
    let scale = 10_f64.powf(2.0 - value.max(1e-9).log10().floor());
    let rounded = (value * scale).round() / scale;
    // No digits that only a division left behind.
    format!("{rounded:.9}").parse().unwrap_or(rounded)
}

/// The figures that matter, the one first that decides.
pub fn default_figures(scenario: &Scenario) -> [&'static str; 2] {
    match scenario.load.model {
        Model::Open => ["latency.first_reply.p50", "latency.first_reply.p99"],
        Model::Closed => ["throughput.replies_per_s"; 2],
    }
}

/// The name in the catalogue of a figure of the whole run; an error says what is nearest.
pub fn figure_named(name: &str) -> Result<String, String> {
    let known = figures::named(name.trim())
        .filter(|figure| PARTS.iter().any(|part| part.name == figure.part()));
    known.map(|figure| figure.name.to_owned()).ok_or_else(|| {
        let help = figures::nearest(name).map_or_else(
            || "zload metrics lists all".to_owned(),
            |nearest| format!("did you mean {nearest}? zload metrics lists all"),
        );
        format!("--y {name}: no figure of a run has this name; {help}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_go_from_a_tenth_of_the_bound_to_beyond_it() {
        let rates = rates_below(1000.0);
        assert_eq!(rates.len(), 11);
        assert_eq!(
            [&rates[0], &rates[1], &rates[9], &rates[10]],
            ["100/s", "194/s", "950/s", "1050/s"]
        );
        let slow = rates_below(0.5);
        assert_eq!([&slow[0], &slow[10]], ["0.05/s", "0.525/s"]);
    }

    #[test]
    fn a_figure_is_one_of_the_whole_run() {
        assert_eq!(figure_named("first_reply.p99"), Ok("latency.first_reply.p99".to_owned()));
        assert!(figure_named("first_reply.p98").unwrap_err().contains("did you mean"));
        for name in ["series.p99", "seed", "", "environment.cores"] {
            assert!(figure_named(name).is_err(), "{name}");
        }
    }
}
