use super::*;
use proptest::prelude::*;

/// The specification: one query and head at a time, in double precision, all scores at once.
fn plain(shape: Shape, queries: &[f32], keys: &[f32], values: &[f32], mask: Mask) -> Vec<f64> {
    let Shape {
        heads,
        key_heads,
        width,
    } = shape;
    let rows = queries.len() / (heads * width);
    let total = keys.len() / (key_heads * width);
    let mut out = vec![0.0; rows * heads * width];
    for row in 0..rows {
        let visible = if mask == Mask::Full {
            total
        } else {
            total - rows + row + 1
        };
        for head in 0..heads {
            let query = &queries[(row * heads + head) * width..][..width];
            let at = |index: usize| (index * key_heads + head / (heads / key_heads)) * width;
            let scores: Vec<f64> = (0..visible)
                .map(|index| {
                    let key = &keys[at(index)..][..width];
                    let dot: f64 = query
                        .iter()
                        .zip(key)
                        .map(|(&q, &k)| f64::from(q) * f64::from(k))
                        .sum();
                    dot / (width as f64).sqrt()
                })
                .collect();
            let max = scores.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for (index, weight) in weights.iter().enumerate() {
                for column in 0..width {
                    out[(row * heads + head) * width + column] +=
                        weight / sum * f64::from(values[at(index) + column]);
                }
            }
        }
    }
    out
}

pub(super) fn noise(count: usize, seed: usize) -> Vec<f32> {
    let mut state = seed as u64 * 2 + 1;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 * 2.0 - 2.0
        })
        .collect()
}

pub(super) struct Case {
    shape: Shape,
    rows: usize,
    total: usize,
    mask: Mask,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Case {
    fn new(shape: Shape, rows: usize, total: usize, mask: Mask) -> Self {
        let context = total * shape.key_heads * shape.width;
        let queries = noise(rows * shape.heads * shape.width, 1);
        Self {
            shape,
            rows,
            total,
            mask,
            queries,
            keys: noise(context, 2),
            values: noise(context, 3),
        }
    }

    pub(super) fn over_everything(shape: Shape, rows: usize, total: usize) -> Self {
        Self::new(shape, rows, total, Mask::Full)
    }

    pub(super) fn attended_rounded(&self) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.queries.len()];
        let stride = self.shape.heads * self.shape.width;
        let values = &self.queries;
        let context = RoundedContext::of(self.shape, self.span(0..self.total));
        context.attend(Rows { values, stride }, &mut out);
        out
    }

    fn span(&self, rows: std::ops::Range<usize>) -> Span<'_> {
        let stride = self.shape.key_heads * self.shape.width;
        let part = rows.start * stride..rows.end * stride;
        Span {
            keys: Rows {
                values: &self.keys[part.clone()],
                stride,
            },
            values: Rows {
                values: &self.values[part],
                stride,
            },
            rows: rows.len(),
        }
    }

    fn attended<const R: usize, const L: usize>(&self, cut: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.queries.len()];
        let spans = [self.span(0..cut), self.span(cut..self.total)];
        let queries = Rows {
            values: &self.queries,
            stride: self.shape.heads * self.shape.width,
        };
        let Self {
            shape,
            rows,
            total,
            mask,
            ..
        } = *self;
        attend_by::<R, L, _>(
            &Call {
                shape,
                queries,
                rows,
                total,
                mask,
            },
            &spans,
            &mut out,
        );
        out
    }

    fn agrees(&self, out: &[f32]) {
        self.agrees_within(out, 1e-5);
    }

    pub(super) fn agrees_within(&self, out: &[f32], bound: f64) {
        let exact = plain(self.shape, &self.queries, &self.keys, &self.values, self.mask);
        for (index, (&out, exact)) in out.iter().zip(exact).enumerate() {
            assert!(
                (f64::from(out) - exact).abs() < bound,
                "at {index}: {exact}, got {out}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn tiles_agree_with_the_plain_softmax(
        key_heads in 1usize..4, sharing in 1usize..4, width in 1usize..40,
        rows in 1usize..150, before in 0usize..700, causal: bool,
    ) {
        let shape = Shape { heads: key_heads * sharing, key_heads, width };
        let mask = if causal { Mask::Causal } else { Mask::Full };
        let case = Case::new(shape, rows, before + rows, mask);
        case.agrees(&case.attended::<8, 32>(before));
        case.agrees(&case.attended::<6, 16>(before));
        case.agrees(&case.attended::<4, 8>(before));
    }
}

#[test]
fn one_query_row_agrees_over_several_shares_of_the_context() {
    let case = Case::new(
        Shape {
            heads: 8,
            key_heads: 2,
            width: 24,
        },
        1,
        3 * SHARE + 5,
        Mask::Causal,
    );
    case.agrees(&case.attended::<8, 32>(100));
}

#[test]
fn where_the_context_is_cut_changes_no_bit() {
    for rows in [1, 70] {
        let case = Case::new(
            Shape {
                heads: 4,
                key_heads: 2,
                width: 20,
            },
            rows,
            500,
            Mask::Causal,
        );
        let whole = case.attended::<8, 32>(0);
        for cut in [1, 95, 96, 250, 500] {
            assert_eq!(whole, case.attended::<8, 32>(cut));
        }
    }
}

#[test]
fn large_scores_neither_overflow_nor_lose_the_winner() {
    let mut case = Case::new(
        Shape {
            heads: 1,
            key_heads: 1,
            width: 4,
        },
        40,
        200,
        Mask::Full,
    );
    case.keys.iter_mut().for_each(|key| *key *= 500.0);
    // Scores near 2000 carry only four decimals.
    case.agrees_within(&case.attended::<8, 32>(0), 1e-3);
}
