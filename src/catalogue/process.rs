//! What a process uses, under the names that Prometheus's client libraries give it. `facade::process` (feature `process`)
//! records it from `/proc`; a program that knows it from elsewhere registers the bundle.
//!
//! Not every machine has every series: `facade::process` shows those that there are.

use crate::declare::{Alert, Bound, PanelUnit};
use crate::{Counter, EnumFamily, Gauge, Unit, bundle, labels};
use std::time::Duration;

labels! {
    /// Why the processor was given to another thread.
    pub enum Switch("kind") {
        /// The thread waited for something.
        Voluntary = "voluntary",
        /// It was another's turn.
        Involuntary = "involuntary",
    }
}

bundle! {
    /// What a process uses.
    pub struct ProcessMetrics("process_", "Process") {
        "CPU":
        /// User and system CPU time spent.
        pub cpu: Counter = "cpu_seconds_total", unit(Unit::Nanoseconds)
            => asks("How many processors does it keep busy?"), titled("Processors in use"), headline();
        /// Context switches.
        pub context_switches: EnumFamily<Counter, Switch> = "context_switches_total"
            => asks("Do threads wait, or do they compete?"), titled("Context switches");
        /// Threads.
        pub threads: Gauge = "threads" => asks("How many threads are there?"), titled("Threads");
        /// Start, since 1970-01-01 UTC.
        pub start_time: Gauge = "start_time_seconds", unit(Unit::Seconds)
            => asks("How long has it run?"), titled("Running for"), plots("time() - process_start_time_seconds", "");

        "Memory":
        /// Resident memory.
        pub resident_memory: Gauge = "resident_memory_bytes", unit(Unit::Bytes)
            => asks("Does its memory grow?"), titled("Resident memory"), headline();
        /// Virtual memory.
        pub virtual_memory: Gauge = "virtual_memory_bytes", unit(Unit::Bytes)
            => asks("How much address space does it have?"), titled("Virtual memory");
        /// The limit of virtual memory.
        pub virtual_memory_max: Gauge = "virtual_memory_max_bytes", unit(Unit::Bytes)
            => asks("How much address space may it have?"), titled("Limit of virtual memory");
        /// Page faults served from memory.
        pub minor_page_faults: Counter = "minor_page_faults_total"
            => asks("Is memory touched for the first time?"), titled("Minor page faults");
        /// Page faults that read a device.
        pub major_page_faults: Counter = "major_page_faults_total"
            => asks("Does it wait for memory that was paged out?"), titled("Major page faults");

        "Files":
        /// Open file descriptors.
        pub open_fds: Gauge = "open_fds"
            => asks("Does it leak files?"), titled("Open files"),
               alert(Alert::when_beyond("ProcessFilesNearLimit", "process_open_fds / process_max_fds", Bound::Above(0.9))
                   .hold(Duration::from_secs(60))
                   .component("host")
                   .summary("The process is about to run out of file descriptors")
                   .description("{{ $value | humanizePercentage }} of the file descriptors that it may have are open.")
                   .action("Look what it has open (ls -l /proc/PID/fd), and raise the limit if that is right.")),
               shown_in(PanelUnit::Ratio), plots("process_open_fds / process_max_fds", "");
        /// The limit of open file descriptors.
        pub max_fds: Gauge = "max_fds" => asks("How many files may it open?"), titled("Limit of open files");

        "Disk":
        /// Bytes read from devices.
        pub disk_read: Counter = "disk_read_bytes_total", unit(Unit::Bytes)
            => asks("How much does it read from disks?"), titled("Disk reads");
        /// Bytes written to devices.
        pub disk_written: Counter = "disk_written_bytes_total", unit(Unit::Bytes)
            => asks("How much does it write to disks?"), titled("Disk writes");

        "Network":
        /// IP bytes received in the process's network namespace.
        pub network_receive: Counter = "network_receive_bytes_total", unit(Unit::Bytes)
            => asks("How much is received?"), titled("Network, received");
        /// IP bytes sent in the process's network namespace.
        pub network_transmit: Counter = "network_transmit_bytes_total", unit(Unit::Bytes)
            => asks("How much is sent?"), titled("Network, sent");
    }
}
