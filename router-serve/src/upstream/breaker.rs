//! A circuit breaker: an upstream that keeps failing is left alone for a while, then tried with one request at a time.
//! (M. Nygard, Release It!, 2007.)

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Instant;

/// What a circuit is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CircuitState {
    /// Requests pass.
    Closed,
    /// One request passes, to try.
    HalfOpen,
    /// No request passes.
    Open,
}

impl CircuitState {
    /// The word for it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// A circuit breaker. Failures count in a row: one success forgets them.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    circuit: Arc<Mutex<Circuit>>,
    failures: u32,
    open: Duration,
}

#[derive(Debug, Default)]
struct Circuit {
    failures: u32,
    /// Until when no request passes, once the circuit was opened.
    open_until: Option<Instant>,
    /// A request is out that tries whether the upstream is well again.
    is_tried: bool,
}

impl Breaker {
    /// A closed circuit that `failures` in a row open for as long as `open`.
    pub(crate) fn new(failures: u32, open: Duration) -> Self {
        Self { circuit: Arc::default(), failures, open }
    }

    /// Leave to ask at `now`, unless the circuit is open.
    pub(crate) fn pass(&self, now: Instant) -> Option<Pass> {
        let mut circuit = self.lock();
        let tries = match circuit.open_until {
            None => false,
            Some(until) if now < until || circuit.is_tried => return None,
            Some(_) => true,
        };
        circuit.is_tried |= tries;
        drop(circuit);
        Some(Pass { breaker: self.clone(), tries, is_told: false })
    }

    /// What the circuit is like at `now`.
    pub(crate) fn state(&self, now: Instant) -> CircuitState {
        let circuit = self.lock();
        match circuit.open_until {
            None => CircuitState::Closed,
            Some(until) if now < until => CircuitState::Open,
            Some(_) => CircuitState::HalfOpen,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to ask an upstream once. Whoever holds it says how that went; dropped without a word it says nothing, as when the
/// client went away.
#[derive(Debug)]
pub(crate) struct Pass {
    breaker: Breaker,
    tries: bool,
    is_told: bool,
}

impl Pass {
    /// The upstream answered.
    pub(crate) fn succeeded(mut self) {
        self.is_told = true;
        let mut circuit = self.breaker.lock();
        // What was asked before the circuit opened says nothing about the upstream now.
        if circuit.open_until.is_none() || self.tries {
            *circuit = Circuit::default();
        }
    }

    /// The upstream failed, at `now`.
    pub(crate) fn failed(mut self, now: Instant) {
        self.is_told = true;
        let mut circuit = self.breaker.lock();
        if self.tries {
            circuit.is_tried = false;
            circuit.open_until = Some(now + self.breaker.open);
        } else if circuit.open_until.is_none() {
            circuit.failures += 1;
            if circuit.failures >= self.breaker.failures {
                circuit.open_until = Some(now + self.breaker.open);
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.tries && !self.is_told {
            self.breaker.lock().is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(10);

    #[test]
    fn failures_in_a_row_open_it_and_one_try_closes_it() {
        let mut now = crate::clock::now();
        let breaker = Breaker::new(2, OPEN);
        breaker.pass(now).unwrap().failed(now);
        breaker.pass(now).unwrap().succeeded();
        breaker.pass(now).unwrap().failed(now);
        assert_eq!(breaker.state(now), CircuitState::Closed);
        breaker.pass(now).unwrap().failed(now);
        assert_eq!(breaker.state(now), CircuitState::Open);
        assert!(breaker.pass(now).is_none());
        now += OPEN;
        assert_eq!(breaker.state(now), CircuitState::HalfOpen);
        let pass = breaker.pass(now).unwrap();
        assert!(breaker.pass(now).is_none(), "one request tries, not two");
        pass.failed(now);
        assert_eq!(breaker.state(now), CircuitState::Open);
        now += OPEN;
        // A client that went away says nothing: the next one may try.
        drop(breaker.pass(now).unwrap());
        breaker.pass(now).unwrap().succeeded();
        assert_eq!(breaker.state(now), CircuitState::Closed);
        breaker.pass(now).unwrap().failed(now);
        assert_eq!(breaker.state(now), CircuitState::Closed, "the failures before are forgotten");
    }

    #[test]
    fn an_old_answer_closes_nothing() {
        let now = crate::clock::now();
        let breaker = Breaker::new(1, OPEN);
        let old = breaker.pass(now).unwrap();
        breaker.pass(now).unwrap().failed(now);
        old.succeeded();
        assert_eq!(breaker.state(now), CircuitState::Open);
    }
}
