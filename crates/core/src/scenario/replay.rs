//! `load.replay`: instants that were recorded, played again. Pure: who reads the scenario supplies the file.
//!
//! The file is CSV with a header. Invariant: 8 bytes are kept of each row, and a file that is wrong is refused with the number
//! of its line.

use std::io::Read;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::value_error::{Checked, MAX_PHASE, refuse, within};
use crate::quantity::rounded;
use crate::text;

/// The most rows of a file.
const MOST_ROWS: usize = 50_000_000;
/// The columns that say when, and their units in nanoseconds.
const INSTANTS: [(&str, u64); 4] =
    [("at_ns", 1), ("at_us", 1_000), ("at_ms", 1_000_000), ("at_s", 1_000_000_000)];
const COLUMNS: &str =
    "the columns are one of at_ns, at_us, at_ms and at_s, and client if each row has one";

/// `load.replay`: a request for each row of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The CSV file: a header with `at_us` (or `at_ns`, `at_ms`, `at_s`) and optionally `client` (from 0), then a row for each
    /// request, in order. The first one is sent at once.
    pub file: String,
    /// All intervals are divided by this: 2 plays in half the time; default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub speed: Option<f64>,
    /// The content of the file, which the reader of the scenario supplies.
    #[serde(skip)]
    #[schemars(skip)]
    pub arrivals: Arc<RecordedArrivals>,
}

/// The instants of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordedArrivals {
    /// From the first one, in nanoseconds as recorded; with `starts` client by client.
    instants: Vec<u64>,
    /// Where each client's instants begin, and the last one's end; empty if rows are dealt to the clients in turn.
    starts: Vec<usize>,
    /// The last of all instants.
    last_ns: u64,
    digest: String,
}

impl Replay {
    /// How many times as fast as recorded.
    pub fn speed(&self) -> f64 {
        self.speed.unwrap_or(1.0)
    }

    pub(super) fn error(&self) -> Checked {
        if self.file.is_empty() {
            return refuse("load.replay.file", "names no file");
        }
        let speed = self.speed();
        if speed.is_nan() {
            return refuse("load.replay.speed", "must be a number above 0");
        }
        within("load.replay.speed", speed, 1e-6, 1e6)
    }

    /// Takes in the content of the file, for this many clients, and says how long it takes to play: until just after its last
    /// request, in whole milliseconds.
    pub fn supply(&mut self, content: impl Read, clients: u32) -> Result<u64, String> {
        let arrivals = RecordedArrivals::read(content, clients)?;
        let length_ns = (at_speed(arrivals.last_ns, self.speed()) / 1_000_000 + 1) * 1_000_000;
        if length_ns > MAX_PHASE.0 {
            return Err(format!(
                "it takes longer than {MAX_PHASE}: cut it, or raise load.replay.speed"
            ));
        }
        self.arrivals = Arc::new(arrivals);
        Ok(length_ns)
    }
}

/// An instant as it is played.
#[inline]
fn at_speed(ns: u64, speed: f64) -> u64 {
    // What is not changed stays what it is to the nanosecond, however late.
    if speed.to_bits() == 1_f64.to_bits() { ns } else { rounded(ns as f64 / speed) }
}

impl RecordedArrivals {
    /// Instant of a client's request, from the first one of all; `None` if it has fewer.
    #[inline]
    pub fn instant(&self, (client, clients): (u32, u32), request: u64, speed: f64) -> Option<u64> {
        let request = usize::try_from(request).ok()?;
        let (client, clients) = (client as usize, clients as usize);
        let place = if self.starts.is_empty() {
            request.checked_mul(clients)?.checked_add(client)?
        } else {
            let [start, end] = [client, client + 1].map(|at| self.starts.get(at));
            start?.checked_add(request).filter(|place| Some(place) < end)?
        };
        Some(at_speed(*self.instants.get(place)?, speed))
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.instants.len()
    }

    /// What tells one file's instants from another's.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many are in each second of the playing, up to `until_ns`.
    pub fn per_second(&self, speed: f64, until_ns: u64) -> Vec<u64> {
        let seconds = usize::try_from(until_ns.div_ceil(1_000_000_000)).unwrap_or(0);
        let mut counts = vec![0; seconds];
        for at_ns in &self.instants {
            let at_ns = at_speed(*at_ns, speed);
            let second = usize::try_from(at_ns / 1_000_000_000).unwrap_or(usize::MAX);
            if let Some(count) = counts.get_mut(second).filter(|_| at_ns < until_ns) {
                *count += 1;
            }
        }
        counts
    }

    /// Reads a file for this many clients.
    fn read(content: impl Read, clients: u32) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(content);
        let header = reader.headers().map_err(|error| unreadable(&error))?;
        let columns = Columns::of(header)?;
        let (mut instants, mut of_clients) = (Vec::new(), Vec::new());
        let (mut row, mut first_ns, mut before_ns) = (csv::StringRecord::new(), None, 0);
        while reader.read_record(&mut row).map_err(|error| unreadable(&error))? {
            let line = row.position().map_or(0, csv::Position::line);
            let at = |why: String| format!("line {line}: {why}");
            if instants.len() == MOST_ROWS {
                return Err(at(format!("it has more than {MOST_ROWS} rows")));
            }
            let ns = columns.instant(&row).map_err(at)?;
            let since_ns = ns.checked_sub(*first_ns.get_or_insert(ns));
            let since_ns = since_ns.filter(|ns| *ns >= before_ns).ok_or_else(|| {
                at("it is earlier than the line before it: sort the file by time".to_owned())
            })?;
            before_ns =
                u64::try_from(since_ns).map_err(|_| at("it is too late".to_owned()))?.into();
            instants.push(u64::try_from(since_ns).unwrap_or(u64::MAX));
            if let Some(client) = columns.client(&row, clients).map_err(at)? {
                of_clients.push(client);
            }
        }
        let Some(last_ns) = instants.last().copied() else {
            return Err("it has no row behind its header".to_owned());
        };
        let digest = digest_of(&instants, &of_clients);
        let (instants, starts) = by_client(instants, &of_clients, clients);
        Ok(Self { instants, starts, last_ns, digest })
    }
}

fn unreadable(error: &csv::Error) -> String {
    let line = error.position().map_or_else(String::new, |at| format!("line {}: ", at.line()));
    match error.kind() {
        csv::ErrorKind::Io(error) => format!("{line}{error}"),
        csv::ErrorKind::Utf8 { .. } => format!("{line}it is not UTF-8 text"),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{line}it has {len} values, and the header has {expected_len}")
        }
        _ => format!("{line}it is not CSV"),
    }
}

/// Which column is what.
struct Columns {
    instant: usize,
    unit_ns: u64,
    client: Option<usize>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, String> {
        let (mut instant, mut client) = (None, None);
        for (place, name) in header.iter().enumerate() {
            let unit = INSTANTS.iter().find(|(known, _)| *known == name);
            match (name, unit) {
                (_, Some((_, unit_ns))) if instant.is_none() => instant = Some((place, *unit_ns)),
                ("client", _) if client.is_none() => client = Some(place),
                _ => {
                    return Err(format!(
                        "line 1: unknown column \"{}\"; {COLUMNS}",
                        text::short(name)
                    ));
                }
            }
        }
        let (instant, unit_ns) = instant
            .ok_or_else(|| format!("line 1: no column says when requests leave; {COLUMNS}"))?;
        Ok(Self { instant, unit_ns, client })
    }

    fn instant(&self, row: &csv::StringRecord) -> Result<u128, String> {
        let number = row.get(self.instant).unwrap_or_default();
        nanos_of(number, self.unit_ns).ok_or_else(|| {
            let why = if number.starts_with('-') { "is negative" } else { "is no number" };
            format!("\"{}\" {why}; write instants as in 1250 or 1250.5", text::short(number))
        })
    }

    fn client(&self, row: &csv::StringRecord, clients: u32) -> Result<Option<u32>, String> {
        let Some(place) = self.client else { return Ok(None) };
        let number = row.get(place).unwrap_or_default();
        match number.parse::<u32>() {
            Ok(client) if client < clients => Ok(Some(client)),
            Ok(client) => Err(format!(
                "client {client} is none of the {clients} clients, which are counted from 0 (clients.count)"
            )),
            Err(_) => Err(format!("\"{}\" is no number of a client", text::short(number))),
        }
    }
}

/// A decimal number of units in nanoseconds, exactly; what is less than one is cut off.
fn nanos_of(number: &str, unit_ns: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction =
        &fraction[..fraction.len().min(if fraction.is_ascii() { 19 } else { usize::MAX })];
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let unit_ns = u128::from(unit_ns);
    let parse = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    Some(parse(whole)? * unit_ns + parse(fraction)? * unit_ns / scale)
}

/// The instants client by client, and where each one's begin; as they are if rows name no client.
fn by_client(instants: Vec<u64>, of_clients: &[u32], clients: u32) -> (Vec<u64>, Vec<usize>) {
    if of_clients.is_empty() {
        return (instants, Vec::new());
    }
    let mut starts = vec![0_usize; clients as usize + 1];
    for client in of_clients {
        starts[*client as usize + 1] += 1;
    }
    for client in 0..clients as usize {
        starts[client + 1] += starts[client];
    }
    let mut next = starts.clone();
    let mut sorted = vec![0; instants.len()];
    for (at_ns, client) in instants.into_iter().zip(of_clients) {
        let place = &mut next[*client as usize];
        sorted[*place] = at_ns;
        *place += 1;
    }
    (sorted, starts)
}

fn digest_of(instants: &[u64], of_clients: &[u32]) -> String {
    let mut hash = Sha256::new();
    for at_ns in instants {
        hash.update(at_ns.to_le_bytes());
    }
    for client in of_clients {
        hash.update(client.to_le_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RecordedArrivals, String> {
        RecordedArrivals::read(text.as_bytes(), 2)
    }

    fn of_client(arrivals: &RecordedArrivals, client: u32, speed: f64) -> Vec<u64> {
        (0..).map_while(|request| arrivals.instant((client, 2), request, speed)).collect()
    }

    #[test]
    fn instants_count_from_the_first_and_are_exact() {
        let dealt =
            read("at_us\n1700000000000000\n1700000000000000.5\n1700000000000007\n").unwrap();
        assert_eq!(
            (of_client(&dealt, 0, 1.0), of_client(&dealt, 1, 1.0)),
            (vec![0, 7_000], vec![500])
        );
        assert_eq!(of_client(&dealt, 0, 2.0), [0, 3_500], "intervals are halved");
        let named = read("client,at_s\n1, 2.5\n0,2.500000001\n1,3\n").unwrap();
        assert_eq!(
            (of_client(&named, 0, 1.0), of_client(&named, 1, 1.0)),
            (vec![1], vec![0, 500_000_000])
        );
        assert_eq!(named.per_second(1.0, 2_000_000_000), [3, 0]);
        assert_ne!(dealt.digest(), named.digest());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (file, said) in [
            ("", "line 1: no column"),
            ("at_us\n", "no row"),
            ("at\n5\n", "line 1: unknown column \"at\""),
            ("at_us,payload\n5,64\n", "line 1: unknown column \"payload\""),
            ("at_us,at_ns\n5,5\n", "unknown column \"at_ns\""),
            ("at_us\n5\n4\n", "line 3: it is earlier"),
            ("at_us\n5\nNaN\n", "line 3: \"NaN\" is no number"),
            ("at_us\n-5\n", "line 2: \"-5\" is negative"),
            ("at_us\n1e3\n", "line 2: \"1e3\" is no number"),
            ("at_us\n\"\"\n", "is no number"),
            ("at_us,client\n5,2\n", "line 2: client 2 is none of the 2"),
            ("at_us,client\n5,x\n", "no number of a client"),
            ("at_us,client\n5\n", "line 2: it has 1 values"),
            ("at_s\n0\n99999999999999999\n", "line 3: it is too late"),
        ] {
            let problem = read(file).expect_err(file);
            assert!(problem.contains(said), "{file:?}: {problem}");
        }
        let mut replay = Replay { file: "a".to_owned(), speed: None, arrivals: Arc::default() };
        assert!(replay.supply("at_s\n0\n90000\n".as_bytes(), 2).unwrap_err().contains("24h"));
        replay.speed = Some(2.0);
        assert_eq!(replay.supply("at_s\n0\n90000\n".as_bytes(), 2), Ok(45_000_001_000_000));
    }
}
