//! How far what the tower makes of a page is from what exact products make of it, with the same weights.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine::gguf::{Header, TensorPlace};
use engine::precision::TowerPrecision;
use engine::quantise::{Mix, quantise};
use engine::{Engine, LoadOptions};
use kernels::tiles::rounded_products;
use pages::RgbPage;
use safetensors::tensor::{Dtype, TensorView};

use crate::golden::{SETS, dir, page};
use crate::lost::values;

/// A checkpoint and a page for it.
fn checkpoints() -> Vec<(&'static str, PathBuf, RgbPage)> {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/demo/reader");
    let golden = SETS.into_iter().filter(|set| dir(set).join("input.png").exists());
    let golden = golden.map(|set| (set, dir(set), page(set)));
    golden.chain([("reader", reader, page("tiny-a"))]).collect()
}

fn features(model: &Path, page: &RgbPage, tower: TowerPrecision) -> Vec<f32> {
    let options = LoadOptions {
        tower,
        ..LoadOptions::default()
    };
    let engine = Engine::load(model, &options).unwrap();
    let encoded = engine.encode_page(page).unwrap();
    encoded.rows().flatten_all().unwrap().to_vec1().unwrap()
}

/// Root mean square of what is off over that of what is exact.
fn apart(exact: &[f32], got: &[f32]) -> f64 {
    assert_eq!(exact.len(), got.len());
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>();
    let off = square(&mut exact.iter().zip(got).map(|(exact, got)| exact - got));
    (off / square(&mut exact.iter().copied())).sqrt()
}

#[test]
fn products_in_bf16_keep_features_within_one_part_in_a_hundred() {
    for (name, model, page) in checkpoints() {
        let exact = features(&model, &page, TowerPrecision::F32);
        let rounded = apart(&exact, &features(&model, &page, TowerPrecision::Bf16));
        assert!(rounded < 0.01, "{name}: {rounded}");
        assert_eq!(rounded > 0.0, rounded_products(), "{name}: {rounded}");
    }
}

/// The weights of a file in few bits, spread out to `f32`, in a checkpoint's folder.
fn spread_out(from: &Path, mix: Mix, to: &Path) -> PathBuf {
    let file = |mix: Mix| -> (PathBuf, Vec<u8>, BTreeMap<String, TensorPlace>) {
        let path = to.join(format!("{mix}.gguf"));
        quantise(from, &path, mix, Vec::new(), &mut |_| ControlFlow::Continue(())).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let tensors = Header::read(&bytes).unwrap().tensors;
        (path, bytes, tensors)
    };
    let (few, bytes, places) = file(mix);
    let (_, _, whole) = file(Mix::Bf16);
    let folder = to.join("folder");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.to_string_lossy().contains("safetensors") {
            std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
    let tensors: Vec<(&String, &[usize], Vec<u8>)> = places
        .iter()
        .map(|(name, place)| {
            let shape = &whole[name].shape[..];
            let (given, filled) = (
                shape[1..].iter().product::<usize>(),
                place.shape[1..].iter().product::<usize>(),
            );
            let values = values(&bytes, place);
            let rows = values.chunks(filled).flat_map(|row| &row[..given]);
            (name, shape, rows.flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
    few
}

/// As `bench/ERRORS.md` tells: in eight bits and a fifth more, in bf16 within one part in a hundred.
#[test]
fn products_with_quantised_weights_keep_features_as_near_as_they_were_measured() {
    for (name, model, page) in checkpoints() {
        for (mix, bound) in [
            (Mix::Q4KM, 0.027),
            (Mix::Q5KM, 0.031),
            (Mix::Q6K, 0.021),
            (Mix::Q8_0, 0.022),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let few = spread_out(&model, mix, scratch.path());
            let exact = features(&scratch.path().join("folder"), &page, TowerPrecision::F32);
            let in_eight_bits = apart(&exact, &features(&few, &page, TowerPrecision::F32));
            assert!(
                (1e-3..bound).contains(&in_eight_bits),
                "{name} in {mix}: {in_eight_bits}"
            );
            let in_bf16 = apart(&exact, &features(&few, &page, TowerPrecision::Bf16));
            let bound = if rounded_products() { 0.01 } else { bound };
            assert!((1e-3..bound).contains(&in_bf16), "{name} in {mix}: {in_bf16}");
        }
    }
}
