//! The kernels, written once over [`Simd`].
//!
//! All of them trust their extents; the modules [`super::matmul`], [`super::rows`] and [`super::attention`] check them.

use super::simd::Simd;

/// A function that is applied to every number of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// None.
    Identity,
    /// x Phi(x), exact.
    Gelu,
    /// x Phi(x) by the hyperbolic tangent.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

/// c = activation(a b + bias), f32.
#[derive(Clone, Copy)]
pub(super) struct Product {
    /// rows x depth, rows `a_stride` apart.
    pub a: *const f32,
    pub a_stride: usize,
    pub rows: usize,
    pub depth: usize,
    /// Panels of `2 * WIDTH` columns, each depth x columns.
    pub b: *const f32,
    pub columns: usize,
    pub bias: *const f32,
    /// rows x columns, rows `c_stride` apart.
    pub c: *mut f32,
    pub c_stride: usize,
    pub activation: Activation,
}

/// The depth of a block: a panel of it (384 x 16 x 4 bytes) stays in the first-level cache.
const DEPTH_BLOCK: usize = 384;
/// Tiles of a block of rows: their activations stay in the second-level cache.
const TILES_BLOCK: usize = 8;

/// [`Product`].
#[inline(always)]
pub(super) unsafe fn product<S: Simd>(p: Product) {
    unsafe {
        let panel = 2 * S::WIDTH;
        let tiles = p.rows.div_ceil(S::ROWS);
        let mut first_tile = 0;
        while first_tile < tiles {
            let last_tile = (first_tile + TILES_BLOCK).min(tiles);
            let mut start = 0;
            while start < p.depth {
                let depth = DEPTH_BLOCK.min(p.depth - start);
                let last = start + depth == p.depth;
                let mut column = 0;
                while column < p.columns {
                    let b = p.b.add(column * p.depth + start * panel);
                    for tile in first_tile..last_tile {
                        // Tiles of nearly equal height: 20 rows are 5 + 5 + 5 + 5, not 6 + 6 + 6 + 2.
                        let (from, to) = (tile * p.rows / tiles, (tile + 1) * p.rows / tiles);
                        let c = p.c.add(from * p.c_stride + column);
                        let bias = if start == 0 { p.bias.add(column) } else { std::ptr::null() };
                        let a = p.a.add(from * p.a_stride + start);
                        let mode = if start == 0 { Start::Bias } else { Start::Sum };
                        let ahead = ahead_of::<f32>(b, depth * panel, tile - first_tile, last_tile - first_tile);
                        tile_f32_rows::<S, true>(
                            to - from,
                            mode,
                            depth,
                            a,
                            p.a_stride,
                            b,
                            panel,
                            bias,
                            c,
                            p.c_stride,
                            ahead,
                        );
                        if last && p.activation != Activation::Identity {
                            for row in 0..to - from {
                                activate::<S>(p.activation, c.add(row * p.c_stride), panel);
                            }
                        }
                    }
                    column += panel;
                }
                start += depth;
            }
            first_tile = last_tile;
        }
    }
}

/// What a tile asks the memory for while it computes: its share of the next panel, so that the first tile of that one does not wait.
#[derive(Clone, Copy)]
struct Ahead {
    from: *const u8,
    /// Bytes from one step of the depth to the next.
    step: usize,
}

impl Ahead {
    const NONE: Self = Self { from: std::ptr::null(), step: 0 };
}

/// The share of tile `tile` of `tiles` in the panel of `length` numbers after the one at `panel`. It may lie behind the last panel:
/// asking for it harms nothing.
#[inline(always)]
fn ahead_of<T>(panel: *const T, length: usize, tile: usize, tiles: usize) -> Ahead {
    let bytes = length * size_of::<T>();
    Ahead { from: panel.cast::<u8>().wrapping_add(bytes + bytes * tile / tiles), step: (64 / tiles).max(4) }
}

/// What the sums of a tile start from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Zero,
    Bias,
    /// What `c` holds.
    Sum,
}

/// A tile of `rows` rows, at most [`Simd::ROWS`].
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel")]
unsafe fn tile_f32_rows<S: Simd, const AHEAD: bool>(
    rows: usize,
    start: Start,
    depth: usize,
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    bias: *const f32,
    c: *mut f32,
    c_stride: usize,
    ahead: Ahead,
) {
    macro_rules! heights {
        ($($height:literal)*) => {
            match rows {
                $($height if $height <= S::ROWS => unsafe {
                    tile_f32::<S, $height, AHEAD>(start, depth, a, a_stride, b, b_stride, bias, c, c_stride, ahead);
                },)*
                _ => {}
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// `R` rows x two registers of columns: every sum is one chain of fused multiply-adds along the depth.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel")]
unsafe fn tile_f32<S: Simd, const R: usize, const AHEAD: bool>(
    start: Start,
    depth: usize,
    a: *const f32,
    a_stride: usize,
    mut b: *const f32,
    b_stride: usize,
    bias: *const f32,
    c: *mut f32,
    c_stride: usize,
    ahead: Ahead,
) {
    unsafe {
        let zero = S::splat(0.0);
        let mut sums = [[zero; 2]; R];
        match start {
            Start::Zero => {}
            Start::Bias => {
                let bias = [S::load(bias), S::load(bias.add(S::WIDTH))];
                sums.fill(bias);
            }
            Start::Sum => {
                for (row, sum) in sums.iter_mut().enumerate() {
                    let c = c.add(row * c_stride);
                    *sum = [S::load(c), S::load(c.add(S::WIDTH))];
                }
            }
        }
        for k in 0..depth {
            if AHEAD {
                S::prefetch(ahead.from.wrapping_add(k * ahead.step));
            }
            let (left, right) = (S::load(b), S::load(b.add(S::WIDTH)));
            for (row, sum) in sums.iter_mut().enumerate() {
                let x = S::splat(*a.add(row * a_stride + k));
                sum[0] = S::fma(x, left, sum[0]);
                sum[1] = S::fma(x, right, sum[1]);
            }
            b = b.add(b_stride);
        }
        for (row, sum) in sums.iter().enumerate() {
            let c = c.add(row * c_stride);
            S::store(c, sum[0]);
            S::store(c.add(S::WIDTH), sum[1]);
        }
    }
}

/// c = activation((a - zero) b * scales + bias) over cells ([`Simd::CELL`]): a group of them is 32 bits.
#[derive(Clone, Copy)]
pub(super) struct ProductInt8 {
    /// rows x depth cells; depth is a multiple of four.
    pub a: *const u8,
    /// A scale and a zero point a row.
    pub a_scale: *const f32,
    pub a_zero: *const i32,
    pub rows: usize,
    pub depth: usize,
    /// Panels of `2 * WIDTH` columns, each groups x columns x cells of a group.
    pub b: *const u8,
    /// A scale, a sum of weights and a bias a column.
    pub b_scale: *const f32,
    pub b_sum: *const i32,
    pub bias: *const f32,
    pub columns: usize,
    pub c: *mut f32,
    pub c_stride: usize,
    pub activation: Activation,
}

/// [`ProductInt8`].
#[inline(always)]
pub(super) unsafe fn product_int8<S: Simd>(p: ProductInt8) {
    unsafe {
        let panel = 2 * S::WIDTH;
        let tiles = p.rows.div_ceil(S::ROWS_INT8);
        let block = (TILES_BLOCK * S::ROWS).div_ceil(S::ROWS_INT8);
        let mut first_tile = 0;
        while first_tile < tiles {
            let last_tile = (first_tile + block).min(tiles);
            let mut column = 0;
            while column < p.columns {
                for tile in first_tile..last_tile {
                    let (from, to) = (tile * p.rows / tiles, (tile + 1) * p.rows / tiles);
                    let length = panel * p.depth * S::CELL;
                    let ahead = ahead_of::<u8>(
                        p.b.add(column * p.depth * S::CELL),
                        length,
                        tile - first_tile,
                        last_tile - first_tile,
                    );
                    macro_rules! heights {
                        ($($height:literal)*) => {
                            match to - from {
                                $($height if $height <= S::ROWS_INT8 => tile_int8::<S, $height>(&p, from, column, ahead),)*
                                _ => {}
                            }
                        };
                    }
                    heights!(1 2 3 4 5 6 7 8 9 10 11 12);
                    if p.activation != Activation::Identity {
                        for row in from..to {
                            activate::<S>(p.activation, p.c.add(row * p.c_stride + column), panel);
                        }
                    }
                }
                column += panel;
            }
            first_tile = last_tile;
        }
    }
}

/// `R` rows x two registers of columns.
#[inline(always)]
unsafe fn tile_int8<S: Simd, const R: usize>(p: &ProductInt8, from: usize, column: usize, ahead: Ahead) {
    unsafe {
        let stride = p.depth * S::CELL;
        let a = p.a.add(from * stride);
        let mut b = p.b.add(column * stride);
        let mut sums = [[S::splat_i32(0); 2]; R];
        let mut at = 0;
        while at < stride {
            S::prefetch(ahead.from.wrapping_add((at / 4) * ahead.step));
            let (left, right) = (S::load_cells(b), S::load_cells(b.add(4 * S::WIDTH)));
            for (row, sum) in sums.iter_mut().enumerate() {
                let x = S::splat_cells(a.add(row * stride + at));
                sum[0] = S::dot_cells(sum[0], x, left);
                sum[1] = S::dot_cells(sum[1], x, right);
            }
            b = b.add(8 * S::WIDTH);
            at += 4;
        }
        for half in 0..2 {
            let at = column + half * S::WIDTH;
            let (total, scale, bias) =
                (S::load_i32(p.b_sum.add(at)), S::load(p.b_scale.add(at)), S::load(p.bias.add(at)));
            for (row, sum) in sums.iter().enumerate() {
                // (a - zero) b = a b - zero * sum of b
                let zero = S::splat_i32(*p.a_zero.add(from + row));
                let exact = S::to_f32(S::sub_i32(sum[half], S::mul_i32(zero, total)));
                let scale = S::mul(S::splat(*p.a_scale.add(from + row)), scale);
                S::store(p.c.add((from + row) * p.c_stride + at), S::fma(exact, scale, bias));
            }
        }
    }
}

/// Rows of f32 to cells: `round(x / scale) + zero` in [0, 255], scale and zero chosen a row so that its range and 0 are covered.
/// Cells of two bytes have the zero point taken off already, and 0 as theirs.
#[derive(Clone, Copy)]
pub(super) struct Quantize {
    pub x: *const f32,
    pub stride: usize,
    pub rows: usize,
    /// A multiple of [`super::PADDING`].
    pub width: usize,
    pub cells: *mut u8,
    pub scale: *mut f32,
    pub zero: *mut i32,
}

/// [`Quantize`].
#[inline(always)]
pub(super) unsafe fn quantize<S: Simd>(p: Quantize) {
    unsafe {
        for row in 0..p.rows {
            let x = p.x.add(row * p.stride);
            let (mut least, mut most) = (S::splat(0.0), S::splat(0.0));
            let mut at = 0;
            while at < p.width {
                let value = S::load(x.add(at));
                least = S::min(least, value);
                most = S::max(most, value);
                at += S::WIDTH;
            }
            let (mut lanes, mut low, mut high) = ([0.0_f32; 16], 0.0_f32, 0.0_f32);
            S::store(lanes.as_mut_ptr(), least);
            for &lane in &lanes[..S::WIDTH] {
                low = low.min(lane);
            }
            S::store(lanes.as_mut_ptr(), most);
            for &lane in &lanes[..S::WIDTH] {
                high = high.max(lane);
            }
            let scale = if high > low { (high - low) / 255.0 } else { 1.0 };
            let zero = (-low / scale).round_ties_even();
            p.scale.add(row).write(scale);
            p.zero.add(row).write(if S::CELL == 1 { zero as i32 } else { 0 });
            let (inverse, zero, most) = (S::splat(1.0 / scale), S::splat(zero), S::splat(255.0));
            let off = if S::CELL == 1 { S::splat(0.0) } else { zero };
            let cells = p.cells.add(row * p.width * S::CELL);
            at = 0;
            while at < p.width {
                let whole = S::add(S::round(S::mul(S::load(x.add(at)), inverse)), zero);
                let bounded = S::min(S::max(whole, S::splat(0.0)), most);
                S::store_cells(cells.add(at * S::CELL), S::sub(bounded, off));
                at += S::WIDTH;
            }
        }
    }
}

/// x = layer norm of (x + delta), by rows.
#[derive(Clone, Copy)]
pub(super) struct LayerNorm {
    pub x: *mut f32,
    /// Null for none.
    pub delta: *const f32,
    pub rows: usize,
    /// Numbers of a row that count, and those of a row with its padding of zeros.
    pub width: usize,
    pub stride: usize,
    pub gamma: *const f32,
    pub beta: *const f32,
    pub epsilon: f32,
}

/// [`LayerNorm`].
#[inline(always)]
pub(super) unsafe fn layer_norm<S: Simd>(p: LayerNorm) {
    unsafe {
        for row in 0..p.rows {
            let x = p.x.add(row * p.stride);
            let mut sums = [S::splat(0.0); 2];
            let mut at = 0;
            while at < p.stride {
                for half in 0..16 / S::WIDTH {
                    let place = at + half * S::WIDTH;
                    let mut value = S::load(x.add(place));
                    if !p.delta.is_null() {
                        value = S::add(value, S::load(p.delta.add(row * p.stride + place)));
                        S::store(x.add(place), value);
                    }
                    sums[half] = S::add(sums[half], value);
                }
                at += 16;
            }
            let mean = tree_sum::<S>(sums) / p.width as f32;
            let means = S::splat(mean);
            // Padding as far from the mean as nothing: taking its share off the variance afterwards would cancel digits.
            for at in p.width..p.stride {
                *x.add(at) = mean;
            }
            sums = [S::splat(0.0); 2];
            at = 0;
            while at < p.stride {
                for half in 0..16 / S::WIDTH {
                    let off = S::sub(S::load(x.add(at + half * S::WIDTH)), means);
                    sums[half] = S::fma(off, off, sums[half]);
                }
                at += 16;
            }
            let variance = tree_sum::<S>(sums) / p.width as f32;
            let factor = S::splat(1.0 / (variance + p.epsilon).sqrt());
            at = 0;
            while at < p.stride {
                let off = S::mul(S::sub(S::load(x.add(at)), means), factor);
                S::store(x.add(at), S::fma(off, S::load(p.gamma.add(at)), S::load(p.beta.add(at))));
                at += S::WIDTH;
            }
        }
    }
}

/// The sum of sixteen lanes, as a tree.
#[inline(always)]
unsafe fn tree_sum<S: Simd>(sums: [S::F; 2]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for half in 0..16 / S::WIDTH {
        unsafe { S::store(lanes.as_mut_ptr().add(half * S::WIDTH), sums[half]) };
    }
    let mut width = 8;
    while width > 0 {
        for at in 0..width {
            lanes[at] += lanes[at + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Multi-head attention within one sequence.
#[derive(Clone, Copy)]
pub(super) struct Attention {
    /// length x (3 x heads x head): queries (already scaled), keys, values; rows `stride` apart.
    pub qkv: *const f32,
    pub stride: usize,
    pub length: usize,
    /// The queries from `first` to before `last`.
    pub first: usize,
    pub last: usize,
    pub heads: usize,
    /// Numbers of a head with its padding.
    pub head: usize,
    /// Null, or heads x (2 * reach - 1): what is added to the score of a key `j - i` positions on, at `reach - 1 + j - i`.
    pub bias: *const f32,
    pub reach: usize,
    /// (last - first) x (heads x head), rows `heads * head` apart.
    pub out: *mut f32,
    /// padded(length) x head.
    pub keys: *mut f32,
    /// length x head.
    pub values: *mut f32,
    /// [`SCORE_ROWS`] x padded(length).
    pub scores: *mut f32,
}

/// Rows of scores that are held at a time: whole tiles of every instruction set.
pub(super) const SCORE_ROWS: usize = 24;

/// [`Attention`].
#[inline(always)]
pub(super) unsafe fn attention<S: Simd>(p: Attention) {
    unsafe {
        let panel = 2 * S::WIDTH;
        let width = p.length.div_ceil(panel) * panel;
        let all = p.heads * p.head;
        for head in 0..p.heads {
            let queries = p.qkv.add(head * p.head);
            let keys = p.qkv.add(all + head * p.head);
            let values = p.qkv.add(2 * all + head * p.head);
            // Keys to panels: head x panel each.
            for key in 0..width {
                let to = p.keys.add((key / panel) * panel * p.head + key % panel);
                if key < p.length {
                    let from = keys.add(key * p.stride);
                    for at in 0..p.head {
                        *to.add(at * panel) = *from.add(at);
                    }
                } else {
                    for at in 0..p.head {
                        *to.add(at * panel) = 0.0;
                    }
                }
            }
            // Values without the stride of the rows.
            for key in 0..p.length {
                let mut at = 0;
                while at < p.head {
                    S::store(p.values.add(key * p.head + at), S::load(values.add(key * p.stride + at)));
                    at += S::WIDTH;
                }
            }
            let mut first = p.first;
            while first < p.last {
                let rows = SCORE_ROWS.min(p.last - first);
                let tiles = rows.div_ceil(S::ROWS);
                for tile in 0..tiles {
                    let (from, to) = (tile * rows / tiles, (tile + 1) * rows / tiles);
                    let a = queries.add((first + from) * p.stride);
                    let scores = p.scores.add(from * width);
                    let mut key = 0;
                    while key < width {
                        let b = p.keys.add(key * p.head);
                        tile_f32_rows::<S, false>(
                            to - from,
                            Start::Zero,
                            p.head,
                            a,
                            p.stride,
                            b,
                            panel,
                            std::ptr::null(),
                            scores.add(key),
                            width,
                            Ahead::NONE,
                        );
                        key += panel;
                    }
                    let mut totals = [0.0_f32; 16];
                    for row in from..to {
                        let scores = p.scores.add(row * width);
                        let bias = if p.bias.is_null() {
                            p.bias
                        } else {
                            p.bias.add(head * (2 * p.reach - 1) + p.reach - 1 - (first + row))
                        };
                        totals[row - from] = exponentials::<S>(scores, p.length, width, bias);
                    }
                    let out = p.out.add((first - p.first + from) * all + head * p.head);
                    let mut at = 0;
                    while at < p.head {
                        let b = p.values.add(at);
                        tile_f32_rows::<S, false>(
                            to - from,
                            Start::Zero,
                            p.length,
                            scores,
                            width,
                            b,
                            p.head,
                            std::ptr::null(),
                            out.add(at),
                            all,
                            Ahead::NONE,
                        );
                        at += panel;
                    }
                    for row in 0..to - from {
                        let factor = S::splat(1.0 / totals[row]);
                        let out = out.add(row * all);
                        at = 0;
                        while at < p.head {
                            S::store(out.add(at), S::mul(S::load(out.add(at)), factor));
                            at += S::WIDTH;
                        }
                    }
                }
                first += rows;
            }
        }
    }
}

/// exp(score + bias - greatest) in place; their sum. Scores from `length` to `width` are padding.
#[inline(always)]
unsafe fn exponentials<S: Simd>(scores: *mut f32, length: usize, width: usize, bias: *const f32) -> f32 {
    unsafe {
        if !bias.is_null() {
            let mut at = 0;
            while at + S::WIDTH <= length {
                S::store(scores.add(at), S::add(S::load(scores.add(at)), S::load(bias.add(at))));
                at += S::WIDTH;
            }
            while at < length {
                *scores.add(at) += *bias.add(at);
                at += 1;
            }
        }
        for at in length..width {
            *scores.add(at) = f32::MIN;
        }
        let mut most = S::splat(f32::MIN);
        let mut at = 0;
        while at < width {
            most = S::max(most, S::load(scores.add(at)));
            at += S::WIDTH;
        }
        let mut lanes = [f32::MIN; 16];
        S::store(lanes.as_mut_ptr(), most);
        let greatest = S::splat(lanes.iter().copied().fold(f32::MIN, f32::max));
        let mut sums = [S::splat(0.0); 2];
        at = 0;
        while at < width {
            for half in 0..16 / S::WIDTH {
                let place = scores.add(at + half * S::WIDTH);
                let value = exponential::<S>(S::sub(S::load(place), greatest));
                S::store(place, value);
                sums[half] = S::add(sums[half], value);
            }
            at += 16;
        }
        tree_sum::<S>(sums)
    }
}

/// e^x to about 1e-7, relative; below -87 what e^-87 is.
#[inline(always)]
unsafe fn exponential<S: Simd>(x: S::F) -> S::F {
    unsafe {
        let x = S::min(S::max(x, S::splat(-87.0)), S::splat(88.0));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        // x - n ln 2, with ln 2 in two parts (Cody and Waite) so that nothing is lost.
        let r = S::fma(n, S::splat(-0.693_359_4), x);
        let r = S::fma(n, S::splat(2.121_944_4e-4), r);
        // The Taylor series on |r| <= ln 2 / 2; the first term left out is below 1e-8.
        let mut sum = S::splat(1.0 / 5040.0);
        for term in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            sum = S::fma(sum, r, S::splat(term));
        }
        S::mul(sum, S::power_of_two(n))
    }
}

/// erf(x / sqrt 2) = x P(x^2) / Q(x^2), |x| <= 5.5: our own least-squares fit, within 3.5e-7 in f32.
const ERF_P: [f32; 6] = [0.797_884_46, 0.067_704_104, 0.009_354_443, 3.376_383_7e-4, 1.270_406_2e-5, 4.549_924e-8];
const ERF_Q: [f32; 6] = [1.0, 0.251_520_43, 0.028_645_525, 0.001_884_408_9, 7.364_518_4e-5, 1.197_504_8e-6];

/// The activation of `width` numbers, in place.
#[inline(always)]
unsafe fn activate<S: Simd>(activation: Activation, x: *mut f32, width: usize) {
    unsafe {
        let half = S::splat(0.5);
        let mut at = 0;
        while at < width {
            let place = x.add(at);
            let value = S::load(place);
            let value = match activation {
                Activation::Identity => value,
                Activation::Relu => S::max(value, S::splat(0.0)),
                Activation::Gelu => {
                    let bounded = S::min(S::max(value, S::splat(-5.5)), S::splat(5.5));
                    let square = S::mul(bounded, bounded);
                    let (mut above, mut below) = (S::splat(ERF_P[5]), S::splat(ERF_Q[5]));
                    for degree in (0..5).rev() {
                        above = S::fma(above, square, S::splat(ERF_P[degree]));
                        below = S::fma(below, square, S::splat(ERF_Q[degree]));
                    }
                    let erf = S::div(S::mul(bounded, above), below);
                    let part = S::mul(value, half);
                    S::fma(part, erf, part)
                }
                Activation::GeluTanh => {
                    // tanh(u) = 1 - 2 / (e^2u + 1), so 0.5 x (1 + tanh u) = x - x / (e^2u + 1)
                    let square = S::mul(value, value);
                    let inner = S::fma(square, S::splat(2.0 * 0.797_884_6 * 0.044_715), S::splat(2.0 * 0.797_884_6));
                    let grown = S::add(exponential::<S>(S::mul(value, inner)), S::splat(1.0));
                    S::sub(value, S::div(value, grown))
                }
            };
            S::store(place, value);
            at += S::WIDTH;
        }
    }
}

/// The activation of `count` numbers at `x`, a multiple of [`super::PADDING`].
#[cfg(test)]
#[inline(always)]
pub(super) unsafe fn activate_all<S: Simd>(activation: Activation, x: *mut f32, count: usize) {
    unsafe { activate::<S>(activation, x, count) }
}
