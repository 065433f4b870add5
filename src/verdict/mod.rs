//! Whether to believe a run. Invariant: pure.
