//! Which small whole numbers stand best for given values.
//!
//! The error that is made small is the weighted sum of squares. Whole numbers and the real numbers that they count in
//! are found in turns: with the numbers fixed, the best scale and minimum are a least-squares solution; with those
//! fixed, the best numbers are the nearest. Several beginnings are tried, since turns end in the nearest hollow.

use super::{BLOCK, bits::put_step, groups};

/// Values that share a scale and a minimum.
pub(super) const AFFINE_GROUP: usize = 32;
/// How often numbers and scale are found in turns.
const TURNS: usize = 4;
/// Six bits.
const MOST_COUNTED: f32 = 63.0;

/// How much the error of each value counts: as told, or as the usual size of its group and half of its own. Where all count
/// alike answers go further astray, where the own size counts in full more is lost on average.
pub(super) fn weights<const G: usize>(values: &[f32], importance: Option<&[f32]>) -> [f32; BLOCK] {
    let mut weights = [0.0; BLOCK];
    for (group, (values, weights)) in values
        .as_chunks::<G>()
        .0
        .iter()
        .zip(weights.as_chunks_mut::<G>().0)
        .enumerate()
    {
        let usual = (values.iter().map(|value| value * value).sum::<f32>() / G as f32).sqrt();
        for (place, (weight, value)) in weights.iter_mut().zip(values).enumerate() {
            let told = importance.map_or(1.0, |importance| importance[group * G + place]);
            // A weight of zero everywhere would leave the solution open.
            *weight = told * (usual + 0.5 * value.abs()) + f32::MIN_POSITIVE;
        }
    }
    weights
}

/// A scale and a minimum: `x` is about `scale * q - min`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Affine {
    scale: f32,
    min: f32,
}

impl Affine {
    fn number(self, value: f32, most: f32) -> f32 {
        if self.scale > 0.0 {
            ((value + self.min) / self.scale).round().clamp(0.0, most)
        } else {
            0.0
        }
    }

    fn error<const G: usize>(self, values: &[f32; G], weights: &[f32; G], most: f32) -> f32 {
        let each = |(&value, &weight): (&f32, &f32)| {
            let off = self.scale * self.number(value, most) - self.min - value;
            weight * off * off
        };
        values.iter().zip(weights).map(each).sum()
    }

    /// The best scale and minimum for the numbers that these give; the minimum stays at zero or above, since it is
    /// stored without a sign.
    fn refined<const G: usize>(self, values: &[f32; G], weights: &[f32; G], most: f32) -> Option<Affine> {
        let (mut total, mut of_q, mut of_qq, mut of_x, mut of_qx) = (0f32, 0f32, 0f32, 0f32, 0f32);
        for (&value, &weight) in values.iter().zip(weights) {
            let q = self.number(value, most);
            total += weight;
            of_q += weight * q;
            of_qq += weight * q * q;
            of_x += weight * value;
            of_qx += weight * q * value;
        }
        let determinant = total * of_qq - of_q * of_q;
        let free = Affine {
            scale: (total * of_qx - of_q * of_x) / determinant,
            min: (of_q * of_qx - of_qq * of_x) / determinant,
        };
        if determinant > 0.0 && free.min >= 0.0 && free.scale > 0.0 {
            return Some(free);
        }
        (of_qq > 0.0 && of_qx > 0.0).then(|| Affine {
            scale: of_qx / of_qq,
            min: 0.0,
        })
    }
}

fn affine<const G: usize>(values: &[f32; G], weights: &[f32; G], most: f32) -> Affine {
    let lowest = values.iter().fold(0f32, |lowest, &value| lowest.min(value));
    let highest = values.iter().fold(lowest, |highest, &value| highest.max(value));
    let span = highest - lowest;
    if span <= 0.0 {
        return Affine {
            scale: 0.0,
            min: -lowest,
        };
    }
    let mut best = (f32::INFINITY, Affine { scale: 0.0, min: 0.0 });
    for shrink in [1.0, 0.95, 0.9, 0.85, 0.78, 1.05] {
        let mut tried = Affine {
            scale: span * shrink / most,
            min: -lowest * shrink,
        };
        for _ in 0..TURNS {
            let error = tried.error(values, weights, most);
            if error < best.0 {
                best = (error, tried);
            }
            match tried.refined(values, weights, most) {
                Some(next) if next != tried => tried = next,
                _ => break,
            }
        }
    }
    best.1
}

/// The numbers of a block in groups of 32, each 0 to `most`. Writes the block's scale and minimum and its groups' into
/// `head`.
pub(super) fn affine_block(values: &[f32], weights: &[f32; BLOCK], most: u8, head: &mut [u8]) -> [u8; BLOCK] {
    let most = f32::from(most);
    let mut fits = [Affine { scale: 0.0, min: 0.0 }; groups::GROUPS];
    let (values, weights) = (
        values.as_chunks::<AFFINE_GROUP>().0,
        weights.as_chunks::<AFFINE_GROUP>().0,
    );
    for ((fit, values), weights) in fits.iter_mut().zip(values).zip(weights) {
        *fit = affine(values, weights, most);
    }
    let largest = |of: fn(&Affine) -> f32| fits.iter().map(of).fold(0f32, f32::max);
    let d = put_step(head, 0, largest(|fit| fit.scale), MOST_COUNTED);
    let dmin = put_step(head, 2, largest(|fit| fit.min), MOST_COUNTED);
    let (mut scales, mut mins, mut q) = ([0; groups::GROUPS], [0; groups::GROUPS], [0; BLOCK]);
    for (group, q) in q.as_chunks_mut::<AFFINE_GROUP>().0.iter_mut().enumerate() {
        let (scale, min, fit) = counted(fits[group], d, dmin, &values[group], &weights[group], most);
        (scales[group], mins[group]) = (scale, min);
        for (q, &value) in q.iter_mut().zip(&values[group]) {
            *q = fit.number(value, most) as u8;
        }
    }
    groups::pack(&scales, &mins, &mut head[4..4 + groups::BYTES]);
    q
}

/// The best of the whole numbers around a fit.
fn counted<const G: usize>(
    fit: Affine,
    d: f32,
    dmin: f32,
    values: &[f32; G],
    weights: &[f32; G],
    most: f32,
) -> (u8, u8, Affine) {
    let nearest = |value: f32, unit: f32| if unit > 0.0 { (value / unit).round() } else { 0.0 };
    let (scale, min) = (nearest(fit.scale, d), nearest(fit.min, dmin));
    let mut best = (f32::INFINITY, 0, 0, Affine { scale: 0.0, min: 0.0 });
    for scale in [scale, scale - 1.0, scale + 1.0] {
        for min in [min, min - 1.0, min + 1.0] {
            if !(0.0..=MOST_COUNTED).contains(&scale) || !(0.0..=MOST_COUNTED).contains(&min) {
                continue;
            }
            let tried = Affine {
                scale: d * scale,
                min: dmin * min,
            };
            let error = tried.error(values, weights, most);
            if error < best.0 {
                best = (error, scale as u8, min as u8, tried);
            }
        }
    }
    (best.1, best.2, best.3)
}

/// The best scale for numbers from `-range` to `range - 1`; negative where the value that reaches farthest is above
/// zero, since the range reaches one further below.
pub(super) fn symmetric<const G: usize>(values: &[f32; G], weights: &[f32; G], range: i32) -> f32 {
    let range = range as f32;
    let farthest = values.iter().copied().fold(0f32, |farthest, value| {
        if value.abs() > farthest.abs() {
            value
        } else {
            farthest
        }
    });
    if farthest == 0.0 {
        return 0.0;
    }
    let number = |value: f32, scale: f32| (value / scale).round().clamp(-range, range - 1.0);
    let mut best = (f32::INFINITY, 0.0);
    for reach in [0.0, -0.5, 0.5, -1.0, 1.0, 1.5, -1.5, 2.0] {
        let mut scale = farthest / -(range + reach);
        for _ in 0..TURNS {
            let (mut error, mut of_qx, mut of_qq) = (0f32, 0f32, 0f32);
            for (&value, &weight) in values.iter().zip(weights) {
                let q = number(value, scale);
                error += weight * (scale * q - value) * (scale * q - value);
                of_qx += weight * q * value;
                of_qq += weight * q * q;
            }
            if error < best.0 {
                best = (error, scale);
            }
            let next = of_qx / of_qq;
            if of_qq <= 0.0 || next == scale || next == 0.0 {
                break;
            }
            scale = next;
        }
    }
    best.1
}
