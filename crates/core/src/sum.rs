//! Sums and differences of what is counted, field by field, in which no field can be forgotten.

/// What several parts have together.
pub(crate) trait Merge {
    /// Adds another part.
    fn merge(&mut self, other: &Self);
}

/// What was added between two readings of counters.
pub(crate) trait Since: Sized {
    /// What was added since `begin`.
    fn since(&self, begin: &Self) -> Self;
}

/// Counts come from files, too, which may say any number.
impl Merge for u64 {
    fn merge(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

impl Merge for u128 {
    fn merge(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

impl Merge for f64 {
    fn merge(&mut self, other: &Self) {
        *self += other;
    }
}

impl Merge for bool {
    fn merge(&mut self, other: &Self) {
        *self |= other;
    }
}

/// A sum of which a part is not known is not known.
impl Merge for Option<u64> {
    fn merge(&mut self, other: &Self) {
        *self = self.zip(*other).map(|(one, more)| one.saturating_add(more));
    }
}

/// One of each driver; one that a part does not have adds nothing.
impl Merge for Vec<Option<u64>> {
    fn merge(&mut self, other: &Self) {
        self.resize(self.len().max(other.len()), Some(0));
        self.iter_mut().zip(other).for_each(|(one, more)| one.merge(more));
    }
}

/// Numbers at the same instants.
impl Merge for Vec<u64> {
    fn merge(&mut self, other: &Self) {
        self.resize(self.len().max(other.len()), 0);
        self.iter_mut().zip(other).for_each(|(one, more)| one.merge(more));
    }
}

impl Since for u64 {
    fn since(&self, begin: &Self) -> Self {
        self.saturating_sub(*begin)
    }
}

impl Since for Option<u64> {
    fn since(&self, begin: &Self) -> Self {
        self.zip(*begin).map(|(end, begin)| end.since(&begin))
    }
}

impl Since for Vec<Option<u64>> {
    fn since(&self, begin: &Self) -> Self {
        self.iter().zip(begin).map(|(end, begin)| end.since(begin)).collect()
    }
}

/// Gives a struct `merge`, which merges each of these fields or keeps the larger; it must name all that there are.
macro_rules! merge_fields {
    ($name:ident: $($field:ident),* $(; max $larger:ident)*) => {
        impl $name {
            /// Adds all that `other` holds.
            pub fn merge(&mut self, other: &Self) {
                use $crate::sum::Merge as _;
                let Self { $($field,)* $($larger,)* } = self;
                $($field.merge(&other.$field);)*
                $(*$larger = (*$larger).max(other.$larger);)*
            }
        }
    };
}

/// Gives a struct of counters `since`, which is that of each of its fields; it must name all that there are.
macro_rules! since_fields {
    ($name:ident: $($field:ident),*) => {
        impl $name {
            /// What came between `begin` and these.
            #[must_use]
            pub fn since(&self, begin: &Self) -> Self {
                use $crate::sum::Since as _;
                Self { $($field: self.$field.since(&begin.$field),)* }
            }
        }
    };
}

/// Gives a struct of counters both.
macro_rules! counter_fields {
    ($name:ident: $($field:ident),*) => {
        $crate::sum::merge_fields! { $name: $($field),* }
        $crate::sum::since_fields! { $name: $($field),* }
    };
}

pub(crate) use {counter_fields, merge_fields, since_fields};
