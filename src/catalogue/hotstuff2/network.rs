//! Messages, bytes, peers, and what gets lost between them.

use super::labels::{Connection, ConnectionError, Disconnection, Message};
use crate::catalogue::quantile;
use crate::declare::{Alert, Bound, PanelUnit};
use crate::{Counter, EnumFamily, Family, Gauge, Histogram, Unit, bundle};
use std::time::Duration;

bundle! {
    /// What the network of a HotStuff-2 replica records.
    pub struct NetworkMetrics("hotstuff_", "HotStuff-2 network") {
        "Messages":
        /// Messages that were to be sent, by kind and peer; those that got lost included.
        pub messages_sent: Family<Counter, 2> = "messages_sent_total", keys(["kind", "peer"])
            => asks("What is sent, and to whom?"), titled("Messages sent");
        /// Messages received, by kind and peer.
        pub messages_received: Family<Counter, 2> = "messages_received_total", keys(["kind", "peer"])
            => asks("What is received, and who is silent?"), titled("Messages received"), headline(),
               plots("sum without (kind) (rate(hotstuff_messages_received_total[$window]))", "{{peer}}");
        /// Messages that are known not to have arrived: the queue was full, the connection broke, there was none. The engine
        /// adds it to the original list, to derive the delivery ratio from it.
        pub messages_lost: Counter = "messages_lost_total"
            => asks("Are messages lost?"), titled("Messages lost");
        /// Handling a received message, by kind.
        pub message_processing_duration: EnumFamily<Histogram, Message> =
            "message_processing_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Does handling messages hold consensus up?"), titled("Handling a message");
        /// Messages that wait to be handled or sent.
        pub message_queue_length: Gauge = "message_queue_length"
            => asks("Does the replica keep up with its messages?"), titled("Messages waiting");

        "Bytes":
        /// Bytes sent, by peer.
        pub bytes_sent: Family<Counter, 1> = "bytes_sent_total", keys(["peer"])
            => asks("How much data is each peer sent?"), titled("Bytes sent"), shown_in(PanelUnit::BytesPerSecond);
        /// Bytes received, by peer.
        pub bytes_received: Family<Counter, 1> = "bytes_received_total", keys(["peer"])
            => asks("How much data does each peer send?"), titled("Bytes received"), shown_in(PanelUnit::BytesPerSecond);
        /// What the network can carry for this replica, in bytes a second, both directions together; 0 if nobody knows. The
        /// engine adds it to the original list, to derive the use of bandwidth from it.
        pub bandwidth_limit: Gauge = "bandwidth_limit_bytes", unit(Unit::Bytes)
            => asks("How much can the network carry?"), titled("Bandwidth"), shown_in(PanelUnit::BytesPerSecond);

        "Peers":
        /// Peers that are connected.
        pub active_peers: Gauge = "active_peers"
            => asks("How many peers are connected?"), titled("Connected peers"), headline();
        /// Connections to peers, by who opened them.
        pub peer_connections: EnumFamily<Counter, Connection> = "peer_connections_total"
            => asks("Do peers reconnect all the time?"), titled("Connections opened"),
               plots("increase(hotstuff_peer_connections_total[$window])", "{{kind}}"), shown_in(PanelUnit::Number);
        /// Connections to peers that ended, by reason.
        pub peer_disconnections: EnumFamily<Counter, Disconnection> = "peer_disconnections_total"
            => asks("Do peers go, and why?"), titled("Disconnections"), shown_in(PanelUnit::PerSecond),
               alert(Alert::when_beyond(
                       "HotStuffPeerDisconnects",
                       "sum without (reason) (rate(hotstuff_peer_disconnections_total[5m]))",
                       Bound::Above(0.1),
                   )
                   .component("network")
                   .summary("Peers disconnect often")
                   .description("{{ $value | humanize }} lost connections a second, over 5 minutes.")
                   .action("Look at the network between the nodes, and whether peers restart.")),
               plots("rate(hotstuff_peer_disconnections_total[$window])", "{{reason}}");
        /// From a message to a peer to its answer.
        pub peer_latency: Family<Histogram, 1> =
            "peer_latency_seconds", unit(Unit::Nanoseconds), keys(["peer"])
            => asks("Which peer is slow?"), titled("Peer latency"), headline(),
               alert(Alert::when_beyond(
                       "HotStuffPeerLatencyHigh",
                       quantile("0.99", "hotstuff_peer_latency_seconds", "1m"),
                       Bound::Above(0.5),
                   )
                   .hold(Duration::from_secs(30))
                   .component("network")
                   .summary("Peer {{ $labels.peer }} answers slowly")
                   .description("The 99th percentile of its latencies is {{ $value | humanizeDuration }}.")
                   .action("Look at the network to the peer, and at its load."));
        /// Partitions of the network that this replica found itself in.
        pub network_partitions: Counter = "network_partitions_total"
            => asks("Was the network divided?"), titled("Partitions of the network"),
               plots("increase(hotstuff_network_partitions_total[$window])", ""), shown_in(PanelUnit::Number);
        /// Peers that cannot be reached because of a partition.
        pub partition_affected_peers: Gauge = "partition_affected_peers"
            => asks("How many peers are on the other side?"), titled("Peers beyond a partition"),
               alert(Alert::when_beyond("HotStuffPartitioned", "hotstuff_partition_affected_peers", Bound::Above(0.0))
                   .hold(Duration::from_secs(10))
                   .component("network")
                   .summary("The network is divided")
                   .description("{{ $value }} peers cannot be reached because of a partition of the network.")
                   .action("Look at the network: a third of the validators beyond it stops consensus."));
        /// Connections that did not come about, by error.
        pub connection_failures: EnumFamily<Counter, ConnectionError> = "connection_failures_total"
            => asks("Why are peers not connected?"), titled("Failed connections");
    }
    derived {
        "Messages":
        /// The part of a minute's messages that is not known to be lost.
        "message_delivery_ratio" =
            "1 - rate(hotstuff_messages_lost_total[1m]) \
             / (sum without (kind, peer) (rate(hotstuff_messages_sent_total[1m])) > 0)",
            unit(Unit::Ratio)
            => asks("Do messages arrive?"), titled("Messages lost"),
               alert(Alert::when_beyond("HotStuffMessageLoss", "1 - hotstuff_message_delivery_ratio", Bound::Above(0.05))
                   .hold(Duration::from_secs(15))
                   .component("network")
                   .summary("Messages are lost")
                   .description("{{ $value | humanizePercentage }} of the messages do not arrive.")
                   .action("Look at the network between the nodes, and at the length of message queues.")),
               plots("1 - hotstuff_message_delivery_ratio", "");
        "Bytes":
        /// The part of the bandwidth that a minute's bytes took; nothing while the bandwidth is not known.
        "bandwidth_utilization_ratio" =
            "(sum without (peer) (rate(hotstuff_bytes_sent_total[1m])) \
             + sum without (peer) (rate(hotstuff_bytes_received_total[1m]))) / (hotstuff_bandwidth_limit_bytes > 0)",
            unit(Unit::Ratio)
            => asks("Is the network full?"), titled("Use of bandwidth"),
               alert(Alert::when_beyond("HotStuffBandwidthFull", "hotstuff_bandwidth_utilization_ratio", Bound::Above(0.9))
                   .hold(Duration::from_secs(60))
                   .component("network")
                   .summary("The network is full")
                   .description("{{ $value | humanizePercentage }} of the bandwidth has been in use for a minute.")
                   .action("Look which peer takes it; smaller blocks or a faster network are what helps."));
    }
}
