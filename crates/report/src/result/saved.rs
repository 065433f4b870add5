//! A result in a file: one of several kinds, each known by its schema.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{
    CALIBRATION_SCHEMA, COMPARISON_SCHEMA, CalibrationResult, ComparisonResult, IDEAL_SCHEMA,
    IdealResult, ProbeFigures, RUN_SCHEMA, RunResult, SEARCH_SCHEMA, SELFTEST_SCHEMA, SERVE_SCHEMA,
    SHARD_SCHEMA, SWEEP_SCHEMA, SearchResult, SelftestResult, ServeResult, ShardResult,
    SweepResult,
};
use zload_core::record::{MOST_BUCKETS, MOST_COLUMNS};

/// A run has some ten notes; a result with more than this is none.
const MOST_NOTES: usize = 1_000;

/// A result in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Saved {
    /// Of `zload run`.
    Run(Box<RunResult>),
    /// Of `zload run --shard`: a part of a run.
    Shard(Box<ShardResult>),
    /// Of `zload serve`.
    Serve(Box<ServeResult>),
    /// Of `zload ideal`.
    Ideal(Box<IdealResult>),
    /// Of `zload selftest`.
    Selftest(Box<SelftestResult>),
    /// Of `zload compare`.
    Comparison(Box<ComparisonResult>),
    /// Of `zload calibrate`.
    Calibration(Box<CalibrationResult>),
    /// Of `zload search`.
    Search(Box<SearchResult>),
    /// Of `zload sweep`.
    Sweep(Box<SweepResult>),
}

impl RunResult {
    /// The list that is longer than any run makes it, and so would take memory many times the file's wherever it is used.
    fn endless(&self) -> Option<String> {
        let cells = self.heat_map.iter().map(|column| column.counts.len()).max().unwrap_or(0);
        [
            ("notes", self.notes.len(), MOST_NOTES),
            ("heat_map", self.heat_map.len(), MOST_COLUMNS),
            ("heat_map.counts", cells, MOST_BUCKETS),
        ]
        .into_iter()
        .find(|(_, length, most)| length > most)
        .map(|(name, length, most)| {
            format!("`{name}` has {length} entries; no run has more than {most}")
        })
    }
}

/// A kind of result.
pub struct SavedKind {
    /// Version of its shape, which its files say.
    pub schema: &'static str,
    /// Its shape.
    pub shape: fn() -> Schema,
    /// Reads its text.
    read: fn(&str) -> Result<Saved, String>,
}

/// All kinds of results.
pub const KINDS: [SavedKind; 9] = [
    kind::<RunResult>(RUN_SCHEMA, |text| {
        let result: Box<RunResult> = read(text)?;
        let of_probes = |probes: &Option<ProbeFigures>| probes.as_ref().map(|of| of.ledger);
        let of_all = [Some(result.ledger), of_probes(&result.probes)];
        let of_runs = result.runs.iter().flat_map(|run| [Some(run.ledger), of_probes(&run.probes)]);
        let mut ledgers = of_all.into_iter().chain(of_runs).flatten();
        match ledgers.find_map(|ledger| ledger.contradiction()).or_else(|| result.endless()) {
            Some(contradiction) => Err(contradiction),
            None => Ok(Saved::Run(result)),
        }
    }),
    kind::<ShardResult>(SHARD_SCHEMA, |text| {
        let shard = Box::new(ShardResult::read(text)?);
        shard.ensure_readable()?;
        Ok(Saved::Shard(shard))
    }),
    kind::<ComparisonResult>(COMPARISON_SCHEMA, |text| read(text).map(Saved::Comparison)),
    kind::<CalibrationResult>(CALIBRATION_SCHEMA, |text| read(text).map(Saved::Calibration)),
    kind::<SearchResult>(SEARCH_SCHEMA, |text| {
        let mut result: Box<SearchResult> = read(text)?;
        if let Some(contradiction) = result.contradiction() {
            return Err(contradiction);
        }
        // Its trials say all that there is to say.
        result.conclude();
        Ok(Saved::Search(result))
    }),
    kind::<ServeResult>(SERVE_SCHEMA, |text| read(text).map(Saved::Serve)),
    kind::<IdealResult>(IDEAL_SCHEMA, |text| read(text).map(Saved::Ideal)),
    kind::<SelftestResult>(SELFTEST_SCHEMA, |text| read(text).map(Saved::Selftest)),
    kind::<SweepResult>(SWEEP_SCHEMA, |text| {
        let sweep: Box<SweepResult> = read(text)?;
        match sweep.contradiction() {
            Some(contradiction) => Err(contradiction),
            None => Ok(Saved::Sweep(sweep)),
        }
    }),
];

const fn kind<T: JsonSchema>(
    schema: &'static str,
    read: fn(&str) -> Result<Saved, String>,
) -> SavedKind {
    SavedKind { schema, shape: || schemars::schema_for!(T), read }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<Box<T>, String> {
    serde_json::from_str(text).map(Box::new).map_err(|error| error.to_string())
}

/// What a file says that it is, if it says so.
pub fn schema_of(text: &str) -> Result<Option<String>, String> {
    #[derive(Deserialize)]
    struct Said {
        schema: Option<String>,
    }
    let said: Result<Said, _> = serde_json::from_str(text);
    said.map(|said| said.schema).map_err(|error| format!("not a JSON object: {error}"))
}

impl Saved {
    /// A saved result from its text; refuses other schemas, and ledgers and distributions that contradict themselves.
    /// What no result has is passed over and not kept, so that memory follows what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let said = schema_of(text)?;
        let kind = KINDS.iter().find(|kind| Some(kind.schema) == said.as_deref());
        let Some(kind) = kind else {
            let schemas: Vec<String> =
                KINDS.iter().map(|kind| format!("{:?}", kind.schema)).collect();
            let (last, others) = schemas.split_last().expect("there are kinds");
            let known = format!("this zload reads {} and {last}", others.join(", "));
            return Err(match said {
                Some(other) => format!("its schema is {other:?}; {known}"),
                None => format!("it has no `schema`; {known}"),
            });
        };
        (kind.read)(text)
    }
}
