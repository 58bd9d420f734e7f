//! The tile unit, or what stands in for it.

#![expect(
    unsafe_code,
    reason = "functions for instructions that not every processor has"
)]

use half::bf16;

use super::{Panels, SIDE, STEP, Tile, amx, convert, dots};

/// Whether this processor has the instructions.
pub(crate) fn available() -> bool {
    amx::available() || dots::available()
}

/// Whether it has a unit for tiles, which is faster than anything else.
pub(crate) fn has_tile_unit() -> bool {
    amx::available()
}

/// The products and roundings, on one thread.
pub(crate) struct Tiles {
    unit: Option<amx::Unit>,
}

impl Tiles {
    /// # Panics
    ///
    /// Where there is none.
    pub(crate) fn of_this_thread() -> Self {
        assert!(available());
        let unit = amx::available().then(amx::Unit::of_this_thread);
        Self { unit }
    }

    /// `sums[r][c] += left[r] . right[c]` for 32 rows and 32 columns; `fresh` starts at zero instead. The rows of `sums` are
    /// `stride` values apart. Sums of columns that are zeros may be left as they are.
    ///
    /// # Panics
    ///
    /// If the panels' lengths differ or are zero, or `sums` is too short.
    pub(crate) fn multiply(&self, panels: &Panels, sums: &mut [f32], stride: usize, fresh: bool) {
        panels.check(sums, stride);
        match &self.unit {
            Some(unit) => unit.multiply(panels, sums, stride, fresh),
            None => dots::multiply(panels, sums, stride, fresh),
        }
    }

    /// Rounds a row into line `row` of the panel's tiles; what it does not fill stays.
    pub(crate) fn round_row(&self, values: &[f32], row: usize, panel: &mut [Tile]) {
        // SAFETY: a unit is only on processors with these vectors, here and below.
        unsafe { convert::round_row(values, row, panel) }
    }

    /// Rounds sixteen columns of 32 numbers, each `stride` from the last, into the tile of a right side.
    ///
    /// # Panics
    ///
    /// If `columns` is too short.
    pub(crate) fn round_columns(&self, columns: &[f32], stride: usize, tile: &mut Tile) {
        assert!(columns.len() >= 15 * stride + STEP);
        // SAFETY: as for `round_row`.
        unsafe { convert::round_columns(columns, stride, tile) }
    }

    /// The same of numbers that are rounded already: those from `first` on.
    ///
    /// # Panics
    ///
    /// If a column is too short.
    pub(crate) fn take_columns(&self, columns: &[&[bf16]; SIDE], first: usize, tile: &mut Tile) {
        // SAFETY: as for `round_row`.
        unsafe { convert::take_columns(columns, first, tile) }
    }

    /// Rounds numbers that follow one another in two columns' direction: line `pair` of a right side's tiles gets the
    /// values of two rows, sixteen columns in each tile.
    pub(crate) fn round_pair(&self, first: &[f32], second: &[f32], pair: usize, tiles: &mut [Tile]) {
        // SAFETY: as for `round_row`.
        unsafe { convert::round_pair(first, second, pair, tiles) }
    }
}
