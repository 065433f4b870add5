//! A rate over time, how many requests it has sent by an instant, and the instant of each: its integral and the inverse of that.
//!
//! Requests of a changing load are those of a load of one request per unit, moved to where the integral reaches them (time
//! rescaling). Invariant: an instant is the same bits on every machine, and never earlier than that of a smaller number.

use std::f64::consts::TAU;

use crate::quantity::rounded;
use crate::scenario::{Nanos, Rate, Stage, StageShape};

/// Halvings of an interval: after them it is shorter than a nanosecond, however long a stage.
const BISECTIONS: u32 = 60;
/// A request this near to the end of a stage is the first of the next one: lengths and rates are seldom exact in binary.
const AT_THE_END: f64 = 1e-6;

/// A rate over time, from the plan's start.
#[derive(Debug, Clone, Default)]
pub(super) struct Curve {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone)]
struct Segment {
    from_ns: u64,
    to_ns: u64,
    /// Requests that have left by its start and by its end.
    before: f64,
    after: f64,
    rule: Rule,
}

/// The rate within a segment, per second.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Hold { per_s: f64 },
    Ramp { per_s: f64, per_s_squared: f64 },
    Swing { per_s: f64, swing: f64, radians_per_s: f64 },
}

impl Curve {
    /// The rate of these stages, with the first one's first rate for `warmup_ns` before them.
    pub(super) fn of(stages: &[Stage], warmup_ns: u64) -> Self {
        let mut curve = Self::default();
        if let Some(first) = stages.first().filter(|_| warmup_ns > 0) {
            curve.add(warmup_ns, Rule::Hold { per_s: first.rate.per_second() });
        }
        for stage in stages {
            curve.add(stage.length.0, Rule::of(stage));
        }
        curve
    }

    fn add(&mut self, length_ns: u64, rule: Rule) {
        let (from_ns, before) =
            self.segments.last().map_or((0, 0.0), |last| (last.to_ns, last.after));
        let after = before + rule.requests(seconds(length_ns));
        self.segments.push(Segment { from_ns, to_ns: from_ns + length_ns, before, after, rule });
    }

    /// The instant of the request with this number, in nanoseconds: of the first one after a pause if the rate is 0 there; the
    /// largest number if the stages end before it.
    #[inline]
    pub(super) fn instant_ns(&self, number: f64) -> u64 {
        let place = self.segments.partition_point(|segment| segment.after - number <= AT_THE_END);
        let Some(segment) = self.segments.get(place) else { return u64::MAX };
        let (length_ns, number) = (segment.to_ns - segment.from_ns, number - segment.before);
        let after_s = segment.rule.seconds(number.max(0.0), seconds(length_ns));
        segment.from_ns + rounded(after_s * 1e9).min(length_ns)
    }

    /// How many requests are expected from one instant to another.
    pub(super) fn requests(&self, from_ns: u64, to_ns: u64) -> f64 {
        self.requests_until(to_ns) - self.requests_until(from_ns)
    }

    /// How many requests are expected before an instant.
    fn requests_until(&self, at_ns: u64) -> f64 {
        let place = self.segments.partition_point(|segment| segment.to_ns <= at_ns);
        match self.segments.get(place) {
            Some(segment) => {
                segment.before + segment.rule.requests(seconds(at_ns - segment.from_ns))
            }
            None => self.segments.last().map_or(0.0, |last| last.after),
        }
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

impl Rule {
    fn of(stage: &Stage) -> Self {
        let per_s = stage.rate.per_second();
        let swing = stage.swing.map_or(0.0, Rate::per_second);
        match (stage.shape(), stage.to, stage.period) {
            (StageShape::Ramp, Some(to), _) => Self::Ramp {
                per_s,
                per_s_squared: (to.per_second() - per_s) / stage.length.as_secs_f64(),
            },
            (StageShape::Swing, _, Some(period)) => {
                Self::Swing { per_s, swing, radians_per_s: TAU / Nanos::as_secs_f64(period) }
            }
            _ => Self::Hold { per_s },
        }
    }

    /// How many requests it sends in its first `s` seconds.
    fn requests(self, s: f64) -> f64 {
        match self {
            Self::Hold { per_s } => per_s * s,
            Self::Ramp { per_s, per_s_squared } => s * (per_s + per_s_squared * s / 2.0),
            Self::Swing { per_s, swing, radians_per_s } => {
                // 1 − cos x = 2 sin²(x/2), which is exact where the difference is not.
                let sine = libm::sin(radians_per_s * s / 2.0);
                per_s * s + 2.0 * swing / radians_per_s * sine * sine
            }
        }
    }

    /// After how many of its seconds it has sent this many requests, which it does within `length` seconds.
    fn seconds(self, requests: f64, length: f64) -> f64 {
        match self {
            Self::Hold { per_s } => requests / per_s,
            // The root of the integral without a difference of nearly equal numbers; 0 is a start, too.
            Self::Ramp { .. } if requests <= 0.0 => 0.0,
            Self::Ramp { per_s, per_s_squared } => {
                let square = per_s * per_s + 2.0 * per_s_squared * requests;
                2.0 * requests / (per_s + libm::sqrt(square.max(0.0)))
            }
            Self::Swing { .. } => {
                let (mut low, mut high) = (0.0, length);
                for _ in 0..BISECTIONS {
                    let middle = low + (high - low) / 2.0;
                    if self.requests(middle) < requests { low = middle } else { high = middle }
                }
                high
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stage(length_ms: u64, rate: f64, to: Option<f64>, swing: Option<(f64, u64)>) -> Stage {
        let per_s = |rate: f64| format!("{rate}/s").parse().unwrap();
        Stage {
            name: None,
            length: Nanos(length_ms * 1_000_000),
            rate: per_s(rate),
            to: to.map(per_s),
            swing: swing.map(|(share, _)| per_s(share * rate)),
            period: swing.map(|(_, ms)| Nanos(ms * 1_000_000)),
        }
    }

    fn stages() -> impl Strategy<Value = Vec<Stage>> {
        let rate = || prop_oneof![Just(0.0), 0.1..5_000.0_f64];
        let one = (1..20_000_u64, rate(), rate(), 0.0..=1.0_f64, 1..5_000_u64, 0..3).prop_map(
            |(length, rate, to, share, period, kind)| match kind {
                0 => stage(length, rate, None, None),
                1 => stage(length, rate, Some(to), None),
                _ => stage(length, rate, None, Some((share, period))),
            },
        );
        prop::collection::vec(one, 1..6)
    }

    proptest! {
        #[test]
        fn the_instant_of_a_number_is_where_the_integral_reaches_it(
            stages in stages(), warmup_ms in 0..2_000_u64, shares in prop::collection::vec(0.0..1.0_f64, 1..50),
        ) {
            let curve = Curve::of(&stages, warmup_ms * 1_000_000);
            let total = curve.requests_until(u64::MAX);
            let mut numbers: Vec<f64> = shares.iter().map(|share| share * total).collect();
            numbers.sort_by(f64::total_cmp);
            let mut before_ns = 0;
            for number in numbers.into_iter().filter(|number| total - number > 1e-3) {
                let at_ns = curve.instant_ns(number);
                prop_assert!(at_ns >= before_ns, "{at_ns} after {before_ns}");
                before_ns = at_ns;
                // A nanosecond, or what is less than a request at an edge.
                let [low, high] = [at_ns.saturating_sub(2), at_ns + 2].map(|ns| curve.requests_until(ns));
                let slack = 2e-6 + total * 1e-12;
                prop_assert!(low - slack <= number && number <= high + slack, "{number} not in {low}..{high}");
            }
            prop_assert_eq!(curve.instant_ns(total + 1.0), u64::MAX);
        }

        #[test]
        fn parts_of_the_integral_add_up(stages in stages(), cuts in prop::collection::vec(0..60_000_000_000_u64, 1..9)) {
            let curve = Curve::of(&stages, 0);
            let mut cuts = cuts;
            cuts.extend([0, u64::MAX]);
            cuts.sort_unstable();
            let parts: Vec<f64> = cuts.windows(2).map(|pair| curve.requests(pair[0], pair[1])).collect();
            let total = curve.requests_until(u64::MAX);
            prop_assert!(parts.iter().all(|part| *part >= -1e-6), "{:?}", parts);
            prop_assert!((parts.iter().sum::<f64>() - total).abs() <= 1e-6 * total.max(1.0));
        }
    }

    #[test]
    fn known_instants() {
        const SECOND: u64 = 1_000_000_000;
        let pause = Curve::of(
            &[
                stage(1000, 4.0, None, None),
                stage(2000, 0.0, None, None),
                stage(1000, 2.0, None, None),
            ],
            0,
        );
        let instants: Vec<u64> = (0..7).map(|number| pause.instant_ns(f64::from(number))).collect();
        let quarter = SECOND / 4;
        assert_eq!(instants[..4], [0, quarter, 2 * quarter, 3 * quarter]);
        assert_eq!(
            instants[4..],
            [3 * SECOND, 7 * SECOND / 2, u64::MAX],
            "the first instant after the pause"
        );
        // From 0 to 8/s in 4 s: 16 requests, the one with number n after √n seconds.
        let ramp = Curve::of(&[stage(4000, 0.0, Some(8.0), None)], 0);
        let instants: Vec<u64> =
            [0.0, 1.0, 4.0, 9.0].iter().map(|number| ramp.instant_ns(*number)).collect();
        assert_eq!(instants, [0, SECOND, 2 * SECOND, 3 * SECOND]);
        // A whole period of a swing has as many as none.
        let swing = Curve::of(&[stage(2000, 10.0, None, Some((1.0, 2000)))], 0);
        assert!((swing.requests_until(2 * SECOND) - 20.0).abs() < 1e-9);
        assert!((swing.requests_until(SECOND) - (10.0 + 20.0 / std::f64::consts::PI)).abs() < 1e-9);
    }
}
