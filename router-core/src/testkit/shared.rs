//! What several roles' cases need.

use crate::artifact::{ErasedPersist, SlotReader, SlotWriter};
use crate::parallel::with_threads;
use crate::registry::Shelved;
use crate::testkit::case::{Subject, Verdict, ensure, told};
use crate::testkit::world::MinimalWorld;
use crate::types::matrix::MatrixView;

/// The largest difference that rounding may make between two batches of the same prompts.
pub(super) const ROUNDING: f32 = 1e-5;

/// Every degenerate world.
pub(super) fn worlds() -> Result<Vec<MinimalWorld>, String> {
    told("the minimal worlds", MinimalWorld::variants(1))
}

/// The easy world for fitting, and another of the same kind for asking.
pub(super) fn easy() -> Result<(MinimalWorld, MinimalWorld), String> {
    Ok((told("world", MinimalWorld::easy(150, 1))?, told("world", MinimalWorld::easy(60, 2))?))
}

/// Saves `component` and loads it again.
pub(super) fn stored_again<R: Shelved>(
    subject: &Subject<'_>,
    component: &(impl ErasedPersist + ?Sized),
) -> Result<Box<R::Stored>, String> {
    let bytes = told("saving", SlotWriter::serialize(component))?;
    told(
        "loading",
        SlotReader::open("subject", &bytes, subject.registry, |_, slot| subject.registry.load::<R>(subject.name, slot)),
    )
}

/// The bytes of what `fit` gives, at 1 and 2 threads and twice at each, must be the same.
pub(super) fn same_bytes<S: ErasedPersist + ?Sized>(fit: impl Fn() -> Result<Box<S>, String> + Send + Sync) -> Verdict {
    let bytes = |threads: usize| -> Result<Vec<u8>, String> {
        told(
            "threads",
            with_threads(threads, || fit().and_then(|fitted| told("saving", SlotWriter::serialize(&*fitted)))),
        )?
    };
    let first = bytes(1)?;
    ensure(first == bytes(1)?, || "two fits of one seed differ".to_owned())?;
    ensure(first == bytes(2)?, || "fits at 1 and 2 threads differ".to_owned())
}

/// A truncated and a corrupted slot must be errors, not panics and not components.
pub(super) fn refuses_damage<R: Shelved>(subject: &Subject<'_>, component: &(impl ErasedPersist + ?Sized)) -> Verdict {
    let bytes = told("saving", SlotWriter::serialize(component))?;
    let load = |bytes: &[u8]| {
        SlotReader::open("subject", bytes, subject.registry, |_, slot| subject.registry.load::<R>(subject.name, slot))
    };
    for keep in [0, 1, 8, bytes.len() / 2, bytes.len() - 1] {
        let cut = bytes.get(..keep).unwrap_or_default();
        ensure(load(cut).is_err(), || format!("{keep} of {} bytes load as a whole component", bytes.len()))?;
    }
    Ok(())
}

/// All numbers of `a` and `b` must agree within `tolerance`.
pub(super) fn near(what: &str, a: MatrixView<'_>, b: MatrixView<'_>, tolerance: f32) -> Verdict {
    ensure(a.rows() == b.rows() && a.cols() == b.cols(), || {
        format!("{what}: {} x {} against {} x {}", a.rows(), a.cols(), b.rows(), b.cols())
    })?;
    for (at, (x, y)) in a.as_slice().iter().zip(b.as_slice()).enumerate() {
        // Written so that a NaN fails.
        let close = (x - y).abs() <= tolerance;
        ensure(close, || format!("{what}: row {}, column {}: {x} against {y}", at / a.cols(), at % a.cols()))?;
    }
    Ok(())
}
