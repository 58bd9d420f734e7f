//! A model of the right shape whose weights are noise: for measuring speed and memory, never for answers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use half::f16;
use kernels::quant::QuantType;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::{Progress, QuantiseError, about, mix::Mix, mix::plan};
use crate::config::Config;
use crate::gguf::{Described, TensorType, Value, header_of, write_header};

/// The key under which a file owns up to it.
pub const SYNTHETIC_KEY: &str = "glmhub.synthetic";

/// Whether a file says that its weights are noise.
pub fn is_synthetic(file: &Path) -> bool {
    let header = file.is_file().then(|| header_of(file).ok()).flatten();
    header.is_some_and(|(header, _)| header.values.get(SYNTHETIC_KEY) == Some(&Value::Bool(true)))
}

/// Rows that are written at one time.
const PORTION: usize = 64;

/// Writes a file `to` in the shape of `config`, a model whose texts stand at `texts`. Equal seeds give equal files.
pub fn synthesise(
    texts: &Path,
    config: &Config,
    to: &Path,
    mix: Mix,
    seed: u64,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<u64, QuantiseError> {
    let fail = |source| QuantiseError::File {
        path: to.to_owned(),
        source,
    };
    let mut values = about::values(texts, config, mix).map_err(fail)?;
    values.push((SYNTHETIC_KEY.to_owned(), Value::Bool(true)));
    let tensors: Vec<Described> = plan(config, mix).into_iter().map(|tensor| tensor.kept).collect();
    let mut out = BufWriter::new(File::create(to).map_err(fail)?);
    let layout = write_header(&mut out, &values, &tensors).map_err(fail)?;
    let mut noise = SmallRng::seed_from_u64(seed);
    let mut at = layout.header;
    for (number, tensor) in tensors.iter().enumerate() {
        at += write_noise(&mut out, tensor, &mut noise).map_err(fail)?;
        let end = layout.starts.get(number + 1).copied().unwrap_or(layout.end);
        io::copy(&mut io::Read::take(io::repeat(0), end - at), &mut out).map_err(fail)?;
        at = end;
        let told = Progress {
            tensor: &tensor.name,
            written: end,
            total: layout.end,
        };
        if progress(told).is_break() {
            return Err(QuantiseError::Stopped);
        }
    }
    out.flush().map_err(fail)?;
    Ok(layout.end)
}

/// Gives how many bytes were written.
fn write_noise(out: &mut impl Write, tensor: &Described, noise: &mut SmallRng) -> io::Result<u64> {
    let (rows, width) = (tensor.rows(), tensor.width());
    let sigma = 1.0 / (width as f32).sqrt();
    let mut written = 0;
    for first in (0..rows).step_by(PORTION) {
        let count = PORTION.min(rows - first) * width;
        let bytes = match tensor.kind {
            TensorType::Quant(kind) => blocks(kind, count, sigma, noise),
            // A norm of about one lets signals pass; other tables are small.
            TensorType::F32 => (0..count)
                .flat_map(|_| number(tensor, sigma, noise).to_le_bytes())
                .collect(),
            TensorType::Bf16 => (0..count)
                .flat_map(|_| half::bf16::from_f32(number(tensor, sigma, noise)).to_le_bytes())
                .collect(),
            TensorType::F16 => (0..count)
                .flat_map(|_| f16::from_f32(number(tensor, sigma, noise)).to_le_bytes())
                .collect(),
        };
        out.write_all(&bytes)?;
        written += bytes.len() as u64;
    }
    Ok(written)
}

fn number(tensor: &Described, sigma: f32, noise: &mut SmallRng) -> f32 {
    let spread = noise.random_range(-1.7f32..1.7);
    let norm = tensor.name.ends_with("norm.weight") || tensor.name.ends_with("norm1.weight");
    if norm { 1.0 + 0.02 * spread } else { sigma * spread }
}

/// Blocks whose numbers are noise and whose scales give values of zero mean and about `sigma`.
fn blocks(kind: QuantType, count: usize, sigma: f32, noise: &mut SmallRng) -> Vec<u8> {
    let mut bytes = vec![0u8; count / kind.block_values() * kind.block_bytes()];
    noise.fill(&mut bytes[..]);
    for block in bytes.chunks_exact_mut(kind.block_bytes()) {
        let mut half =
            |at: usize, value: f32| block[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
        match kind {
            // Numbers 0 to 15 have mean 7.5 and deviation 4.6; 0 to 31 15.5 and 9.2. All groups count 32 of 63.
            QuantType::Q4K | QuantType::Q5K => {
                let (mean, deviation) = if kind == QuantType::Q4K {
                    (7.5, 4.6)
                } else {
                    (15.5, 9.2)
                };
                let d = sigma / (32.0 * deviation);
                half(0, d);
                half(2, d * mean);
                block[4..16].copy_from_slice(&[32, 32, 32, 32, 32, 32, 32, 32, 0, 0, 0, 0]);
                for at in [4, 5, 6, 7, 8, 9, 10, 11] {
                    block[at] |= 2 << 6;
                }
            }
            // Numbers -32 to 31 have deviation 18.5.
            QuantType::Q6K => {
                half(208, sigma / (32.0 * 18.5));
                block[192..208].fill(32);
            }
            // Bytes have deviation 74.
            QuantType::Q8_0 => half(0, sigma / 74.0),
        }
    }
    bytes
}
