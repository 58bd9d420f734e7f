//! From an upright page to the tower's input: resize and normalise.
//!
//! The model learned from images that Pillow shrank with its bicubic filter, so the resize equals Pillow's
//! (up to version 12) to the bit: weights in fixed point with 22 fractional bits, the horizontal pass
//! first, its outcome rounded to eight bits, then the vertical pass.

use kernels::pool;
use pages::RgbPage;

const CHANNELS: usize = 3;
/// Fractional bits of a weight.
const PRECISION: u32 = 22;
/// Reach of the cubic kernel, in pixels of the coarser side.
const SUPPORT: f64 = 2.0;
const MEAN: [f32; CHANNELS] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const DEVIATION: [f32; CHANNELS] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// `page` at exactly `width` x `height`, whatever its aspect ratio was. An axis that fits is left alone.
pub fn resize_bicubic(page: &RgbPage, width: u32, height: u32) -> RgbPage {
    let across = (page.width != width).then(|| resize_across(page, width));
    let page = across.as_ref().unwrap_or(page);
    if page.height == height {
        page.clone()
    } else {
        resize_down(page, height)
    }
}

/// The tower's input: `(x / 255 - mean) / deviation` in f32, channel by channel, each row-major.
pub fn to_pixel_values(page: &RgbPage) -> Vec<f32> {
    let mut values = Vec::with_capacity(page.pixels.len());
    for channel in 0..CHANNELS {
        let samples = page.pixels.iter().skip(channel).step_by(CHANNELS);
        values.extend(samples.map(|&x| (f32::from(x) / 255.0 - MEAN[channel]) / DEVIATION[channel]));
    }
    values
}

fn resize_across(page: &RgbPage, width: u32) -> RgbPage {
    let taps = taps(page.width, width);
    let row_length = page.width as usize * CHANNELS;
    let mut pixels = vec![0; width as usize * page.height as usize * CHANNELS];
    let targets = pixels.chunks_mut((width as usize * CHANNELS).max(1));
    let rows = page.pixels.chunks(row_length.max(1));
    pool::for_each(targets.zip(rows), |(target, row)| {
        for (pixel, taps) in target.chunks_exact_mut(CHANNELS).zip(&taps) {
            for (channel, sample) in pixel.iter_mut().enumerate() {
                let window = row[taps.first * CHANNELS + channel..].iter().step_by(CHANNELS);
                *sample = weigh(window, &taps.weights);
            }
        }
    });
    RgbPage {
        width,
        height: page.height,
        pixels,
    }
}

fn resize_down(page: &RgbPage, height: u32) -> RgbPage {
    let taps = taps(page.height, height);
    let row_length = page.width as usize * CHANNELS;
    let mut pixels = vec![0; row_length * height as usize];
    let targets = pixels.chunks_mut(row_length.max(1));
    pool::for_each(targets.zip(&taps), |(target, taps)| {
        for (column, sample) in target.iter_mut().enumerate() {
            let window = page.pixels[taps.first * row_length + column..]
                .iter()
                .step_by(row_length);
            *sample = weigh(window, &taps.weights);
        }
    });
    RgbPage {
        width: page.width,
        height,
        pixels,
    }
}

/// The input samples that make one output sample: from `first` on, one per weight.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The taps of every output position of an axis that goes from `from` to `to` samples.
fn taps(from: u32, to: u32) -> Vec<Taps> {
    let scale = f64::from(from) / f64::from(to);
    let stretch = scale.max(1.0);
    let support = SUPPORT * stretch;
    let of_position = |position: u32| {
        let centre = (f64::from(position) + 0.5) * scale;
        let first = ((centre - support + 0.5) as i64).max(0);
        let end = ((centre + support + 0.5) as i64).min(i64::from(from));
        let per_pixel = 1.0 / stretch;
        let mut weights: Vec<f64> = (0..end - first)
            .map(|offset| cubic(((offset + first) as f64 - centre + 0.5) * per_pixel))
            .collect();
        let sum: f64 = weights.iter().sum();
        if sum != 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        Taps {
            first: first as usize,
            weights: weights.into_iter().map(to_fixed_point).collect(),
        }
    };
    (0..to).map(of_position).collect()
}

/// Keys' cubic kernel with a = -0.5, in the order of operations that the reference rounds in.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Rounds half away from zero.
fn to_fixed_point(weight: f64) -> i32 {
    let half = if weight < 0.0 { -0.5 } else { 0.5 };
    (weight * f64::from(1 << PRECISION) + half) as i32
}

fn weigh<'s>(samples: impl Iterator<Item = &'s u8>, weights: &[i32]) -> u8 {
    let half = 1 << (PRECISION - 1);
    let sum: i32 = samples
        .zip(weights)
        .map(|(&sample, &weight)| i32::from(sample) * weight)
        .sum();
    ((half + sum) >> PRECISION).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests;
