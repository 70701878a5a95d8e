//! The replicated state: what blocks do to it, and what it is asked.

use super::labels::Validity;
use crate::declare::{Alert, Bound, PanelUnit};
use crate::{Counter, EnumFamily, Gauge, Histogram, Unit, bundle};
use std::time::Duration;

bundle! {
    /// What the state machine of a HotStuff-2 replica records.
    pub struct StateMetrics("hotstuff_", "HotStuff-2 state") {
        "Transitions":
        /// Blocks applied to the state.
        pub state_transitions: Counter = "state_transitions_total"
            => asks("Is the state moving?"), titled("State transitions");
        /// Applying a block to the state.
        pub state_transition_duration: Histogram = "state_transition_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Is the state machine slow?"), titled("State transition");
        /// Transactions checked, by result.
        pub transaction_validations: EnumFamily<Counter, Validity> = "transaction_validations_total"
            => asks("Are transactions refused?"), titled("Transactions refused"), headline(), shown_in(PanelUnit::Ratio),
               alert(Alert::when_beyond(
                       "HotStuffTransactionsRefused",
                       "sum without (result) (rate(hotstuff_transaction_validations_total{result=\"invalid\"}[5m])) \
                        / (sum without (result) (rate(hotstuff_transaction_validations_total[5m])) > 0)",
                       Bound::Above(0.5),
                   )
                   .hold(Duration::from_secs(60))
                   .component("consensus")
                   .summary("Most transactions are refused")
                   .description("{{ $value | humanizePercentage }} of the transactions of 5 minutes were invalid.")
                   .action("Look which client sends them."));
        /// Checking a transaction.
        pub transaction_validation_duration: Histogram =
            "transaction_validation_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Is checking transactions slow?"), titled("Checking a transaction");

        "Queries":
        /// Queries of the state.
        pub state_queries: Counter = "state_queries_total"
            => asks("How much is the state asked?"), titled("State queries");
        /// Answering a query of the state.
        pub state_query_duration: Histogram = "state_query_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Are queries slow?"), titled("State query");

        "Snapshots":
        /// Snapshots taken of the state.
        pub state_snapshots: Counter = "state_snapshots_total"
            => asks("Are snapshots taken?"), titled("State snapshots"),
               plots("increase(hotstuff_state_snapshots_total[$window])", ""), shown_in(PanelUnit::Number);
        /// Taking a snapshot of the state.
        pub state_snapshot_duration: Histogram = "state_snapshot_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long does a snapshot take?"), titled("Taking a snapshot");

        "Size":
        /// Bytes of the state.
        pub state_size: Gauge = "state_size_bytes", unit(Unit::Bytes)
            => asks("How large is the state?"), titled("State size"), headline();
        /// Accounts in the state.
        pub accounts: Gauge = "accounts" => asks("How many accounts are there?"), titled("Accounts");
        /// Contracts in the state.
        pub contracts: Gauge = "contracts" => asks("How many contracts are there?"), titled("Contracts");
    }
}
