//! Keeps a panic of foreign code on damaged input from reaching a user.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns; `None` if it panics. What it worked on must not be used again then.
///
/// A panic inside is not printed: on first use a hook is put before the process's own, which it leaves to every other panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                previous(panic);
            }
        }));
    });
    GUARDED.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_the_next_work_is_done() {
        assert_eq!(guarded(|| 7), Some(7));
        let nothing: [u8; 0] = [];
        assert_eq!(guarded(|| nothing[std::hint::black_box(3)]), None);
        assert_eq!(guarded(|| 8), Some(8));
        assert!(std::panic::catch_unwind(|| assert_ne!(std::hint::black_box(1), 1)).is_err());
    }
}
