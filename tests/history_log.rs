//! The history on disk: restarts, kills, damage, disks that are full, and directories that it must not take.

#![cfg(all(feature = "history", target_os = "linux"))]

mod common;

#[path = "history_log/damage.rs"]
mod damage;
#[path = "history_log/disk.rs"]
mod disk;
#[path = "history_log/kill.rs"]
mod kill;
#[path = "history_log/refused.rs"]
mod refused;
#[path = "history_log/restart.rs"]
mod restart;
#[path = "history_log/stand.rs"]
mod stand;
