//! Events as the body of a response: polled by the host's server whenever its client has room for more.

use super::response;
use crate::serve::Responder;
use crate::serve::events::{EventStream, OPENING, Sleeper, Taken};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_core::Stream;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// The task that waits for events, if it does.
#[derive(Default)]
struct Task(Mutex<Option<Waker>>);

impl Task {
    fn waits(&self, waker: &Waker) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }
}

impl Sleeper for Task {
    fn wake(&self) {
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// A stream of events on its way.
struct Events {
    events: EventStream,
    task: Arc<Task>,
    responder: Responder,
    begun: bool,
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Before the look: what comes after it wakes the task.
        self.task.waits(context.waker());
        let begun = std::mem::replace(&mut self.begun, true);
        let mut out = if begun { Vec::new() } else { OPENING.to_vec() };
        match self.events.take(&mut out) {
            Taken::Nothing if out.is_empty() => Poll::Pending,
            Taken::Nothing | Taken::Events => Poll::Ready(Some(Ok(out.into()))),
            Taken::Behind => {
                self.responder.was_slow();
                Poll::Ready(None)
            }
        }
    }
}

/// One request. It waits for nothing: the events are in memory.
pub(super) async fn answer(State(responder): State<Responder>, request: Request) -> Response {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let headers = request.headers().iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    match responder.stream(request.method().as_str(), target, headers.iter().copied()) {
        Err(answer) => response(answer),
        Ok((events, head)) => {
            let task = Arc::<Task>::default();
            let sleeper: Arc<dyn Sleeper> = task.clone();
            let weak: Weak<dyn Sleeper> = Arc::downgrade(&sleeper);
            events.wake(weak);
            let mut response = response(head);
            *response.body_mut() =
                Body::from_stream(Events { events, task, responder, begun: false });
            response
        }
    }
}
