//! The innermost loop that attention and matrix products share.

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use crate::simd::Isa;

/// `R x L` sums of products: `sums[r][l] + sum over k of panel[k][r] * lanes[k][l]`. Kept in registers throughout.
#[inline(always)]
pub(crate) fn products<I: Isa, const R: usize, const L: usize>(
    panel: &[[f32; R]],
    lanes: &[[f32; L]],
    sums: [[f32; L]; R],
) -> [[f32; L]; R] {
    I::products(panel, lanes, sums)
}

/// The specification of [`products`], and all of it where vectors are left to the compiler.
#[inline(always)]
pub(crate) fn plain<I: Isa, const R: usize, const L: usize>(
    panel: &[[f32; R]],
    lanes: &[[f32; L]],
    mut sums: [[f32; L]; R],
) -> [[f32; L]; R] {
    for (column, lanes) in panel.iter().zip(lanes) {
        for r in 0..R {
            for l in 0..L {
                sums[r][l] = I::mul_add(column[r], lanes[l], sums[r][l]);
            }
        }
    }
    sums
}
