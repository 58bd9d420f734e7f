//! Rows of numbers in double precision.

pub type Rows = Vec<Vec<f64>>;

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn sum(a: &Rows, b: &Rows) -> Rows {
    a.iter()
        .zip(b)
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect())
        .collect()
}

pub(super) fn map(rows: &Rows, f: impl Fn(f64) -> f64) -> Rows {
    rows.iter()
        .map(|row| row.iter().map(|&x| f(x)).collect())
        .collect()
}

pub(super) fn gated(gate: &Rows, up: &Rows) -> Rows {
    let one = |(gate, up): (&f64, &f64)| gate / (1.0 + (-gate).exp()) * up;
    gate.iter()
        .zip(up)
        .map(|(gate, up)| gate.iter().zip(up).map(one).collect())
        .collect()
}

/// The Gauss error function by its power series, which converges everywhere.
pub(super) fn gelu(x: f64) -> f64 {
    let z = x / 2f64.sqrt();
    if z.abs() > 5.0 {
        return if z > 0.0 { x } else { 0.0 };
    }
    let (mut term, mut total) = (z, z);
    for n in 1..150 {
        term *= -z * z / f64::from(n);
        total += term / f64::from(2 * n + 1);
    }
    x * 0.5 * (1.0 + total * 2.0 / std::f64::consts::PI.sqrt())
}

/// Squares of 2x2 patches; inside a row channel, row, column.
pub(super) fn squares(patches: &[Vec<f64>], grid: usize) -> Rows {
    let one = |square: usize| {
        let (top, left) = (square / (grid / 2) * 2, square % (grid / 2) * 2);
        let at = |channel: usize, place: usize| patches[(top + place / 2) * grid + left + place % 2][channel];
        (0..patches[0].len())
            .flat_map(|channel| (0..4).map(move |place| at(channel, place)))
            .collect()
    };
    (0..(grid / 2) * (grid / 2)).map(one).collect()
}

/// Rows of queries, keys and values to rows of averages.
pub(super) fn attention(qkv: &Rows, heads: usize, key_heads: usize, width: usize, causal: bool) -> Rows {
    let one = |(row, queries): (usize, &Vec<f64>)| {
        let seen = if causal { &qkv[..=row] } else { &qkv[..] };
        let mut out = Vec::new();
        for head in 0..heads {
            let key_at = (heads + head / (heads / key_heads)) * width;
            let value_at = key_at + key_heads * width;
            let query = &queries[head * width..][..width];
            let scores: Vec<f64> = seen
                .iter()
                .map(|row| dot(query, &row[key_at..][..width]) / (width as f64).sqrt())
                .collect();
            let max = scores.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
            let total: f64 = weights.iter().sum();
            for column in 0..width {
                out.push(
                    weights
                        .iter()
                        .zip(seen)
                        .map(|(weight, row)| weight / total * row[value_at + column])
                        .sum(),
                );
            }
        }
        out
    };
    qkv.iter().enumerate().map(one).collect()
}
