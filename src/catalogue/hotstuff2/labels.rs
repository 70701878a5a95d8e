//! The closed sets of labels.

use crate::labels;

labels! {
    /// Why a view was left.
    pub enum ViewChange("reason") {
        /// Its time was over before a block was certified.
        Timeout = "timeout",
        /// Another leader took over before its time was over.
        NewLeader = "new_leader",
        /// Its leader misbehaved.
        Byzantine = "byzantine",
        /// The others were seen to be further on.
        Sync = "sync",
    }
}

labels! {
    /// What is voted for.
    pub enum VotePhase("phase") {
        /// A block in the pipeline, where one vote counts for all phases.
        Generic = "generic",
        /// That a block is certified.
        Prepare = "prepare",
        /// That a certificate is locked.
        Precommit = "precommit",
        /// That a block is committed.
        Commit = "commit",
        /// That a change of validators is decided.
        Decide = "decide",
    }
}

labels! {
    /// How safety was violated.
    pub enum SafetyViolation("kind") {
        /// Two blocks were committed at one height.
        ConflictingCommit = "conflicting_commit",
        /// Two blocks have a certificate at one height and view.
        ConflictingCertificate = "conflicting_certificate",
        /// A vote went to a block that contradicts the lock.
        LockViolation = "lock_violation",
        /// The state after a block is not the one that others have.
        StateMismatch = "state_mismatch",
    }
}

labels! {
    /// How a validator misbehaved.
    pub enum ByzantineBehavior("kind") {
        /// It proposed, or voted for, two blocks in one view.
        Equivocation = "equivocation",
        /// A signature of it does not verify.
        InvalidSignature = "invalid_signature",
        /// It proposed a block that cannot be.
        InvalidProposal = "invalid_proposal",
        /// It voted for what was not proposed, or out of turn.
        InvalidVote = "invalid_vote",
        /// It sent a certificate that does not verify.
        InvalidCertificate = "invalid_certificate",
        /// It sent what is no message.
        MalformedMessage = "malformed_message",
    }
}

labels! {
    /// What a message is.
    pub enum Message("kind") {
        /// A block.
        Proposal = "proposal",
        /// A request to vote on a later phase.
        Nudge = "nudge",
        /// A vote.
        Vote = "vote",
        /// The highest certificate, for the next leader.
        NewView = "new_view",
        /// A vote to leave a view.
        Timeout = "timeout",
        /// The proof that a view is over.
        AdvanceView = "advance_view",
        /// Blocks for a replica that lacks them, and what asks for them.
        Sync = "sync",
        /// Transactions on their way to a leader.
        Transaction = "transaction",
        /// Anything else.
        Other = "other",
    }
}

labels! {
    /// Who opened a connection.
    pub enum Connection("kind") {
        /// The peer.
        Inbound = "inbound",
        /// This node.
        Outbound = "outbound",
    }
}

labels! {
    /// Why a peer is no longer connected.
    pub enum Disconnection("reason") {
        /// One of the two closed the connection.
        Closed = "closed",
        /// It was silent for too long.
        Timeout = "timeout",
        /// The connection broke.
        Network = "network",
        /// What it sent is not the protocol.
        Protocol = "protocol",
        /// The node stops.
        Shutdown = "shutdown",
    }
}

labels! {
    /// Why there is no connection to a peer.
    pub enum ConnectionError("error") {
        /// No answer in time.
        Timeout = "timeout",
        /// Nobody listens there.
        ConnectionRefused = "connection_refused",
        /// There is no way to it.
        Network = "network",
        /// The peer is not who it should be.
        Handshake = "handshake",
        /// Anything else.
        Other = "other",
    }
}

labels! {
    /// What is done with stored data.
    pub enum StorageOperation("op") {
        /// Look up a key.
        Read = "read",
        /// Set a key.
        Write = "write",
        /// Remove a key.
        Delete = "delete",
    }
}

labels! {
    /// How an operation ended.
    pub enum Outcome("result") {
        /// As it should.
        Ok = "ok",
        /// With an error.
        Error = "error",
    }
}

labels! {
    /// What is stored under a key.
    pub enum KeyType("key_type") {
        /// A block, or a part of it.
        Block = "block",
        /// A quorum or timeout certificate.
        Certificate = "certificate",
        /// The view, the lock and the last vote of this replica.
        Protocol = "protocol",
        /// The set of validators.
        Validators = "validators",
        /// The application's state.
        State = "state",
        /// Anything else.
        Other = "other",
    }
}

labels! {
    /// Whether a cache had what was asked of it.
    pub enum CacheResult("result") {
        /// It had.
        Hit = "hit",
        /// It had not.
        Miss = "miss",
    }
}

labels! {
    /// Whether a transaction can be.
    pub enum Validity("result") {
        /// It can.
        Valid = "valid",
        /// It cannot.
        Invalid = "invalid",
    }
}
