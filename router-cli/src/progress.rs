//! Progress bars on stderr, for work that takes longer than about a second.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar as Bar, ProgressStyle};
use router_core::{Progress, ProgressBar, Silent};

/// How long a piece of work runs before its bar appears.
const DELAY: Duration = Duration::from_secs(1);
/// How often bars that are due are looked for and drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// A bar for a known number of steps.
const COUNTED: &str = "{prefix:<24} [{bar:30}] {pos}/{len} {eta:>4} {msg}";
/// A bar for an unknown number of steps.
const UNCOUNTED: &str = "{prefix:<24} {spinner} {pos} {elapsed} {msg}";

/// Bars where a person sees them: stderr is a terminal and `--quiet` is not given. Otherwise silence.
pub(crate) fn progress(quiet: bool) -> Arc<dyn Progress> {
    if quiet || !std::io::stderr().is_terminal() { Arc::new(Silent) } else { Arc::new(Bars::start()) }
}

/// Draws a bar for every piece of work that lasts.
struct Bars {
    pieces: Arc<Pieces>,
}

#[derive(Default)]
struct Pieces {
    drawn: MultiProgress,
    running: Mutex<Vec<Weak<Piece>>>,
}

/// A piece of work that runs.
struct Piece {
    label: String,
    total: Option<u64>,
    began: Instant,
    done: AtomicU64,
    message: Mutex<String>,
    bar: Mutex<Option<Bar>>,
}

/// The worker's handle on a piece. Dropping it takes the bar away.
struct Handle(Arc<Piece>);

impl Bars {
    /// Starts the thread that draws. It ends with the last owner of the bars.
    fn start() -> Self {
        let pieces = Arc::new(Pieces::default());
        let watched = Arc::downgrade(&pieces);
        std::thread::spawn(move || {
            while let Some(pieces) = watched.upgrade() {
                pieces.draw();
                drop(pieces);
                std::thread::sleep(TICK);
            }
        });
        Self { pieces }
    }
}

#[allow(clippy::disallowed_methods, reason = "the clock decides when a bar is shown, never what is computed")]
fn now() -> Instant {
    Instant::now()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pieces {
    fn draw(&self) {
        let now = now();
        lock(&self.running).retain(|piece| {
            let Some(piece) = piece.upgrade() else { return false };
            if now.duration_since(piece.began) >= DELAY {
                piece.draw(&self.drawn);
            }
            true
        });
    }
}

impl Piece {
    fn draw(&self, drawn: &MultiProgress) {
        let mut bar = lock(&self.bar);
        let bar = bar.get_or_insert_with(|| {
            let bar = match self.total {
                Some(total) => Bar::new(total).with_style(style(COUNTED)),
                None => Bar::no_length().with_style(style(UNCOUNTED)),
            };
            drawn.add(bar.with_prefix(self.label.clone()).with_elapsed(self.began.elapsed()))
        });
        bar.set_message(lock(&self.message).clone());
        bar.set_position(self.done.load(Ordering::Relaxed));
        bar.tick();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants, and a test holds that they are sound.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

impl Progress for Bars {
    fn begin(&self, label: &str, total: Option<u64>) -> Box<dyn ProgressBar> {
        let piece = Arc::new(Piece {
            label: label.to_owned(),
            total,
            began: now(),
            done: AtomicU64::new(0),
            message: Mutex::default(),
            bar: Mutex::default(),
        });
        lock(&self.pieces.running).push(Arc::downgrade(&piece));
        Box::new(Handle(piece))
    }
}

impl ProgressBar for Handle {
    fn advance(&self, steps: u64) {
        self.0.done.fetch_add(steps, Ordering::Relaxed);
    }

    fn message(&self, text: &str) {
        text.clone_into(&mut lock(&self.0.message));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(bar) = lock(&self.0.bar).take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(pieces: &Pieces, age: Duration) -> Handle {
        let piece = Arc::new(Piece {
            label: "embedding".into(),
            total: Some(10),
            began: now().checked_sub(age).unwrap(),
            done: AtomicU64::new(0),
            message: Mutex::default(),
            bar: Mutex::default(),
        });
        lock(&pieces.running).push(Arc::downgrade(&piece));
        Handle(piece)
    }

    #[test]
    fn a_bar_appears_after_a_second_and_goes_with_its_work() {
        let pieces = Pieces::default();
        pieces.drawn.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        let young = piece(&pieces, Duration::ZERO);
        let old = piece(&pieces, Duration::from_secs(2));
        young.advance(3);
        old.advance(4);
        old.message("epoch 2");
        pieces.draw();
        assert!(lock(&young.0.bar).is_none());
        let shown = lock(&old.0.bar).clone().unwrap();
        assert_eq!((shown.prefix().as_str(), shown.position(), shown.length()), ("embedding", 4, Some(10)));
        assert_eq!(shown.message(), "epoch 2");
        drop(old);
        assert!(shown.is_finished());
        pieces.draw();
        assert_eq!(lock(&pieces.running).len(), 1, "what has ended is forgotten");
        drop(young);
    }

    #[test]
    fn the_templates_are_sound() {
        for template in [COUNTED, UNCOUNTED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
