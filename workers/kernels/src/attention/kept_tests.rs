//! Attention over rows in few bits has the bits of attention over the same rows widened beforehand.

use super::tests::noise;
use super::*;
use half::f16;

/// The specification of what is kept: one value, or one block, after another.
trait Plain: Kept + PartialEq + std::fmt::Debug {
    fn plainly_kept(values: &[f32]) -> Self;
    fn plainly_widened(self, at: usize) -> f32;
}

impl Plain for f16 {
    fn plainly_kept(values: &[f32]) -> Self {
        f16::from_f32_const(values[0])
    }

    fn plainly_widened(self, _: usize) -> f32 {
        self.to_f32_const()
    }
}

impl Plain for Q8 {
    fn plainly_kept(values: &[f32]) -> Self {
        let largest = values.iter().map(|value| value.abs()).fold(0.0, f32::max);
        let scale = f16::from_f32_const(largest / 127.0);
        let inverse = match scale.to_f32_const() {
            0.0 => 0.0,
            scale => 1.0 / scale,
        };
        let mut block = Self::ZERO;
        block[..2].copy_from_slice(&scale.to_le_bytes());
        for (byte, value) in block[2..].iter_mut().zip(values) {
            *byte = ((value * inverse).round() as i8).max(-127).to_le_bytes()[0];
        }
        block
    }

    fn plainly_widened(self, at: usize) -> f32 {
        let scale = f16::from_le_bytes([self[0], self[1]]).to_f32_const();
        scale * f32::from(i8::from_le_bytes([self[2 + at]]))
    }
}

/// Rows of heads of `width` values as they are kept, and what these stand for, both by the specification.
fn plainly<T: Plain>(values: &[f32], width: usize) -> (Vec<T>, Vec<f32>) {
    let (mut kept, mut widened) = (Vec::new(), Vec::new());
    for head in values.chunks(width) {
        for values in head.chunks(T::VALUES) {
            let one = T::plainly_kept(values);
            kept.push(one);
            widened.extend((0..values.len()).map(|at| one.plainly_widened(at)));
        }
    }
    (kept, widened)
}

fn span<'a, T: Kept>(shape: Shape, [keys, values]: [&'a [T]; 2], from: usize, to: usize) -> Span<'a, T> {
    let stride = shape.key_heads * T::count(shape.width);
    let rows = |values: &'a [T]| Rows {
        values: &values[from * stride..],
        stride,
    };
    Span {
        keys: rows(keys),
        values: rows(values),
        rows: to - from,
    }
}

/// What queries give over a context in two spans, and the last of them over several contexts at once.
fn attended<T: Kept>(
    shape: Shape,
    context: [&[T]; 2],
    rows: usize,
    total: usize,
    mask: Mask,
) -> [Vec<u32>; 2] {
    let width = shape.heads * shape.width;
    let queries = noise(rows * width, 1);
    let cut = total / 3;
    let spans = [span(shape, context, 0, cut), span(shape, context, cut, total)];
    let rows_of = |values| Rows {
        values,
        stride: width,
    };
    let mut all = vec![f32::NAN; rows * width];
    attend(shape, rows_of(&queries), &spans, mask, &mut all);
    let contexts = [spans.to_vec(), spans[..1].to_vec(), spans[1..].to_vec()];
    let contexts: Vec<_> = contexts
        .into_iter()
        .filter(|spans| spans.iter().any(|span| span.rows > 0))
        .collect();
    let queries = noise(contexts.len() * width, 5);
    let mut each = vec![f32::NAN; contexts.len() * width];
    attend_each(shape, rows_of(&queries), &contexts, &mut each);
    for ((queries, spans), each) in queries.chunks(width).zip(&contexts).zip(each.chunks(width)) {
        let mut alone = vec![f32::NAN; width];
        attend(shape, rows_of(queries), spans, Mask::Causal, &mut alone);
        assert_eq!(alone, each, "alone and together");
    }
    [all, each].map(|out| out.into_iter().map(f32::to_bits).collect())
}

fn has_the_bits_of_widened_rows<T: Plain>() {
    for (key_heads, sharing, width, rows, total) in [
        (2, 16, 128, 1, 1),
        (2, 16, 128, 1, 900),
        (2, 16, 128, 3, 700),
        (3, 2, 12, 40, 500),
        (1, 1, 7, 1, 400),
        (2, 2, 40, 1, 97),
        (1, 40, 33, 2, 130),
    ] {
        let shape = Shape {
            heads: key_heads * sharing,
            key_heads,
            width,
        };
        let count = total * key_heads * width;
        let [keys, values] = [2, 3].map(|seed| {
            let values = noise(count, seed);
            let (expected, widened) = plainly::<T>(&values, width);
            let mut kept = vec![T::ZERO; expected.len()];
            keep(&values, width, &mut kept);
            assert!(kept == expected, "kept otherwise than told: heads of {width}");
            (kept, widened)
        });
        for mask in [Mask::Causal, Mask::Full] {
            let compact = attended(shape, [&keys.0[..], &values.0[..]], rows, total, mask);
            let wide = attended(shape, [&keys.1[..], &values.1[..]], rows, total, mask);
            assert_eq!(compact, wide, "{shape:?}, {rows} of {total}, {mask:?}");
        }
    }
}

#[test]
fn rows_in_f16_give_the_bits_of_the_same_rows_in_f32() {
    has_the_bits_of_widened_rows::<f16>();
}

#[test]
fn rows_in_q8_0_give_the_bits_of_the_same_rows_in_f32() {
    has_the_bits_of_widened_rows::<Q8>();
}

#[test]
fn every_half_is_widened_as_the_specification_says() {
    let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let mut widened = vec![0.0; halves.len()];
    f16::widen(&halves, &mut widened);
    for (half, widened) in halves.iter().zip(widened) {
        let expected = half.to_f32_const();
        assert!(
            widened.to_bits() == expected.to_bits() || widened.is_nan() && expected.is_nan(),
            "{:x}: {widened}, not {expected}",
            half.to_bits()
        );
    }
}

/// What goes wrong in a model has to be seen in its answer.
fn shows_what_is_not_finite<T: Kept>(values: [f32; 3]) {
    for value in values {
        let mut head = noise(40, 9);
        head[35] = value;
        let mut kept = vec![T::ZERO; T::count(40)];
        keep(&head, 40, &mut kept);
        T::widen(&kept, &mut head);
        assert!(!head[35].is_finite(), "{value} became {}", head[35]);
    }
}

#[test]
fn what_is_no_number_or_beyond_what_can_be_kept_does_not_become_a_number() {
    shows_what_is_not_finite::<f32>([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    shows_what_is_not_finite::<f16>([f32::NAN, f32::NEG_INFINITY, 70_000.0]);
    shows_what_is_not_finite::<Q8>([f32::NAN, f32::INFINITY, -1e9]);
}

#[test]
fn a_head_of_zeros_stays_one() {
    let mut kept = [Q8::ZERO; 2];
    keep(&[0.0; 40], 40, &mut kept);
    let mut widened = [1.0; 40];
    Q8::widen(&kept, &mut widened);
    assert_eq!(widened, [0.0; 40]);
}
