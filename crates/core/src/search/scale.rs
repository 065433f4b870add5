//! The values of the key that is searched: which way is harder, how finely they are told apart, and their ends. Pure.

/// Digits that a value has: one that people read and type.
const DIGITS: f64 = 4.0;
/// Whole numbers below this are all told apart.
const FINE: f64 = 10_000.0;

/// The values of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Whether a larger value makes a goal easier to meet, as more workers do.
    pub more_is_easier: bool,
    /// Whether only whole numbers are values.
    pub whole: bool,
    /// The least value to try.
    pub least: f64,
    /// The largest value to try.
    pub most: f64,
}

impl Scale {
    /// How hard a value is, on a scale where more is harder.
    pub fn load(self, value: f64) -> f64 {
        if self.more_is_easier { 1.0 / value } else { value }
    }

    /// The easiest value to try.
    pub fn easiest(self) -> f64 {
        if self.more_is_easier { self.most } else { self.least }
    }

    /// The hardest value to try.
    pub fn hardest(self) -> f64 {
        if self.more_is_easier { self.least } else { self.most }
    }

    /// The value that is nearest to `factor` times as hard; another one if there is any that way and the factor is not 1.
    pub fn harder(self, value: f64, factor: f64) -> f64 {
        let there = self.nearest(self.raw(value, factor));
        if self.whole && there.to_bits() == value.to_bits() && (factor - 1.0).abs() > 1e-12 {
            let up = (factor > 1.0) != self.more_is_easier;
            return self.within(if up { value + 1.0 } else { value - 1.0 });
        }
        there
    }

    /// The same that is not harder.
    pub fn at_most(self, value: f64, factor: f64) -> f64 {
        let raw = self.raw(value, factor);
        match (self.whole && raw < FINE, self.more_is_easier) {
            (false, _) => self.nearest(raw),
            (true, true) => self.within(raw.ceil()),
            (true, false) => self.within(raw.floor()),
        }
    }

    /// The same that is not easier.
    pub fn at_least(self, value: f64, factor: f64) -> f64 {
        let raw = self.raw(value, factor);
        match (self.whole && raw < FINE, self.more_is_easier) {
            (false, _) => self.nearest(raw),
            (true, true) => self.within(raw.floor()),
            (true, false) => self.within(raw.ceil()),
        }
    }

    /// The nearest value that there is.
    pub fn nearest(self, raw: f64) -> f64 {
        if raw <= 0.0 || !raw.is_finite() {
            return self.within(raw);
        }
        if self.whole && raw < FINE {
            return self.within(raw.round());
        }
        let places = DIGITS - 1.0 - libm::floor(libm::log10(raw));
        // Powers of ten below 1 are no exact numbers.
        let rounded = if places >= 0.0 {
            let scale = libm::exp10(places);
            (raw * scale).round() / scale
        } else {
            let scale = libm::exp10(-places);
            (raw / scale).round() * scale
        };
        self.within(rounded)
    }

    fn raw(self, value: f64, factor: f64) -> f64 {
        if self.more_is_easier { value / factor } else { value * factor }
    }

    fn within(self, value: f64) -> f64 {
        value.max(self.least).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Scale = Scale { more_is_easier: false, whole: false, least: 1.0, most: 1e5 };
    const WORKERS: Scale = Scale { more_is_easier: true, whole: true, least: 1.0, most: 64.0 };

    fn is(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-9, "{one} is not {other}");
    }

    #[test]
    fn values_have_four_digits_and_stay_between_the_ends() {
        is(RATE.harder(733.3, 1.1), 806.6);
        is(RATE.harder(73_333.0, 1.1), 80_670.0);
        is(RATE.harder(1.234, 1.01), 1.246);
        is(RATE.harder(99_999.0, 2.0), 1e5);
        is(RATE.harder(1.5, 0.1), 1.0);
        is(RATE.nearest(f64::INFINITY), 1e5);
    }

    #[test]
    fn fewer_workers_are_harder_and_a_step_is_a_step() {
        assert!(WORKERS.load(3.0) > WORKERS.load(4.0));
        is(WORKERS.hardest(), 1.0);
        is(WORKERS.harder(4.0, 1.05), 3.0);
        is(WORKERS.harder(4.0, 1.0 / 1.05), 5.0);
        is(WORKERS.harder(1.0, 1.5), 1.0);
        is(WORKERS.at_most(3.4, 1.0 / 1.05), 4.0);
        is(WORKERS.at_least(3.4, 1.05), 3.0);
    }
}
