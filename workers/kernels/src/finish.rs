//! What becomes of the sums of a product before they are written.

use crate::activation::gelu_alone;

/// What is added to each row of sums, and whether the exact GELU of that is taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finish<'a> {
    pub bias: Option<&'a [f32]>,
    pub gelu: bool,
}

impl Finish<'_> {
    /// What sums of the columns from `column` on, zeros so far, begin with: rows of `row` values, of which the first `width`
    /// are used.
    pub(crate) fn begin(&self, sums: &mut [f32], row: usize, column: usize, width: usize) {
        if let Some(bias) = self.bias {
            for sums in sums.chunks_exact_mut(row) {
                sums[..width].copy_from_slice(&bias[column..][..width]);
            }
        }
    }

    /// What whole sums become.
    pub(crate) fn end(&self, sums: &mut [f32]) {
        if self.gelu {
            gelu_alone(sums);
        }
    }
}
