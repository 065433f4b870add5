//! The identities of one run's clients, in the example's form `%04X-%04X` or in the scenario's own (`clients.identity`).
//!
//! A ROUTER ignores the second of two connections with one identity, so they belong to the run and not to the plan: a
//! nonce of the run goes in beside the seed. Within a run they are different by construction, as each is a permutation
//! of the client's number: with seed and nonce any of them can be computed alone. Invariant: pure.

use std::sync::Arc;

use super::draw::mix;

/// What stands for the client's number in a form of the scenario's.
const CLIENT: &str = "{client}";

/// Rounds of the permutation: four make a pseudorandom permutation of a pseudorandom function (Luby and Rackoff, "How to
/// construct pseudorandom permutations from pseudorandom functions", 1988).
const ROUNDS: u64 = 4;

/// The identities of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities {
    key: u64,
    /// The scenario's own form, in which `{client}` is the client's number.
    pattern: Option<Arc<str>>,
}

impl Identities {
    /// Those of the run with this nonce, of a plan with this seed.
    pub fn new(seed: u64, nonce: u64) -> Self {
        Self { key: mix(mix(seed) ^ nonce), pattern: None }
    }

    /// The same clients under identities of this form, if there is one.
    #[must_use]
    pub fn in_form(self, pattern: Option<Arc<str>>) -> Self {
        Self { pattern, ..self }
    }

    /// The identity of the client with this number.
    pub fn of(&self, client: u32) -> String {
        if let Some(pattern) = &self.pattern {
            return pattern.replace(CLIENT, &client.to_string());
        }
        let (mut left, mut right) = (client >> 16, client & 0xffff);
        for round in 0..ROUNDS {
            let function = mix(self.key ^ mix(round << 16 | u64::from(right))) >> 48;
            let function = u32::try_from(function).expect("the upper 16 of 64 bits");
            (left, right) = (right, left ^ function);
        }
        format!("{left:04X}-{right:04X}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_two_of_a_run_are_alike() {
        let run = Identities::new(5570, 7);
        let unique: HashSet<String> = (0..200_000).map(|client| run.of(client)).collect();
        assert_eq!(unique.len(), 200_000);
    }

    #[test]
    fn runs_of_one_seed_share_hardly_any() {
        let [one, two] = [1, 2].map(|nonce| Identities::new(5570, nonce));
        let of_one: HashSet<String> = (0..1_000).map(|client| one.of(client)).collect();
        let shared = (0..1_000).filter(|&client| of_one.contains(&two.of(client))).count();
        // Of a million pairs, one in 2^32 is expected to be alike.
        assert!(shared <= 1, "{shared}");
    }

    proptest! {
        #[test]
        fn they_look_as_the_examples_and_depend_on_seed_nonce_and_client(
            seed: u64, nonce: u64, client: u32,
        ) {
            let identity = Identities::new(seed, nonce).of(client);
            let (left, right) = identity.split_once('-').unwrap();
            for half in [left, right] {
                prop_assert_eq!(half.len(), 4);
                prop_assert!(half.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')));
            }
            prop_assert_ne!(&identity, &Identities::new(seed, nonce).of(client ^ 1));
            prop_assert_eq!(&identity, &Identities::new(seed, nonce).of(client));
        }
    }
}
