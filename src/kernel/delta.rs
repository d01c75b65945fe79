//! Rows of a Gated DeltaNet layer in; what its memory answers, and what the memory has become, out. Knows heads and
//! positions; knows no weights that are quantized.
//!
//! The layer (<https://arxiv.org/abs/2412.06464>) keeps one matrix S, (key, value), for each head, in place of the keys
//! and values of all tokens. A token lets it fade, `S *= exp(g)`, corrects what it answers to the token's key,
//! `d = beta * (v - kᵀS)` and `S += k dᵀ`, and asks it, `o = qᵀS`.
//!
//! Few rows go one by one. Many go in chunks (<https://arxiv.org/abs/2406.06484>), in which what tokens owe to one another
//! is a triangular system, and all else are products of small matrices. Chunks begin at positions that are multiples of
//! [`DELTA_CHUNK`], and no row sees a later one: a row is the same to the bit whatever of the prompt was read before.

use std::mem::MaybeUninit;
use std::ops::Range;

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};

use super::attention::Lanes;
use super::exp::exp;
use super::{Isa, SharedSlice, in_parallel, with_floats};

/// Tokens of a chunk.
pub const DELTA_CHUNK: usize = 64;
/// Values of a head that stand side by side: the memory is cut into panels of so many columns.
const LANES: usize = 32;
/// Added to the sum of squares when a key or a query is made as long as 1; as in transformers.
pub(super) const UNIT_EPS: f32 = 1e-6;

/// The sizes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaShape {
    /// Heads with a query and a key.
    pub n_key_heads: usize,
    /// Heads with a value and a memory; head h shares key head h % n_key_heads.
    pub n_heads: usize,
    /// Width of a query, a key or a value.
    pub head_dim: usize,
    /// Tokens that the convolution looks at, the last included.
    pub n_taps: usize,
}

impl DeltaShape {
    /// Numbers of a token that go through the convolution: all its queries, keys and values.
    pub fn width(&self) -> usize {
        (2 * self.n_key_heads + self.n_heads) * self.head_dim
    }
}

/// What a layer has come to after some tokens. It is never changed in place: a clone costs nothing, and stays.
#[derive(Debug, Clone)]
pub struct DeltaState {
    /// The last rows that the convolution will look back at, (n_taps - 1, width).
    pub rows: Tensor,
    /// As [`Compute::memory_shape`](super::Compute::memory_shape) says.
    pub memory: Tensor,
}

/// What a layer makes `beta` and `g` of.
#[derive(Debug, Clone)]
pub struct Gates {
    /// (2 * head, hidden) of f32: the rows of `beta`, then those of `g`.
    pub weights: Tensor,
    /// Added to the rows of `g`: (head).
    pub bias: Tensor,
    /// What a head forgets at a gate of 1, negative: (head).
    pub rate: Tensor,
}

/// New tokens of one sequence.
#[derive(Debug, Clone, Copy)]
pub struct DeltaRows<'a> {
    /// The sizes.
    pub shape: DeltaShape,
    /// What [`Compute::convolve`](super::Compute::convolve) gives: (token, width).
    pub mixed: &'a Tensor,
    /// What [`Compute::gates`](super::Compute::gates) gives: (token, 2 * head).
    pub gates: &'a Tensor,
    /// Tokens before these.
    pub n_past: usize,
    /// Whether the memory after every token is asked for, and not after the last alone. The tokens then go one by one.
    pub each: bool,
}

/// See [`Compute::memory_shape`](super::Compute::memory_shape): (head, panel, key, value of the panel).
pub(super) fn memory_shape(shape: DeltaShape) -> [usize; 4] {
    [shape.n_heads, shape.head_dim.div_ceil(LANES), shape.head_dim, LANES]
}

/// See [`Compute::gates`](super::Compute::gates).
pub(super) fn gates(isa: Isa, x: &Tensor, gates: &Gates) -> Result<Tensor> {
    let (n, k) = x.dims2()?;
    let (n_out, n_in) = gates.weights.dims2()?;
    let n_heads = gates.bias.dims1()?;
    ensure!(n_in == k && n_out == 2 * n_heads && gates.rate.dims1()? == n_heads, "gates that fit no rows of {k}");
    let (bias, rate) = (gates.bias.to_vec1::<f32>()?, gates.rate.to_vec1::<f32>()?);
    let mut y = vec![0.0; n * n_out];
    let shared = SharedSlice::new(&mut y);
    with_floats(x, |x| {
        with_floats(&gates.weights, |weights| {
            in_parallel(n, |rows| {
                for row in rows {
                    // SAFETY: each row is handed to one thread.
                    let y = unsafe { shared.range(row * n_out..(row + 1) * n_out) };
                    isa.project(&x[row * k..(row + 1) * k], weights, y);
                    let (beta, decay) = y.split_at_mut(n_heads);
                    beta.iter_mut().for_each(|b| *b = 1.0 / (1.0 + (-*b).exp()));
                    for (head, g) in decay.iter_mut().enumerate() {
                        *g = rate[head] * softplus(*g + bias[head]);
                    }
                }
            })
        })
    })??;
    Ok(Tensor::from_vec(y, (n, n_out), &Device::Cpu)?)
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// See [`Compute::convolve`](super::Compute::convolve).
pub(super) fn convolve(isa: Isa, x: &Tensor, taps: &Tensor) -> Result<Tensor> {
    let ((n_rows, width), (n_taps, n_columns)) = (x.dims2()?, taps.dims2()?);
    ensure!(width == n_columns && n_taps > 0 && n_rows >= n_taps, "{n_taps} taps of {n_columns} for {:?}", x.shape());
    let n = n_rows - n_taps + 1;
    let mut y = vec![0.0; n * width];
    let shared = SharedSlice::new(&mut y);
    with_floats(x, |x| {
        with_floats(taps, |taps| {
            in_parallel(n, |rows| {
                for row in rows {
                    // SAFETY: each row is handed to one thread.
                    let y = unsafe { shared.range(row * width..(row + 1) * width) };
                    isa.filter(&x[row * width..(row + n_taps) * width], taps, y);
                }
            })
        })
    })??;
    Ok(Tensor::from_vec(y, (n, width), &Device::Cpu)?)
}

/// See [`Compute::delta`](super::Compute::delta), which checks the shapes.
pub(super) fn delta(isa: Isa, rows: &DeltaRows<'_>, memory: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
    let DeltaShape { n_heads, head_dim, .. } = rows.shape;
    let n = rows.mixed.dim(0)?;
    let n_states = if rows.each { n } else { 1 };
    let size = memory.elem_count();
    let mut read = vec![0.0; n * n_heads * head_dim];
    let mut memories = Vec::with_capacity(n_states * size);
    let target = Target {
        shape: rows.shape,
        read: SharedSlice::new(&mut read),
        memories: SharedSlice::new(&mut memories.spare_capacity_mut()[..n_states * size]),
    };
    with_floats(rows.mixed, |mixed| {
        with_floats(rows.gates, |gates| {
            with_floats(memory, |memory| {
                let source = Source { isa, shape: rows.shape, n, mixed, gates };
                in_parallel(n_heads, |heads| {
                    for head in heads {
                        let n_head = size / n_heads;
                        let memory = &memory[head * n_head..(head + 1) * n_head];
                        match rows.each {
                            true => source.one_by_one(head, memory, &target),
                            false => source.in_chunks(head, rows.n_past, memory, &target),
                        }
                    }
                });
            })
        })
    })???;
    // SAFETY: every head has written its part of each of the memories.
    unsafe { memories.set_len(n_states * size) };
    let [heads, panels, keys, values] = memory_shape(rows.shape);
    let memories = Tensor::from_vec(memories, (n_states, heads, panels, keys * values), &Device::Cpu)?;
    let memories = (0..n_states).map(|idx| memories.get(idx)?.reshape((heads, panels, keys, values)));
    Ok((Tensor::from_vec(read, (n, n_heads * head_dim), &Device::Cpu)?, memories.collect::<Result<_, _>>()?))
}

/// The rows as numbers.
struct Source<'a> {
    isa: Isa,
    shape: DeltaShape,
    n: usize,
    mixed: &'a [f32], // (token, width)
    gates: &'a [f32], // (token, 2 * head)
}

/// Where the heads write.
struct Target<'a> {
    shape: DeltaShape,
    read: SharedSlice<'a, f32>,                  // (token, head, value)
    memories: SharedSlice<'a, MaybeUninit<f32>>, // (state, head, panel, key, value)
}

impl Target<'_> {
    /// # Safety
    /// No two threads have the same head.
    #[allow(clippy::mut_from_ref)]
    unsafe fn read(&self, token: usize, head: usize) -> &mut [f32] {
        let start = (token * self.shape.n_heads + head) * self.shape.head_dim;
        // SAFETY: the caller's promise.
        unsafe { self.read.range(start..start + self.shape.head_dim) }
    }

    /// # Safety
    /// No two threads have the same head.
    #[allow(clippy::mut_from_ref)]
    unsafe fn memory(&self, state: usize, head: usize) -> &mut [MaybeUninit<f32>] {
        let n_head = memory_shape(self.shape)[1..].iter().product::<usize>();
        let start = (state * self.shape.n_heads + head) * n_head;
        // SAFETY: the caller's promise.
        unsafe { self.memories.range(start..start + n_head) }
    }
}

impl Source<'_> {
    /// Writes the query and the key of a token, each as long as 1 but for the scale of the query, and returns its value.
    fn token(&self, token: usize, head: usize, query: &mut [f32], key: &mut [f32]) -> &[f32] {
        let DeltaShape { n_key_heads, head_dim, .. } = self.shape;
        let row = &self.mixed[token * self.shape.width()..];
        let part = |number: usize| &row[number * head_dim..(number + 1) * head_dim];
        self.isa.unit(part(head % n_key_heads), 1.0 / (head_dim as f32).sqrt(), query);
        self.isa.unit(part(n_key_heads + head % n_key_heads), 1.0, key);
        part(2 * n_key_heads + head)
    }

    /// `beta` and `g` of a token.
    fn gates(&self, token: usize, head: usize) -> (f32, f32) {
        let row = token * 2 * self.shape.n_heads + head;
        (self.gates[row], self.gates[row + self.shape.n_heads])
    }

    fn one_by_one(&self, head: usize, memory: &[f32], target: &Target<'_>) {
        let head_dim = self.shape.head_dim;
        let (mut query, mut key) = (vec![0.0; head_dim], vec![0.0; head_dim]);
        let mut old = memory;
        for token in 0..self.n {
            let value = self.token(token, head, &mut query, &mut key);
            let (beta, g) = self.gates(token, head);
            let keep = g.exp();
            // SAFETY: a head is handed to one thread, which is done with what it wrote for other tokens, or only reads it.
            let (read, new) = unsafe { (target.read(token, head), target.memory(token, head)) };
            let panels = old.chunks_exact(head_dim * LANES).zip(new.chunks_exact_mut(head_dim * LANES));
            for (((old, new), value), read) in panels.zip(value.chunks(LANES)).zip(read.chunks_mut(LANES)) {
                self.isa.recall(&query, &key, value, [beta, keep], old.as_chunks().0, new.as_chunks_mut().0, read);
            }
            // SAFETY: each panel was just written.
            old = unsafe { new.assume_init_ref() };
        }
    }

    fn in_chunks(&self, head: usize, n_past: usize, memory: &[f32], target: &Target<'_>) {
        let head_dim = self.shape.head_dim;
        let mut chunk = Chunk::new(self.isa, head_dim, memory);
        let mut first = 0;
        while first < self.n {
            let end = self.n.min(first + DELTA_CHUNK - (n_past + first) % DELTA_CHUNK);
            chunk.fill(self, head, first..end);
            chunk.solve();
            for token in first..end {
                // SAFETY: a head is handed to one thread.
                let read = unsafe { target.read(token, head) };
                for (read, panel) in read.chunks_mut(LANES).zip(&chunk.recalled) {
                    let lanes = &panel[end - first + token - first].0;
                    read.copy_from_slice(&lanes[..read.len()]);
                }
            }
            first = end;
        }
        // SAFETY: as above.
        let new = unsafe { target.memory(0, head) };
        let lanes = chunk.memory.iter().flatten().flat_map(|lanes| lanes.0);
        for (new, x) in new.iter_mut().zip(lanes) {
            new.write(x);
        }
    }
}

/// The tokens of a chunk on their way through one head. Panels hold columns; what is (2 * token, ..) has a row for the key
/// of each token, and behind these one for the query of each.
struct Chunk {
    isa: Isa,
    head_dim: usize,
    n: usize,
    asked: Vec<f32>,                     // (2 * token, head_dim)
    keys: Vec<Vec<Lanes<LANES>>>,        // (token panel), (head_dim)
    corrections: Vec<Vec<Lanes<LANES>>>, // (value panel), (token): first the values
    recalled: Vec<Vec<Lanes<LANES>>>,    // (value panel), (2 * token)
    likeness: Vec<Vec<Lanes<LANES>>>,    // (token panel), (2 * token)
    memory: Vec<Vec<Lanes<LANES>>>,      // (value panel), (key)
    beta: Vec<f32>,
    /// The sum of `g` from the beginning of the chunk: what is left of the memory is its exponential.
    faded: Vec<f32>,
}

const ONES: Lanes<LANES> = Lanes([1.0; LANES]);
const ZEROS: Lanes<LANES> = Lanes([0.0; LANES]);

impl Chunk {
    fn new(isa: Isa, head_dim: usize, memory: &[f32]) -> Chunk {
        let lanes = |panel: &[f32]| panel.as_chunks().0.iter().map(|lanes| Lanes(*lanes)).collect();
        let memory: Vec<Vec<_>> = memory.chunks_exact(head_dim * LANES).map(lanes).collect();
        let panels = |n_panels: usize, n_rows: usize| vec![vec![ZEROS; n_rows]; n_panels];
        Chunk {
            isa,
            head_dim,
            n: 0,
            asked: vec![0.0; 2 * DELTA_CHUNK * head_dim],
            keys: panels(DELTA_CHUNK / LANES, head_dim),
            corrections: panels(memory.len(), DELTA_CHUNK),
            recalled: panels(memory.len(), 2 * DELTA_CHUNK),
            likeness: panels(DELTA_CHUNK / LANES, 2 * DELTA_CHUNK),
            memory,
            beta: vec![0.0; DELTA_CHUNK],
            faded: vec![0.0; DELTA_CHUNK],
        }
    }

    /// Takes in the tokens of a chunk.
    fn fill(&mut self, source: &Source<'_>, head: usize, tokens: Range<usize>) {
        self.n = tokens.len();
        let mut sum = 0.0;
        let (keys, queries) = self.asked.split_at_mut(self.n * self.head_dim);
        let rows = keys.chunks_exact_mut(self.head_dim).zip(queries.chunks_exact_mut(self.head_dim));
        for (i, (token, (key, query))) in tokens.zip(rows).enumerate() {
            let value = source.token(token, head, query, key);
            for (panel, value) in self.corrections.iter_mut().zip(value.chunks(LANES)) {
                panel[i].0[..value.len()].copy_from_slice(value);
            }
            for (column, key) in self.keys[i / LANES].iter_mut().zip(key) {
                column.0[i % LANES] = *key;
            }
            let (beta, g) = source.gates(token, head);
            sum += g;
            (self.beta[i], self.faded[i]) = (beta, sum);
        }
    }

    /// Makes the answers of the memory, which come to stand behind the first `n` rows of `recalled`, and the memory that
    /// the next chunk finds.
    fn solve(&mut self) {
        let Chunk { isa, head_dim, n, .. } = *self;
        let strides = (head_dim, 1);
        for (recalled, memory) in self.recalled.iter_mut().zip(&self.memory) {
            isa.tile(&self.asked, strides, memory, None, &mut recalled[..2 * n]);
        }
        // How alike tokens are, less what faded between them. Above the diagonal nothing is owed to anyone.
        for (panel, first) in (0..n).step_by(LANES).enumerate() {
            let mut since = ZEROS;
            for (since, faded) in since.0.iter_mut().zip(&self.faded[first..n]) {
                *since = *faded;
            }
            for (half, owns) in [(0, 0), (n, 1)] {
                let asked = &self.asked[(half + first) * head_dim..];
                let likeness = &mut self.likeness[panel][half + first..half + n];
                isa.tile(asked, strides, &self.keys[panel], None, likeness);
                for (i, row) in likeness.iter_mut().enumerate() {
                    let factor = if half == 0 { -self.beta[first + i] } else { 1.0 };
                    isa.fade(row, &since, self.faded[first + i], factor, i + owns);
                }
            }
        }
        let left: Vec<f32> = self.faded[..n].iter().map(|faded| faded.exp()).collect();
        for (corrections, recalled) in self.corrections.iter_mut().zip(&mut self.recalled) {
            let (of_keys, of_queries) = recalled.split_at_mut(n);
            for i in 0..n {
                for lane in 0..LANES {
                    corrections[i].0[lane] = self.beta[i] * (corrections[i].0[lane] - left[i] * of_keys[i].0[lane]);
                    of_queries[i].0[lane] *= left[i];
                }
            }
            // Block after block, as a token has to know the corrections of those before it.
            for first in (0..n).step_by(LANES) {
                let end = n.min(first + LANES);
                let (before, own) = corrections.split_at_mut(first);
                let own = &mut own[..end - first];
                for (panel, before) in before.chunks(LANES).enumerate() {
                    let likeness = numbers(&self.likeness[panel][first..end]);
                    isa.tile(likeness, (LANES, 1), before, Some(&ONES), own);
                }
                isa.substitute(&self.likeness[first / LANES][first..end], own);
                for (panel, known) in corrections[..end].chunks(LANES).enumerate() {
                    let likeness = numbers(&self.likeness[panel][n + first..n + end]);
                    isa.tile(likeness, (LANES, 1), known, Some(&ONES), &mut of_queries[first..end]);
                }
            }
        }
        for (key, faded) in self.asked.chunks_exact_mut(head_dim).zip(&self.faded[..n]) {
            let factor = (self.faded[n - 1] - faded).exp();
            key.iter_mut().for_each(|x| *x *= factor);
        }
        let left = Lanes([left[n - 1]; LANES]);
        for (memory, corrections) in self.memory.iter_mut().zip(&self.corrections) {
            isa.tile(&self.asked, (1, head_dim), &corrections[..n], Some(&left), memory);
        }
    }
}

/// Rows of lanes as the numbers that they are.
fn numbers(rows: &[Lanes<LANES>]) -> &[f32] {
    const { assert!(size_of::<Lanes<LANES>>() == LANES * size_of::<f32>()) };
    // SAFETY: lanes are numbers and, as was just asserted, nothing else.
    unsafe { std::slice::from_raw_parts(rows.as_ptr().cast(), rows.len() * LANES) }
}

/// Numbers that are summed side by side.
const SIDE: usize = 16;

/// The products of `x` with each row of `weights`. Written, as all below, to become vector code in each instruction set.
#[inline(always)]
pub(super) fn project<const FMA: bool>(x: &[f32], weights: &[f32], y: &mut [f32]) {
    for (y, weights) in y.iter_mut().zip(weights.chunks_exact(x.len())) {
        *y = dot::<FMA>(x, weights);
    }
}

#[inline(always)]
fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<SIDE>(), b.as_chunks::<SIDE>());
    let mut sums = [0.0; SIDE];
    for (a, b) in a.iter().zip(b) {
        for i in 0..SIDE {
            sums[i] = mul_add::<FMA>(a[i], b[i], sums[i]);
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Where the processor has no such instruction, `mul_add` would be a call.
#[inline(always)]
fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// One row of [`convolve`].
#[inline(always)]
pub(super) fn filter<const FMA: bool>(x: &[f32], taps: &[f32], y: &mut [f32]) {
    let width = y.len();
    y.fill(0.0);
    for (x, taps) in x.chunks_exact(width).zip(taps.chunks_exact(width)) {
        for i in 0..width {
            y[i] = mul_add::<FMA>(x[i], taps[i], y[i]);
        }
    }
    for y in y {
        // As in `exp::gate`.
        let magnitude = if *y < -80.0 { 80.0 } else { -*y };
        *y /= 1.0 + exp::<FMA>(magnitude);
    }
}

/// `x` made as long as `scale`.
#[inline(always)]
pub(super) fn unit<const FMA: bool>(x: &[f32], scale: f32, y: &mut [f32]) {
    let factor = scale / (dot::<FMA>(x, x) + UNIT_EPS).sqrt();
    for (y, x) in y.iter_mut().zip(x) {
        *y = x * factor;
    }
}

/// One token in one panel of a memory: what it makes of the `old` one, and what the `new` one answers.
#[inline(always)]
pub(super) fn recall<const FMA: bool>(
    query: &[f32],
    key: &[f32],
    value: &[f32],
    [beta, keep]: [f32; 2],
    old: &[[f32; LANES]],
    new: &mut [[MaybeUninit<f32>; LANES]],
    read: &mut [f32],
) {
    let (mut of_key, mut of_query) = ([0.0; LANES], [0.0; LANES]);
    for ((old, key), query) in old.iter().zip(key).zip(query) {
        for lane in 0..LANES {
            of_key[lane] = mul_add::<FMA>(*key, old[lane], of_key[lane]);
            of_query[lane] = mul_add::<FMA>(*query, old[lane], of_query[lane]);
        }
    }
    let mut values = [0.0; LANES];
    values[..value.len()].copy_from_slice(value);
    let mut correction = [0.0; LANES];
    for lane in 0..LANES {
        correction[lane] = beta * (values[lane] - keep * of_key[lane]);
    }
    for ((old, new), key) in old.iter().zip(new).zip(key) {
        for lane in 0..LANES {
            new[lane].write(mul_add::<FMA>(*key, correction[lane], keep * old[lane]));
        }
    }
    // What the new memory answers, without reading it: the old one's answer, and the correction as far as it is asked for.
    let likeness = dot::<FMA>(query, key);
    for lane in 0..LANES {
        of_query[lane] = mul_add::<FMA>(likeness, correction[lane], keep * of_query[lane]);
    }
    read.copy_from_slice(&of_query[..read.len()]);
}

/// Multiplies each of the first `n` numbers of a row by `factor` and by what is left at `now` of what had faded by `since`
/// when it came; the others become 0.
#[inline(always)]
pub(super) fn fade<const FMA: bool>(row: &mut Lanes<LANES>, since: &Lanes<LANES>, now: f32, factor: f32, n: usize) {
    for lane in 0..LANES {
        let between = now - since.0[lane];
        let left = exp::<FMA>(if between > 0.0 { 0.0 } else { between });
        row.0[lane] = if lane < n { row.0[lane] * left * factor } else { 0.0 };
    }
}

/// Adds to each row of `x` the rows before it, as often as the numbers of `lower` below its diagonal say: solves
/// `(1 - lower) y = x` in place.
#[inline(always)]
pub(super) fn substitute<const FMA: bool>(lower: &[Lanes<LANES>], x: &mut [Lanes<LANES>]) {
    for i in 1..x.len() {
        let (before, own) = x.split_at_mut(i);
        let mut sums = own[0].0;
        for (factor, before) in lower[i].0.iter().zip(before) {
            for lane in 0..LANES {
                sums[lane] = mul_add::<FMA>(*factor, before.0[lane], sums[lane]);
            }
        }
        own[0].0 = sums;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Compute, steps};
    use super::*;

    const SHAPES: [DeltaShape; 3] = [
        DeltaShape { n_key_heads: 2, n_heads: 2, head_dim: 128, n_taps: 4 },
        DeltaShape { n_key_heads: 2, n_heads: 4, head_dim: 32, n_taps: 4 },
        DeltaShape { n_key_heads: 1, n_heads: 3, head_dim: 40, n_taps: 2 },
    ];

    fn random(shape: &[usize]) -> Tensor {
        Tensor::randn(0f32, 1f32, shape, &Device::Cpu).unwrap()
    }

    fn floats(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Rows, and gates as wide as a model's: heads that forget within a token, and heads that hardly forget.
    fn rows(shape: DeltaShape, n: usize) -> (Tensor, Tensor) {
        let beta = candle_nn::ops::sigmoid(&random(&[n, shape.n_heads])).unwrap();
        let g = (random(&[n, shape.n_heads]) * 2.0).unwrap().exp().unwrap().neg().unwrap();
        (random(&[n, shape.width()]), Tensor::cat(&[beta, g], 1).unwrap())
    }

    /// The kernel's memory as the steps have it: (head, key, value).
    fn whole(memory: &Tensor, shape: DeltaShape) -> Vec<f32> {
        let [heads, panels, keys, values] = memory_shape(shape);
        let memory = memory.transpose(1, 2).unwrap().reshape((heads, keys, panels * values)).unwrap();
        floats(&memory.narrow(2, 0, shape.head_dim).unwrap())
    }

    fn delta(compute: &Compute, shape: DeltaShape, rows: &(Tensor, Tensor), parts: &[usize]) -> (Vec<f32>, Tensor) {
        let mut memory = Tensor::zeros(&compute.memory_shape(shape), candle_core::DType::F32, &Device::Cpu).unwrap();
        let (mut read, mut n_past) = (Vec::new(), 0);
        for n in parts {
            let part = |x: &Tensor| x.narrow(0, n_past, *n).unwrap();
            let (mixed, gates) = (part(&rows.0), part(&rows.1));
            let rows = DeltaRows { shape, mixed: &mixed, gates: &gates, n_past, each: *n == 1 };
            let (own, mut memories) = compute.delta(&rows, &memory).unwrap();
            read.extend(floats(&own));
            memory = memories.pop().unwrap();
            n_past += n;
        }
        (read, memory)
    }

    /// Both ways sum in f32, whose steps are 1.2e-7 of a number, in other orders, over up to 200 tokens of 128 numbers.
    fn assert_near(found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len());
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < 2e-5 * b.abs().max(1.0), "{what}, at {i}: {a} for {b}");
        }
    }

    #[test]
    fn chunks_of_any_length_agree_with_the_recurrence() {
        let steps = Compute::Steps { device: Device::Cpu, floats: true };
        for shape in SHAPES {
            for n in [1, 2, 63, 64, 65, 128, 200] {
                let rows = rows(shape, n);
                let (expected, memory) = delta(&steps, shape, &rows, &vec![1; n]);
                for isa in Isa::available() {
                    let kernels = Compute::Kernels(isa);
                    let ways =
                        [vec![n], vec![1; n], vec![n / 3, n - n / 3], vec![n - 1, 1], vec![n / 2, 1, n - n / 2 - 1]];
                    for parts in ways.iter().filter(|parts| !parts.contains(&0) && parts.iter().sum::<usize>() == n) {
                        let (found, last) = delta(&kernels, shape, &rows, parts);
                        let what = format!("{isa:?}, {shape:?}, {parts:?}");
                        assert_near(&found, &expected, &what);
                        assert_near(&whole(&last, shape), &floats(&memory), &what);
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_read_before_a_seam_shows_nowhere() {
        for shape in SHAPES {
            let rows = rows(shape, 200);
            for isa in Isa::available() {
                let kernels = Compute::Kernels(isa);
                let expected = delta(&kernels, shape, &rows, &[200]);
                for parts in [vec![64, 136], vec![128, 72], vec![64, 64, 72]] {
                    let found = delta(&kernels, shape, &rows, &parts);
                    assert_eq!(found.0, expected.0, "{isa:?}, {parts:?}");
                    assert_eq!(floats(&found.1), floats(&expected.1), "{isa:?}, {parts:?}");
                }
                // A row sees none behind it.
                let (all, n) = (&expected.0, 150 * shape.n_heads * shape.head_dim);
                let some = [&rows.0, &rows.1].map(|x| x.narrow(0, 0, 150).unwrap());
                assert_eq!(delta(&kernels, shape, &some.into(), &[150]).0, all[..n]);
            }
        }
    }

    #[test]
    fn the_memory_after_each_token_is_the_one_that_reading_it_alone_gives() {
        let shape = SHAPES[1];
        let (mixed, gates) = rows(shape, 5);
        let kernels = Compute::default();
        let zeros = Tensor::zeros(&kernels.memory_shape(shape), candle_core::DType::F32, &Device::Cpu).unwrap();
        let rows = DeltaRows { shape, mixed: &mixed, gates: &gates, n_past: 0, each: true };
        let (_, memories) = kernels.delta(&rows, &zeros).unwrap();
        for (idx, memory) in memories.iter().enumerate() {
            let (_, alone) = delta(&kernels, shape, &(mixed.clone(), gates.clone()), &vec![1; idx + 1]);
            assert_eq!(floats(memory), floats(&alone), "{idx}");
        }
        assert!(kernels.delta(&rows, &zeros.narrow(0, 0, 1).unwrap()).is_err());
    }

    #[test]
    fn convolutions_and_gates_are_those_of_candle() {
        let (x, taps) = (random(&[23, 70]), random(&[4, 70]));
        let rates = (random(&[6]).abs().unwrap() * -3.0).unwrap();
        let weights = Gates { weights: random(&[12, 70]), bias: random(&[6]), rate: rates };
        let expected = [steps::convolve(&x, &taps).unwrap(), steps::gates(&x, &weights).unwrap()];
        for isa in Isa::available() {
            let found = [convolve(isa, &x, &taps).unwrap(), gates(isa, &x, &weights).unwrap()];
            for (found, expected) in found.iter().zip(&expected) {
                assert_near(&floats(found), &floats(expected), "");
            }
        }
        assert!(convolve(Isa::Portable, &x, &random(&[4, 69])).is_err());
        assert!(gates(Isa::Portable, &random(&[3, 69]), &weights).is_err());
    }
}
