//! One thread's cells: where a record lands, and what the cut reads.
//!
//! A *shard* is an arena of cells that one thread writes. [`layout`] says what stands where in it, [`arena`] holds the
//! memory, [`list`] all shards of the process and their hand-over from thread to thread, [`entry`] the few stores that
//! surround a record, [`guests`] the shared cells for whoever has no shard, [`octave`] the buckets of histograms, [`exemplar`] the traces of some of their values,
//! [`mod@write`] what a record writes by the slow path, [`tenancy`] the check that a remembered slot still belongs to its
//! series, [`local`] the thread's own pointer.
//!
//! # The protocol
//!
//! Every cell stands in two *banks*. One word, the [epoch](Domain::epoch), says which is being written.
//!
//! - To record: `state = INSIDE` · light barrier · load the epoch · bump the cell in that bank · `state = OUTSIDE | bank`.
//! - To cut: flip the epoch · heavy barrier · for each shard, see `state != INSIDE` once · read the bank that was left.
//!
//! *Assumptions.* Only the owner of a shard writes its cells and its `state`, save that the cutter may turn
//! `OUTSIDE | bank` into `IDLE` by compare-exchange, and may write to the still bank between a complete cut and the next
//! flip. One cut runs at a time.
//!
//! *Claim 1: after the wait the old bank stands still.* The announcement (`INSIDE`) and the load of the epoch are
//! ordered by the asymmetric barrier against the flip and the load of `state`. So a record whose announcement the cutter
//! missed loaded the new epoch and writes the new bank; a record whose announcement it saw was waited for.
//!
//! *Claim 2: the cutter sees every record of the old bank.* `leave` stores with release after the bump; the cutter's
//! load of `state` acquires that store or a later one.
//!
//! *Claim 3: the cut is causal.* If record X happens-before record Y, Y's load of the epoch is coherence-ordered after
//! X's, so Y's bank is never older than X's. A group loads the epoch once, so it lands in one bank whole.
//!
//! *Claim 4: nothing is lost or doubled.* Cells are never reset: a total is the still bank now plus the other bank as it
//! stood at the previous cut, which nobody wrote until this flip.
//!
//! *Claim 5: a shard registered during a cut needs no extra care.* A thread links its shard into the list before it
//! loads the epoch. If the cutter's walk missed the link, the link came after the barrier, so the thread loaded the new
//! epoch: its records belong to the next generation. (The link plays the part of the announcement.)
//!
//! Models of the real code: `loom-tests/tests`; on hardware: `tests/stress.rs`.

pub(crate) mod arena;
pub(crate) mod domain;
pub(crate) mod entry;
pub(crate) mod exemplar;
pub(crate) mod fork;
pub(crate) mod guests;
pub(crate) mod layout;
pub(crate) mod list;
#[cfg(not(tachometer_loom))]
pub(crate) mod local;
#[cfg(tachometer_loom)]
pub(crate) mod modelled;
pub(crate) mod octave;
pub(crate) mod regions;
pub(crate) mod tenancy;
pub(crate) mod write;

#[cfg(not(tachometer_loom))]
pub(crate) use domain::DOMAIN;
pub(crate) use domain::Domain;
