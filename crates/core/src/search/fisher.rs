//! Fisher's exact test of two shares. Pure.

use super::evidence::ln_choose;

/// How likely a table as uneven as this is if both shares are one: `hits` of `of` on each side (Fisher, "The design of
/// experiments", 1935; both tails: all tables that are at most as likely).
pub(super) fn p_value([a, b]: [(u32, u32); 2]) -> f64 {
    let (hits, all) = (a.0 + b.0, a.1 + b.1);
    let probability = |first: u32| {
        libm::exp(ln_choose(a.1, first) + ln_choose(b.1, hits - first) - ln_choose(all, hits))
    };
    let least = hits.saturating_sub(b.1);
    let here = probability(a.0);
    let as_rare = |chance: &f64| *chance <= here * (1.0 + 1e-9);
    (least..=hits.min(a.1)).map(probability).filter(as_rare).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lady_tasted_tea() {
        // 1 in 70 each way that all eight cups are told apart.
        assert!((p_value([(4, 4), (0, 4)]) - 2.0 / 70.0).abs() < 1e-12);
        assert!((p_value([(3, 4), (1, 4)]) - 34.0 / 70.0).abs() < 1e-12);
        assert!((p_value([(2, 4), (2, 4)]) - 1.0).abs() < 1e-12);
        assert!((p_value([(0, 5), (0, 9)]) - 1.0).abs() < 1e-12);
    }
}
