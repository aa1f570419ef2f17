//! So many at once, so many waiting, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A place among those at once; it is given back when dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// Admits so many at once. Further ones wait in a queue of bounded length for a bounded time.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    count: usize,
    waiting: AtomicUsize,
    queue: usize,
    patience: Duration,
}

impl Gate {
    pub(crate) fn new(count: usize, queue: usize, patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(count)), count, waiting: AtomicUsize::new(0), queue, patience }
    }

    /// A place; `None` if the queue is full or the wait too long.
    pub(crate) async fn enter(&self) -> Option<Permit> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(permit);
        }
        let _waiting = Waiting::new(&self.waiting, self.queue)?;
        tokio::time::timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await.ok()?.ok()
    }

    /// How many are in.
    pub(crate) fn inside(&self) -> usize {
        self.count.saturating_sub(self.places.available_permits())
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A place in the queue. It is given up when dropped, also by a client that goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let is_in = waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < most).then_some(count + 1))
            .is_ok();
        // Made only if it is in: dropped, it would leave.
        is_in.then(|| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_long_wait_later() {
        let gate = Arc::new(Gate::new(1, 1, Duration::from_millis(500)));
        let inside = gate.enter().await.unwrap();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter().await.is_some() }
        });
        tokio::task::yield_now().await;
        assert_eq!((gate.inside(), gate.waiting()), (1, 1));
        assert!(gate.enter().await.is_none(), "the queue is full");
        drop(inside);
        assert!(waiting.await.unwrap());
        let _inside = gate.enter().await.unwrap();
        assert!(gate.enter().await.is_none(), "nobody leaves");
        assert_eq!(gate.waiting(), 0);
    }
}
