//! Whole gatherings: on a network that loses, doubles and mixes up what is said, and over real sockets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_xoshiro::SplitMix64;

use super::Gathering;
use super::host::{self, Host, Out};
use super::member::{self, Member};
use super::message::Shard;
use crate::Error;
use crate::machine::threads;
use crate::wire::address;
use zload_core::facts::StartedBy;
use zload_core::scenario::Nanos;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
/// How long all wait for the others in these tests.
const TIMEOUT_NS: u64 = 20 * S;

fn shard(index: u32, count: u32) -> Shard {
    Shard {
        index,
        count,
        plan: "plan".to_owned(),
        scenario: "scenario".to_owned(),
        zload: "0".to_owned(),
        host: format!("h{index}"),
        pid: 100 + index,
    }
}

/// What a network does to messages, in a hundred.
#[derive(Debug, Clone, Copy)]
struct Faults {
    lost: u64,
    doubled: u64,
    damaged: u64,
}

/// Shards with clocks of their own, and messages on their way.
struct World {
    now_ns: u64,
    host: Host,
    /// Each with when it comes, at which its clock reads 0.
    members: Vec<(Member, u64)>,
    /// When which message comes to which member, or from it to the host.
    under_way: Vec<(u64, usize, bool, Vec<u8>)>,
    faults: Faults,
    random: SplitMix64,
}

impl World {
    fn new(count: u32, shards: Vec<Shard>, faults: Faults, seed: u64) -> Self {
        let mut random = SplitMix64::seed_from_u64(seed);
        let mut below = |most: u64| random.next_u64() % most;
        let member = |shard: Shard| {
            let member = Member::new(&shard, below(u64::MAX), "tcp://h0:1", TIMEOUT_NS);
            (member, below(3 * S))
        };
        let members = shards.into_iter().map(member).collect();
        let host = Host::new(&shard(0, count), 7, 99, TIMEOUT_NS);
        Self { now_ns: 0, host, members, under_way: Vec::new(), faults, random }
    }

    fn below(&mut self, most: u64) -> u64 {
        self.random.next_u64() % most
    }

    fn put(&mut self, member: usize, to_host: bool, bytes: &[u8]) {
        let copies = 1 + u32::from(self.below(100) < self.faults.doubled);
        for _ in 0..copies {
            if self.below(100) < self.faults.lost {
                continue;
            }
            let mut bytes = bytes.to_vec();
            if self.below(100) < self.faults.damaged {
                let at = usize::try_from(self.below(bytes.len() as u64)).unwrap();
                // TCP's checksum keeps other numbers out; what is damaged here is no number any more.
                bytes[at] = b'x';
            }
            let due_ns = self.now_ns + self.below(20 * MS);
            self.under_way.push((due_ns, member, to_host, bytes));
        }
    }

    /// What the host wants to send; a route is the member's place.
    fn put_all(&mut self, out: Out) {
        for (route, message) in out {
            self.put(usize::from(route[0]), false, &message.write());
        }
    }

    fn deliver(&mut self) {
        let due = self.under_way.extract_if(.., |(due_ns, ..)| *due_ns <= self.now_ns);
        for (_, place, to_host, bytes) in due.collect::<Vec<_>>() {
            if to_host {
                let mut out = Out::new();
                let route = [u8::try_from(place).unwrap()];
                self.host.heard(self.now_ns, &route, &bytes, &mut out);
                self.put_all(out);
            } else {
                let (member, comes_ns) = &mut self.members[place];
                member.heard(self.now_ns - *comes_ns, &bytes);
            }
        }
    }

    fn play(mut self, until_ns: u64) -> Self {
        let mut out = Out::new();
        while self.now_ns < until_ns {
            self.now_ns += 1 + self.below(5 * MS);
            self.deliver();
            if *self.host.stage() == host::Stage::Met {
                self.host.ready(self.now_ns, &mut out);
            }
            self.host.tick(self.now_ns, self.now_ns, &mut out);
            self.put_all(std::mem::take(&mut out));
            for place in 0..self.members.len() {
                let (member, comes_ns) = &mut self.members[place];
                let Some(own_ns) = self.now_ns.checked_sub(*comes_ns) else { continue };
                let mut said = Vec::new();
                member.ready(own_ns);
                member.tick(own_ns, &mut said);
                for message in said {
                    self.put(place, true, &message.write());
                }
            }
        }
        self
    }

    fn started_ns(&self) -> Option<u64> {
        match self.host.stage() {
            host::Stage::Started { at_ns, .. } => Some(*at_ns),
            _ => None,
        }
    }

    fn agreed(&self, place: usize) -> Option<member::Agreed> {
        match self.members[place].0.stage() {
            member::Stage::Agreed(agreed) => Some(*agreed),
            _ => None,
        }
    }

    fn why(&self, place: usize) -> &str {
        match self.members[place].0.stage() {
            member::Stage::Failed(why) => why,
            _ => "",
        }
    }

    /// How far each that agreed begins from the host's instant is within its bound.
    fn ensure_bounds_hold(&self) -> Result<(), TestCaseError> {
        for place in 0..self.members.len() {
            let Some(agreed) = self.agreed(place) else { continue };
            let started_ns = self.started_ns();
            prop_assert!(started_ns.is_some(), "a member begins and the host does not");
            let own_ns = agreed.at_ns + self.members[place].1;
            let error_ns = own_ns.abs_diff(started_ns.unwrap());
            prop_assert!(error_ns <= agreed.bound_ns, "{error_ns} > {}", agreed.bound_ns);
        }
        Ok(())
    }
}

fn any_faults() -> impl Strategy<Value = Faults> {
    (0..40_u64, 0..40_u64, 0..10_u64).prop_map(|(lost, doubled, damaged)| Faults {
        lost,
        doubled,
        damaged,
    })
}

const NONE: Faults = Faults { lost: 0, doubled: 0, damaged: 0 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn all_begin_at_one_instant_in_any_order(count in 1..8_u32, doubled in 0..50_u64, seed in any::<u64>()) {
        let shards = (1..count).map(|index| shard(index, count)).collect();
        let world = World::new(count, shards, Faults { doubled, ..NONE }, seed).play(10 * S);
        prop_assert!(world.started_ns().is_some(), "{:?}", world.host.stage());
        for place in 0..world.members.len() {
            prop_assert!(world.agreed(place).is_some(), "{:?}", world.members[place].0.stage());
        }
        world.ensure_bounds_hold()?;
    }

    #[test]
    fn whatever_the_network_does_nobody_begins_alone_or_elsewhen(
        count in 1..6_u32, faults in any_faults(), seed in any::<u64>(),
    ) {
        let shards = (1..count).map(|index| shard(index, count)).collect();
        World::new(count, shards, faults, seed).play(30 * S).ensure_bounds_hold()?;
    }

    #[test]
    fn nobody_begins_without_all(count in 2..6_u32, missing in 1..6_u32, faults in any_faults(), seed in any::<u64>()) {
        let missing = missing.min(count - 1);
        let shards = (1..count).filter(|index| *index != missing).map(|index| shard(index, count));
        let world = World::new(count, shards.collect(), faults, seed).play(TIMEOUT_NS + 40 * S);
        prop_assert_eq!(world.started_ns(), None);
        for place in 0..world.members.len() {
            prop_assert!(!world.why(place).is_empty(), "all end: {:?}", world.members[place].0.stage());
        }
    }

    #[test]
    fn nobody_begins_beside_a_shard_that_is_another_or_unlike(
        count in 2..6_u32, twin in 0..6_u32, unlike in any::<bool>(), faults in any_faults(), seed in any::<u64>(),
    ) {
        let twin = twin.min(count - 1);
        let mut shards: Vec<Shard> = (1..count).map(|index| shard(index, count)).collect();
        if unlike {
            shards[0].plan = "another".to_owned();
        } else {
            shards.push(Shard { host: "twin".to_owned(), ..shard(twin, count) });
        }
        let world = World::new(count, shards.clone(), faults, seed).play(30 * S);
        for index in 0..count {
            let begin = (0..shards.len())
                .filter(|place| shards[*place].index == index && world.agreed(*place).is_some());
            prop_assert!(begin.count() <= 1);
        }
        prop_assert!(!unlike || world.started_ns().is_none());
    }

    #[test]
    fn hostile_bytes_move_nobody(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
        let mut world = World::new(2, vec![shard(1, 2)], NONE, 1);
        let mut out = Out::new();
        world.host.heard(1, b"\0", &bytes, &mut out);
        world.members[0].0.heard(1, &bytes);
        prop_assert!(out.is_empty());
        prop_assert_eq!(world.host.stage(), &host::Stage::Meeting);
        prop_assert_eq!(world.members[0].0.stage(), &member::Stage::Calling);
    }
}

/// What all say when these come to a gathering of four.
fn refused(shards: Vec<Shard>) -> String {
    let world = World::new(4, shards, NONE, 5).play(TIMEOUT_NS + 5 * S);
    assert_eq!(world.started_ns(), None);
    let host::Stage::Refusing { why, .. } = world.host.stage() else { panic!("no refusal") };
    for place in 0..world.members.len() {
        assert_eq!(world.why(place), why, "all say the same");
    }
    why.clone()
}

#[test]
fn one_sentence_says_what_is_wrong() {
    let all = || vec![shard(1, 4), shard(2, 4), shard(3, 4)];
    assert_eq!(
        refused(vec![shard(1, 4)]),
        "shards 2 and 3 of 4 did not come within 20 s (--gather-timeout)"
    );
    let twice = refused(vec![shard(1, 4), Shard { host: "x".to_owned(), ..shard(1, 4) }]);
    assert!(twice.starts_with("shard 1 of 4 runs twice: on "), "{twice}");
    let mut unlike = all();
    unlike[1].plan = "another".to_owned();
    let text = refused(unlike);
    assert!(
        text.contains("shard 2 of 4 on h2 (pid 102) has the plan another, and shard 0"),
        "{text}"
    );
    let mut fewer = all();
    fewer[2].count = 8;
    let text = refused(fewer);
    assert!(text.contains("shard 3 of 8 on h3 (pid 103) meets shard 0 of 4 on h0"), "{text}");
    let mut newer = all();
    newer[0].zload = "9.9.9".to_owned();
    assert!(
        refused(newer)
            .contains("is zload 9.9.9, and shard 0 of 4 on h0 (pid 100) 0: use one version")
    );
}

#[test]
fn those_awaited_are_named_and_many_are_cut_short() {
    let host = |count| Host::new(&shard(0, count), 1, 2, S).awaited();
    assert_eq!(host(1), "");
    assert_eq!(host(2), "shard 1 of 2");
    assert_eq!(host(4), "shards 1, 2 and 3 of 4");
    assert_eq!(host(1000), "shards 1, 2, 3, 4, 5, 6, 7, 8 and others of 1000");
}

/// Meets and begins over real sockets, once at most.
fn gather(mut gathering: Gathering<'_>) -> Result<(u64, super::sockets::Agreed), Error> {
    let run = gathering.meet()?;
    loop {
        if let Some(agreed) = gathering.look()? {
            return Ok((run, agreed));
        }
    }
}

const LONG: Nanos = Nanos(60 * S);

#[test]
fn shards_meet_over_sockets_at_a_port_that_is_bound_later() {
    static GO_ON: AtomicBool = AtomicBool::new(false);
    let endpoint = address::to_listen("tcp://127.0.0.1:*").unwrap();
    let (tell, heard) = mpsc::channel();
    for index in (0..4).rev() {
        let (endpoint, tell) = (endpoint.clone(), tell.clone());
        let body = move || {
            let opened = Gathering::open(&endpoint, &shard(index, 4), LONG, &GO_ON);
            tell.send(opened.and_then(gather)).unwrap();
        };
        threads::start("zload/test", index, body).unwrap();
    }
    let agreed: Vec<_> = (0..4).map(|_| heard.recv().unwrap().unwrap()).collect();
    let (run, first) = agreed[0];
    for (other, agreed) in &agreed {
        assert_eq!((*other, agreed.start.unix_ns), (run, first.start.unix_ns));
        assert_eq!(agreed.start.by, StartedBy::Gather);
        assert!(agreed.start.bound_ns.is_some());
    }
}

#[test]
fn two_hosts_at_one_port_and_a_stranger_are_told_apart() {
    static GO_ON: AtomicBool = AtomicBool::new(false);
    let (mut host, endpoint) =
        Gathering::listen("tcp://127.0.0.1:*", &shard(0, 2), LONG, &GO_ON).unwrap();
    let port = endpoint.rsplit_once(':').unwrap().1;
    let second = Gathering::open(&format!("tcp://h0:{port}"), &shard(0, 2), LONG, &GO_ON);
    let error = second.err().unwrap().to_string();
    assert!(error.contains("does another run gather here?"), "{error}");
    // A stranger that speaks ZeroMQ and says what it likes.
    let context = crate::wire::Context::new(1, 16).unwrap();
    let stranger = context.socket(zmq::DEALER).unwrap();
    stranger.dial(&endpoint).unwrap();
    stranger.send_multipart([&b""[..], b"zload-gather/1\n{}", b"x"], 0).unwrap();
    stranger.send("hello", 0).unwrap();
    let (tell, heard) = mpsc::channel();
    let body = move || {
        tell.send(Gathering::call(&endpoint, &shard(1, 2), LONG, &GO_ON).and_then(gather)).unwrap();
    };
    threads::start("zload/test", 0, body).unwrap();
    host.meet().unwrap();
    gather(host).unwrap();
    heard.recv().unwrap().unwrap();
}

#[test]
fn an_interruption_and_a_shard_that_leaves_end_the_wait() {
    let (go_on, interrupted) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut host, endpoint) =
        Gathering::listen("tcp://127.0.0.1:*", &shard(0, 3), LONG, &go_on).unwrap();
    let mut member = Gathering::call(&endpoint, &shard(1, 3), LONG, &interrupted).unwrap();
    while host.awaited() != "shard 2 of 3" {
        member.turn().unwrap();
        host.turn().unwrap();
    }
    interrupted.store(true, Ordering::Relaxed);
    assert!(matches!(member.meet(), Err(Error::Interrupted)));
    drop(member);
    let error = host.meet().unwrap_err().to_string();
    assert_eq!(
        error,
        "shard 1 of 3 on h1 (pid 101) gave up before the start: its own output says why"
    );
}
