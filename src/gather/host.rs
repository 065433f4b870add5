//! Shard 0's side: who has come, whether all are alike, and when all begin.
//!
//! Whatever is lost, members say again, and each message is answered by what holds now: so none must come once, or in order.
//! Invariant: pure; a start is said only when each index has come exactly once, is alike, connected, and knows this clock.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{Message, PROTOCOL, Said, Shard, Unread};

/// How long before the start it is said, at least, in nanoseconds: long enough for a packet that was lost to be sent again,
/// which Linux does after 200 ms.
const LEAD_NS: u64 = 300_000_000;
/// The same in round trips of the slowest shard.
const LEAD_TRIPS: u64 = 4;
/// No round trip is taken to be longer, in nanoseconds.
const LONGEST_TRIP_NS: u64 = 10_000_000_000;
/// How often those who wait are told so, in nanoseconds: which also shows who has gone.
const WAITING_EVERY_NS: u64 = 500_000_000;
/// How long a shard may be out of reach, in nanoseconds: a connection that ended is made again in less.
const GONE_NS: u64 = 3_000_000_000;
/// How long a refusal is repeated to those who still come, in nanoseconds.
const REFUSING_NS: u64 = 2_000_000_000;
/// How many shards a sentence names.
const NAMED: usize = 8;

/// Where a member's messages come from, and answers go to.
pub(super) type Route = Vec<u8>;
/// Messages to be sent.
pub(super) type Out = Vec<(Route, Message)>;

/// How far all are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not all have come.
    Meeting,
    /// All have come and are alike; not all are connected.
    Met,
    /// All are connected, and compare clocks.
    Syncing,
    /// All begin at this instant of this side's clock, at which its wall clock shows `unix_ns`.
    Started { at_ns: u64, unix_ns: u64 },
    /// There will be no run.
    Refusing { why: String, until_ns: u64 },
}

#[derive(Debug)]
struct Member {
    nonce: u64,
    shard: Shard,
    route: Route,
    ready: bool,
    /// The longest round trip, once it knows this clock.
    worst_ns: Option<u64>,
    unreachable_since: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Host {
    nonce: u64,
    me: Shard,
    run: u64,
    /// By their index.
    members: BTreeMap<u32, Member>,
    ready: bool,
    stage: Stage,
    timeout_ns: u64,
    deadline_ns: u64,
    say_at_ns: u64,
    /// Shards that have answered the refusal, and processes that have not, with their shards. A connection that is closed too
    /// early takes along what was not read.
    told: BTreeSet<u32>,
    owed: BTreeMap<u64, u32>,
}

impl Host {
    /// The side of shard 0; `timeout_ns` is how long the others may take to come and, once more, to be connected.
    pub(super) fn new(me: &Shard, nonce: u64, run: u64, timeout_ns: u64) -> Self {
        let mut host = Self {
            nonce,
            me: me.tidied(),
            run,
            members: BTreeMap::new(),
            ready: false,
            stage: Stage::Meeting,
            timeout_ns,
            deadline_ns: timeout_ns,
            say_at_ns: WAITING_EVERY_NS,
            told: BTreeSet::new(),
            owed: BTreeMap::new(),
        };
        host.welcome_all(&mut Out::new());
        host
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn run(&self) -> u64 {
        self.run
    }

    /// Those that have not come, or are not connected yet, in words; empty if there are none.
    pub(super) fn awaited(&self) -> String {
        let is_awaited = |index: &u32| match self.members.get(index) {
            None => true,
            Some(member) => self.stage != Stage::Meeting && !member.ready,
        };
        let mut some: Vec<u32> = (1..self.me.count).filter(is_awaited).take(NAMED + 1).collect();
        let left = some.len() > NAMED;
        some.truncate(NAMED);
        in_words(&some, self.me.count, left)
    }

    /// Takes what has come from `route`.
    pub(super) fn heard(&mut self, now_ns: u64, route: &[u8], bytes: &[u8], out: &mut Out) {
        match Message::read(bytes) {
            Err(Unread::Stranger) => {}
            Err(Unread::Protocol(other)) => {
                let why = format!(
                    "a shard speaks version {other} of zload's gather, and {} version {PROTOCOL}: use one version of zload everywhere",
                    self.me.name()
                );
                out.push((route.to_vec(), self.message(Said::Refused { why: why.clone() })));
                self.refuse(now_ns, why, out);
            }
            Ok(Message { from, said: Said::Hello(shard) }) => {
                self.hello(now_ns, (from, shard, route), out);
            }
            Ok(Message { from, said }) => self.known_said(now_ns, (from, route), &said, out),
        }
    }

    /// What could not be sent to `route`, since nobody is there.
    pub(super) fn unreachable(&mut self, now_ns: u64, route: &[u8]) {
        for member in self.members.values_mut().filter(|member| member.route == route) {
            member.unreachable_since.get_or_insert(now_ns);
        }
    }

    /// This shard's own clients are connected.
    pub(super) fn ready(&mut self, now_ns: u64, out: &mut Out) {
        if !self.ready {
            self.ready = true;
            self.deadline_ns = now_ns.saturating_add(self.timeout_ns);
            self.sync_if_ready(out);
        }
    }

    /// Does what is due; `unix_ns` is what the wall clock shows now.
    pub(super) fn tick(&mut self, now_ns: u64, unix_ns: u64, out: &mut Out) {
        if now_ns >= self.say_at_ns && self.is_waiting() {
            self.say_at_ns = now_ns + WAITING_EVERY_NS;
            self.to_all(&Said::Waiting, out);
        }
        self.miss_those_gone(now_ns, out);
        if self.stage == Stage::Syncing {
            self.start_if_synced(now_ns, unix_ns, out);
        }
        if now_ns < self.deadline_ns {
            return;
        }
        let seconds = self.timeout_ns.div_ceil(1_000_000_000);
        let within = format!("within {seconds} s (--gather-timeout)");
        match self.stage {
            Stage::Meeting => {
                self.refuse(now_ns, format!("{} did not come {within}", self.awaited()), out);
            }
            Stage::Met if self.ready => {
                let why =
                    format!("{} came and had not connected all clients {within}", self.awaited());
                self.refuse(now_ns, why, out);
            }
            Stage::Syncing => {
                let why = format!(
                    "the clocks of all {} shards were not compared {within}",
                    self.me.count
                );
                self.refuse(now_ns, why, out);
            }
            Stage::Met | Stage::Started { .. } | Stage::Refusing { .. } => {}
        }
    }

    /// This shard gives up: the others need not wait.
    pub(super) fn leave(&mut self, out: &mut Out) {
        if self.is_waiting() {
            let why =
                format!("{} gave up before the start: its own output says why", self.me.name());
            self.to_all(&Said::Refused { why }, out);
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Meeting | Stage::Met | Stage::Syncing)
    }

    /// Whether nobody is left who should hear of the refusal.
    pub(super) fn all_told(&self, now_ns: u64) -> bool {
        matches!(self.stage, Stage::Refusing { until_ns, .. }
            if now_ns >= until_ns
                || (self.owed.is_empty() && self.told.len() + 1 >= self.me.count as usize))
    }

    fn hello(&mut self, now_ns: u64, (from, shard, route): (u64, Shard, &[u8]), out: &mut Out) {
        if let Stage::Refusing { why, .. } = &self.stage {
            let why = why.clone();
            self.owed.insert(from, shard.index);
            out.push((route.to_vec(), self.message(Said::Refused { why })));
            return;
        }
        let known = self.members.get_mut(&shard.index);
        if let Some(member) = known.filter(|member| member.nonce == from) {
            route.clone_into(&mut member.route);
            member.unreachable_since = None;
            let said = match self.stage {
                Stage::Meeting => return,
                _ => Said::Welcome { run: self.run },
            };
            out.push((route.to_vec(), self.message(said)));
            return;
        }
        let why = self.unlike(&shard).or_else(|| self.doubled(&shard));
        if let Some(why) = why {
            self.owed.insert(from, shard.index);
            let refusal = self.message(Said::Refused { why: why.clone() });
            out.push((route.to_vec(), refusal));
            // Those who have begun are not called back.
            if !matches!(self.stage, Stage::Started { .. }) {
                self.refuse(now_ns, why, out);
            }
            return;
        }
        let (index, route) = (shard.index, route.to_vec());
        let member = Member {
            nonce: from,
            shard,
            route,
            ready: false,
            worst_ns: None,
            unreachable_since: None,
        };
        self.members.insert(index, member);
        self.welcome_all(out);
    }

    /// What a process says that has said hello; of others nothing is taken.
    fn known_said(&mut self, now_ns: u64, (from, route): (u64, &[u8]), said: &Said, out: &mut Out) {
        if *said == Said::Left {
            self.told.extend(self.owed.remove(&from));
        }
        let Some(member) = self.members.values_mut().find(|member| member.nonce == from) else {
            return;
        };
        route.clone_into(&mut member.route);
        member.unreachable_since = None;
        let stage = self.stage.clone();
        match (said, stage) {
            (Said::Left, Stage::Meeting | Stage::Met | Stage::Syncing) => {
                let name = member.shard.name();
                self.refuse(
                    now_ns,
                    format!("{name} gave up before the start: its own output says why"),
                    out,
                );
                self.told.extend(self.owed.remove(&from));
            }
            (Said::Ready, Stage::Met) => {
                member.ready = true;
                self.sync_if_ready(out);
            }
            (Said::Ready, Stage::Syncing) => {
                out.push((route.to_vec(), self.message(Said::Sync)));
            }
            (Said::Ping { number }, Stage::Syncing) => {
                let pong = Said::Pong { number: *number, host_ns: now_ns };
                out.push((route.to_vec(), self.message(pong)));
            }
            (Said::Synced { worst_ns }, Stage::Syncing) => {
                member.worst_ns = Some((*worst_ns).min(LONGEST_TRIP_NS));
            }
            (Said::Synced { .. }, Stage::Started { at_ns, unix_ns }) => {
                let start = Said::Start { run: self.run, at_ns, unix_ns };
                out.push((route.to_vec(), self.message(start)));
            }
            (Said::Ready | Said::Synced { .. }, Stage::Refusing { why, .. }) => {
                out.push((route.to_vec(), self.message(Said::Refused { why })));
            }
            _ => {}
        }
    }

    fn unlike(&self, shard: &Shard) -> Option<String> {
        let me = &self.me;
        let (they, own) = (shard.name(), me.name());
        if shard.count != me.count {
            return Some(format!(
                "{they} meets {own}: give every shard the same number of shards (--shard I/N)"
            ));
        }
        let differ = |what: &str, theirs: &str, here: &str, advice: &str| {
            (theirs != here).then(|| {
                let (theirs, here) = (short(theirs), short(here));
                format!("{they} {what} {theirs}, and {own} {here}: {advice}")
            })
        };
        let advice = "give every shard the same scenario, seed and overrides";
        differ("is zload", &shard.zload, &me.zload, "use one version of zload everywhere")
            .or_else(|| differ("has the plan", &shard.plan, &me.plan, advice))
            .or_else(|| differ("has the scenario", &shard.scenario, &me.scenario, advice))
    }

    fn doubled(&self, shard: &Shard) -> Option<String> {
        let first = if shard.index == 0 {
            &self.me
        } else {
            let member = self.members.get(&shard.index)?;
            // One that has gone may come again, if nothing was agreed with it.
            if member.unreachable_since.is_some() && self.stage == Stage::Meeting {
                return None;
            }
            &member.shard
        };
        Some(format!(
            "shard {} of {} runs twice: on {} (pid {}) and on {} (pid {}); do two runs use one --gather endpoint?",
            shard.index, shard.count, first.host, first.pid, shard.host, shard.pid
        ))
    }

    fn welcome_all(&mut self, out: &mut Out) {
        if self.stage == Stage::Meeting && self.members.len() + 1 == self.me.count as usize {
            self.stage = Stage::Met;
            // What comes now is limited by `ready`.
            self.deadline_ns = u64::MAX;
            self.to_all(&Said::Welcome { run: self.run }, out);
        }
    }

    fn sync_if_ready(&mut self, out: &mut Out) {
        let all = self.ready && self.members.values().all(|member| member.ready);
        if all && self.stage == Stage::Met {
            self.stage = Stage::Syncing;
            self.to_all(&Said::Sync, out);
        }
    }

    fn start_if_synced(&mut self, now_ns: u64, unix_ns: u64, out: &mut Out) {
        let worst_ns = self.members.values().map(|member| member.worst_ns);
        let Some(worst_ns) = worst_ns.collect::<Option<Vec<u64>>>() else { return };
        if self.members.values().any(|member| member.unreachable_since.is_some()) {
            return;
        }
        let worst_ns = worst_ns.into_iter().max().unwrap_or(0);
        let lead_ns = LEAD_NS.max(LEAD_TRIPS * worst_ns);
        let at_ns = now_ns + lead_ns;
        let unix_ns = unix_ns.saturating_add(lead_ns);
        self.stage = Stage::Started { at_ns, unix_ns };
        self.to_all(&Said::Start { run: self.run, at_ns, unix_ns }, out);
    }

    /// Before anything is agreed, a place becomes free again; later nobody can be missed.
    fn miss_those_gone(&mut self, now_ns: u64, out: &mut Out) {
        let is_gone = |member: &Member| {
            member.unreachable_since.is_some_and(|since_ns| now_ns >= since_ns + GONE_NS)
        };
        match self.stage {
            Stage::Meeting => self.members.retain(|_, member| !is_gone(member)),
            Stage::Met | Stage::Syncing => {
                let gone = self.members.values().find(|member| is_gone(member));
                if let Some(name) = gone.map(|member| member.shard.name()) {
                    self.refuse(now_ns, format!("{name} came and cannot be reached any more"), out);
                }
            }
            Stage::Started { .. } | Stage::Refusing { .. } => {}
        }
    }

    fn refuse(&mut self, now_ns: u64, why: String, out: &mut Out) {
        if matches!(self.stage, Stage::Refusing { .. }) {
            return;
        }
        self.to_all(&Said::Refused { why: why.clone() }, out);
        self.owed.extend(self.members.iter().map(|(index, member)| (member.nonce, *index)));
        self.stage = Stage::Refusing { why, until_ns: now_ns + REFUSING_NS };
    }

    fn to_all(&self, said: &Said, out: &mut Out) {
        let to = |member: &Member| (member.route.clone(), self.message(said.clone()));
        out.extend(self.members.values().map(to));
    }

    fn message(&self, said: Said) -> Message {
        Message { from: self.nonce, said }
    }
}

/// The first signs of a hash, and all of anything short.
fn short(text: &str) -> &str {
    text.get(..12).unwrap_or(text)
}

fn in_words(indices: &[u32], count: u32, and_others: bool) -> String {
    let mut names: Vec<String> = indices.iter().map(u32::to_string).collect();
    if and_others {
        names.push("others".to_owned());
    }
    match &names[..] {
        [] => String::new(),
        [one] => format!("shard {one} of {count}"),
        [before @ .., last] => format!("shards {} and {last} of {count}", before.join(", ")),
    }
}
