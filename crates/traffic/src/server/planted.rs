//! A server with known faults, for `zload selftest`: a ROUTER in its own context that answers as configured.
//!
//! It records by its own clock when it received which request: a second record of what the clients did.
//! Invariant: a fault depends on the number of a request in the order in which they came, and on nothing else.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::ended;
use crate::Error;
use crate::machine::{Clock, Stop, limits, rehearsal::Threads, threads};
use crate::wire::{Context, Errno, Frame, Socket, sockets};
use zload_core::message::Header;
use zload_core::{plan::DrawKey, scenario::Sockets};

/// What is wrong with a planted server. Requests are counted from 1 as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: each request is answered once and at once.
    None,
    /// It takes request number `after` and then neither takes nor answers anything for `for_ns`.
    Stall {
        /// The number of the request.
        after: u64,
        /// In nanoseconds.
        for_ns: u64,
    },
    /// It leaves every n-th request unanswered and answers others twice; where both apply, it leaves the request unanswered.
    LoseAndDouble {
        /// The n of those that are lost.
        lose_every: u64,
        /// The n of those that are answered twice.
        double_every: u64,
    },
}

/// What a planted server knows of its faults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witness {
    /// The key of each request of zload that it took, and when by its own clock, in nanoseconds.
    pub taken: Vec<(DrawKey, u64)>,
    /// Requests that it left unanswered.
    pub unanswered: u64,
    /// Requests that it answered twice.
    pub doubled: u64,
    /// How long it stalled.
    pub stalled_ns: u64,
}

/// A planted server that is running. Dropped, it ends.
pub struct Planted {
    /// Where clients connect to.
    pub endpoint: String,
    context: Context,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<Result<Witness, Errno>>>,
}

impl Planted {
    /// Starts a server with this fault and these socket options on a free port of the loopback.
    pub fn start(fault: Fault, options: &Sockets) -> Result<Self, Error> {
        limits::ensure_threads(Threads { of_libzmq: 2, own: 1 }, 0)?;
        let stop = Arc::new(Stop::new()?);
        let context = Context::new(1, 8)?;
        let router = sockets::open(&context, zmq::ROUTER, options)?;
        let endpoint = router.listen("tcp://127.0.0.1:*")?;
        let serving = Loop { router, fault, stop: Arc::clone(&stop), clock: Clock::start() };
        let thread = threads::start("zload/planted", 0, move || serving.serve())?;
        Ok(Self { endpoint, context, stop, thread: Some(thread) })
    }

    /// Ends the server, and gives what it witnessed.
    pub fn finish(mut self) -> Result<Witness, Error> {
        self.end();
        let thread = self.thread.take().expect("the thread is taken only here and in drop");
        ended("the planted server", thread).map_err(Error::Failed)
    }

    fn end(&self) {
        self.stop.request();
        self.context.shut_down();
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        self.end();
        // Who drops it early reports its own error.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

struct Loop {
    router: Socket,
    fault: Fault,
    stop: Arc<Stop>,
    clock: Clock,
}

impl Loop {
    fn serve(self) -> Result<Witness, Errno> {
        let mut witness = Witness::default();
        for number in 1.. {
            match self.serve_one(number, &mut witness) {
                Ok(()) => {}
                Err(Errno::TERM) => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(witness)
    }

    fn serve_one(&self, number: u64, witness: &mut Witness) -> Result<(), Errno> {
        let mut message = self.take()?;
        let now_ns = self.clock.now_ns();
        if let Some(header) = message.last().and_then(|body| Header::decode(body.bytes())) {
            witness.taken.push((header.key, now_ns));
        }
        let answers = match self.fault {
            Fault::None => 1,
            Fault::Stall { after, for_ns } => {
                if number == after {
                    self.sleep_until(now_ns + for_ns);
                    witness.stalled_ns = self.clock.now_ns() - now_ns;
                }
                1
            }
            Fault::LoseAndDouble { lose_every, double_every } => {
                let answers = answers(number, lose_every, double_every);
                witness.unanswered += u64::from(answers == 0);
                witness.doubled += u64::from(answers == 2);
                answers
            }
        };
        (0..answers).try_for_each(|_| self.answer(&mut message))
    }

    fn take(&self) -> Result<Vec<Frame>, Errno> {
        let mut frames = Vec::new();
        loop {
            let mut frame = Frame::new();
            frame.receive(&self.router, 0)?;
            let more = frame.more();
            frames.push(frame);
            if !more {
                return Ok(frames);
            }
        }
    }

    fn answer(&self, message: &mut [Frame]) -> Result<(), Errno> {
        let last = message.len() - 1;
        for (position, frame) in message.iter_mut().enumerate() {
            let flags = if position < last { zmq::SNDMORE } else { 0 };
            frame.share().send(&self.router, flags)?;
        }
        Ok(())
    }

    fn sleep_until(&self, end_ns: u64) {
        while !self.stop.requested() && self.clock.until(end_ns) > Duration::ZERO {
            self.stop.sleep(self.clock.until(end_ns));
        }
    }
}

fn answers(number: u64, lose_every: u64, double_every: u64) -> u32 {
    if number.is_multiple_of(lose_every) {
        0
    } else if number.is_multiple_of(double_every) {
        2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_a_client(fault: Fault) -> (Planted, Socket) {
        let planted = Planted::start(fault, &Sockets::default()).unwrap();
        let dealer = Context::new(1, 4).unwrap().socket(zmq::DEALER).unwrap();
        dealer.set_rcvtimeo(10_000).unwrap();
        dealer.dial(&planted.endpoint).unwrap();
        (planted, dealer)
    }

    #[test]
    fn what_is_both_lost_and_doubled_is_lost() {
        let all: Vec<u32> = (1..=14).map(|number| answers(number, 2, 7)).collect();
        assert_eq!(all, [1, 0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn a_planted_server_answers_as_configured_and_says_so() {
        let fault = Fault::LoseAndDouble { lose_every: 3, double_every: 2 };
        let (planted, dealer) = with_a_client(fault);
        let mut body = [0; 24];
        for request in 1..=4 {
            Header { token: 1, request, key: DrawKey(request) }.encode(&mut body);
            dealer.send(&body[..], 0).unwrap();
        }
        let replies: Vec<u64> = (0..5)
            .map(|_| Header::decode(&dealer.recv_bytes(0).unwrap()).unwrap().request)
            .collect();
        assert_eq!(replies, [1, 2, 2, 4, 4]);
        let witness = planted.finish().unwrap();
        let keys: Vec<u64> = witness.taken.iter().map(|(key, _)| key.0).collect();
        assert_eq!((keys, witness.unanswered, witness.doubled), (vec![1, 2, 3, 4], 1, 2));
        assert!(witness.taken.is_sorted_by_key(|(_, at_ns)| *at_ns));
    }

    #[test]
    fn a_server_that_stalls_ends_at_once_when_it_is_dropped() {
        let fault = Fault::Stall { after: 1, for_ns: 3_600_000_000_000 };
        let (planted, dealer) = with_a_client(fault);
        dealer.send("x", 0).unwrap();
        drop(planted);
    }
}
