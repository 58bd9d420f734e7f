//! Which files hold a model, and which tensors lie where in them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::WeightsError;
use crate::gguf::{Header, TensorType};
use crate::map::map;

const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

#[derive(Deserialize)]
struct RawIndex {
    weight_map: BTreeMap<String, String>,
}

/// One file of weights, mapped.
#[derive(Debug)]
pub(super) struct Shard {
    pub path: PathBuf,
    pub map: Arc<Mmap>,
}

/// Where one tensor lies, and as what.
#[derive(Debug)]
pub(super) struct Place {
    pub shard: usize,
    pub kind: Stored,
    pub shape: Vec<usize>,
    pub range: Range<usize>,
}

/// As what a tensor's values are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stored {
    As(TensorType),
    /// A type that weights are not stored in, by its name.
    Strange(String),
}

impl Stored {
    fn of(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Stored::As(TensorType::F32),
            Dtype::F16 => Stored::As(TensorType::F16),
            Dtype::BF16 => Stored::As(TensorType::Bf16),
            other => Stored::Strange(format!("{other:?}")),
        }
    }
}

/// All tensors of a model's folder.
#[derive(Debug)]
pub(super) struct Files {
    pub shards: Vec<Shard>,
    pub places: BTreeMap<String, Place>,
    /// Where to look for a tensor that no file has: the index, or the single file.
    pub contents: PathBuf,
}

impl Files {
    /// A folder with safetensors, or one GGUF file.
    pub(super) fn open(place: &Path) -> Result<Self, WeightsError> {
        if place.is_file() {
            return Self::open_gguf(place.to_owned());
        }
        Self::open_folder(place)
    }

    fn open_gguf(path: PathBuf) -> Result<Self, WeightsError> {
        let map = map(&path).map_err(|source| WeightsError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let header = Header::read(&map).map_err(|error| WeightsError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let place = |(name, place): (String, crate::gguf::TensorPlace)| {
            let (kind, shape, range) = (Stored::As(place.kind), place.shape, place.bytes);
            let shard = 0;
            (
                name,
                Place {
                    shard,
                    kind,
                    shape,
                    range,
                },
            )
        };
        Ok(Self {
            places: header.tensors.into_iter().map(place).collect(),
            contents: path.clone(),
            shards: vec![Shard {
                path,
                map: Arc::new(map),
            }],
        })
    }

    fn open_folder(dir: &Path) -> Result<Self, WeightsError> {
        let index = dir.join(INDEX);
        if index.exists() {
            return Self::open_sharded(dir, index);
        }
        let single = dir.join(SINGLE);
        if !single.exists() {
            return Err(WeightsError::NoWeights { dir: dir.to_owned() });
        }
        let mut files = Self {
            shards: Vec::new(),
            places: BTreeMap::new(),
            contents: single.clone(),
        };
        files.add(single, |_| true)?;
        Ok(files)
    }

    fn open_sharded(dir: &Path, index: PathBuf) -> Result<Self, WeightsError> {
        let weight_map = read_index(&index)?;
        let mut files = Self {
            shards: Vec::new(),
            places: BTreeMap::new(),
            contents: index.clone(),
        };
        for name in weight_map.values().collect::<BTreeSet<_>>() {
            let path = dir.join(name);
            if !path.exists() {
                return Err(WeightsError::MissingShard { path, index });
            }
            files.add(path, |tensor| weight_map.get(tensor) == Some(name))?;
        }
        if let Some((tensor, shard)) = weight_map
            .iter()
            .find(|(tensor, _)| !files.places.contains_key(*tensor))
        {
            return Err(WeightsError::MissingTensor {
                path: dir.join(shard),
                tensor: tensor.clone(),
            });
        }
        Ok(files)
    }

    /// Reads a shard's header. The library checks that the tensors fill the file exactly.
    fn add(&mut self, path: PathBuf, belongs: impl Fn(&str) -> bool) -> Result<(), WeightsError> {
        let map = map(&path).map_err(|source| WeightsError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| WeightsError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let data = size_of::<u64>() + header;
        for (name, info) in metadata.tensors() {
            if !belongs(&name) {
                return Err(WeightsError::Misplaced { path, tensor: name });
            }
            let range = data + info.data_offsets.0..data + info.data_offsets.1;
            let shard = self.shards.len();
            let (kind, shape) = (Stored::of(info.dtype), info.shape.clone());
            self.places.insert(
                name,
                Place {
                    shard,
                    kind,
                    shape,
                    range,
                },
            );
        }
        let map = Arc::new(map);
        self.shards.push(Shard { path, map });
        Ok(())
    }

    pub(super) fn bytes(&self, place: &Place) -> &[u8] {
        &self.shards[place.shard].map[place.range.clone()]
    }

    pub(super) fn path(&self, place: &Place) -> &Path {
        &self.shards[place.shard].path
    }
}

fn read_index(path: &Path) -> Result<BTreeMap<String, String>, WeightsError> {
    let bad = |reason: String| WeightsError::Index {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|source| WeightsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let index: RawIndex = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    // A shard lies beside its index; a name that leads elsewhere comes from nobody who means well.
    if let Some(name) = index
        .weight_map
        .values()
        .find(|name| Path::new(name).file_name() != Some(name.as_ref()))
    {
        return Err(bad(format!("{name:?} is not a plain file name")));
    }
    Ok(index.weight_map)
}
