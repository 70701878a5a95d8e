//! Networks with a seed: what becomes of each message between nodes, asked by a test's own transport.
//!
//! Nothing is sent here. A transport asks a [`Link`] before it delivers, and does what it says; so the same seed gives the same
//! network under any transport, and time is the transport's own.

use super::load::Values;
use super::random::Random;
use crate::Error;
use crate::limits::{MAX_NETWORK_NODES, MAX_NETWORK_PARTITIONS};
use std::sync::Arc;
use std::time::Duration;

/// The conditions between the nodes 0 to n − 1 of a test. Clones are the same plan.
///
/// ```
/// use std::time::Duration;
/// use tachometer::testing::{Fate, Network, Partition, Values};
/// let (start, second) = (Duration::from_secs(10), Duration::from_secs(1));
/// let network = Network::builder(42, 3)
///     .latency_ns(Values::log_normal(1e6, 0.3)?)
///     .loss(0.01)
///     .partition(Partition { start, lasts: second, side: vec![0] })
///     .build()?;
/// let mut link = network.link(0, 1)?;
/// match link.send(Duration::ZERO) {
///     Fate::Delivered { at, .. } => assert!(at > Duration::ZERO), // deliver it then
///     Fate::Lost | Fate::Partitioned => {}                        // or never
/// }
/// assert_eq!(link.send(start), Fate::Partitioned);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network(Arc<Conditions>);

#[derive(Clone, Debug)]
struct Conditions {
    seed: u64,
    nodes: usize,
    latency_ns: Values,
    jitter_ns: Values,
    loss: f64,
    duplication: f64,
    reordering: f64,
    /// By start.
    partitions: Vec<Partition>,
}

/// A time during which some nodes and the others do not reach each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// When it begins, on the transport's clock.
    pub start: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// The nodes of one side; all others are the other side.
    pub side: Vec<usize>,
}

impl Partition {
    /// Whether it separates two nodes at a time.
    pub fn separates(&self, a: usize, b: usize, at: Duration) -> bool {
        let over = self.start.saturating_add(self.lasts);
        (self.start..over).contains(&at) && self.side.contains(&a) != self.side.contains(&b)
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Delivered {
        /// When.
        at: Duration,
        /// When it arrives once more, if it does.
        again: Option<Duration>,
    },
    /// It is lost on the way.
    Lost,
    /// Nobody can be reached there.
    Partitioned,
}

/// Settings of a [`Network`]. Without any: messages arrive at once, in order, each once.
#[derive(Clone, Debug)]
#[must_use = "there is no network until `build`"]
pub struct NetworkBuilder {
    conditions: Conditions,
    random: Option<RandomPartitions>,
}

#[derive(Clone, Copy, Debug)]
struct RandomPartitions {
    every: Duration,
    lasts: Duration,
    until: Duration,
}

impl Network {
    /// Settings for a network of `nodes`, drawn from `seed`.
    pub fn builder(seed: u64, nodes: usize) -> NetworkBuilder {
        let conditions = Conditions {
            seed,
            nodes,
            latency_ns: Values::fixed(0),
            jitter_ns: Values::fixed(0),
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            partitions: Vec::new(),
        };
        NetworkBuilder { conditions, random: None }
    }

    /// The way from one node to another, at its beginning. Whoever sends keeps it: asking twice gives the same fates again.
    ///
    /// # Errors
    /// There is no such node.
    pub fn link(&self, from: usize, to: usize) -> Result<Link, Error> {
        let nodes = self.0.nodes;
        if from >= nodes || to >= nodes {
            let reason = format!("{from} to {to}, but nodes are 0 to {}", nodes - 1);
            return Err(Error::InvalidSetting { setting: "link", reason });
        }
        let number = (from * nodes + to) as u64;
        let random = Random::stream(self.0.seed, "link", number);
        Ok(Link { network: self.clone(), from, to, random, number: 0, latest: Duration::ZERO })
    }

    /// Whether two nodes cannot reach each other at a time.
    pub fn is_partitioned(&self, a: usize, b: usize, at: Duration) -> bool {
        self.0.partitions.iter().any(|one| one.separates(a, b, at))
    }

    /// All partitions, by their beginning: what a test plans or prints.
    pub fn partitions(&self) -> &[Partition] {
        &self.0.partitions
    }
}

/// The way from one node to another. What becomes of its n-th message hangs on the seed, the two nodes and n alone (and on the
/// time, for partitions and for the order of arrivals), not on what other links carry.
#[derive(Clone, Debug)]
pub struct Link {
    network: Network,
    from: usize,
    to: usize,
    random: Random,
    number: u64,
    /// When the latest of what keeps its order arrives.
    latest: Duration,
}

impl Link {
    /// What becomes of a message that is sent at `at`.
    ///
    /// Messages arrive in the order in which they are sent, however their latencies are drawn, as on a TCP connection; but for
    /// those that [`NetworkBuilder::reordering`] lets go astray. A message that is under way when a partition begins arrives.
    pub fn send(&mut self, at: Duration) -> Fate {
        let Conditions { latency_ns, jitter_ns, loss, duplication, reordering, .. } =
            &*self.network.0;
        // All are drawn for each message, in this order, needed or not: a setting that changes leaves the rest as it was.
        let mut random = Random::new(self.random.next_u64());
        let draw = |random: &mut Random| {
            let ns = latency_ns.draw(random, self.number);
            Duration::from_nanos(ns.saturating_add(jitter_ns.draw(random, self.number)))
        };
        let (lost, twice) = (random.chance(*loss), random.chance(*duplication));
        let astray = random.chance(*reordering);
        let (first, second) = (draw(&mut random), draw(&mut random));
        self.number += 1;
        if self.network.is_partitioned(self.from, self.to, at) {
            return Fate::Partitioned;
        }
        if lost {
            return Fate::Lost;
        }
        // One that goes astray takes twice its way and once the second's, and others do not wait for it.
        let arrives = match astray {
            true => at.saturating_add(first).saturating_add(first).saturating_add(second),
            false => {
                self.latest = self.latest.max(at.saturating_add(first));
                self.latest
            }
        };
        Fate::Delivered { at: arrives, again: twice.then(|| arrives.saturating_add(second)) }
    }
}

impl NetworkBuilder {
    /// How long a message takes, in nanoseconds.
    pub fn latency_ns(mut self, values: Values) -> Self {
        self.conditions.latency_ns = values;
        self
    }

    /// What comes on top of that, in nanoseconds.
    pub fn jitter_ns(mut self, values: Values) -> Self {
        self.conditions.jitter_ns = values;
        self
    }

    /// The share of messages that are lost, 0 to 1.
    pub fn loss(mut self, share: f64) -> Self {
        self.conditions.loss = share;
        self
    }

    /// The share of messages that arrive twice, 0 to 1.
    pub fn duplication(mut self, share: f64) -> Self {
        self.conditions.duplication = share;
        self
    }

    /// The share of messages that go astray and may be overtaken, 0 to 1. Of messages without latency none can be.
    pub fn reordering(mut self, share: f64) -> Self {
        self.conditions.reordering = share;
        self
    }

    /// Adds a partition.
    pub fn partition(mut self, partition: Partition) -> Self {
        self.conditions.partitions.push(partition);
        self
    }

    /// Adds partitions that are drawn from the seed: `every` so often on average until `until`, each for as long as `lasts`,
    /// between any two sides, never two at once.
    pub fn random_partitions(mut self, every: Duration, lasts: Duration, until: Duration) -> Self {
        self.random = Some(RandomPartitions { every, lasts, until });
        self
    }

    /// The network.
    ///
    /// # Errors
    /// A share is not from 0 to 1, there is no node or more than [`MAX_NETWORK_NODES`], a partition names one that there is not or
    /// has nobody on one side, or there are more than [`MAX_NETWORK_PARTITIONS`].
    pub fn build(self) -> Result<Network, Error> {
        let NetworkBuilder { mut conditions, random } = self;
        let invalid = |setting, reason: String| Err(Error::InvalidSetting { setting, reason });
        if !(1..=MAX_NETWORK_NODES).contains(&conditions.nodes) {
            let reason = format!("{} is not from 1 to {MAX_NETWORK_NODES}", conditions.nodes);
            return invalid("nodes", reason);
        }
        let Conditions { loss, duplication, reordering, .. } = conditions;
        let shares = [("loss", loss), ("duplication", duplication), ("reordering", reordering)];
        if let Some((setting, share)) = shares.into_iter().find(|s| !(0.0..=1.0).contains(&s.1)) {
            return invalid(setting, format!("{share} is no share from 0 to 1"));
        }
        if let Some(random) = random {
            random.draw(&mut conditions)?;
        }
        for partition in &mut conditions.partitions {
            partition.side.sort_unstable();
            partition.side.dedup();
            let (side, nodes) = (&partition.side, conditions.nodes);
            if side.is_empty() || side.len() == nodes || side.iter().any(|node| *node >= nodes) {
                let reason =
                    format!("{side:?} is not some, and not all, of nodes 0 to {}", nodes - 1);
                return invalid("partition", reason);
            }
        }
        check_count(conditions.partitions.len())?;
        conditions.partitions.sort_by_key(|partition| partition.start);
        Ok(Network(Arc::new(conditions)))
    }
}

fn check_count(partitions: usize) -> Result<(), Error> {
    if partitions <= MAX_NETWORK_PARTITIONS {
        return Ok(());
    }
    let advice = "draw them for a shorter time, or less often";
    Err(Error::TooMany {
        what: "partitions of a network".to_owned(),
        limit: MAX_NETWORK_PARTITIONS,
        advice,
    })
}

impl RandomPartitions {
    fn draw(self, conditions: &mut Conditions) -> Result<(), Error> {
        let mut random = Random::stream(conditions.seed, "partitions", 0);
        if self.every.is_zero() || conditions.nodes < 2 {
            let reason = "they need two nodes, and some time between them".to_owned();
            return Err(Error::InvalidSetting { setting: "random_partitions", reason });
        }
        let mut from = Duration::ZERO;
        loop {
            let gap = self.every.as_nanos() as f64 * random.exponential();
            let start = from.saturating_add(Duration::from_nanos(gap as u64));
            // Drawn among all, less those for whom nobody would be on the other side.
            let size = 1 + random.below(conditions.nodes as u64 - 1) as usize;
            let mut nodes: Vec<usize> = (0..conditions.nodes).collect();
            for at in 0..size {
                let other = at + random.below((nodes.len() - at) as u64) as usize;
                nodes.swap(at, other);
            }
            nodes.truncate(size);
            if start >= self.until {
                return Ok(());
            }
            check_count(conditions.partitions.len() + 1)?;
            conditions.partitions.push(Partition { start, lasts: self.lasts, side: nodes });
            from = start.saturating_add(self.lasts);
        }
    }
}
