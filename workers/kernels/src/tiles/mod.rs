//! Matrix products of numbers rounded to bf16, by the processor's tile unit or by its dot products of pairs.
//!
//! A [`Tile`] is sixteen rows of 32 numbers. The left side of a product is panels of sixteen rows, the right side panels of
//! sixteen columns in which each two successive numbers of a column stand together, and a result is 32 by 32 sums in
//! `f32`. A sum runs over its products in one order, whatever lies beside it.
//!
//! Where the processor has neither [`rounded_products`] is false, and nothing else here may be used.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod convert;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod dots;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod none;
mod product;
mod shared;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(crate) use convert::in_turn;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
use none as unit;
pub use product::Out;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(crate) use product::{LayOut, Room};
pub(crate) use product::{Spread, product};
pub(crate) use shared::Columns;
pub(crate) use unit::Tiles;

use crate::pool;

/// Numbers that one step of a product takes from each row.
pub(crate) const STEP: usize = 32;
/// Rows or columns of a tile.
pub(crate) const SIDE: usize = 16;
/// Rows and columns of one result.
pub(crate) const RESULT: usize = 2 * SIDE;

/// 16 by 32 numbers in bf16; see the module's text for their order.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Tile(pub [u32; SIDE * SIDE]);

impl Tile {
    pub(crate) const ZERO: Tile = Tile([0; SIDE * SIDE]);
}

/// Two panels of rows and two of columns, all of as many steps. What they were filled up with is zeros, which may be left
/// out.
pub(crate) struct Panels<'a> {
    pub left: [&'a [Tile]; 2],
    pub right: [&'a [Tile]; 2],
    /// Pairs of numbers of a row that were not filled up.
    pub pairs: usize,
    /// Columns of the result that were not.
    pub columns: usize,
}

impl<'a> Panels<'a> {
    /// Nothing of which is known to be zero.
    pub(crate) fn full(left: [&'a [Tile]; 2], right: [&'a [Tile]; 2]) -> Self {
        Self {
            left,
            right,
            pairs: left[0].len() * SIDE,
            columns: RESULT,
        }
    }

    /// # Panics
    ///
    /// If the panels' lengths differ or are zero, or `sums`, whose rows are `stride` apart, is too short.
    fn check(&self, sums: &[f32], stride: usize) {
        let steps = self.left[0].len();
        let others = [self.left[1], self.right[0], self.right[1]];
        assert!(steps > 0 && others.iter().all(|panel| panel.len() == steps));
        assert!(self.pairs <= steps * SIDE && self.columns <= RESULT);
        assert!(stride >= RESULT && sums.len() >= (RESULT - 1) * stride + RESULT);
    }
}

/// Whether products of rounded numbers are to be had on this processor.
pub fn rounded_products() -> bool {
    unit::available()
}

/// Whether a unit for tiles does them, which leaves every other product behind.
pub fn tile_unit() -> bool {
    unit::has_tile_unit()
}

/// Rows rounded to bf16 as the left side of products, filled up with zeros to whole results.
pub struct Rounded {
    pub(crate) count: usize,
    pub(crate) steps: usize,
    /// `[count / 16, rounded up to pairs][steps]`.
    tiles: Vec<Tile>,
}

impl Rounded {
    /// Rounds rows of `width` values, filled up with zeros to `padded`, which is a multiple of 32.
    ///
    /// # Panics
    ///
    /// If `x` is no whole number of rows, or where [`rounded_products`] is false.
    pub fn of(x: &[f32], width: usize, padded: usize) -> Self {
        let mut rounded = Self::zeros(x.len(), width, padded);
        let panels = rounded
            .tiles
            .chunks_mut(rounded.steps)
            .zip(x.chunks(SIDE * width));
        pool::for_each(panels, |(panel, x)| round_panel(x, width, panel));
        rounded
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.count
    }

    /// What rows of `width` values are filled up to.
    pub fn filled(width: usize) -> usize {
        width.next_multiple_of(STEP)
    }

    /// The same on this thread alone.
    pub(crate) fn alone(x: &[f32], width: usize, padded: usize) -> Self {
        let mut rounded = Self::zeros(x.len(), width, padded);
        let panels = rounded.tiles.chunks_mut(rounded.steps);
        panels
            .zip(x.chunks(SIDE * width))
            .for_each(|(panel, x)| round_panel(x, width, panel));
        rounded
    }

    fn zeros(values: usize, width: usize, padded: usize) -> Self {
        assert!(values.is_multiple_of(width) && padded >= width);
        Self::room(values / width, padded)
    }

    /// Zeros where up to `rows` rows that are filled up to `padded`, a multiple of 32, are to be written ([`Out`]).
    ///
    /// # Panics
    ///
    /// If `padded` is no such multiple.
    pub fn room(rows: usize, padded: usize) -> Self {
        assert!(padded.is_multiple_of(STEP));
        let steps = padded / STEP;
        let tiles = vec![Tile::ZERO; rows.div_ceil(RESULT) * 2 * steps];
        Self {
            count: rows,
            steps,
            tiles,
        }
    }

    /// To write `count` rows of `width` values: panel by panel, step by step. What they are filled up with stays.
    fn columns(&mut self, count: usize, width: usize) -> Columns<'_, Tile> {
        let used = count.div_ceil(RESULT) * 2 * self.steps;
        assert!(used <= self.tiles.len() && width <= self.steps * STEP);
        self.count = count;
        Columns::of(&mut self.tiles[..used], self.steps)
    }

    /// All rows' panels, tile by tile.
    #[cfg(test)]
    pub(crate) fn lines(&self) -> Vec<&[u32]> {
        let used = self.count.div_ceil(RESULT) * 2 * self.steps;
        self.tiles[..used].iter().map(|tile| &tile.0[..]).collect()
    }

    /// Two panels: 32 rows.
    pub(crate) fn pair(&self, number: usize) -> [&[Tile]; 2] {
        let both = &self.tiles[number * 2 * self.steps..][..2 * self.steps];
        [&both[..self.steps], &both[self.steps..]]
    }
}

fn round_panel(x: &[f32], width: usize, panel: &mut [Tile]) {
    let unit = Tiles::of_this_thread();
    for (row, x) in x.chunks_exact(width).enumerate() {
        unit.round_row(x, row, panel);
    }
}
