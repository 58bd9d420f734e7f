//! Rotary positions over interleaved pairs: dimensions `2i` and `2i + 1` turn together.

use crate::pool;

/// Rows that one thread takes at a time.
const ROWS: usize = 8;

/// Cosines and sines for a run of rows: `pairs` of each per row.
#[derive(Debug, Clone)]
pub struct Rotation {
    pairs: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rotation {
    /// The angle of pair `i` at position `p` is `p * base^(-i / pairs)`. Computed in double precision: at position
    /// 8000 a single-precision angle is already off by half a thousandth.
    pub fn new(positions: &[usize], pairs: usize, base: f64) -> Self {
        let speeds: Vec<f64> = (0..pairs)
            .map(|i| base.powf(-(i as f64) / pairs as f64))
            .collect();
        let angles = positions
            .iter()
            .flat_map(|&p| speeds.iter().map(move |speed| p as f64 * speed));
        let (sin, cos) = angles
            .map(|angle| (angle.sin() as f32, angle.cos() as f32))
            .unzip();
        Self { pairs, cos, sin }
    }

    /// The cosines, row by row.
    pub fn cos(&self) -> &[f32] {
        &self.cos
    }

    /// The sines, row by row.
    pub fn sin(&self) -> &[f32] {
        &self.sin
    }
}

/// Which heads of a row turn: `heads` of them, `width` apart, the first at the row's start.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    pub heads: usize,
    pub width: usize,
}

/// Turns the first `2 * pairs` values of every head of every row; the rest of a head passes through.
/// `rows` are `stride` apart, and there are as many as the rotation was made for.
pub fn rotate(rows: &mut [f32], stride: usize, heads: Heads, rotation: &Rotation) {
    let pairs = rotation.pairs;
    let angles = rotation
        .cos
        .chunks(ROWS * pairs)
        .zip(rotation.sin.chunks(ROWS * pairs));
    let blocks = rows.chunks_mut(ROWS * stride).zip(angles);
    pool::for_each(blocks, |(rows, (cos, sin))| {
        let angles = cos.chunks(pairs).zip(sin.chunks(pairs));
        for (row, (cos, sin)) in rows.chunks_mut(stride).zip(angles) {
            rotate_row(row, heads, cos, sin);
        }
    });
}

fn rotate_row(row: &mut [f32], heads: Heads, cos: &[f32], sin: &[f32]) {
    for head in row.chunks_mut(heads.width).take(heads.heads) {
        for ((pair, &cos), &sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
            let [a, b] = *pair;
            *pair = [a * cos - b * sin, b * cos + a * sin];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_turn_by_position_and_the_rest_of_a_head_passes_through() {
        let (heads, width, pairs, stride) = (2, 8, 2, 20);
        let positions = [0usize, 5, 5, 8000];
        let given: Vec<f32> = (0..positions.len() * stride).map(|i| (i as f32).cos()).collect();
        let mut rows = given.clone();
        rotate(
            &mut rows,
            stride,
            Heads { heads, width },
            &Rotation::new(&positions, pairs, 40_000.0),
        );
        for (row, &position) in positions.iter().enumerate() {
            for head in 0..heads {
                let at = row * stride + head * width;
                for pair in 0..width / 2 {
                    let (a, b) = (
                        f64::from(given[at + 2 * pair]),
                        f64::from(given[at + 2 * pair + 1]),
                    );
                    let speed = if pair < pairs {
                        40_000f64.powf(-(pair as f64) / pairs as f64)
                    } else {
                        0.0
                    };
                    let (sin, cos) = (position as f64 * speed).sin_cos();
                    assert!((f64::from(rows[at + 2 * pair]) - (a * cos - b * sin)).abs() < 1e-6);
                    assert!((f64::from(rows[at + 2 * pair + 1]) - (b * cos + a * sin)).abs() < 1e-6);
                }
            }
            let tail = row * stride + heads * width;
            assert_eq!(rows[tail..(row + 1) * stride], given[tail..(row + 1) * stride]);
        }
    }
}
