//! Attention within a sequence.

use std::ops::Range;

use super::buffer::Buffer;
use super::generic::{self, SCORE_ROWS};
use super::instruction_set::dispatch;
use super::{InstructionSet, padded};

dispatch! {
    /// Multi-head attention within one sequence.
    fn attention(attention: generic::Attention)
}

/// What attention needs beside its input and output.
#[derive(Default)]
pub(crate) struct Scratch {
    keys: Buffer<f32>,
    values: Buffer<f32>,
    scores: Buffer<f32>,
}

/// A bias of scores by the distance of key and query: heads x (2 * reach - 1).
pub(crate) struct DistanceBias {
    pub(crate) reach: usize,
    pub(crate) table: Vec<f32>,
}

/// The shape of multi-head attention.
#[allow(clippy::struct_field_names, reason = "heads are counted, a head is measured")]
pub(crate) struct Heads {
    pub(crate) set: InstructionSet,
    pub(crate) heads: usize,
    /// Numbers of a head with its padding.
    pub(crate) head: usize,
}

impl Heads {
    /// softmax(q k' + bias) v for every head (Vaswani et al. 2017, eq. 1; the scale is in the queries already).
    ///
    /// Of the queries `queries` of a sequence of `length` tokens; `qkv` is length x (3 heads x head) and `out` queries x (heads x head).
    /// Costs O(queries x length x heads x head) time and O(length) memory.
    pub(crate) fn attend(
        &self,
        length: usize,
        queries: Range<usize>,
        qkv: &[f32],
        bias: Option<&DistanceBias>,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let all = self.heads * self.head;
        assert!(self.head == padded(self.head), "a padded head");
        assert!(queries.start <= queries.end && queries.end <= length, "queries of the sequence");
        assert!(qkv.len() >= length * 3 * all && out.len() >= queries.len() * all, "extents of attention");
        if let Some(bias) = bias {
            assert!(
                length <= bias.reach && bias.table.len() >= self.heads * (2 * bias.reach - 1),
                "extents of a distance bias"
            );
        }
        scratch.keys.resize(padded(length) * self.head);
        scratch.values.resize(length * self.head);
        scratch.scores.resize(SCORE_ROWS * padded(length));
        let attention = generic::Attention {
            qkv: qkv.as_ptr(),
            stride: 3 * all,
            length,
            first: queries.start,
            last: queries.end,
            heads: self.heads,
            head: self.head,
            bias: bias.map_or(std::ptr::null(), |bias| bias.table.as_ptr()),
            reach: bias.map_or(0, |bias| bias.reach),
            out: out.as_mut_ptr(),
            keys: scratch.keys.as_mut_slice().as_mut_ptr(),
            values: scratch.values.as_mut_slice().as_mut_ptr(),
            scores: scratch.scores.as_mut_slice().as_mut_ptr(),
        };
        // SAFETY: the extents were checked or made.
        unsafe { self::attention(self.set, attention) }
    }
}
