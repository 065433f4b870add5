//! One check: what was found, what is allowed, and a sentence about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One check of a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its name, as in docs/verdict.md.
    pub name: String,
    /// What it found.
    pub status: CheckStatus,
    /// What was measured, in `unit`; null if the check is not applicable.
    pub value: Option<f64>,
    /// The limit that decided, in `unit`: that of a warning unless the check failed.
    pub limit: Option<f64>,
    /// `ratio`, `ns` or `count`.
    pub unit: String,
    /// The finding and, unless it passed, what to do.
    pub sentence: String,
    /// It passed, with a note: a cause of which no effect was found, a doubt that belongs to one figure, or a
    /// change that is too small for a warning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noted: bool,
    /// The check whose finding explains this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symptom_of: Option<String>,
}

/// What a check found, from harmless to bad; no data is worse than a pass.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// No doubt.
    Pass,
    /// It had no data; the sentence says why. Never counts as passed.
    NotApplicable,
    /// The figures are in doubt.
    Warn,
    /// The figures must not be used.
    Fail,
}

/// The lines that a value must not cross.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    warn: f64,
    fail: f64,
}

impl Lines {
    /// Above it the figures are in doubt, however far.
    pub(super) fn warn(warn: f64) -> Self {
        Self { warn, fail: f64::INFINITY }
    }

    /// Above `fail` they must not be used. A higher warning line of the user raises this one.
    pub(super) fn or_fail(self, fail: f64) -> Self {
        Self { fail: fail.max(self.warn), ..self }
    }
}

impl Check {
    /// A check that has no data. As all checks it gets its name where it is called.
    pub(super) fn not_applicable(why: &str) -> Self {
        Self {
            name: String::new(),
            status: CheckStatus::NotApplicable,
            value: None,
            limit: None,
            unit: String::new(),
            sentence: why.to_owned(),
            noted: false,
            symptom_of: None,
        }
    }

    /// A value that should not be above the lines: `fact` says what it is, `advice` what to do if it is.
    pub(super) fn at_most(
        (value, unit): (f64, &str),
        lines: Lines,
        fact: String,
        advice: &str,
    ) -> Self {
        let status = match value {
            value if value > lines.fail => CheckStatus::Fail,
            value if value > lines.warn => CheckStatus::Warn,
            _ => CheckStatus::Pass,
        };
        Self {
            status,
            value: Some(value),
            limit: Some(if status == CheckStatus::Fail { lines.fail } else { lines.warn }),
            unit: unit.to_owned(),
            sentence: if status == CheckStatus::Pass { fact } else { format!("{fact}: {advice}") },
            ..Self::not_applicable("")
        }
    }

    /// A value that never warns, and gets a note above `limit`.
    pub(super) fn note_above(measured: (f64, &str), limit: f64, fact: String) -> Self {
        let check = Self::at_most(measured, Lines::warn(f64::INFINITY), fact, "");
        Self { limit: Some(limit), ..check }.noted_above(limit)
    }

    /// The same, with a note above `limit` where it passes.
    pub(super) fn noted_above(mut self, limit: f64) -> Self {
        self.noted = self.status == CheckStatus::Pass && self.value.is_some_and(|it| it > limit);
        self
    }

    /// The same, not worse than `worst`, for a value that does not decide alone.
    pub(super) fn no_worse_than(mut self, worst: CheckStatus) -> Self {
        self.status = self.status.min(worst);
        self
    }
}
