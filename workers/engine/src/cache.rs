//! What the language model remembers of the rows before: keys and values, per layer.
//!
//! Slots and positions are counted apart. Every row takes a slot; but all rows of an image share one position, so
//! after an image the next position is far below the next slot.
//!
//! Rows lie in segments. A fork shares its parent's segments and writes into new ones, so several questions on
//! one page share the page's rows without copying them.

use candle_core::{Result, Tensor};
use kernels::rope::Heads;

use crate::kv::KvType;
use crate::ops::{ContextRun, Ops};

/// Rows of a segment. Memory is taken in these steps.
const SEGMENT: usize = 256;

/// Keys and values of `rows` rows as they are kept: tensors of `SEGMENT` rows, filled from the start.
#[derive(Debug, Clone)]
struct Segment {
    keys: Tensor,
    values: Tensor,
    rows: usize,
    /// A fork may not write where its parent may.
    sealed: bool,
}

/// One layer's rows.
#[derive(Debug, Clone)]
pub struct LayerCache {
    /// Who computes with the rows: says where they lie, and in what.
    ops: Ops,
    heads: Heads,
    segments: Vec<Segment>,
}

/// The memory of one conversation.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<LayerCache>,
    slots: usize,
    position: usize,
}

impl Cache {
    /// An empty memory for `layers` layers with these heads of keys (and values).
    pub fn new(layers: usize, heads: Heads, ops: &Ops) -> Self {
        Self {
            layers: vec![
                LayerCache {
                    ops: ops.clone(),
                    heads,
                    segments: Vec::new()
                };
                layers
            ],
            slots: 0,
            position: 0,
        }
    }

    /// Rows remembered.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The position of the next row.
    pub fn position(&self) -> usize {
        self.position
    }

    /// A memory that begins with the same rows. Neither sees what the other adds.
    pub fn fork(&self) -> Self {
        let mut layers = self.layers.clone();
        for segment in layers.iter_mut().flat_map(|layer| &mut layer.segments) {
            segment.sealed = true;
        }
        Self {
            layers,
            slots: self.slots,
            position: self.position,
        }
    }

    /// The memory of layer `index`.
    pub fn layer(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// The rows of layer `index`, oldest first.
    pub fn context(&self, index: usize) -> Vec<ContextRun<'_>> {
        self.layers[index].context()
    }

    /// Bytes that `rows` rows take that are kept so: in whole segments, in each layer.
    pub fn bytes(rows: usize, layers: usize, heads: Heads, kept: KvType) -> u64 {
        let rows = 2 * rows.div_ceil(SEGMENT) * SEGMENT * layers;
        (rows * kept.row_bytes(heads)) as u64
    }

    /// Forgets rows that only some layers have taken in, because what computed them was broken off.
    pub fn rewind(&mut self) {
        for layer in &mut self.layers {
            layer.keep(self.slots);
        }
    }

    /// Counts rows at `positions` that every layer has taken in.
    pub fn advance(&mut self, positions: &[usize]) {
        self.slots += positions.len();
        if let Some(last) = positions.last() {
            self.position = last + 1;
        }
    }
}

impl LayerCache {
    /// Takes in rows: both `[rows, heads * width]`, contiguous.
    pub fn append(&mut self, keys: &Tensor, values: &Tensor) -> Result<()> {
        let (keys, values) = (
            self.ops.keep(keys, self.heads)?,
            self.ops.keep(values, self.heads)?,
        );
        let rows = keys.dim(0)?;
        let mut taken = 0;
        while taken < rows {
            let segment = self.open_segment()?;
            let fitting = (rows - taken).min(SEGMENT - segment.rows);
            segment
                .keys
                .slice_set(&keys.narrow(0, taken, fitting)?, 0, segment.rows)?;
            segment
                .values
                .slice_set(&values.narrow(0, taken, fitting)?, 0, segment.rows)?;
            segment.rows += fitting;
            taken += fitting;
        }
        Ok(())
    }

    /// Forgets what comes after the first `rows` rows.
    fn keep(&mut self, rows: usize) {
        let mut left = rows;
        self.segments.retain_mut(|segment| {
            segment.rows = segment.rows.min(left);
            left -= segment.rows;
            segment.rows > 0
        });
    }

    fn open_segment(&mut self) -> Result<&mut Segment> {
        if self
            .segments
            .last()
            .is_none_or(|last| last.sealed || last.rows == SEGMENT)
        {
            let (kept, device) = (self.ops.kept(), self.ops.device());
            let shape = (SEGMENT, kept.columns(self.heads));
            let zeros = || Tensor::zeros(shape, kept.dtype(), &device);
            self.segments.push(Segment {
                keys: zeros()?,
                values: zeros()?,
                rows: 0,
                sealed: false,
            });
        }
        let last = self.segments.len() - 1;
        Ok(&mut self.segments[last])
    }

    /// All rows, oldest first.
    pub fn context(&self) -> Vec<ContextRun<'_>> {
        let run = |segment| {
            let Segment {
                keys, values, rows, ..
            }: &Segment = segment;
            ContextRun {
                keys,
                key_column: 0,
                values,
                value_column: 0,
                rows: *rows,
            }
        };
        self.segments.iter().map(run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    const HEADS: Heads = Heads { heads: 1, width: 2 };

    fn cache(layers: usize) -> Cache {
        Cache::new(layers, HEADS, &Ops::Kernels(KvType::F32))
    }

    fn rows(from: usize, count: usize) -> Tensor {
        let values: Vec<f32> = (from..from + count)
            .flat_map(|row| [row as f32, -(row as f32)])
            .collect();
        Tensor::from_vec(values, (count, 2), &Device::Cpu).unwrap()
    }

    /// The first value of every remembered key.
    fn remembered(cache: &mut Cache) -> Vec<f32> {
        let firsts = cache.layer(0).context().into_iter().flat_map(|run| {
            let keys: Vec<Vec<f32>> = run.keys.narrow(0, 0, run.rows).unwrap().to_vec2().unwrap();
            keys.into_iter().map(|key| key[0])
        });
        firsts.collect()
    }

    fn take(cache: &mut Cache, from: usize, count: usize) {
        cache
            .layer(0)
            .append(&rows(from, count), &rows(from, count))
            .unwrap();
        cache.advance(&(from..from + count).collect::<Vec<_>>());
    }

    fn counted(from: usize, to: usize) -> Vec<f32> {
        (from..to).map(|row| row as f32).collect()
    }

    #[test]
    fn rows_come_back_in_order_over_several_segments() {
        let mut cache = cache(1);
        for (from, count) in [(0, 3), (3, 600), (603, 1)] {
            take(&mut cache, from, count);
        }
        assert_eq!(remembered(&mut cache), counted(0, 604));
        assert_eq!(cache.slots(), 604);
    }

    #[test]
    fn forks_share_what_was_before_and_nothing_after() {
        let mut parent = cache(1);
        take(&mut parent, 0, 300);
        let (mut first, mut second) = (parent.fork(), parent.fork());
        take(&mut first, 300, 400);
        take(&mut second, 1000, 2);
        take(&mut parent, 2000, 1);
        assert_eq!(remembered(&mut first), counted(0, 700));
        assert_eq!(
            remembered(&mut second),
            [counted(0, 300), counted(1000, 1002)].concat()
        );
        assert_eq!(
            remembered(&mut parent),
            [counted(0, 300), counted(2000, 2001)].concat()
        );
    }

    #[test]
    fn what_only_some_layers_have_taken_in_is_forgotten() {
        for before in [3, 256, 300] {
            let mut parent = cache(2);
            for layer in [0, 1] {
                parent
                    .layer(layer)
                    .append(&rows(0, before), &rows(0, before))
                    .unwrap();
            }
            parent.advance(&(0..before).collect::<Vec<_>>());
            let mut fork = parent.fork();
            fork.layer(0).append(&rows(900, 1), &rows(900, 1)).unwrap();
            fork.rewind();
            assert_eq!(remembered(&mut fork), counted(0, before));
            take(&mut fork, before, 2);
            assert_eq!(remembered(&mut fork), counted(0, before + 2));
            assert_eq!(remembered(&mut parent), counted(0, before));
        }
    }

    #[test]
    fn memory_is_counted_in_whole_segments_of_each_layer() {
        // The published model: 40 layers, two key heads of 128 values.
        let heads = Heads { heads: 2, width: 128 };
        for (kept, token) in KvType::ALL.into_iter().zip([81_920, 40_960, 21_760]) {
            let bytes = |rows| Cache::bytes(rows, 40, heads, kept);
            assert_eq!(bytes(256), 256 * token);
            assert_eq!((bytes(0), bytes(1), bytes(257)), (0, bytes(256), 2 * bytes(256)));
        }
    }

    #[test]
    fn rows_take_the_memory_that_was_counted_for_them() {
        let heads = Heads { heads: 2, width: 40 };
        for kept in KvType::ALL {
            for rows in [1, 256, 300] {
                let mut cache = Cache::new(1, heads, &Ops::Kernels(kept));
                let values = Tensor::ones((rows, 80), DType::F32, &Device::Cpu).unwrap();
                cache.layer(0).append(&values, &values).unwrap();
                let taken = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
                let each = cache.layers[0].segments.iter();
                let taken: usize = each
                    .map(|segment| taken(&segment.keys) + taken(&segment.values))
                    .sum();
                assert_eq!(taken as u64, Cache::bytes(rows, 1, heads, kept), "{kept}");
            }
        }
    }

    #[test]
    fn slots_and_positions_are_counted_apart() {
        let mut cache = cache(1);
        cache.advance(&[0, 1, 2, 2, 2, 2, 3]);
        assert_eq!((cache.slots(), cache.position()), (7, 4));
    }
}
