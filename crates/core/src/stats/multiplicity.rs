//! Many questions asked of one experiment.

/// The probabilities corrected for their number, in their order: each at most 0.05 keeps the chance of any false alarm
/// among all of them at 0.05.
///
/// Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
pub fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_unstable_by(|one, other| probabilities[*one].total_cmp(&probabilities[*other]));
    let mut corrected = vec![0.0; probabilities.len()];
    let mut largest: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        let left = (probabilities.len() - rank) as f64;
        largest = largest.max((probabilities[index] * left).min(1.0));
        corrected[index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (corrected, expected) in corrected.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((corrected - expected).abs() < 1e-12, "{corrected} {expected}");
        }
        assert!(holm(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn a_correction_never_makes_anything_more_certain(probabilities in prop::collection::vec(0.0..1.0_f64, 1..30)) {
            let corrected = holm(&probabilities);
            let bonferroni = probabilities.len() as f64;
            for (corrected, probability) in corrected.iter().zip(&probabilities) {
                prop_assert!(corrected >= probability && *corrected <= (probability * bonferroni).min(1.0));
            }
        }
    }
}
