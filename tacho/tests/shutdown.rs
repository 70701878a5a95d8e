//! A cluster that was shut down leaves neither threads nor files. Alone in its process, because it
//! counts the process's threads.
#![cfg(target_os = "linux")]

use std::fs;

use tacho::raft::cluster::Cluster;
use tacho::raft::config::{ClusterConfig, LogKind, NODES};
use tacho::raft::load::Load;

fn log_threads() -> usize {
    let threads = fs::read_dir("/proc/self/task").expect("the threads can be listed");
    let name = |path: std::path::PathBuf| fs::read_to_string(path.join("comm")).unwrap_or_default();
    let names = threads.map(|thread| name(thread.expect("a thread").path()));
    names.filter(|name| name.trim() == "tacho-log").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_behind() {
    let config = ClusterConfig::new(LogKind::Disk);
    let cluster = Cluster::start(config).await.expect("the cluster starts");
    let folder = cluster.node_folder(1).expect("the log is on disk");
    let run_folder = folder.parent().expect("all nodes' folder").to_path_buf();
    let load = Load::start(&cluster, 4);
    assert!(load.totals().failed == 0 && run_folder.is_dir());
    assert_eq!(log_threads(), NODES as usize);
    cluster.kill(2).await.expect("the node stops");
    assert_eq!(log_threads(), NODES as usize - 1);
    load.stop().await;
    cluster.shutdown().await.expect("the cluster stops");
    assert_eq!(log_threads(), 0);
    assert!(!run_folder.exists());
}
