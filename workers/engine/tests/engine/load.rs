//! Model folders made by the tests, and the layouts that load.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use engine::{Engine, LoadOptions, Parameters};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::golden::{Expected, dir};

/// One tensor as a file has it.
#[derive(Clone)]
pub struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Stored {
    pub fn zeros(shape: Vec<usize>) -> Self {
        let bytes = vec![0; shape.iter().product::<usize>() * 2];
        Self {
            dtype: Dtype::BF16,
            shape,
            bytes,
        }
    }
}

/// One file's tensors.
#[derive(Default)]
pub struct Checkpoint(BTreeMap<String, Stored>);

impl Checkpoint {
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let stored = tensors.iter().map(|(name, view)| {
            let stored = Stored {
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                bytes: view.data().to_vec(),
            };
            (name.to_owned(), stored)
        });
        Self(stored.collect())
    }

    pub fn write(&self, path: &Path) {
        let views: HashMap<&str, TensorView> = self
            .0
            .iter()
            .map(|(name, stored)| {
                (
                    name.as_str(),
                    TensorView::new(stored.dtype, stored.shape.clone(), &stored.bytes).unwrap(),
                )
            })
            .collect();
        safetensors::serialize_to_file(views, None, path).unwrap();
    }

    pub fn get(&mut self, name: &str) -> &mut Stored {
        self.0.get_mut(name).unwrap()
    }

    pub fn add(&mut self, name: &str, stored: Stored) {
        self.0.insert(name.to_owned(), stored);
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(name).unwrap();
    }
}

/// All of a set's tensors in one file without an index, converted by `convert`.
fn in_one_file(set: &str, convert: impl Fn(&mut Stored)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut all = Checkpoint::default();
    for entry in std::fs::read_dir(dir(set)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("model-") {
            let shard = Checkpoint::read(&dir(set).join(&name));
            all.0.extend(shard.0);
        } else if !name.starts_with("model.") {
            std::fs::copy(dir(set).join(&name), copy.path().join(&name)).unwrap();
        }
    }
    all.0.values_mut().for_each(convert);
    all.write(&copy.path().join("model.safetensors"));
    copy
}

fn to_f32(stored: &mut Stored) {
    let brains = stored.bytes.as_chunks::<2>().0.iter();
    stored.bytes = brains
        .flat_map(|&bytes| half::bf16::from_le_bytes(bytes).to_f32().to_le_bytes())
        .collect();
    stored.dtype = Dtype::F32;
}

#[test]
fn one_file_without_an_index_loads_in_any_stored_type() {
    let expected = Expected::load("tiny-c");
    for convert in [|_: &mut Stored| {}, to_f32] {
        let copy = in_one_file("tiny-c", convert);
        let engine = Engine::load(copy.path(), &LoadOptions::default()).unwrap();
        let parameters = Parameters {
            max_new_tokens: Some(16),
            ignore_eos: true,
            ..Default::default()
        };
        let answer = engine
            .answer(&expected.conversation(), None, &parameters, &mut |_| {
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(answer.token_ids, expected.greedy_ids);
    }
}

#[test]
fn a_checkpoint_without_the_ignored_buffer_loads() {
    let copy = in_one_file("tiny-c", |_| {});
    let path = copy.path().join("model.safetensors");
    let mut checkpoint = Checkpoint::read(&path);
    checkpoint.remove("transformer.rotary_pos_emb.inv_freq");
    checkpoint.write(&path);
    assert!(Engine::load(copy.path(), &LoadOptions::default()).is_ok());
}
