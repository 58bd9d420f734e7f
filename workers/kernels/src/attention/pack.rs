//! The context of one key head, laid out in the order in which the tiles read it.

use super::Span;
use super::context::Context;
use super::kept::{Kept, Widened};
use crate::micro::Factors;
use crate::pool;

/// Context rows of a tile: a multiple of every panel height in use (4, 6 and 8).
pub(super) const TILE: usize = 96;

/// Keys and values of one head, tile by tile, in panels of `R`:
/// keys as `[panel of R context rows][width][R]`, values as `[panel of R columns][TILE][R]`.
pub(super) struct Packed<const R: usize> {
    width: usize,
    keys: Vec<[f32; R]>,
    values: Vec<[f32; R]>,
}

/// One tile's panels.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, const R: usize> {
    width: usize,
    keys: &'a [[f32; R]],
    values: &'a [[f32; R]],
}

impl<const R: usize> Context<R> for Tile<'_, R> {
    #[inline(always)]
    fn keys(&self, panel: usize) -> Factors<'_, R> {
        Factors::of_panel(&self.keys[panel * self.width..][..self.width])
    }

    #[inline(always)]
    fn run(&self, row: usize) -> usize {
        TILE - row
    }

    #[inline(always)]
    fn values(&self, panel: usize, row: usize) -> Factors<'_, R> {
        Factors::of_panel(&self.values[panel * TILE + row..(panel + 1) * TILE])
    }
}

impl<const R: usize> Packed<R> {
    pub(super) fn empty(width: usize, tiles: usize) -> Self {
        let keys = vec![[0.0; R]; tiles * Self::keys_per_tile(width)];
        let values = vec![[0.0; R]; tiles * Self::values_per_tile(width)];
        Self { width, keys, values }
    }

    fn keys_per_tile(width: usize) -> usize {
        TILE / R * width
    }

    fn values_per_tile(width: usize) -> usize {
        width.div_ceil(R) * TILE
    }

    /// The whole context of head `head`.
    pub(super) fn of<T: Kept>(spans: &[Span<T>], total: usize, head: usize, width: usize) -> Self {
        let mut packed = Self::empty(width, total.div_ceil(TILE));
        let keys = packed.keys.chunks_mut(Self::keys_per_tile(width));
        let values = packed.values.chunks_mut(Self::values_per_tile(width));
        pool::for_each(keys.zip(values).enumerate(), |(tile, (keys, values))| {
            let start = tile * TILE;
            fill(keys, values, spans, head, width, start, TILE.min(total - start));
        });
        packed
    }

    /// Overwrites tile `tile` with the `length` context rows from `start` on.
    pub(super) fn fill<T: Kept>(
        &mut self,
        tile: usize,
        spans: &[Span<T>],
        head: usize,
        start: usize,
        length: usize,
    ) {
        let width = self.width;
        let keys = &mut self.keys[tile * Self::keys_per_tile(width)..][..Self::keys_per_tile(width)];
        let values = &mut self.values[tile * Self::values_per_tile(width)..][..Self::values_per_tile(width)];
        fill(keys, values, spans, head, width, start, length);
    }

    pub(super) fn tile(&self, tile: usize) -> Tile<'_, R> {
        let (keys, values) = (Self::keys_per_tile(self.width), Self::values_per_tile(self.width));
        Tile {
            width: self.width,
            keys: &self.keys[tile * keys..][..keys],
            values: &self.values[tile * values..][..values],
        }
    }
}

fn fill<const R: usize, T: Kept>(
    keys: &mut [[f32; R]],
    values: &mut [[f32; R]],
    spans: &[Span<T>],
    head: usize,
    width: usize,
    start: usize,
    length: usize,
) {
    if let Some(spans) = T::wide(spans) {
        return lay_out(keys, values, spans, head * width, width, start, length);
    }
    let mut widened = Widened::empty(width, spans);
    widened.fill(spans, head, start, length);
    lay_out(keys, values, &[widened.span(length)], 0, width, 0, length);
}

/// Rows past `length` keep what they had: their scores are never read.
fn lay_out<const R: usize>(
    keys: &mut [[f32; R]],
    values: &mut [[f32; R]],
    spans: &[Span],
    column: usize,
    width: usize,
    start: usize,
    length: usize,
) {
    let mut before = 0;
    for span in spans {
        let first = start.max(before);
        let last = (start + length).min(before + span.rows);
        for index in first..last.max(first) {
            let row = index - start;
            let key = span.keys.part(index - before, column, width);
            for (panel, &value) in keys[row / R * width..][..width].iter_mut().zip(key) {
                panel[row % R] = value;
            }
            let value = span.values.part(index - before, column, width);
            for (panel, part) in value.chunks(R).enumerate() {
                values[panel * TILE + row][..part.len()].copy_from_slice(part);
            }
        }
        before += span.rows;
    }
}
