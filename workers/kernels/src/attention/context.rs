//! A tile of the context of one key head, as the innermost loop takes it.

use super::Span;
use crate::micro::Factors;

/// Rows whose values are taken panel by panel before the next ones. They are a power of two apart, so that no more of them
/// find room in the nearest cache, and a line of it serves two panels.
const RUN: usize = 32;

/// Context rows of one key head.
pub(super) trait Context<const R: usize> {
    /// The keys of the rows of panel number `panel`, along their width.
    fn keys(&self, panel: usize) -> Factors<'_, R>;
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
}

impl<'a> InPlace<'a> {
    /// The `length` context rows of head `head` from `start` on.
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
        }
    }

    /// The span of a row of the tile, and the row's number there.
    #[inline(always)]
    fn find(&self, row: usize) -> (&'a Span<'a>, usize) {
        let mut at = self.start + row.min(self.length - 1);
        for span in self.spans {
            if at < span.rows {
                return (span, at);
            }
            at -= span.rows;
        }
        unreachable!("a tile has only rows of the context")
    }
}

impl<const R: usize> Context<R> for InPlace<'_> {
    /// Where fewer rows are left the last stands for the others: their scores are never read.
    #[inline(always)]
    fn keys(&self, panel: usize) -> Factors<'_, R> {
        Factors::of_rows(std::array::from_fn(|row| {
            let (span, at) = self.find(panel * R + row);
            span.keys.part(at, self.column, self.width)
        }))
    }

    #[inline(always)]
    fn run(&self, row: usize) -> usize {
        let (span, at) = self.find(row);
        RUN.min(span.rows - at)
    }

    #[inline(always)]
    fn values(&self, panel: usize, row: usize) -> Factors<'_, R> {
        let (span, at) = self.find(row);
        let first = at * span.values.stride + self.column + panel * R;
        Factors::of_columns(&span.values.values[first..], span.values.stride)
    }
}
