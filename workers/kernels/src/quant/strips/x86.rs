//! The product of strips with the dot products of 8-bit numbers that AVX-512 VNNI has.
//!
//! A few rows take the numbers of a record as they lie there. For many rows the blocks of a few strips are spread out
//! first, and stay in the nearest cache while all rows pass by. Other processors do the same with narrower vectors.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

mod add;
mod avx2;
mod numbers;
mod scales;
mod vectors;

use super::{ROWS, Record};
use crate::{
    pool,
    quant::{
        QuantType,
        rows::{Block8, Rows},
    },
    tiles::Columns,
};
use add::{Form, Q4K, Q5K, Q6K, Q80, Sums, add};
use numbers::{Packed, Spread};
use scales::Scales;
use std::{arch::is_x86_feature_detected as has, sync::LazyLock};
use vectors::Line;

/// Strips that rows go through together, and how many of many rows at a time: their sums fill the registers. A single row
/// too goes through several strips: their sums do not wait for each other, and memory is asked for more at once.
const STRIPS: usize = 4;
const TILE: usize = 3;
/// Up to so many rows take the numbers as they lie.
const FEW: usize = 8;
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
    let (strips, strip) = (strips.as_chunks().0, x.blocks * Record::of(kind).lines);
    let (by, single): (Multiply, Multiply) = match (with, x.count) {
        (Vectors::Wide, ..=FEW) => (few::<STRIPS>, few::<1>),
        (Vectors::Wide, _) => (many::<STRIPS>, many::<1>),
        (Vectors::Narrow, ..=FEW) => (avx2::few, avx2::few),
        (Vectors::Narrow, _) => (avx2::many, avx2::many),
    };
    let whole = strips.len() / strip / STRIPS * STRIPS;
    let (strips, rest) = strips.split_at(whole * strip);
    let (size, count) = ((strip, outputs), outputs * x.count);
    // To fill it with zeros first takes one thread a while.
    let mut out = Vec::with_capacity(count);
    let columns = Columns::of_spare(&mut out.spare_capacity_mut()[..count], outputs);
    pieces(kind, strips, x, (STRIPS, by), size, 0, &columns);
    pieces(kind, rest, x, (1, single), size, whole, &columns);
    // SAFETY: every output is in one of the strips, and the pieces have written the columns of theirs in all rows.
    unsafe { out.set_len(count) };
    out
}

type Multiply = unsafe fn(QuantType, &[Line], &Rows, &mut [Sums]);

/// Pieces of so many strips each, shared between threads. `strip` is the lines of one; the first is number `first`.
fn pieces(
    kind: QuantType,
    strips: &[Line],
    x: &Rows,
    (together, by): (usize, Multiply),
    (strip, outputs): (usize, usize),
    first: usize,
    out: &Columns,
) {
    let groups = (strips.len() / strip / together)
        .div_ceil(PIECES * pool::threads())
        .max(1);
    let piece = strips.chunks(groups * together * strip).enumerate();
    pool::for_each(piece, |(piece, strips)| {
        let mut sums = vec![[0.0; ROWS]; together * x.count];
        for (number, strips) in strips.chunks_exact(together * strip).enumerate() {
            sums.fill([0.0; ROWS]);
            // SAFETY: only where `Vectors::available` says that the processor has the instructions is anything here called.
            unsafe { by(kind, strips, x, &mut sums) };
            let column = (first + (piece * groups + number) * together) * ROWS;
            let width = (together * ROWS).min(outputs - column);
            for (row, sums) in sums.chunks_exact(together).enumerate() {
                // SAFETY: each group of strips is another range of columns.
                unsafe { out.write(row, column, &sums.as_flattened()[..width]) };
            }
        }
    });
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
fn few<const C: usize>(kind: QuantType, strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    match kind {
        QuantType::Q4K => multiply_few::<Q4K, C>(strips, x, sums),
        QuantType::Q5K => multiply_few::<Q5K, C>(strips, x, sums),
        QuantType::Q6K => multiply_few::<Q6K, C>(strips, x, sums),
        QuantType::Q8_0 => multiply_few::<Q80, C>(strips, x, sums),
    }
}

#[inline(always)]
fn multiply_few<F: Form, const C: usize>(strips: &[Line], x: &Rows, sums: &mut [Sums]) {
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
        let (fours, rest) = x.block(block).as_chunks::<4>();
        let (sums, sums_rest) = sums.as_chunks_mut::<C>().0.as_chunks_mut::<4>();
        for (x, sums) in fours.iter().zip(sums) {
            add::<F, _, C, 4>(&numbers, &scales, x, sums);
        }
        match rest.len() {
            3 => add_some::<F, C, 3>(&numbers, &scales, rest, sums_rest),
            2 => add_some::<F, C, 2>(&numbers, &scales, rest, sums_rest),
            1 => add_some::<F, C, 1>(&numbers, &scales, rest, sums_rest),
            _ => {}
        }
    }
}

#[inline(always)]
fn add_some<F: Form, const C: usize, const R: usize>(
    numbers: &[Packed<F>; C],
    scales: &[Scales; C],
    x: &[Block8],
    sums: &mut [[Sums; C]],
) {
    if let (Some(x), Some(sums)) = (x.first_chunk(), sums.first_chunk_mut()) {
        add::<F, _, C, R>(numbers, scales, x, sums);
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
    let (mut numbers, mut scales) = ([const { Spread::EMPTY }; C], [const { Scales::EMPTY }; C]);
    for block in 0..x.blocks {
        for (c, strip) in strips.chunks_exact(strip).enumerate() {
            let lines = &strip[block * record..][..record];
            scales[c].fill(F::KIND, lines);
            numbers[c].fill(&Packed::<F>::of(lines));
        }
        let (tiles, rest) = x.block(block).as_chunks::<TILE>();
        let (sums, sums_rest) = sums.as_chunks_mut::<C>().0.as_chunks_mut::<TILE>();
        for (x, sums) in tiles.iter().zip(sums) {
            add::<F, _, C, TILE>(&numbers, &scales, x, sums);
        }
        let rest = rest.as_chunks::<1>().0.iter();
        for (x, sums) in rest.zip(sums_rest.as_chunks_mut::<1>().0) {
            add::<F, _, C, 1>(&numbers, &scales, x, sums);
        }
    }
}
