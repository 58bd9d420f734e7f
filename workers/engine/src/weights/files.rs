//! Which files hold a model, and which tensors lie where in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::WeightsError;
use super::map::map;

const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

#[derive(Deserialize)]
struct RawIndex {
    weight_map: BTreeMap<String, String>,
}

/// One safetensors file, mapped.
#[derive(Debug)]
pub(super) struct Shard {
    pub path: PathBuf,
    map: Mmap,
}

/// Where one tensor lies, and as what.
#[derive(Debug)]
pub(super) struct Place {
    pub shard: usize,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    start: usize,
    end: usize,
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
    pub(super) fn open(dir: &Path) -> Result<Self, WeightsError> {
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
            let (start, end) = (data + info.data_offsets.0, data + info.data_offsets.1);
            let shard = self.shards.len();
            self.places.insert(
                name,
                Place {
                    shard,
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                    start,
                    end,
                },
            );
        }
        self.shards.push(Shard { path, map });
        Ok(())
    }

    pub(super) fn bytes(&self, place: &Place) -> &[u8] {
        &self.shards[place.shard].map[place.start..place.end]
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
