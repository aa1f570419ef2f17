//! The inner loops of growing: what lies below the thresholds of all numbers, for a block of prompts.
//!
//! Written in the vectors of [`pulp`], whose width is chosen when the program runs: left to the compiler, the loops over wide
//! targets became scalar. Each sum is made in the order of the prompts, and what is added is a target or nothing, so that all
//! widths give the same bits, fused or not.

#![allow(clippy::indexing_slicing, reason = "a tile lies within the numbers, as the loops over tiles are cut")]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use pulp::{Simd, WithSimd};
use router_core::MatrixView;

/// Prompts a block: few enough that a column of their numbers stays in the nearest cache from one tile to the next.
pub(super) const BLOCK: usize = 64;

/// The looked-at numbers of a block of prompts.
pub(super) struct Numbers<'a> {
    rows: [&'a [f32]; BLOCK],
    count: usize,
}

impl<'a> Numbers<'a> {
    /// Those of the prompts `block`: their embeddings, or what was `gathered` of them, `looked_at` numbers a prompt.
    pub(super) fn new(embeddings: MatrixView<'a>, block: &[u32], gathered: &'a [f32], looked_at: usize) -> Self {
        let mut rows: [&[f32]; BLOCK] = [&[]; BLOCK];
        if gathered.is_empty() {
            rows.iter_mut().zip(block).for_each(|(to, &row)| *to = embeddings.row(row as usize));
        } else {
            rows.iter_mut().zip(gathered.chunks(looked_at)).for_each(|(to, values)| *to = values);
        }
        Self { rows, count: block.len().min(BLOCK) }
    }

    #[inline(always)]
    fn rows(&self) -> &[&'a [f32]] {
        &self.rows[..self.count]
    }
}

/// Widens `least` and `greatest` by a block.
pub(super) struct Range<'a> {
    pub(super) numbers: &'a Numbers<'a>,
    pub(super) least: &'a mut [f32],
    pub(super) greatest: &'a mut [f32],
}

/// Vectors of numbers whose bounds are in registers at a time.
const RANGE_TILE: usize = 4;

impl Range<'_> {
    /// The `TAKEN` vectors of numbers from the number `start`.
    #[inline(always)]
    fn tile<S: Simd, const TAKEN: usize>(&mut self, simd: S, start: usize) {
        let end = start + TAKEN * S::F32_LANES;
        let at_first = (simd.splat_f32s(f32::INFINITY), simd.splat_f32s(f32::NEG_INFINITY));
        let mut bounds = [at_first; TAKEN];
        for values in self.numbers.rows() {
            let Some(values) = values.get(start..end) else { continue };
            let Some(values) = S::as_simd_f32s(values).0.first_chunk::<TAKEN>() else { continue };
            for (bounds, &values) in bounds.iter_mut().zip(values) {
                bounds.0 = simd.min_f32s(bounds.0, values);
                bounds.1 = simd.max_f32s(bounds.1, values);
            }
        }
        let least = S::as_mut_simd_f32s(&mut self.least[start..end]).0;
        let greatest = S::as_mut_simd_f32s(&mut self.greatest[start..end]).0;
        for ((least, greatest), bounds) in least.iter_mut().zip(greatest).zip(bounds) {
            *least = simd.min_f32s(*least, bounds.0);
            *greatest = simd.max_f32s(*greatest, bounds.1);
        }
    }

    /// The bounds of the number `at`.
    fn one(&mut self, at: usize) {
        for value in self.numbers.rows().iter().filter_map(|values| values.get(at)) {
            self.least[at] = self.least[at].min(*value);
            self.greatest[at] = self.greatest[at].max(*value);
        }
    }
}

impl WithSimd for Range<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (numbers, lanes) = (self.least.len(), S::F32_LANES);
        let mut start = 0;
        while start + RANGE_TILE * lanes <= numbers {
            self.tile::<S, RANGE_TILE>(simd, start);
            start += RANGE_TILE * lanes;
        }
        while start + lanes <= numbers {
            self.tile::<S, 1>(simd, start);
            start += lanes;
        }
        (start..numbers).for_each(|at| self.one(at));
    }
}

/// Adds to `sums` and `counts`, one entry a number, what a block has below the `thresholds`.
pub(super) struct Below<'a> {
    pub(super) numbers: &'a Numbers<'a>,
    /// Numbers of a target, a multiple of every vector's.
    pub(super) width: usize,
    /// The targets of the block's prompts.
    pub(super) targets: &'a [f32],
    pub(super) thresholds: &'a [f32],
    pub(super) sums: &'a mut [f32],
    pub(super) counts: &'a mut [f32],
}

impl Below<'_> {
    /// Prompts below every threshold.
    #[inline(always)]
    fn count<S: Simd>(&mut self, simd: S) {
        let (one, zero) = (simd.splat_f32s(1.0), simd.splat_f32s(0.0));
        let (thresholds, last_thresholds) = S::as_simd_f32s(self.thresholds);
        let (counts, last_counts) = S::as_mut_simd_f32s(self.counts);
        for values in self.numbers.rows() {
            let (values, last_values) = S::as_simd_f32s(values);
            for ((count, &value), &threshold) in counts.iter_mut().zip(values).zip(thresholds) {
                let below = simd.select_f32s(simd.less_than_f32s(value, threshold), one, zero);
                *count = simd.add_f32s(*count, below);
            }
            for ((count, value), threshold) in last_counts.iter_mut().zip(last_values).zip(last_thresholds) {
                *count += f32::from(u8::from(value < threshold));
            }
        }
    }

    /// The sums of `VECTORS` vectors of the targets, the first of which is `from`, in tiles of `TILE` numbers.
    #[inline(always)]
    fn add_up<S: Simd, const VECTORS: usize, const TILE: usize>(&mut self, simd: S, from: usize) {
        let numbers = self.thresholds.len();
        let tiled = numbers - numbers % TILE;
        for start in (0..tiled).step_by(TILE) {
            self.tile::<S, VECTORS, TILE>(simd, from, start);
        }
        for start in tiled..numbers {
            self.tile::<S, VECTORS, 1>(simd, from, start);
        }
    }

    /// The `TILE` numbers from `start`: their sums stay in registers while the block passes by.
    #[inline(always)]
    fn tile<S: Simd, const VECTORS: usize, const TILE: usize>(&mut self, simd: S, from: usize, start: usize) {
        let vectors = self.width / S::F32_LANES;
        let (one, zero) = (simd.splat_f32s(1.0), simd.splat_f32s(0.0));
        let mut sums = [[zero; VECTORS]; TILE];
        let mut thresholds = [zero; TILE];
        let kept = S::as_mut_simd_f32s(&mut self.sums[start * self.width..(start + TILE) * self.width]).0;
        for (at, sums) in sums.iter_mut().enumerate() {
            sums.copy_from_slice(&kept[at * vectors + from..at * vectors + from + VECTORS]);
            thresholds[at] = simd.splat_f32s(self.thresholds[start + at]);
        }
        let targets = S::as_simd_f32s(self.targets).0;
        for (values, target) in self.numbers.rows().iter().zip(targets.chunks_exact(vectors)) {
            let Some(values) = values.get(start..).and_then(|values| values.first_chunk::<TILE>()) else { continue };
            let Some(target) = target.get(from..).and_then(|target| target.first_chunk::<VECTORS>()) else { continue };
            for at in 0..TILE {
                // A product instead of a branch: which side a prompt falls on is as good as random.
                let is_below = simd.less_than_f32s(simd.splat_f32s(values[at]), thresholds[at]);
                let below = simd.select_f32s(is_below, one, zero);
                for vector in 0..VECTORS {
                    sums[at][vector] = simd.mul_add_e_f32s(below, target[vector], sums[at][vector]);
                }
            }
        }
        for (at, sums) in sums.iter().enumerate() {
            kept[at * vectors + from..at * vectors + from + VECTORS].copy_from_slice(sums);
        }
    }
}

impl WithSimd for Below<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.count(simd);
        let vectors = self.width / S::F32_LANES;
        let mut from = 0;
        // Eight or nine sums at a time, which fill the registers and hide how long an addition takes.
        while from < vectors {
            match vectors - from {
                1 => self.add_up::<S, 1, 8>(simd, from),
                2 => self.add_up::<S, 2, 4>(simd, from),
                3 => self.add_up::<S, 3, 3>(simd, from),
                _ => self.add_up::<S, 4, 2>(simd, from),
            }
            from += (vectors - from).min(4);
        }
    }
}
