//! What is stored, and how fast.

use super::labels::{CacheResult, KeyType, Outcome, StorageOperation};
use crate::catalogue::new_events;
use crate::declare::{Alert, Bound, PanelUnit, Severity};
use crate::{Counter, EnumFamily, Gauge, Histogram, Unit, bundle};
use std::time::Duration;

bundle! {
    /// What the storage of a HotStuff-2 replica records.
    pub struct StorageMetrics("hotstuff_", "HotStuff-2 storage") {
        "Operations":
        /// Operations on stored keys, by result.
        pub storage_operations: EnumFamily<Counter, (StorageOperation, Outcome)> = "storage_operations_total"
            => asks("How much is read and written, and does it fail?"), titled("Storage operations"), headline();
        /// Reading a key.
        pub storage_read_duration: EnumFamily<Histogram, KeyType> =
            "storage_read_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Are reads slow?"), titled("Storage reads");
        /// Writing a key.
        pub storage_write_duration: EnumFamily<Histogram, KeyType> =
            "storage_write_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Are writes slow?"), titled("Storage writes"), headline();
        /// Writing a batch of operations, until it is durable.
        pub storage_batch_duration: Histogram = "storage_batch_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Is the disk slow?"), titled("Batch write");
        /// Operations written together.
        pub storage_batch_operations: Histogram = "storage_batch_operations"
            => asks("How well are writes batched?"), titled("Operations a batch");
        /// Operations that failed, whatever they were.
        pub storage_errors: Counter = "storage_errors_total"
            => asks("Does storage fail?"), titled("Storage errors in 5 minutes"), shown_in(PanelUnit::Number),
               alert(Alert::when_beyond(
                       "HotStuffStorageErrors",
                       format!("round({})", new_events("hotstuff_storage_errors_total")),
                       Bound::Above(0.0),
                   )
                   .severity(Severity::Critical)
                   .component("storage")
                   .summary("Storage fails")
                   .description("{{ $value }} operations failed within 5 minutes.")
                   .action("Look at the disk, its free space, and the log.")),
               plots("increase(hotstuff_storage_errors_total[5m])", "");

        "Size":
        /// Bytes stored.
        pub storage_size: Gauge = "storage_size_bytes", unit(Unit::Bytes)
            => asks("How much is stored, and how fast does it grow?"), titled("Bytes stored"), headline();
        /// Bytes that can be stored; 0 if nobody knows. The engine adds it to the original list, to derive the use of
        /// storage from it.
        pub storage_capacity: Gauge = "storage_capacity_bytes", unit(Unit::Bytes)
            => asks("How much can be stored?"), titled("Storage capacity");

        "Cache":
        /// Requests to the cache in front of storage, by result.
        pub cache_requests: EnumFamily<Counter, CacheResult> = "cache_requests_total"
            => asks("Does the cache help?"), titled("Requests to the cache");
        /// Bytes in the cache.
        pub cache_size: Gauge = "cache_size_bytes", unit(Unit::Bytes)
            => asks("How large is the cache?"), titled("Bytes in the cache");
    }
    derived {
        "Size":
        /// The part of the capacity that is in use; nothing while the capacity is not known.
        "storage_utilization_ratio" = "hotstuff_storage_size_bytes / (hotstuff_storage_capacity_bytes > 0)",
            unit(Unit::Ratio)
            => asks("When is storage full?"), titled("Use of storage"),
               alert(Alert::when_beyond("HotStuffStorageFull", "hotstuff_storage_utilization_ratio", Bound::Above(0.85))
                   .hold(Duration::from_secs(60))
                   .severity(Severity::Critical)
                   .component("storage")
                   .summary("Storage is nearly full")
                   .description("{{ $value | humanizePercentage }} of the capacity is in use.")
                   .action("Prune old blocks, or make room."));
    }
}
