//! Work that several cells share, done by the first that needs it.

use std::sync::{Arc, Mutex, PoisonError};

use router_core::{Error, ErrorKind, Result};

/// A value made once, a failure included. Others wait for it.
pub(super) struct Once<T>(Mutex<State<T>>);

enum State<T> {
    Unmade,
    Made(Arc<T>),
    Failed(ErrorKind, String),
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::new(State::Unmade))
    }
}

impl<T> Once<T> {
    /// The value, which `make` makes if nobody did. What failed once is not tried again.
    pub(super) fn get(&self, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        // A maker that panicked left nothing half made: the state is still `Unmade`.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Made(value) => return Ok(Arc::clone(value)),
            State::Failed(kind, message) => return Err(Error::new(*kind, message.clone())),
            State::Unmade => {}
        }
        match make() {
            Ok(value) => {
                let value = Arc::new(value);
                *state = State::Made(Arc::clone(&value));
                Ok(value)
            }
            Err(error) => {
                *state = State::Failed(error.kind(), error.to_string());
                Err(error)
            }
        }
    }

    /// Forgets the value. Those who hold it keep it.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Unmade;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_value_is_made_once_and_a_failure_too() {
        let made = AtomicUsize::new(0);
        let once = Once::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| *once.get(|| Ok(made.fetch_add(1, Ordering::SeqCst))).unwrap());
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        once.forget();
        assert_eq!(*once.get(|| Ok(7)).unwrap(), 7);
        let failing: Once<()> = Once::default();
        for _ in 0..2 {
            let error = failing.get(|| {
                made.fetch_add(1, Ordering::SeqCst);
                Err(Error::new(ErrorKind::Embedding, "no"))
            });
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Embedding);
        }
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }
}
