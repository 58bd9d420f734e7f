//! One source of weights for all formats: tensors by name, with the shape that the configuration makes them have.
//!
//! The source remembers what was asked for. Whatever is left over in the end is an error too: a model that does
//! not use all of its weights is not the model that it says it is.

mod convert;
mod error;
mod files;
mod linear;
mod placed;
mod quantised;
mod table;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use candle_core::{Device, Tensor};
use half::{bf16, f16};

use convert::{Kept, convert};
pub use error::WeightsError;
use files::{Files, Place, Stored};
pub use linear::{Between, Linear, Rounding};
use quantised::Quantised;
pub use quantised::padded;
pub use table::Table;

use crate::device::{self, DeviceError};
use crate::gguf::TensorType;
use crate::kv::KvType;
use crate::map::release;
use crate::ops::Ops;
use crate::precision::TowerPrecision;

/// A buffer that old checkpoints carry along; the angles are computed instead, with the right base.
const IGNORED: &str = "transformer.rotary_pos_emb.inv_freq";

/// What the large matrices are kept in. Activations, norms and sums are `f32` in any case: narrower weights are
/// widened as they are read, so a checkpoint in `bf16` loses nothing when it is kept in `bf16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightType {
    /// Fastest where memory allows.
    #[default]
    F32,
    /// Half the memory and half the bytes to read for each decoded token.
    Bf16,
    /// The same size; values beyond 65504 do not fit and are refused.
    F16,
}

impl FromStr for WeightType {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "f32" => Ok(WeightType::F32),
            "bf16" => Ok(WeightType::Bf16),
            "f16" => Ok(WeightType::F16),
            other => Err(format!("{other:?} is not a weight type; choose f32, bf16 or f16")),
        }
    }
}

/// The tensors of one model's folder or GGUF file.
#[derive(Debug)]
pub struct Weights {
    files: Files,
    unread: BTreeSet<String>,
    weight_type: WeightType,
    ops: Ops,
    tower: TowerPrecision,
}

impl Weights {
    /// Maps every file and reads its header; no values yet.
    pub fn open(dir: &Path, weight_type: WeightType) -> Result<Self, WeightsError> {
        let files = Files::open(dir)?;
        let mut unread: BTreeSet<String> = files.places.keys().cloned().collect();
        unread.remove(IGNORED);
        Ok(Self {
            files,
            unread,
            weight_type,
            ops: Ops::Kernels(KvType::F32),
            tower: TowerPrecision::F32,
        })
    }

    /// The same for a model that is computed on `device`, with keys and values in a type of its own or in this one.
    pub fn on(self, device: device::Device, kept: Option<KvType>) -> Result<Self, DeviceError> {
        let quantised = |place: &Place| matches!(place.kind, Stored::As(TensorType::Quant(_)));
        let exact = self.weight_type == WeightType::F32 && !self.files.places.values().any(quantised);
        Ok(Self {
            ops: device.operators(kept, exact)?,
            ..self
        })
    }

    /// The same with what the tower multiplies in.
    pub fn tower_in(self, tower: TowerPrecision) -> Self {
        Self { tower, ..self }
    }

    /// What the tower may round: what is quantised further on the way, the rest only where that was asked for.
    pub(crate) fn tower_rounding(&self) -> Rounding {
        match self.tower {
            TowerPrecision::F32 => Rounding::Quantised,
            TowerPrecision::Bf16 => Rounding::Everything,
        }
    }

    /// Who computes with these weights.
    pub(crate) fn ops(&self) -> &Ops {
        &self.ops
    }

    /// The names of the files that hold the tensors.
    pub fn file_names(&self) -> impl Iterator<Item = &OsStr> {
        self.files
            .shards
            .iter()
            .filter_map(|shard| shard.path.file_name())
    }

    /// A tensor in `f32`, whatever the weight type: norms, biases, embeddings of positions.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, WeightsError> {
        self.read::<f32>(name, shape, &self.ops.device())
    }

    /// The rows that ids stand for, `[count, width]`. They stay in the machine's memory: few are taken at a time.
    pub fn table(&mut self, name: &str, [count, width]: [usize; 2]) -> Result<Table, WeightsError> {
        Ok(match self.quantised(name, [count, width])? {
            Some(rows) => Table::Quantised(rows),
            None => Table::Dense(self.matrix(name, &[count, width], &Device::Cpu)?),
        })
    }

    /// A tensor in the weight type.
    fn matrix(&mut self, name: &str, shape: &[usize], device: &Device) -> Result<Tensor, WeightsError> {
        match self.weight_type {
            WeightType::F32 => self.read::<f32>(name, shape, device),
            WeightType::Bf16 => self.read::<bf16>(name, shape, device),
            WeightType::F16 => self.read::<f16>(name, shape, device),
        }
    }

    /// `{name}.weight` of `[outputs, inputs]` and, with `bias`, `{name}.bias` of `[outputs]`.
    pub fn linear(
        &mut self,
        name: &str,
        [outputs, inputs]: [usize; 2],
        bias: bool,
    ) -> Result<Linear, WeightsError> {
        self.linear_of(name, &[outputs, inputs], bias)
    }

    /// The same for a weight of more dimensions (a convolution), all but the first of which are inputs.
    pub fn linear_of(&mut self, name: &str, shape: &[usize], bias: bool) -> Result<Linear, WeightsError> {
        let (weight, outputs) = (format!("{name}.weight"), shape[0]);
        let inputs = shape[1..].iter().product();
        let bias = match bias {
            true => Some(self.tensor(&format!("{name}.bias"), &[outputs])?),
            false => None,
        };
        if let Some(quantised) = self.quantised(&weight, [outputs, inputs])? {
            return Ok(Linear::quantised(quantised, bias, &self.ops)?);
        }
        let weight = self.matrix(&weight, shape, &self.ops.device())?;
        Ok(Linear::dense(weight.reshape((outputs, inputs))?, bias, &self.ops))
    }

    /// The tensor, if it is stored quantised.
    fn quantised(&mut self, name: &str, shape: [usize; 2]) -> Result<Option<Quantised>, WeightsError> {
        let place = self.files.places.get(name);
        let Some(Stored::As(TensorType::Quant(kind))) = place.map(|place| &place.kind) else {
            return Ok(None);
        };
        let kind = *kind;
        let place = self.place(name, &shape)?;
        let shard = &self.files.shards[place.shard];
        let found = Quantised::new(kind, shard.map.clone(), place.range.clone(), shape);
        let found = found.map_err(|at| WeightsError::NotFinite {
            path: shard.path.clone(),
            tensor: name.to_owned(),
            at,
            weight_type: kind.name(),
        })?;
        self.unread.remove(name);
        Ok(Some(found))
    }

    /// Some rows of a tensor in `f32`, counted along its first dimension; without what rows of a quantised one are
    /// filled up with.
    pub fn some_rows(
        &self,
        name: &str,
        shape: &[usize],
        rows: Range<usize>,
    ) -> Result<Vec<f32>, WeightsError> {
        let place = self.place(name, shape)?;
        let (count, width) = (
            shape.first().copied().unwrap_or(1),
            shape.iter().skip(1).product::<usize>(),
        );
        let bytes = self.files.bytes(place);
        let row = bytes.len() / count;
        let bytes = &bytes[rows.start * row..rows.end * row];
        let not_finite = |at: usize| WeightsError::NotFinite {
            path: self.files.path(place).to_owned(),
            tensor: name.to_owned(),
            at: rows.start * width + at,
            weight_type: "f32",
        };
        match place.kind {
            Stored::As(TensorType::Quant(kind)) => {
                quantised::spread_rows(kind, bytes, width).map_err(not_finite)
            }
            Stored::As(kind) => convert::<f32>(bytes, kind).map_err(not_finite),
            // `place` gives no other.
            Stored::Strange(_) => Ok(Vec::new()),
        }
    }

    /// Lets the system take back the memory that a tensor's file pages take. They can be read again.
    pub fn release(&self, name: &str) {
        if let Some(place) = self.files.places.get(name) {
            release(&self.files.shards[place.shard].map, place.range.clone());
        }
    }

    /// Refuses tensors that nobody asked for.
    pub fn finish(self) -> Result<(), WeightsError> {
        match self.unread.into_iter().next() {
            None => Ok(()),
            Some(tensor) => {
                let path = self.files.path(&self.files.places[&tensor]).to_owned();
                Err(WeightsError::UnexpectedTensor { path, tensor })
            }
        }
    }

    /// Checks, without reading a value, that there are exactly the tensors of `expected`, each of its shape and of a
    /// type that can be read.
    pub fn check(mut self, expected: &[(String, Vec<usize>)]) -> Result<(), WeightsError> {
        for (name, shape) in expected {
            self.place(name, shape)?;
            self.unread.remove(name);
        }
        self.finish()
    }

    /// Where a tensor lies, if it has this shape and a type that can be read.
    fn place(&self, name: &str, shape: &[usize]) -> Result<&Place, WeightsError> {
        let tensor = name.to_owned();
        let Some(place) = self.files.places.get(name) else {
            return Err(WeightsError::MissingTensor {
                path: self.files.contents.clone(),
                tensor,
            });
        };
        let path = self.files.path(place).to_owned();
        let shape = match &place.kind {
            Stored::As(TensorType::Quant(_)) => &padded(shape)[..],
            _ => shape,
        };
        if place.shape != shape {
            return Err(WeightsError::Shape {
                path,
                tensor,
                found: place.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        match &place.kind {
            Stored::As(_) => Ok(place),
            Stored::Strange(found) => Err(WeightsError::Type {
                path,
                tensor,
                found: found.clone(),
            }),
        }
    }

    fn read<T: Kept>(
        &mut self,
        name: &str,
        shape: &[usize],
        device: &Device,
    ) -> Result<Tensor, WeightsError> {
        let place = self.place(name, shape)?;
        let kind = match &place.kind {
            Stored::As(kind) if !matches!(kind, TensorType::Quant(_)) => *kind,
            other => {
                return Err(WeightsError::Type {
                    path: self.files.path(place).to_owned(),
                    tensor: name.to_owned(),
                    found: format!("{other:?}"),
                });
            }
        };
        let values = convert::<T>(self.files.bytes(place), kind).map_err(|at| WeightsError::NotFinite {
            path: self.files.path(place).to_owned(),
            tensor: name.to_owned(),
            at,
            weight_type: T::NAME,
        })?;
        self.unread.remove(name);
        Ok(Tensor::from_vec(values, shape, device)?)
    }
}
