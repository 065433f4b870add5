//! The probe clients of a plan: few, each with Poisson arrivals at a slow constant rate, whatever the load is.
//!
//! Their numbers come after those of the clients, so that their requests have draws, headers and identities as any others. At
//! random instants they find the system as it is on average over time (Wolff, "Poisson arrivals see time averages", 1982).

use super::{Offered, Plan};
use crate::scenario::{Arrivals, PROBE_RATE, Scenario};

/// What of them decides the offered work; nothing without any.
pub(super) fn identity(scenario: &Scenario) -> Option<(u32, f64)> {
    let probes = scenario.clients.probes.0;
    (probes > 0).then_some((probes, PROBE_RATE))
}

impl Plan {
    /// How many probe clients there are besides.
    pub fn probes(&self) -> u32 {
        self.probes
    }

    /// The numbers of the probe clients: those after the clients'.
    pub fn probe_numbers(&self) -> std::ops::Range<u32> {
        self.clients..self.clients + self.probes
    }

    /// The probes' own plan, an open load with the same draws, phases and hash; `None` without any. Their schedules have the
    /// numbers of [`Self::probe_numbers`].
    pub fn of_probes(&self) -> Option<Self> {
        if self.probes == 0 {
            return None;
        }
        let rate = f64::from(self.probes) * PROBE_RATE;
        let mut plan = self.clone();
        plan.offered = Offered::Open { rate, arrivals: Arrivals::Poisson };
        (plan.clients, plan.probes, plan.change, plan.quota) = (self.probes, 0, None, None);
        let summary = &mut plan.summary;
        (summary.requests_per_s, summary.peak_per_s) = (Some(rate), Some(rate));
        let window_ns = self.send_end_ns - self.warmup_ns;
        summary.requests = Some(rate * window_ns as f64 / 1e9);
        (summary.in_flight, summary.utilisation) = (None, None);
        Some(plan)
    }

    /// Requests of the probes that a run counts, those intended after the warm-up.
    pub fn requests_of_probes(&self) -> u64 {
        let Some(plan) = self.of_probes() else { return 0 };
        let schedules = self.probe_numbers().filter_map(|number| plan.schedule(number));
        schedules.map(|one| one.count_between(self.warmup_ns, self.send_end_ns)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::rounded;

    fn plan(text: &str) -> Plan {
        Plan::new(&Scenario::parse("test.toml", text, &[]).unwrap())
    }

    #[test]
    fn probes_are_of_the_plan_only_where_there_are_any() {
        let load =
            "load.rate = '3k/s'\nrun.duration = '10s'\nworkers.replies = { uniform = [0, 4] }";
        let (without, with) = (plan(load), plan(&format!("{load}\nclients.probes = 3")));
        assert_eq!(plan(&format!("{load}\nclients.probes = 0")).hash(), without.hash());
        assert_ne!(with.hash(), without.hash());
        assert!(without.of_probes().is_none());
        assert_eq!((with.clients(), with.probe_numbers()), (3, 3..6));
        // The others do the same with and without them.
        for client in 0..3 {
            let instants = |plan: &Plan| plan.schedule(client).unwrap().collect::<Vec<_>>();
            assert_eq!(instants(&with), instants(&without));
        }
        assert_eq!(with.requests(), without.requests());
        let probes = with.of_probes().unwrap();
        for number in with.probe_numbers() {
            assert_eq!(
                probes.request(number, 7),
                with.request(number, 7),
                "a server draws the same"
            );
        }
    }

    #[test]
    fn probes_send_at_their_rate_at_random_instants_beside_any_load() {
        for load in [
            "load.rate = '3k/s'\nrun.duration = '100s'",
            "load.model = 'closed'\nrun.duration = '100s'",
            "load.stages = '50s@1k/s, 50s@5k/s'",
        ] {
            let plan = plan(&format!("{load}\nrun.warmup = '1s'\nclients.probes = 4"));
            let probes = plan.of_probes().unwrap();
            let counted = plan.requests_of_probes();
            // 4 times 20/s for 100 s: the standard deviation is 89.
            assert!((7_600..8_400).contains(&counted), "{load}: {counted}");
            let mut all: Vec<u64> = plan
                .probe_numbers()
                .flat_map(|number| probes.schedule(number).unwrap())
                .map(|(_, at_ns)| at_ns)
                .collect();
            all.sort_unstable();
            let mean_ns = rounded(1e9 / 80.0);
            let long = all.windows(2).filter(|pair| pair[1] - pair[0] > mean_ns).count();
            let share = long as f64 / all.len() as f64;
            // P(gap > mean) = 1/e, also of all probes together.
            assert!((share - 0.3679).abs() < 0.03, "{load}: {share}");
        }
    }
}
