//! Makes a file in few bits from a checkpoint.
//!
//! Tensors are read, quantised and written one after the other in blocks of rows, so that memory stays small however
//! large the model is. The file grows under another name until it is whole; a run that was cut off goes on after the
//! last tensor that it had finished.

mod about;
mod mix;
mod synthetic;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use about::ARCHITECTURE;
pub use mix::{BadMix, Mix, Planned, plan};
pub use synthetic::{SYNTHETIC_KEY, is_synthetic, synthesise};

use kernels::quant::quantise as quantise_rows;

use crate::config::{Config, ConfigError};
use crate::gguf::{Layout, TensorType, Value, write_header};
use crate::weights::{Weights, WeightsError};

/// Values that are read, quantised and written at one time.
const PORTION: usize = 16 * 1024 * 1024;

/// Why no file was made.
#[derive(Debug, thiserror::Error)]
pub enum QuantiseError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("stopped; the same call goes on where it was")]
    Stopped,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The tensor that was finished last.
    pub tensor: &'a str,
    /// Bytes of the file that are written.
    pub written: u64,
    /// Bytes that it will have.
    pub total: u64,
}

/// Quantises the checkpoint at `from`, a folder or a GGUF file, into the file `to`. `more` is put beside what the file
/// says about its model anyway. `progress` is told after every tensor, and may stop.
pub fn quantise(
    from: &Path,
    to: &Path,
    mix: Mix,
    more: Vec<(String, Value)>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<u64, QuantiseError> {
    let config = Config::load(from)?;
    let weights = Weights::open(from, Default::default())?;
    let planned = plan(&config, mix);
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| QuantiseError::File { path, source }
    };
    let mut values = about::values(from, &config, mix).map_err(fail(from))?;
    values.extend(more);
    let kept: Vec<_> = planned.iter().map(|tensor| tensor.kept.clone()).collect();
    let mut header = Vec::new();
    let layout = write_header(&mut header, &values, &kept).map_err(fail(to))?;
    let draft = draft_of(to);
    let (mut out, first) = open_draft(&draft, &header, &layout).map_err(fail(&draft))?;
    for (number, tensor) in planned.iter().enumerate().skip(first) {
        write_tensor(&weights, tensor, &mut out).map_err(|error| match error {
            Failure::Weights(error) => QuantiseError::Weights(error),
            Failure::Write(source) => fail(&draft)(source),
        })?;
        let end = layout.starts.get(number + 1).copied().unwrap_or(layout.end);
        pad(&mut out, end).map_err(fail(&draft))?;
        let told = Progress {
            tensor: &tensor.kept.name,
            written: end,
            total: layout.end,
        };
        if progress(told).is_break() {
            return Err(QuantiseError::Stopped);
        }
    }
    let finished = out.into_inner().map_err(io::IntoInnerError::into_error);
    finished
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&draft, to))
        .map_err(fail(&draft))?;
    Ok(layout.end)
}

/// The name that a file has while it grows.
fn draft_of(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    to.with_file_name(name)
}

/// Opens the draft and tells the number of the first tensor that it lacks. One with another header is begun anew.
fn open_draft(path: &Path, header: &[u8], layout: &Layout) -> io::Result<(BufWriter<File>, usize)> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let mut found = vec![0; header.len()];
    let same = file.read_exact(&mut found).is_ok() && found == header;
    let length = file.metadata()?.len();
    let first = match same {
        true => layout
            .starts
            .iter()
            .skip(1)
            .take_while(|&&start| start <= length)
            .count(),
        false => 0,
    };
    let start = if first == 0 {
        layout.header
    } else {
        layout.starts[first]
    };
    if !same {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(header)?;
    }
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    Ok((BufWriter::new(file), first))
}

fn pad(out: &mut BufWriter<File>, end: u64) -> io::Result<()> {
    let missing = end.saturating_sub(out.stream_position()?);
    io::copy(&mut io::repeat(0).take(missing), out)?;
    // What is in the file counts as finished when it is continued.
    out.flush()
}

enum Failure {
    Weights(WeightsError),
    Write(io::Error),
}

fn write_tensor(weights: &Weights, tensor: &Planned, out: &mut impl Write) -> Result<(), Failure> {
    let (shape, kept) = (&tensor.shape, &tensor.kept);
    let rows = shape.first().copied().unwrap_or(1);
    let (given, wide) = (
        shape.iter().skip(1).product::<usize>(),
        kept.shape.iter().skip(1).product::<usize>(),
    );
    let portion = (PORTION / wide.max(1)).max(1);
    for first in (0..rows).step_by(portion) {
        let count = portion.min(rows - first);
        let values = weights
            .some_rows(&kept.name, shape, first..first + count)
            .map_err(Failure::Weights)?;
        let bytes = match kept.kind {
            TensorType::Quant(kind) => {
                let padded = widened(&values, given, wide);
                let bytes = kind.row_bytes(padded.len()).unwrap_or_default();
                let mut quantised = vec![0; bytes];
                quantise_rows(kind, &padded, None, &mut quantised);
                quantised
            }
            TensorType::Bf16 => values
                .iter()
                .flat_map(|&x| half::bf16::from_f32(x).to_le_bytes())
                .collect(),
            TensorType::F16 => values
                .iter()
                .flat_map(|&x| half::f16::from_f32(x).to_le_bytes())
                .collect(),
            TensorType::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        out.write_all(&bytes).map_err(Failure::Write)?;
    }
    weights.release(&kept.name);
    Ok(())
}

/// Rows of `given` values, each filled up with zeros to `wide`.
fn widened(values: &[f32], given: usize, wide: usize) -> Vec<f32> {
    let mut padded = vec![0.0; values.len() / given * wide];
    for (padded, row) in padded.chunks_exact_mut(wide).zip(values.chunks_exact(given)) {
        padded[..given].copy_from_slice(row);
    }
    padded
}
