//! A tile of the context of one key head, as the innermost loop takes it.

use super::Span;
use crate::micro::{Factors, ask_for};

/// Rows whose values are taken panel by panel before the next ones. They are a power of two apart, so that no more of them
/// find room in the nearest cache, and a line of it serves two panels.
const RUN: usize = 32;

/// Panels of keys that are on their way while one is at work.
const AHEAD: usize = 2;

/// Context rows of one key head.
pub(super) trait Context<const R: usize> {
    /// The keys of the rows of panel number `panel`, along their width.
    fn keys(&self, panel: usize) -> Factors<'_, R>;
    /// Asks memory for what follows the keys of panel number `panel`.
    fn ask_ahead(&self, _panel: usize) {}
    /// How many rows to take from row `row` on before the next ones.
    fn run(&self, row: usize) -> usize;
    /// The columns of panel number `panel` of the values of row `row` and of its run.
    fn values(&self, panel: usize, row: usize) -> Factors<'_, R>;
}

/// Context rows where they lie: laying them out in panels takes longer than a few queries take to pass over them. Heads are
/// as wide as whole panels.
pub(super) struct InPlace<'a> {
    spans: &'a [Span<'a>],
    column: usize,
    width: usize,
    start: usize,
    length: usize,
    near: bool,
}

impl<'a> InPlace<'a> {
    /// The `length` context rows of head `head` from `start` on, which come from memory.
    pub(super) fn of(spans: &'a [Span<'a>], head: usize, width: usize, start: usize, length: usize) -> Self {
        let (mut spans, mut start) = (spans, start);
        while let Some((first, rest)) = spans.split_first()
            && first.rows <= start
        {
            start -= first.rows;
            spans = rest;
        }
        Self {
            spans,
            column: head * width,
            width,
            start,
            length,
            near: false,
        }
    }

    /// The same rows where they may be in the nearest caches already: then memory is not asked for them.
    pub(super) fn near(self, near: bool) -> Self {
        Self { near, ..self }
    }

    /// The span of a row, counted from the tile's first, and the row's number there.
    #[inline(always)]
    fn find(&self, row: usize) -> Option<(&'a Span<'a>, usize)> {
        let mut at = self.start + row;
        for span in self.spans {
            if at < span.rows {
                return Some((span, at));
            }
            at -= span.rows;
        }
        None
    }

    /// The same of a row of the tile; the last stands for those that are not there.
    #[inline(always)]
    fn of_tile(&self, row: usize) -> (&'a Span<'a>, usize) {
        match self.find(row.min(self.length - 1)) {
            Some(found) => found,
            None => unreachable!("a tile has only rows of the context"),
        }
    }
}

impl<const R: usize> Context<R> for InPlace<'_> {
    /// Where fewer rows are left the last stands for the others: their scores are never read.
    #[inline(always)]
    fn keys(&self, panel: usize) -> Factors<'_, R> {
        Factors::of_rows(std::array::from_fn(|row| {
            let (span, at) = self.of_tile(panel * R + row);
            span.keys.part(at, self.column, self.width)
        }))
    }

    /// Rows lie apart, and there are too few values side by side for the processor to see what comes next.
    #[inline(always)]
    fn ask_ahead(&self, panel: usize) {
        if self.near {
            return;
        }
        for row in panel * R..(panel + 1) * R {
            let (span, at) = self.of_tile(row);
            ask_for(span.values.part(at, self.column, self.width));
            if let Some((span, at)) = self.find(row + AHEAD * R) {
                ask_for(span.keys.part(at, self.column, self.width));
            }
        }
    }

    #[inline(always)]
    fn run(&self, row: usize) -> usize {
        let (span, at) = self.of_tile(row);
        RUN.min(span.rows - at)
    }

    #[inline(always)]
    fn values(&self, panel: usize, row: usize) -> Factors<'_, R> {
        let (span, at) = self.of_tile(row);
        let first = at * span.values.stride + self.column + panel * R;
        Factors::of_columns(&span.values.values[first..], span.values.stride)
    }
}
