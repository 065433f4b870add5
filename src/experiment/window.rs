//! How long each run of a sweep lasts: as long at every point, or figures of different windows would be compared.

use zload_core::quantity::{counted, rounded};
use zload_core::scenario::load::Override;
use zload_core::scenario::{Nanos, Scenario};

/// What a sweep takes unless its command line says otherwise.
const USUAL: Nanos = Nanos::from_secs(120);
/// The shortest run unless a time was asked for, and if it was.
const SHORTEST: Nanos = Nanos::from_secs(1);
const SHORTEST_ASKED_FOR: Nanos = Nanos(200_000_000);
/// The warm-up is this share of the window, and never shorter than that of a process that has just been started.
const WARMUP: f64 = 0.25;
const LEAST_WARMUP: Nanos = Nanos(200_000_000);
/// What a run takes besides: the start of its process, handshakes, the lower bound, its end.
const BESIDES: Nanos = Nanos(250_000_000);

/// How long each run lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The warm-up, not counted.
    pub warmup: Nanos,
    /// The measured window.
    pub length: Nanos,
}

impl Window {
    /// Of this number of runs, which together take about `time`. What was given on the command line (warm-up, duration) is in `scenario`,
    /// and is kept.
    /// Fails if they do not fit into a time that was asked for.
    pub fn new(
        scenario: &Scenario,
        (warmup_given, length_given): (bool, bool),
        time: Option<Nanos>,
        runs: u64,
    ) -> Result<Self, String> {
        let whole = scenario.duration();
        let own = scenario.run.warmup;
        let warmup_of = |length: Nanos| {
            if warmup_given || length_given && own > Nanos::ZERO {
                own
            } else {
                Nanos(rounded(length.0 as f64 * WARMUP)).max(LEAST_WARMUP)
            }
        };
        if let Some(length) = whole.filter(|_| length_given) {
            return Ok(Self { warmup: warmup_of(length), length });
        }
        let each = time.unwrap_or(USUAL).0 as f64 / runs.max(1) as f64 - BESIDES.0 as f64;
        let length = if warmup_given { each - own.0 as f64 } else { each / (1.0 + WARMUP) };
        // To the millisecond: the figure is shown, and written into a scenario.
        let length = Nanos(rounded((length / 1e6).floor().max(0.0)) * 1_000_000);
        let shortest = if time.is_some() { SHORTEST_ASKED_FOR } else { SHORTEST };
        let longest = whole.unwrap_or(length).max(Nanos(1));
        if let Some(time) = time.filter(|_| length < shortest.min(longest)) {
            let window = Self { warmup: warmup_of(shortest), length: shortest };
            let least = Nanos(window.each().0.saturating_mul(runs));
            return Err(format!(
                "{} do not fit into {time}: they take at least {} s; give more --time, fewer values or fewer --passes",
                counted(runs, "run"),
                least.as_secs_f64().ceil()
            ));
        }
        let length = length.max(shortest).min(longest.max(SHORTEST_ASKED_FOR.min(longest)));
        Ok(Self { warmup: warmup_of(length), length })
    }

    /// What a run takes, all in all.
    pub fn each(self) -> Nanos {
        Nanos(self.warmup.0 + self.length.0 + BESIDES.0)
    }

    /// What this sets of a scenario.
    pub fn overrides(self) -> Vec<Override> {
        vec![
            Override::new("run.warmup", &self.warmup.to_string()),
            Override::new("run.duration", &self.length.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEITHER: (bool, bool) = (false, false);

    fn window(
        run: &str,
        given: (bool, bool),
        time: Option<u64>,
        runs: u64,
    ) -> Result<Window, String> {
        let text = format!("load = {{ rate = '1/s' }}\nrun = {{ {run} }}");
        let scenario = Scenario::parse("a.toml", &text, &[]).unwrap();
        Window::new(&scenario, given, time.map(Nanos::from_secs), runs)
    }

    #[test]
    fn runs_together_take_the_time_that_there_is() {
        for (time, runs) in [(None, 27), (None, 60), (Some(60), 30), (Some(600), 100)] {
            let window = window("duration = '1h'", NEITHER, time, runs).unwrap();
            let all = window.each().as_secs_f64() * runs as f64;
            let time = time.map_or(120.0, |seconds| seconds as f64);
            assert!((all - time).abs() < 0.02 * time, "{all} of {time}");
        }
    }

    #[test]
    fn no_run_is_longer_than_the_scenario_or_too_short_to_say_anything() {
        let window_of = |run, time, runs| window(run, NEITHER, time, runs).map(|of| of.length);
        assert_eq!(window_of("duration = '2s'", None, 4), Ok(Nanos::from_secs(2)));
        assert_eq!(window_of("duration = '1h'", None, 10_000), Ok(SHORTEST));
        assert_eq!(window_of("duration = '300ms'", None, 10_000), Ok(Nanos(300_000_000)));
        let why = window_of("duration = '1h'", Some(10), 100).unwrap_err();
        assert!(why.contains("100 runs do not fit into 10s: they take at least 65 s"), "{why}");
    }

    #[test]
    fn what_is_given_holds() {
        let given = window("duration = '300ms', warmup = '1s'", (false, true), None, 27).unwrap();
        assert_eq!(given, Window { warmup: Nanos::from_secs(1), length: Nanos(300_000_000) });
        let given = window("duration = '8s'", (false, true), None, 27).unwrap();
        assert_eq!(given.warmup, Nanos::from_secs(2));
        let given = window("warmup = '50ms', duration = '1h'", (true, false), None, 27).unwrap();
        assert_eq!(given.warmup, Nanos(50_000_000));
    }
}
