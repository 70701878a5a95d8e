//! Blocks, views, votes, and what must not happen.

use super::labels::{SafetyViolation, ViewChange, VotePhase};
use crate::catalogue::{new_events, quantile};
use crate::declare::{Alert, Bound, PanelUnit, Severity};
use crate::{Counter, EnumFamily, Family, Gauge, Histogram, Unit, bundle};
use std::time::Duration;

bundle! {
    /// What consensus of a HotStuff-2 replica records: blocks, views, votes, violations.
    pub struct ConsensusMetrics("hotstuff_", "HotStuff-2 consensus") {
        "Blocks":
        /// Blocks that this replica proposed as leader.
        pub blocks_proposed: Counter = "blocks_proposed_total"
            => asks("Does this replica propose when it leads?"), titled("Blocks proposed");
        /// Blocks that this replica committed.
        pub blocks_committed: Counter = "blocks_committed_total"
            => asks("How long is it from one block to the next?"), titled("Time between blocks"), headline(),
               shown_in(PanelUnit::Seconds),
               // Over a window that is not full, the rate is too low.
               alert(Alert::when_beyond(
                       "HotStuffBlockTimeHigh",
                       "1 / rate(hotstuff_blocks_committed_total[1m]) and hotstuff_blocks_committed_total offset 1m",
                       Bound::Above(2.0),
                   )
                   .hold(Duration::from_secs(10))
                   .severity(Severity::Critical)
                   .component("consensus")
                   .summary("Blocks are committed too slowly")
                   .description("The mean time between blocks is {{ $value | humanizeDuration }}.")
                   .action("Look for changes of view, slow peers and slow disks.")),
               plots("1 / (rate(hotstuff_blocks_committed_total[$window]) > 0)", "");
        /// Making a proposal, from entering the view to sending it.
        pub block_proposal_duration: Histogram = "block_proposal_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long does a leader need for its proposal?"), titled("Making a proposal");
        /// From a block's insertion to its commit.
        pub block_commit_duration: Histogram = "block_commit_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long does a block wait until it is committed?"), titled("Block commit latency"), headline();
        /// Transactions in each committed block.
        pub block_transactions: Histogram = "block_transactions"
            => asks("How full are blocks?"), titled("Transactions a block");
        /// Height of the last committed block.
        pub committed_height: Gauge = "committed_height"
            => asks("Does the chain grow, on this replica too?"), titled("Committed height"),
               // The last sample is older than ten seconds: what the other rules say is about then.
               alert(Alert::when_beyond("HotStuffDataStale", "time() - timestamp(hotstuff_committed_height)", Bound::Above(10.0))
                   .severity(Severity::Critical)
                   .component("metrics")
                   .summary("The metrics of HotStuff are stale")
                   .description("The last sample is {{ $value | humanizeDuration }} old; other alerts cannot be trusted.")
                   .action("Look whether the process still runs, and whether it makes snapshots.")),
               plots("hotstuff_committed_height", ""), shown_in(PanelUnit::Number),
               // Not even an old sample is left.
               alert(Alert::when("HotStuffDataAbsent", "absent(hotstuff_committed_height)")
                   .hold(Duration::from_secs(10))
                   .severity(Severity::Critical)
                   .component("metrics")
                   .summary("There are no metrics of HotStuff")
                   .description("Neither the committed height nor an old sample of it is there; no other alert can fire.")
                   .action("Look whether the process runs, and whether it is reached."));
        /// Quorum certificates that this replica collected or took over, each once. The engine adds it to the original
        /// list, to derive the throughput of consensus from it.
        pub quorum_certificates: Counter = "quorum_certificates_total"
            => asks("How fast do replicas agree, whether a block comes of it or not?"), titled("Quorum certificates");

        "Views":
        /// The view that this replica is in.
        pub current_view: Gauge = "current_view"
            => asks("Which view is each replica in, and does it move?"), titled("View"), headline();
        /// Views that were left otherwise than by the regular way of a certified block, by reason.
        pub view_changes: EnumFamily<Counter, ViewChange> = "view_changes_total"
            => asks("Do views fail, and why?"), titled("Changes of view"), headline(), shown_in(PanelUnit::PerSecond),
               alert(Alert::when_beyond(
                       "HotStuffViewChangesFrequent",
                       "sum without (reason) (rate(hotstuff_view_changes_total[5m]))",
                       Bound::Above(0.1),
                   )
                   .component("consensus")
                   .summary("Views change often")
                   .description("{{ $value | humanize }} changes of view a second, over 5 minutes.")
                   .action("Look for leaders that do not answer, and for time limits that are too short.")),
               plots("rate(hotstuff_view_changes_total[$window])", "{{reason}}");
        /// From the end of a view that failed to the first message of the next.
        pub view_change_duration: Histogram = "view_change_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long is there no progress when a view fails?"), titled("View change duration");
        /// Times that a view's time was over.
        pub liveness_timeouts: Counter = "liveness_timeouts_total"
            => asks("Does consensus stop making progress?"), titled("Timeouts in 5 minutes"),
               shown_in(PanelUnit::Number),
               alert(Alert::when_beyond(
                       "HotStuffLivenessTimeouts",
                       format!("round({})", new_events("hotstuff_liveness_timeouts_total")),
                       Bound::Above(10.0),
                   )
                   .severity(Severity::Critical)
                   .component("consensus")
                   .summary("Consensus makes no progress again and again")
                   .description("{{ $value }} timeouts within 5 minutes.")
                   .action("Look whether enough validators are there and reach each other.")),
               plots("increase(hotstuff_liveness_timeouts_total[5m])", "");

        "Votes":
        /// Votes that this replica sent, by phase.
        pub votes_sent: EnumFamily<Counter, VotePhase> = "votes_sent_total"
            => asks("Does this replica vote?"), titled("Votes sent");
        /// Votes that this replica received, by phase and validator.
        pub votes_received: Family<Counter, 2> = "votes_received_total", keys(["phase", "validator"])
            => asks("Whose votes are missing?"), titled("Votes received"),
               plots("sum without (phase) (rate(hotstuff_votes_received_total[$window]))", "{{validator}}");
        /// Checking and counting a vote.
        pub vote_processing_duration: Histogram = "vote_processing_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Are votes checked fast enough?"), titled("Processing a vote");

        "Violations":
        /// Violations of safety, by kind. More than none, ever, is a disaster.
        pub safety_violations: EnumFamily<Counter, SafetyViolation> = "safety_violations_total"
            => asks("Was anything committed that contradicts something else?"), titled("Violations of safety in 5 minutes"),
               headline(), shown_in(PanelUnit::Number),
               alert(Alert::when_beyond(
                       "HotStuffSafetyViolation",
                       format!("round({})", new_events("hotstuff_safety_violations_total")),
                       Bound::Above(0.0),
                   )
                   .keep_firing(Duration::from_secs(900))
                   .severity(Severity::Page)
                   .component("consensus")
                   .summary("Safety was violated: {{ $labels.kind }}")
                   .description("{{ $value }} violations of safety within 5 minutes.")
                   .action("Stop the node and keep its log: more may be committed than agreed on.")),
               plots("increase(hotstuff_safety_violations_total[5m])", "{{kind}}");
        /// What validators did that an honest one does not, by kind.
        pub byzantine_behaviors: Family<Counter, 2> = "byzantine_behaviors_total", keys(["kind", "validator"])
            => asks("Does a validator misbehave, and which?"), titled("Byzantine behaviours a second"),
               alert(Alert::when_beyond(
                       "HotStuffByzantineBehavior",
                       format!("sum without (kind) ({}) / 300", new_events("hotstuff_byzantine_behaviors_total")),
                       Bound::Above(0.0),
                   )
                   .keep_firing(Duration::from_secs(300))
                   .severity(Severity::Critical)
                   .component("consensus")
                   .summary("Validator {{ $labels.validator }} misbehaves")
                   .description("{{ $value | humanize }} byzantine behaviours a second, over 5 minutes.")
                   .action("Look at the validator's votes and proposals; it may have to be removed.")),
               plots("rate(hotstuff_byzantine_behaviors_total[5m])", "{{validator}} {{kind}}");
    }
    derived {
        "Blocks":
        /// 99th percentile of a minute's times from a block's insertion to its commit, in seconds.
        "hotstuff:block_commit_duration_seconds:p99" =
            quantile("0.99", "hotstuff_block_commit_duration_seconds", "1m"), unit(Unit::Seconds)
            => asks("How slow are the slowest blocks of each replica?"), titled("Block commit latency p99");
    }
}
