//! When a client's operations begin: as fast as it is answered, or at times of a seed's own.

use std::time::{Duration, Instant};

use tachometer::testing::{Arrivals, ClosedLoop, LoopClient, OpenLoop, Random, Values};

/// One client's operations, without end.
#[derive(Debug)]
pub struct Pace {
    began: Instant,
    load: Load,
}

#[derive(Debug)]
enum Load {
    Open(Box<OpenLoop>),
    Closed(Box<LoopClient>),
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When it is to begin, and its latency with it; `None`: at once.
    pub due: Option<Instant>,
    /// What it carries.
    pub content: u64,
}

impl Pace {
    /// That of the client with `number` of `clients`, at `rate` operations a second of all of them.
    pub fn of(
        seed: u64,
        number: u64,
        clients: u32,
        rate: Option<f64>,
        contents: Values,
    ) -> Result<Self, tachometer::Error> {
        let load = match rate {
            Some(rate) => {
                let own = Random::stream(seed, "client", number).next_u64();
                let arrivals = Arrivals::poisson(rate / f64::from(clients.max(1)))?;
                Load::Open(Box::new(OpenLoop::new(own, arrivals, contents)))
            }
            None => {
                let load = ClosedLoop::new(seed, Values::fixed(0), contents);
                Load::Closed(Box::new(load.client(number)))
            }
        };
        Ok(Self { began: Instant::now(), load })
    }

    /// The next operation.
    pub fn next_turn(&mut self) -> Turn {
        // Neither ends: a Poisson process and a client go on for ever.
        match &mut self.load {
            Load::Open(load) => {
                let next = load.next();
                let at = next.map_or(Duration::MAX, |next| next.at);
                let due = self.began.checked_add(at).unwrap_or(self.began);
                Turn { due: Some(due), content: next.map_or(0, |next| next.value) }
            }
            Load::Closed(client) => {
                Turn { due: None, content: client.next().map_or(0, |step| step.value) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_the_same_operations_each_time() {
        let turns = |seed, rate| {
            let values = Values::uniform(0, 1_000).unwrap();
            let mut pace = Pace::of(seed, 3, 4, rate, values).unwrap();
            let began = pace.began;
            let turn = |turn: Turn| (turn.due.map(|due| due - began), turn.content);
            (0..100).map(|_| turn(pace.next_turn())).collect::<Vec<_>>()
        };
        for rate in [None, Some(400.0)] {
            assert_eq!(turns(7, rate), turns(7, rate));
            assert_ne!(turns(7, rate), turns(8, rate));
        }
        assert!(turns(7, None).iter().all(|(due, _)| due.is_none()));
        let last = turns(7, Some(400.0))[99].0.unwrap();
        assert!((0.6..1.5).contains(&last.as_secs_f64()), "100 a second: {last:?}");
    }
}
