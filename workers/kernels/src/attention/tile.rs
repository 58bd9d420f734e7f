//! One tile of queries against one tile of context: scores, running softmax, weighted values.

use std::hint::black_box;
use std::ops::Range;

use super::{Call, Shape, context::Context};
use crate::activation::exp;
use crate::micro::products;
use crate::simd::{Isa, Portable};

/// Up to `L` queries of one key head, one per lane, with what they have gathered so far.
#[derive(Clone)]
pub(super) struct Lanes<const L: usize> {
    /// `[width]`, scaled by `1 / sqrt(width)`.
    queries: Vec<[f32; L]>,
    /// `[width, rounded up to a panel]`: the weighted values, not yet divided by `sum`.
    gathered: Vec<[f32; L]>,
    max: [f32; L],
    sum: [f32; L],
    /// Context rows that each lane sees.
    visible: [usize; L],
    used: usize,
}

impl<const L: usize> Lanes<L> {
    /// The queries numbered `numbers` of the block of rows that starts at `first_row`.
    pub(super) fn gather<const R: usize>(
        call: &Call,
        head: usize,
        first_row: usize,
        numbers: Range<usize>,
    ) -> Self {
        let Shape { width, .. } = call.shape;
        let sharing = call.shape.sharing();
        let scale = 1.0 / (width as f32).sqrt();
        let mut queries = vec![[0.0; L]; width];
        let mut visible = [call.visible(first_row); L];
        let used = numbers.len();
        for (lane, number) in numbers.enumerate() {
            let row = first_row + number / sharing;
            let column = (head * sharing + number % sharing) * width;
            for (lanes, &value) in queries.iter_mut().zip(call.queries.part(row, column, width)) {
                lanes[lane] = value * scale;
            }
            visible[lane] = call.visible(row);
        }
        let gathered = vec![[0.0; L]; width.div_ceil(R) * R];
        Self {
            queries,
            gathered,
            max: [f32::MIN; L],
            sum: [0.0; L],
            visible,
            used,
        }
    }

    /// Writes the averages of the queries, numbered from `first`, into a block's output rows.
    pub(super) fn scatter(&self, call: &Call, head: usize, first: usize, out: &mut [f32]) {
        let Shape { heads, width, .. } = call.shape;
        let sharing = call.shape.sharing();
        for lane in 0..self.used {
            let number = first + lane;
            let at = (number / sharing * heads + head * sharing + number % sharing) * width;
            for (out, lanes) in out[at..at + width].iter_mut().zip(&self.gathered) {
                *out = lanes[lane] / self.sum[lane];
            }
        }
    }

    /// Adds what the same queries gathered from another part of the context.
    pub(super) fn join(&mut self, other: &Self) {
        for lane in 0..self.used {
            let max = self.max[lane].max(other.max[lane]);
            let (ours, theirs) = (
                exp::<Portable>(self.max[lane] - max),
                exp::<Portable>(other.max[lane] - max),
            );
            self.sum[lane] = self.sum[lane] * ours + other.sum[lane] * theirs;
            self.max[lane] = max;
            for (lanes, others) in self.gathered.iter_mut().zip(&other.gathered) {
                lanes[lane] = lanes[lane] * ours + others[lane] * theirs;
            }
        }
    }
}

/// Takes `length` context rows, the first of them number `start`, into the running softmax.
/// `scores` is scratch of `TILE` rows.
#[inline(always)]
pub(super) fn absorb<I: Isa, const R: usize, const L: usize>(
    lanes: &mut Lanes<L>,
    context: &impl Context<R>,
    start: usize,
    length: usize,
    scores: &mut [[f32; L]],
) {
    let panels = scores.as_chunks_mut::<R>().0.iter_mut();
    for (panel, scores) in panels.enumerate().take(length.div_ceil(R)) {
        context.ask_ahead(panel);
        *scores = products::<I, R, L>(context.keys(panel), &lanes.queries, [[0.0; L]; R]);
    }
    let scores = &mut scores[..length];
    hide(scores, start, &lanes.visible);
    weigh::<I, L>(lanes, scores);
    let mut row = 0;
    while row < length {
        let run = context.run(row).min(length - row);
        for (panel, gathered) in lanes.gathered.as_chunks_mut::<R>().0.iter_mut().enumerate() {
            let values = context.values(panel, row);
            *gathered = products::<I, R, L>(values, &scores[row..row + run], *gathered);
        }
        row += run;
    }
}

/// Takes rows out of the sight of the lanes that may not see them.
#[inline(always)]
fn hide<const L: usize>(scores: &mut [[f32; L]], start: usize, visible: &[usize; L]) {
    // Later lanes are later queries, so the first lane sees least.
    if start + scores.len() <= visible[0] {
        return;
    }
    for (row, scores) in scores.iter_mut().enumerate() {
        for (score, &visible) in scores.iter_mut().zip(visible) {
            if start + row >= visible {
                *score = f32::MIN;
            }
        }
    }
}

/// Turns scores into weights against the running maximum and rescales what was gathered under the old one.
#[inline(always)]
fn weigh<I: Isa, const L: usize>(lanes: &mut Lanes<L>, scores: &mut [[f32; L]]) {
    let mut max = lanes.max;
    for scores in scores.iter() {
        for l in 0..L {
            max[l] = if scores[l] > max[l] { scores[l] } else { max[l] };
        }
    }
    if max != lanes.max {
        let mut fade = [0.0; L];
        for l in 0..L {
            fade[l] = exp::<I>(lanes.max[l] - max[l]);
            lanes.sum[l] *= fade[l];
        }
        for gathered in &mut lanes.gathered {
            // Else the compiler takes a lane of many rows at a time, gathered and scattered, for five times as long.
            let gathered = black_box(gathered);
            for l in 0..L {
                gathered[l] *= fade[l];
            }
        }
        lanes.max = max;
    }
    let mut sum = lanes.sum;
    for scores in scores.iter_mut() {
        for l in 0..L {
            scores[l] = exp::<I>(scores[l] - max[l]);
            sum[l] += scores[l];
        }
    }
    lanes.sum = sum;
}
