//! The inner loops of growing: what lies below the thresholds of all numbers, for a block of prompts.
//!
//! Compiled for every vector width that [`pulp`] knows, and chosen when the program runs. Each sum is made in the order of the
//! prompts by additions alone, so that all of them give the same bits.

#![allow(clippy::indexing_slicing, reason = "a tile lies within the numbers, as the loops over tiles are cut")]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use pulp::WithSimd;
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

/// Numbers whose bounds are in registers at a time.
const RANGE_TILE: usize = 32;

impl Range<'_> {
    /// The `TAKEN` numbers from `start`.
    #[inline(always)]
    fn tile<const TAKEN: usize>(&mut self, start: usize) {
        let (mut least, mut greatest) = ([0.0f32; TAKEN], [0.0f32; TAKEN]);
        least.copy_from_slice(&self.least[start..start + TAKEN]);
        greatest.copy_from_slice(&self.greatest[start..start + TAKEN]);
        for values in self.numbers.rows() {
            let Some(values) = values.get(start..).and_then(|values| values.first_chunk::<TAKEN>()) else { continue };
            for at in 0..TAKEN {
                least[at] = if values[at] < least[at] { values[at] } else { least[at] };
                greatest[at] = if values[at] > greatest[at] { values[at] } else { greatest[at] };
            }
        }
        self.least[start..start + TAKEN].copy_from_slice(&least);
        self.greatest[start..start + TAKEN].copy_from_slice(&greatest);
    }
}

impl WithSimd for Range<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(mut self, _: S) {
        let numbers = self.least.len();
        let tiled = numbers - numbers % RANGE_TILE;
        for start in (0..tiled).step_by(RANGE_TILE) {
            self.tile::<RANGE_TILE>(start);
        }
        for start in tiled..numbers {
            self.tile::<1>(start);
        }
    }
}

/// Adds to `sums` and `counts`, one entry a number, what a block has below the `thresholds`. `TILE` numbers at a time keep their
/// sums in registers while the block passes by.
pub(super) struct Below<'a, const WIDTH: usize, const TILE: usize> {
    pub(super) numbers: &'a Numbers<'a>,
    pub(super) targets: &'a [[f32; WIDTH]; BLOCK],
    pub(super) thresholds: &'a [f32],
    pub(super) sums: &'a mut [[f32; WIDTH]],
    pub(super) counts: &'a mut [f32],
}

impl<const WIDTH: usize, const TILE: usize> Below<'_, WIDTH, TILE> {
    /// The `TAKEN` numbers from `start`.
    #[inline(always)]
    fn tile<const TAKEN: usize>(&mut self, start: usize) {
        let mut sums = [[0.0f32; WIDTH]; TAKEN];
        let mut counts = [0.0f32; TAKEN];
        let mut thresholds = [0.0f32; TAKEN];
        sums.copy_from_slice(&self.sums[start..start + TAKEN]);
        counts.copy_from_slice(&self.counts[start..start + TAKEN]);
        thresholds.copy_from_slice(&self.thresholds[start..start + TAKEN]);
        for (values, target) in self.numbers.rows().iter().zip(self.targets) {
            let Some(values) = values.get(start..).and_then(|values| values.first_chunk::<TAKEN>()) else { continue };
            for at in 0..TAKEN {
                // A product instead of a branch: which side a prompt falls on is as good as random.
                let below = f32::from(u8::from(values[at] < thresholds[at]));
                counts[at] += below;
                for lane in 0..WIDTH {
                    sums[at][lane] += below * target[lane];
                }
            }
        }
        self.sums[start..start + TAKEN].copy_from_slice(&sums);
        self.counts[start..start + TAKEN].copy_from_slice(&counts);
    }
}

impl<const WIDTH: usize, const TILE: usize> WithSimd for Below<'_, WIDTH, TILE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(mut self, _: S) {
        let numbers = self.thresholds.len();
        let tiled = numbers - numbers % TILE;
        for start in (0..tiled).step_by(TILE) {
            self.tile::<TILE>(start);
        }
        for start in tiled..numbers {
            self.tile::<1>(start);
        }
    }
}
