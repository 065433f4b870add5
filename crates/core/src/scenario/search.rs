//! `[search]`: the questions of `zload search` for a scenario.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::threshold::Threshold;

/// `[search]`: what `zload search` asks of this scenario. All optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    /// The goal: limits that must all hold in a trial, as in `first_reply.p99 < 20ms`. By default those of `[thresholds]`, else
    /// that the system keeps up with the load and loses nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Threshold>,
    /// Further goals by their names, each with its own answer from the same trials.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, Vec<Threshold>>,
    /// The key that is searched over. By default the rate of an open load, the number of clients of a closed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
}

impl Search {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
