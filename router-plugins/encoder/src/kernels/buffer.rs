//! Buffers that begin on a cache line.

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};

/// One cache line.
#[derive(Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A vector of numbers whose memory begins on a cache line, so that a load of a whole line never touches two. It only grows.
#[derive(Clone, Default)]
pub(crate) struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    kind: std::marker::PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut buffer = Self { lines: Vec::new(), len: 0, kind: std::marker::PhantomData };
        buffer.resize(len);
        buffer
    }

    /// Makes the length `len`. The numbers are whatever was there; memory is only ever added.
    pub(crate) fn resize(&mut self, len: usize) {
        let lines = (len * size_of::<T>()).div_ceil(64);
        if lines > self.lines.len() {
            self.lines.resize(lines, Line([0; 64]));
        }
        self.len = len;
    }

    /// The numbers.
    pub(crate) fn as_slice(&self) -> &[T] {
        &cast_slice(&self.lines)[..self.len]
    }

    /// The numbers, to be written.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut cast_slice_mut(&mut self.lines)[..self.len]
    }
}
