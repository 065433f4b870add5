//! What options of the command line mean together: overrides of a scenario in the order in which they take effect, policies, the
//! design of a comparison.

use super::{DesignArgs, LoadOverrides, Overrides, Policies, ProfileArg, RunArgs, ServeArgs};
use crate::experiment::{DesignOverrides, Profile};
use zload_core::scenario::load::Override;
use zload_core::twin::Policy;

impl Policies {
    /// The chosen policies.
    pub fn chosen(self) -> Vec<Policy> {
        match self {
            Self::RoundRobin => vec![Policy::RoundRobin],
            Self::SharedQueue => vec![Policy::SharedQueue],
            Self::LeastLoaded => vec![Policy::LeastLoaded],
            Self::PowerOfTwo => vec![Policy::PowerOfTwo],
            Self::All => Policy::ALL.to_vec(),
        }
    }
}

impl Overrides {
    /// All overrides in the order in which they take effect: the short forms last.
    pub fn with(&self, load: &LoadOverrides) -> Vec<Override> {
        let short = [
            ("seed", &self.seed),
            ("run.duration", &self.duration),
            ("load.rate", &load.rate),
            ("load.stages", &load.stages),
            ("load.requests", &load.requests),
            ("clients.count", &load.clients),
            ("workers.count", &self.workers),
        ];
        let mut all = self.set.clone();
        all.extend(short_forms(&short));
        all
    }
}

impl RunArgs {
    /// All overrides in the order in which they take effect: thresholds are added to what the others leave.
    pub fn overrides(&self) -> Vec<Override> {
        let mut all = self.overrides.with(&self.load);
        if !self.server.is_empty() {
            // A list of JSON strings is one of TOML, too.
            all.push(Override::new(
                "server.command",
                &serde_json::Value::from(&self.server[..]).to_string(),
            ));
        }
        if let Some(endpoint) = &self.part.connect {
            all.push(Override::new("proxy.engine", "external"));
            all.push(Override::new("proxy.frontend", endpoint));
        }
        all.extend(self.thresholds.iter().map(|text| Override::threshold(text)));
        all
    }
}

impl ServeArgs {
    /// All overrides in the order in which they take effect: the short forms last.
    pub fn overrides(&self) -> Vec<Override> {
        let mut all = self.set.clone();
        all.extend(short_forms(&[("workers.count", &self.workers), ("seed", &self.seed)]));
        all
    }
}

impl DesignArgs {
    /// The profile and its overrides.
    pub fn overrides(&self) -> (Profile, DesignOverrides) {
        let profile = match self.profile {
            None | Some(ProfileArg::Quick) => Profile::Quick,
            Some(ProfileArg::Thorough) => Profile::Thorough,
        };
        let overrides = DesignOverrides {
            blocks: self.blocks,
            slices: self.slices,
            slice: self.slice,
            cpus: self.cpus,
        };
        (profile, overrides)
    }
}

fn short_forms(given: &[(&str, &Option<String>)]) -> Vec<Override> {
    given.iter().filter_map(|(key, value)| Some(Override::new(key, value.as_ref()?))).collect()
}
