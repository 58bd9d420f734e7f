//! Weights in few bits: blocks of values that share scales, in the layout of GGUF files.
//!
//! Every K type says the same thing about a block of 256 values: value `i` of group `g` is
//! `d * scales[g] * q[i] - dmin * mins[g]`, with small whole numbers `q`, `scales` and `mins`, and groups of 16 or 32.
//! [`Unpacked`] is that, spelled out; a type's file says how its bytes lead there and how values lead to its bytes.
//! `Q8_0` has 32 signed bytes for each scale and no minimum.

mod bits;
mod fit;
mod groups;
mod many;
#[cfg(target_arch = "aarch64")]
mod neon;
mod product;
mod q4_k;
mod q5_k;
mod q6_k;
pub(crate) mod q8_0;
mod rows;
mod strips;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use many::product as product_of_many;
pub use product::product;
pub use rows::Rows;
pub use strips::{
    lay_out, product as product_of_strips, product_bf16, product_w8a8, strips_available, strips_bytes,
    strips_in_bf16,
};

use crate::pool;

/// Values of a block of a K type, and of a block of quantised activations.
pub const BLOCK: usize = 256;
/// Values of a block of `Q8_0`.
pub const SMALL_BLOCK: usize = 32;
/// Values that share a scale at the finest.
pub const GROUP: usize = 16;

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuantType {
    /// 4.5 bits a value.
    Q4K,
    /// 5.5 bits a value.
    Q5K,
    /// 6.5625 bits a value.
    Q6K,
    /// 8.5 bits a value.
    Q8_0,
}

impl QuantType {
    /// Every type, the smallest first.
    pub const ALL: [QuantType; 4] = [QuantType::Q4K, QuantType::Q5K, QuantType::Q6K, QuantType::Q8_0];

    /// Values of one block. A row is a whole number of blocks.
    pub fn block_values(self) -> usize {
        match self {
            QuantType::Q4K | QuantType::Q5K | QuantType::Q6K => BLOCK,
            QuantType::Q8_0 => SMALL_BLOCK,
        }
    }

    /// Bytes of one block.
    pub fn block_bytes(self) -> usize {
        match self {
            QuantType::Q4K => q4_k::BYTES,
            QuantType::Q5K => q5_k::BYTES,
            QuantType::Q6K => q6_k::BYTES,
            QuantType::Q8_0 => q8_0::BYTES,
        }
    }

    /// Bytes of a row of `width` values; none if it is no whole number of blocks.
    pub fn row_bytes(self, width: usize) -> Option<usize> {
        let whole = width.is_multiple_of(self.block_values());
        whole.then(|| width / self.block_values() * self.block_bytes())
    }

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            QuantType::Q4K => "q4_k",
            QuantType::Q5K => "q5_k",
            QuantType::Q6K => "q6_k",
            QuantType::Q8_0 => "q8_0",
        }
    }
}

/// A block of a K type as whole numbers; see the module's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Unpacked {
    /// 0..=63.
    pub q: [u8; BLOCK],
    /// One for each 16 values.
    pub scales: [i16; BLOCK / GROUP],
    /// One for each 16 values.
    pub mins: [i16; BLOCK / GROUP],
    /// What the scales count in.
    pub d: f32,
    /// What the minima count in.
    pub dmin: f32,
}

impl Unpacked {
    /// All zero.
    pub const EMPTY: Unpacked = Unpacked {
        q: [0; BLOCK],
        scales: [0; BLOCK / GROUP],
        mins: [0; BLOCK / GROUP],
        d: 0.0,
        dmin: 0.0,
    };

    /// The values.
    #[inline(always)]
    fn values(&self, out: &mut [f32; BLOCK]) {
        for (group, (out, q)) in out
            .as_chunks_mut::<GROUP>()
            .0
            .iter_mut()
            .zip(self.q.as_chunks::<GROUP>().0)
            .enumerate()
        {
            let (scale, min) = (
                self.d * f32::from(self.scales[group]),
                self.dmin * f32::from(self.mins[group]),
            );
            for (out, &q) in out.iter_mut().zip(q) {
                *out = scale * f32::from(q) - min;
            }
        }
    }
}

/// Quantises `values`, a whole number of blocks, into `out`. `importance` has one weight above zero for each value: how
/// much its error counts beside the others of its block; without it large values count more than small ones.
///
/// # Panics
///
/// If the lengths do not go together.
pub fn quantise(kind: QuantType, values: &[f32], importance: Option<&[f32]>, out: &mut [u8]) {
    assert_eq!(kind.row_bytes(values.len()), Some(out.len()));
    assert!(importance.is_none_or(|importance| importance.len() == values.len()));
    let (size, bytes) = (kind.block_values(), kind.block_bytes());
    let blocks = out.chunks_mut(bytes).zip(values.chunks(size)).enumerate();
    pool::for_each(blocks, |(number, (out, values))| {
        let weights = importance.map(|importance| &importance[number * size..][..size]);
        match kind {
            QuantType::Q4K => q4_k::quantise(values, weights, out),
            QuantType::Q5K => q5_k::quantise(values, weights, out),
            QuantType::Q6K => q6_k::quantise(values, weights, out),
            QuantType::Q8_0 => q8_0::quantise(values, out),
        }
    });
}

/// The values that `bytes`, a whole number of blocks, stand for.
///
/// # Panics
///
/// If the lengths do not go together.
pub fn dequantise(kind: QuantType, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(kind.row_bytes(out.len()), Some(bytes.len()));
    #[cfg(target_arch = "x86_64")]
    if x86::spread(kind, bytes, out) {
        return;
    }
    dequantise_plainly(kind, bytes, out);
}

/// The specification of [`dequantise`].
fn dequantise_plainly(kind: QuantType, bytes: &[u8], out: &mut [f32]) {
    let blocks = bytes.chunks_exact(kind.block_bytes());
    for (bytes, out) in blocks.zip(out.chunks_exact_mut(kind.block_values())) {
        match kind {
            QuantType::Q4K => spread(q4_k::unpack(bytes), out),
            QuantType::Q5K => spread(q5_k::unpack(bytes), out),
            QuantType::Q6K => spread(q6_k::unpack(bytes), out),
            QuantType::Q8_0 => q8_0::dequantise(bytes, out),
        }
    }
}

/// Blocks that one thread looks at at a time.
const LOOKED_AT: usize = 4096;

/// The number of the first value of `bytes`, a whole number of blocks, that is not finite: a block's own scales decide.
pub fn first_not_finite(kind: QuantType, bytes: &[u8]) -> Option<usize> {
    let scales_at: &[usize] = match kind {
        QuantType::Q4K | QuantType::Q5K => &[0, 2],
        QuantType::Q6K => &[q6_k::SCALE_AT],
        QuantType::Q8_0 => &[0],
    };
    let finite = |block: &[u8]| scales_at.iter().all(|&at| bits::half_at(block, at).is_finite());
    let part = LOOKED_AT * kind.block_bytes();
    let firsts = pool::map(bytes.len().div_ceil(part), |number| {
        let blocks = bytes[number * part..].chunks(kind.block_bytes()).take(LOOKED_AT);
        let first = blocks.map(finite).position(|finite| !finite);
        first.map(|block| number * LOOKED_AT + block)
    });
    let first = firsts.into_iter().flatten().next();
    first.map(|block| block * kind.block_values())
}

fn spread(block: Unpacked, out: &mut [f32]) {
    if let Some(out) = out.first_chunk_mut::<BLOCK>() {
        block.values(out);
    }
}
