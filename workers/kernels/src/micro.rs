//! The innermost loop that attention and matrix products share.

#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
#[cfg(test)]
mod tests;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vectors;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use crate::simd::Isa;

/// Asks memory for values that are read soon, where the processor can be asked.
#[inline(always)]
pub(crate) fn ask_for(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    x86::ask_for(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// The factors of `R` rows of sums, one step after another.
#[derive(Clone, Copy)]
pub struct Factors<'a, const R: usize> {
    /// For each row, from its first factor on.
    rows: [&'a [f32]; R],
    /// How far it is to the next one.
    stride: usize,
}

impl<'a, const R: usize> Factors<'a, R> {
    /// A panel, which has the factors of a step side by side.
    #[inline(always)]
    pub(crate) fn of_panel(panel: &'a [[f32; R]]) -> Self {
        Self::of_columns(panel.as_flattened(), R)
    }

    /// `R` columns of rows that are `stride` apart: a step is a row.
    #[inline(always)]
    pub(crate) fn of_columns(values: &'a [f32], stride: usize) -> Self {
        Self {
            rows: std::array::from_fn(|column| &values[column.min(values.len())..]),
            stride,
        }
    }

    /// Rows of which a step is a column.
    #[inline(always)]
    pub(crate) fn of_rows(rows: [&'a [f32]; R]) -> Self {
        Self { rows, stride: 1 }
    }

    /// # Panics
    ///
    /// If there are fewer steps.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[inline(always)]
    fn check(&self, steps: usize) {
        let needed = steps.checked_sub(1).map_or(0, |last| last * self.stride + 1);
        assert!(self.rows.iter().all(|row| row.len() >= needed));
    }
}

/// `R x L` sums of products: `sums[r][l]` and the sum over `k` of row `r`'s factor `k` times `lanes[k][l]`. Kept in registers
/// throughout.
#[inline(always)]
pub(crate) fn products<I: Isa, const R: usize, const L: usize>(
    factors: Factors<R>,
    lanes: &[[f32; L]],
    sums: [[f32; L]; R],
) -> [[f32; L]; R] {
    I::products(factors, lanes, sums)
}

/// The specification of [`products`], and all of it where vectors are left to the compiler.
#[inline(always)]
pub(crate) fn plain<I: Isa, const R: usize, const L: usize>(
    factors: Factors<R>,
    lanes: &[[f32; L]],
    mut sums: [[f32; L]; R],
) -> [[f32; L]; R] {
    for (step, lanes) in lanes.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(factors.rows) {
            let factor = row[step * factors.stride];
            for l in 0..L {
                sums[l] = I::mul_add(factor, lanes[l], sums[l]);
            }
        }
    }
    sums
}
