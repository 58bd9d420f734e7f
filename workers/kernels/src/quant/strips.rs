//! Quantised weights laid out for dot products of 8-bit numbers, sixteen rows side by side.
//!
//! A strip is sixteen rows. Its blocks follow one another, each a record of 64-byte lines in which every row has a lane of
//! four bytes. A line of numbers holds four successive values of each row, or, in the types of few bits, eight: of step
//! `2 n` in the low halves and of step `2 n + 1` in the high ones. Nothing has to be added across lanes, and a record
//! takes as many bytes as its sixteen blocks did.
//!
//! | type | record |
//! |---|---|
//! | `Q4_K` | scales and minima of the blocks, 3 lines of the groups' own twelve bytes, 32 lines of numbers |
//! | `Q5_K` | the same, with a line of fifth bits before every 4 lines of numbers: a bit for each of their steps |
//! | `Q6_K` | scales of the blocks and half a line unused, 4 lines of the groups' scales, 32 lines of numbers with a line of two bits for each of four steps before every 2 |
//! | `Q8_0` | 4 lines of scales, 64 lines of numbers with 128 added |
//!
//! Everything lies in the order in which it is read: memory is asked ahead only for what follows.

#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::{BLOCK, GROUP, QuantType, SMALL_BLOCK, Unpacked, q4_k, q5_k, q6_k, q8_0, rows::Rows};
use crate::Finish;
use crate::pool;
use crate::tiles::{self, Out, Rounded};

/// Rows of a strip.
pub(super) const ROWS: usize = 16;
/// Bytes of a line.
pub(super) const LINE: usize = 64;
/// Steps of four values in a block.
pub(super) const STEPS: usize = BLOCK / 4;
/// Bytes of a line that a row's lane takes.
const LANE: usize = LINE / ROWS;

/// Where the parts of a record are, in lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    /// Where scales and minima of groups begin.
    pub groups: usize,
    /// Where the numbers begin, each so many steps of them after a line of their higher bits.
    pub numbers: usize,
    /// Bits of a number that are apart from the others.
    pub higher: usize,
    /// Whether a number has a byte of its own.
    pub whole: bool,
    pub lines: usize,
}

impl Record {
    pub(super) const fn of(kind: QuantType) -> Self {
        let (groups, numbers, higher, whole, lines) = match kind {
            QuantType::Q4K => (1, 4, 0, false, 36),
            QuantType::Q5K => (1, 4, 1, false, 44),
            QuantType::Q6K => (1, 5, 2, false, 53),
            QuantType::Q8_0 => (0, 4, 0, true, 68),
        };
        Self {
            groups,
            numbers,
            higher,
            whole,
            lines,
        }
    }

    /// Steps whose higher bits are in one line.
    #[inline(always)]
    pub(super) const fn together(self) -> usize {
        match self.higher {
            0 => STEPS,
            bits => 8 / bits,
        }
    }

    /// The line of a step's numbers.
    #[inline(always)]
    pub(super) const fn line_of(self, step: usize) -> usize {
        if self.whole {
            return self.numbers + step;
        }
        let after_higher = if self.higher == 0 {
            0
        } else {
            self.higher_of(step) + 1 - self.numbers
        };
        self.numbers + after_higher + step % self.together() / 2
    }

    /// The line of a step's higher bits.
    #[inline(always)]
    pub(super) const fn higher_of(self, step: usize) -> usize {
        self.numbers + step / self.together() * (1 + self.together() / 2)
    }

    const fn bytes(self) -> usize {
        self.lines * LINE
    }
}

/// Whether this processor multiplies strips.
pub fn strips_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::Vectors::available().next().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Bytes of the strips of `outputs` rows of `width` values, filled up to whole blocks and to whole strips.
pub fn strips_bytes(kind: QuantType, outputs: usize, width: usize) -> usize {
    outputs.div_ceil(ROWS) * width.div_ceil(BLOCK) * Record::of(kind).bytes()
}

/// Lays rows of whole blocks out in strips. `to` is zeros.
///
/// # Panics
///
/// If the lengths do not go together.
pub fn lay_out(kind: QuantType, bytes: &[u8], outputs: usize, to: &mut [u8]) {
    let row = bytes.len() / outputs;
    let size = BLOCK / kind.block_values() * kind.block_bytes();
    assert!(row.is_multiple_of(size) && row * outputs == bytes.len());
    assert_eq!(to.len(), strips_bytes(kind, outputs, row / size * BLOCK));
    let record = Record::of(kind).bytes();
    let strips = to.chunks_mut(row / size * record).zip(bytes.chunks(ROWS * row));
    pool::for_each(strips, |(strip, rows)| {
        for (lane, row) in rows.chunks_exact(row).enumerate() {
            for (record, block) in strip.chunks_exact_mut(record).zip(row.chunks_exact(size)) {
                put(kind, block, lane, record);
            }
        }
    });
}

/// Puts a block of one row into its lane.
fn put(kind: QuantType, block: &[u8], lane: usize, record: &mut [u8]) {
    let at = Record::of(kind);
    let halves = |record: &mut [u8], number: usize, half: &[u8]| {
        record[(number * ROWS + lane) * 2..][..2].copy_from_slice(half);
    };
    match kind {
        QuantType::Q4K | QuantType::Q5K => {
            halves(record, 0, &block[..2]);
            halves(record, 1, &block[2..4]);
            for (number, four) in block[4..16].as_chunks::<LANE>().0.iter().enumerate() {
                record[(at.groups + number) * LINE + lane * LANE..][..LANE].copy_from_slice(four);
            }
        }
        QuantType::Q6K => {
            halves(record, 0, &block[q6_k::SCALE_AT..]);
            let scales = &block[q6_k::SCALES_AT..][..BLOCK / GROUP];
            for (group, &scale) in scales.iter().enumerate() {
                record[at.groups * LINE + group * ROWS + lane] = scale;
            }
        }
        QuantType::Q8_0 => {
            for (number, small) in block.chunks_exact(q8_0::BYTES).enumerate() {
                halves(record, number, &small[..2]);
            }
        }
    }
    put_numbers(kind, block, lane, record);
}

fn put_numbers(kind: QuantType, block: &[u8], lane: usize, record: &mut [u8]) {
    let at = Record::of(kind);
    let q = numbers(kind, block);
    let fours = q.as_chunks::<LANE>().0;
    let mut add = |line: usize, byte: usize, bits: u8| record[line * LINE + lane * LANE + byte] |= bits;
    for (step, four) in fours.iter().enumerate() {
        for (byte, &q) in four.iter().enumerate() {
            if at.whole {
                add(at.line_of(step), byte, q);
                continue;
            }
            add(at.line_of(step), byte, (q & 15) << (step % 2 * 4));
            if at.higher > 0 {
                add(
                    at.higher_of(step),
                    byte,
                    (q >> 4) << (step % at.together() * at.higher),
                );
            }
        }
    }
}

/// The numbers of 256 values, none below zero.
fn numbers(kind: QuantType, block: &[u8]) -> [u8; BLOCK] {
    let mut unpacked = Unpacked::EMPTY;
    match kind {
        QuantType::Q4K => q4_k::unpack_into(block, &mut unpacked),
        QuantType::Q5K => q5_k::unpack_into(block, &mut unpacked),
        QuantType::Q6K => q6_k::unpack_into(block, &mut unpacked),
        QuantType::Q8_0 => {
            let to = unpacked.q.as_chunks_mut::<SMALL_BLOCK>().0;
            for (to, small) in to.iter_mut().zip(block.chunks_exact(q8_0::BYTES)) {
                for (to, &number) in to.iter_mut().zip(q8_0::parts(small).1) {
                    *to = number ^ 0x80;
                }
            }
        }
    }
    unpacked.q
}

/// The products of rows with `outputs` rows of weights in strips, a row of outputs for each row of `x`: what
/// [`super::product`] gives. A row gives the same bits alone and among others.
///
/// # Panics
///
/// If the lengths do not go together, or where [`strips_available`] is false.
pub fn product(kind: QuantType, strips: &[u8], x: &Rows, outputs: usize) -> Vec<f32> {
    assert_eq!(strips.len(), strips_bytes(kind, outputs, x.blocks * BLOCK));
    #[cfg(target_arch = "x86_64")]
    if let Some(with) = x86::Vectors::available().next() {
        return x86::product(with, kind, strips, x, outputs);
    }
    unreachable!("strips are not available")
}

/// The same into `out`, finished as `finish` says. Weights of `Q4_K` and `Q5_K` are rounded to eight bits, in which 256 of a
/// row share a scale, where the processor multiplies those faster: dot products then run on over whole blocks.
///
/// # Panics
///
/// As [`product`] does.
pub fn product_w8a8(kind: QuantType, strips: &[u8], x: &Rows, finish: Finish, out: &mut [f32]) {
    assert!(out.len().is_multiple_of(x.count));
    let outputs = out.len() / x.count;
    assert_eq!(strips.len(), strips_bytes(kind, outputs, x.blocks * BLOCK));
    assert!(finish.bias.is_none_or(|bias| bias.len() == outputs));
    #[cfg(target_arch = "x86_64")]
    if let Some(with) = x86::Vectors::available().next() {
        return x86::product_w8a8(with, kind, strips, x, finish, out);
    }
    unreachable!("strips are not available")
}

/// Whether this processor multiplies strips in bf16.
pub fn strips_in_bf16() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return tiles::rounded_products() && x86::Vectors::available().next() == Some(x86::Vectors::Wide);
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// The same with weights and rows, filled up to whole blocks, rounded to bf16: nearer to exact products than rows in eight
/// bits are, and slower.
///
/// # Panics
///
/// If the lengths do not go together, or where [`strips_in_bf16`] is false.
pub fn product_bf16(kind: QuantType, strips: &[u8], x: &Rounded, outputs: usize, finish: Finish, out: Out) {
    let width = x.steps * tiles::STEP;
    assert!(width.is_multiple_of(BLOCK));
    assert_eq!(strips.len(), strips_bytes(kind, outputs, width));
    assert!(strips_in_bf16());
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    x86::halves::product(kind, strips, x, outputs, finish, out);
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    let _ = (finish, out);
}

/// [`product`] with each of the vectors that this processor has.
#[cfg(all(test, target_arch = "x86_64"))]
pub(super) fn products(kind: QuantType, strips: &[u8], x: &Rows, outputs: usize) -> Vec<Vec<f32>> {
    x86::Vectors::available()
        .map(|with| x86::product(with, kind, strips, x, outputs))
        .collect()
}
