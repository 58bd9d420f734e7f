//! No tile unit: on other processors and systems.

use super::{Panels, SIDE, Tile};
use half::bf16;
use std::convert::Infallible;

pub(crate) fn available() -> bool {
    false
}

pub(crate) fn has_tile_unit() -> bool {
    false
}

/// Cannot be made.
pub(crate) struct Tiles(Infallible);

impl Tiles {
    /// # Panics
    ///
    /// Always: see [`available`].
    pub(crate) fn of_this_thread() -> Self {
        unreachable!("there is no tile unit")
    }

    pub(crate) fn multiply(&self, panels: &Panels, sums: &mut [f32], stride: usize, _: bool) {
        panels.check(sums, stride);
        match self.0 {}
    }

    pub(crate) fn round_row(&self, _: &[f32], _: usize, _: &mut [Tile]) {
        match self.0 {}
    }

    pub(crate) fn round_columns(&self, _: &[f32], _: usize, _: &mut Tile) {
        match self.0 {}
    }

    pub(crate) fn take_columns(&self, _: &[&[bf16]; SIDE], _: usize, _: &mut Tile) {
        match self.0 {}
    }

    pub(crate) fn round_pair(&self, _: &[f32], _: &[f32], _: usize, _: &mut [Tile]) {
        match self.0 {}
    }
}
