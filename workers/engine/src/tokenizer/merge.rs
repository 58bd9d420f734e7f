//! Byte pair merging by rank: the adjacent pair whose union has the lowest rank is merged first, the
//! leftmost of equals, until no union has a rank.
//!
//! Pairs wait in a heap, so a long piece costs n log n. A merge leaves stale pairs in the heap; they are
//! recognised when they come out, because their ends no longer meet two adjacent parts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ranks::Ranks;

/// Marks a start that was merged into the part on its left.
const GONE: usize = usize::MAX;

/// The parts of a piece as a linked list over their start positions.
struct Parts {
    /// `end[s]`: where the part that starts at `s` ends, or [`GONE`].
    end: Vec<usize>,
    /// `before[s]`: the start of the part before the one that starts at `s`.
    before: Vec<usize>,
}

impl Parts {
    fn of_bytes(length: usize) -> Parts {
        Parts {
            end: (1..=length).collect(),
            before: (0..length).map(|start| start.saturating_sub(1)).collect(),
        }
    }

    /// The end of the pair that starts at `start`, if there is a part behind it.
    fn pair_end(&self, start: usize) -> Option<usize> {
        let middle = self.end[start];
        (middle != GONE).then(|| self.end.get(middle).copied()).flatten()
    }

    fn join(&mut self, start: usize) {
        let middle = self.end[start];
        let end = self.end[middle];
        self.end[middle] = GONE;
        self.end[start] = end;
        if let Some(before) = self.before.get_mut(end) {
            *before = start;
        }
    }
}

/// Appends the ids of `piece` to `ids`.
pub(super) fn merge_into(ids: &mut Vec<u32>, piece: &[u8], ranks: &Ranks) {
    let mut parts = Parts::of_bytes(piece.len());
    let mut waiting = BinaryHeap::with_capacity(piece.len());
    let offer = |waiting: &mut BinaryHeap<_>, parts: &Parts, start: usize| {
        if let Some(end) = parts.pair_end(start)
            && let Some(rank) = ranks.of(&piece[start..end])
        {
            waiting.push(Reverse((rank, start, end)));
        }
    };
    for start in 0..piece.len() {
        offer(&mut waiting, &parts, start);
    }
    while let Some(Reverse((_, start, end))) = waiting.pop() {
        if parts.pair_end(start) != Some(end) {
            continue;
        }
        parts.join(start);
        offer(&mut waiting, &parts, start);
        if start > 0 {
            offer(&mut waiting, &parts, parts.before[start]);
        }
    }
    let mut start = 0;
    while start < piece.len() {
        let end = parts.end[start];
        ids.extend(ranks.of(&piece[start..end]));
        start = end;
    }
}
