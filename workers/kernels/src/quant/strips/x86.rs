//! The product of strips with the dot products of 8-bit numbers that AVX-512 VNNI has.
//!
//! A few rows take the numbers of a record as they lie there. For many rows the blocks of a few strips are spread out
//! first, and stay in the nearest cache while all rows pass by. Other processors do the same with narrower vectors.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

mod add;
mod avx2;
mod bytes;
#[cfg(target_os = "linux")]
pub(super) mod halves;
mod numbers;
mod scales;
mod vectors;

use super::{ROWS, Record};
use crate::{
    Finish, pool,
    quant::{
        QuantType,
        rows::{Block8, Rows},
    },
    tiles::Columns,
};
use add::{Form, Q4K, Q5K, Q6K, Q80, Sums};
use bytes::Bytes;
use numbers::{Numbers, Packed, Spread};
use scales::Scales;
use std::{arch::is_x86_feature_detected as has, sync::LazyLock};
use vectors::Line;

/// Strips that rows go through together, and how many of many rows at a time: their sums fill the registers. A single row
/// too goes through several strips: their sums do not wait for each other, and memory is asked for more at once.
const STRIPS: usize = 4;
const TILE: usize = 3;
/// Up to so many rows take the numbers as they lie, and how many of them at a time.
const FEW: usize = 8;
const FEWEST: usize = 4;
/// Pieces of work for each thread.
const PIECES: usize = 16;

/// What strips are multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vectors {
    /// Dot products of 8-bit numbers in 512 bits.
    Wide,
    /// Products of 8-bit numbers in 256 bits.
    Narrow,
}

impl Vectors {
    /// Those that this processor has, the fastest first.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        static WIDE: LazyLock<bool> =
            LazyLock::new(|| has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vnni"));
        [(Self::Wide, *WIDE), (Self::Narrow, avx2::available())]
            .into_iter()
            .filter_map(|(vectors, available)| available.then_some(vectors))
    }
}

/// As [`super::product`], which has looked at the lengths and the processor.
pub(super) fn product(with: Vectors, kind: QuantType, strips: &[u8], x: &Rows, outputs: usize) -> Vec<f32> {
    let count = outputs * x.count;
    // To fill it with zeros first takes one thread a while.
    let mut out = Vec::with_capacity(count);
    let columns = Columns::of_spare(&mut out.spare_capacity_mut()[..count], outputs);
    let product = Product {
        kind,
        x,
        finish: Finish::default(),
        outputs,
    };
    product.write(strips, exact(with, x), &columns);
    // SAFETY: every output is in one of the strips, and all of their columns were written in all rows.
    unsafe { out.set_len(count) };
    out
}

/// As [`super::product_w8a8`], which has looked at the lengths and the processor.
pub(super) fn product_w8a8(
    with: Vectors,
    kind: QuantType,
    strips: &[u8],
    x: &Rows,
    finish: Finish,
    out: &mut [f32],
) {
    let by: By = match with {
        Vectors::Wide => (STRIPS, rounded::<STRIPS>, rounded::<1>),
        Vectors::Narrow => exact(with, x),
    };
    let outputs = out.len() / x.count;
    let product = Product {
        kind,
        x,
        finish,
        outputs,
    };
    product.write(strips, by, &Columns::of(out, outputs));
}

type Multiply = unsafe fn(QuantType, &[Line], &Rows, &mut [Sums]);

/// How many strips are multiplied at once, by what, and by what a single one.
type By = (usize, Multiply, Multiply);

fn exact(with: Vectors, x: &Rows) -> By {
    match (with, x.count) {
        (Vectors::Wide, ..=FEWEST) => (STRIPS, few::<STRIPS, FEWEST>, few::<1, FEWEST>),
        (Vectors::Wide, ..=FEW) => (2, few::<2, FEW>, few::<1, FEW>),
        (Vectors::Wide, _) => (STRIPS, many::<STRIPS>, many::<1>),
        (Vectors::Narrow, ..=FEW) => (STRIPS, avx2::few, avx2::few),
        (Vectors::Narrow, _) => (STRIPS, avx2::many, avx2::many),
    }
}

/// What is multiplied, whatever the strips.
struct Product<'a> {
    kind: QuantType,
    x: &'a Rows,
    finish: Finish<'a>,
    outputs: usize,
}

impl Product<'_> {
    /// Writes the products to all places of `out`.
    fn write(&self, strips: &[u8], (together, by, single): By, out: &Columns) {
        let (strips, strip) = (strips.as_chunks().0, self.x.blocks * Record::of(self.kind).lines);
        let whole = strips.len() / strip / together * together;
        let (strips, rest) = strips.split_at(whole * strip);
        self.pieces(strips, strip, (together, by), 0, out);
        self.pieces(rest, strip, (1, single), whole, out);
    }

    /// Pieces of so many strips each, shared between threads. `strip` is the lines of one; the first is number `first`.
    fn pieces(
        &self,
        strips: &[Line],
        strip: usize,
        (together, by): (usize, Multiply),
        first: usize,
        out: &Columns,
    ) {
        let groups = (strips.len() / strip / together)
            .div_ceil(PIECES * pool::threads())
            .max(1);
        let piece = strips.chunks(groups * together * strip).enumerate();
        pool::for_each(piece, |(piece, strips)| {
            let mut sums = vec![[0.0; ROWS]; together * self.x.count];
            for (number, strips) in strips.chunks_exact(together * strip).enumerate() {
                let column = (first + (piece * groups + number) * together) * ROWS;
                let width = (together * ROWS).min(self.outputs - column);
                sums.fill([0.0; ROWS]);
                let row = together * ROWS;
                self.finish.begin(sums.as_flattened_mut(), row, column, width);
                // SAFETY: only where `Vectors::available` says that the processor has the instructions is anything here called.
                unsafe { by(self.kind, strips, self.x, &mut sums) };
                self.finish.end(sums.as_flattened_mut());
                for (row, sums) in sums.chunks_exact(together).enumerate() {
                    // SAFETY: each group of strips is another range of columns.
                    unsafe { out.write(row, column, &sums.as_flattened()[..width]) };
                }
            }
        });
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
fn few<const C: usize, const T: usize>(kind: QuantType, strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    match kind {
        QuantType::Q4K => multiply_few::<Q4K, C, T>(strips, x, sums),
        QuantType::Q5K => multiply_few::<Q5K, C, T>(strips, x, sums),
        QuantType::Q6K => multiply_few::<Q6K, C, T>(strips, x, sums),
        QuantType::Q8_0 => multiply_few::<Q80, C, T>(strips, x, sums),
    }
}

#[inline(always)]
fn multiply_few<F: Form, const C: usize, const T: usize>(strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    let (strip, record) = (strips.len() / C, Record::of(F::KIND).lines);
    let mut scales = [const { Scales::EMPTY }; C];
    for block in 0..x.blocks {
        let lines = |c: usize| &strips[c * strip + block * record..][..record];
        for (c, scales) in scales.iter_mut().enumerate() {
            scales.fill(F::KIND, lines(c));
        }
        let mut numbers = [Packed::<F>::of(lines(0)); C];
        for (c, numbers) in numbers.iter_mut().enumerate() {
            *numbers = Packed::of(lines(c));
        }
        let with = ByGroups {
            numbers: &numbers,
            scales: &scales,
        };
        add_all::<_, C, T>(&with, x.block(block), sums);
    }
}

/// What adds the products of a few rows with `C` strips.
trait Add<const C: usize> {
    fn add<const R: usize>(&self, x: &[Block8; R], sums: &mut [[Sums; C]; R]);
}

struct ByGroups<'a, N, const C: usize> {
    numbers: &'a [N; C],
    scales: &'a [Scales; C],
}

impl<F: Form, N: Numbers<Kind = F>, const C: usize> Add<C> for ByGroups<'_, N, C> {
    #[inline(always)]
    fn add<const R: usize>(&self, x: &[Block8; R], sums: &mut [[Sums; C]; R]) {
        add::add::<F, N, C, R>(self.numbers, self.scales, x, sums);
    }
}

impl<const C: usize> Add<C> for [Bytes; C] {
    #[inline(always)]
    fn add<const R: usize>(&self, x: &[Block8; R], sums: &mut [[Sums; C]; R]) {
        bytes::add(self, x, sums);
    }
}

/// Adds all rows, `T` at a time and then those that are left.
#[inline(always)]
fn add_all<A: Add<C>, const C: usize, const T: usize>(with: &A, x: &[Block8], sums: &mut [Sums]) {
    let (tiles, rest) = x.as_chunks::<T>();
    let (sums, sums_rest) = sums.as_chunks_mut::<C>().0.as_chunks_mut::<T>();
    for (x, sums) in tiles.iter().zip(sums) {
        with.add(x, sums);
    }
    match rest.len() {
        7 if T > 7 => add_some::<A, C, 7>(with, rest, sums_rest),
        6 if T > 6 => add_some::<A, C, 6>(with, rest, sums_rest),
        5 if T > 5 => add_some::<A, C, 5>(with, rest, sums_rest),
        4 if T > 4 => add_some::<A, C, 4>(with, rest, sums_rest),
        3 if T > 3 => add_some::<A, C, 3>(with, rest, sums_rest),
        2 => add_some::<A, C, 2>(with, rest, sums_rest),
        1 => add_some::<A, C, 1>(with, rest, sums_rest),
        _ => {}
    }
}

#[inline(always)]
fn add_some<A: Add<C>, const C: usize, const R: usize>(with: &A, x: &[Block8], sums: &mut [[Sums; C]]) {
    if let (Some(x), Some(sums)) = (x.first_chunk::<R>(), sums.first_chunk_mut()) {
        with.add(x, sums);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
fn many<const C: usize>(kind: QuantType, strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    match kind {
        QuantType::Q4K => multiply::<Q4K, C>(strips, x, sums),
        QuantType::Q5K => multiply::<Q5K, C>(strips, x, sums),
        QuantType::Q6K => multiply::<Q6K, C>(strips, x, sums),
        QuantType::Q8_0 => multiply::<Q80, C>(strips, x, sums),
    }
}

#[inline(always)]
fn multiply<F: Form, const C: usize>(strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    let (strip, record) = (strips.len() / C, Record::of(F::KIND).lines);
    let (mut numbers, mut scales) = ([const { Spread::<F>::EMPTY }; C], [const { Scales::EMPTY }; C]);
    for block in 0..x.blocks {
        for (c, strip) in strips.chunks_exact(strip).enumerate() {
            let lines = &strip[block * record..][..record];
            scales[c].fill(F::KIND, lines);
            numbers[c].fill(&Packed::<F>::of(lines));
        }
        let with = ByGroups {
            numbers: &numbers,
            scales: &scales,
        };
        add_all::<_, C, TILE>(&with, x.block(block), sums);
    }
}

/// Rows that go together where whole blocks of dot products run on: more of them, as nothing else fills registers.
const BYTES_TILE: usize = 6;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
fn rounded<const C: usize>(kind: QuantType, strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    match kind {
        QuantType::Q4K => multiply_bytes::<Q4K, C>(strips, x, sums),
        QuantType::Q5K => multiply_bytes::<Q5K, C>(strips, x, sums),
        // Eight bits would lose half as much again as six.
        QuantType::Q6K => multiply::<Q6K, C>(strips, x, sums),
        QuantType::Q8_0 => multiply::<Q80, C>(strips, x, sums),
    }
}

#[inline(always)]
fn multiply_bytes<F: Form, const C: usize>(strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    let (strip, record) = (strips.len() / C, Record::of(F::KIND).lines);
    let (mut weights, mut scales) = ([const { Bytes::EMPTY }; C], Scales::EMPTY);
    for block in 0..x.blocks {
        for (weights, strip) in weights.iter_mut().zip(strips.chunks_exact(strip)) {
            let lines = &strip[block * record..][..record];
            scales.fill(F::KIND, lines);
            weights.fill(&Packed::<F>::of(lines), &scales);
        }
        add_all::<_, C, BYTES_TILE>(&weights, x.block(block), sums);
    }
}
