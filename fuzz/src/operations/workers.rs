//! The threads: each waits for tasks, carries them out one after the other, and says when it is done.
//!
//! They outlive an input, since to begin a thread takes longer than most inputs do.

use super::plan::WORKERS;
use super::world::{EARLY, LATE, Last, Task, World};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tachometer::{Group, Snapshot};

type Order = (Arc<Mutex<World>>, Vec<Task>);
/// For each task, the snapshot that it made.
pub type Outcome = Vec<Option<Arc<Snapshot>>>;

struct Worker {
    orders: Sender<Order>,
    done: Receiver<Outcome>,
    thread: JoinHandle<()>,
}

/// The workers that are alive.
#[derive(Default)]
pub struct Workers([Option<Worker>; WORKERS]);

impl Workers {
    pub const fn new() -> Self {
        Workers([const { None }; WORKERS])
    }

    /// Has `worker` carry `tasks` out, and returns when they are.
    ///
    /// A task that ends the thread is the last.
    pub fn perform(
        &mut self,
        worker: usize,
        world: &Arc<Mutex<World>>,
        tasks: Vec<Task>,
    ) -> Outcome {
        let ends = tasks.last().is_some_and(Task::ends_thread);
        let alive = self.0[worker].get_or_insert_with(begin);
        alive.orders.send((world.clone(), tasks)).expect("the worker is there");
        let outcome = alive.done.recv().expect("the worker did not panic");
        if ends {
            self.end(worker);
        }
        outcome
    }

    /// Ends a thread, if it is alive, and waits until its thread-locals are gone.
    fn end(&mut self, worker: usize) {
        let Some(Worker { orders, thread, .. }) = self.0[worker].take() else { return };
        drop(orders);
        thread.join().expect("the worker did not panic");
    }

    /// Ends all threads, and with them the tables that each keeps of every family it ever recorded in.
    pub fn end_all(&mut self) {
        (0..WORKERS).for_each(|worker| self.end(worker));
    }
}

fn begin() -> Worker {
    let (orders, inbox) = channel();
    let (outbox, done) = channel();
    let thread = std::thread::spawn(move || {
        EARLY.with(|_| ());
        work(&inbox, &outbox);
    });
    Worker { orders, done, thread }
}

fn work(inbox: &Receiver<Order>, outbox: &Sender<Outcome>) {
    let mut groups = Vec::new();
    for (world, tasks) in inbox {
        let outcome = tasks.into_iter().map(|task| perform(&world, task, &mut groups)).collect();
        // Before the others go on: no worker holds the world while it waits.
        drop(world);
        if outbox.send(outcome).is_err() {
            return;
        }
    }
}

fn perform(
    world: &Arc<Mutex<World>>,
    task: Task,
    groups: &mut Vec<Group>,
) -> Option<Arc<Snapshot>> {
    if let Task::Exit(tenant, farewell) = task {
        let place = if farewell.after_engine { &EARLY } else { &LATE };
        let last = Last { world: world.clone(), tenant, farewell, groups: std::mem::take(groups) };
        place.with(|place| *place.borrow_mut() = Some(last));
        return None;
    }
    world.lock().unwrap_or_else(PoisonError::into_inner).perform(task, groups)
}
