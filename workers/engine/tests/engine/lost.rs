//! What whole files in few bits lose is what `bench/ERRORS.md` tells, and no more than ggml loses.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine::gguf::{Header, TensorPlace, TensorType};
use engine::quantise::{Mix, quantise};
use kernels::quant::dequantise;

use crate::golden::{SETS, dir};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The values of a tensor, as the engine spreads them out.
pub fn values(file: &[u8], place: &TensorPlace) -> Vec<f32> {
    let bytes = &file[place.bytes.clone()];
    let wide = |pair: &[u8]| half::bf16::from_le_bytes([pair[0], pair[1]]).to_f32();
    match place.kind {
        TensorType::Quant(kind) => {
            let mut values = vec![f32::NAN; place.shape.iter().product()];
            dequantise(kind, bytes, &mut values);
            values
        }
        TensorType::F32 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&x| f32::from_le_bytes(x))
            .collect(),
        TensorType::Bf16 => bytes.chunks_exact(2).map(wide).collect(),
        TensorType::F16 => unreachable!("no mix keeps tensors in f16"),
    }
}

fn file(folder: &Path, from: &Path, mix: Mix) -> (Vec<u8>, BTreeMap<String, TensorPlace>) {
    let to = folder.join(format!("{mix}.gguf"));
    quantise(from, &to, mix, Vec::new(), &mut |_| ControlFlow::Continue(())).unwrap();
    let bytes = std::fs::read(to).unwrap();
    let tensors = Header::read(&bytes).unwrap().tensors;
    (bytes, tensors)
}

/// Root mean square of what is off in all quantised matrices over that of their values, which are stored in bf16.
fn lost(folder: &Path, from: &Path, mix: Mix) -> f64 {
    let (exact, wide) = file(folder, from, Mix::Bf16);
    let (few, places) = file(folder, from, mix);
    let (mut off, mut size) = (0.0, 0.0);
    for (name, place) in places {
        if !matches!(place.kind, TensorType::Quant(_)) {
            continue;
        }
        let exact = values(&exact, &wide[&name]);
        let (given, filled) = (exact.len() / place.shape[0], place.shape[1]);
        for (exact, got) in exact.chunks(given).zip(values(&few, &place).chunks(filled)) {
            let exact = exact.iter().copied().chain(std::iter::repeat(0.0));
            for (exact, &got) in exact.zip(got) {
                off += f64::from(exact - got).powi(2);
                size += f64::from(exact).powi(2);
            }
        }
    }
    (off / size).sqrt()
}

/// What the table of a checkpoint's matrices tells of all together: glmhub's error and ggml's, by type.
fn told(text: &str, checkpoint: &str) -> Vec<(f64, f64)> {
    let heading = format!("### {checkpoint}: relative error of matrices");
    let table = text.split(&heading).nth(1).unwrap();
    let row = table
        .lines()
        .find_map(|line| line.strip_prefix("| all | "))
        .unwrap();
    let pair = |cell: &str| {
        let (ours, theirs) = cell.trim().split_once(" / ").unwrap();
        (ours.parse().unwrap(), theirs.parse().unwrap())
    };
    row.trim_end_matches('|').split('|').map(pair).collect()
}

#[test]
fn files_lose_what_is_told_and_no_more_than_those_of_ggml() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root().join("bench/ERRORS.md")).unwrap();
    let reader = ("Reader", root().join("models/demo/reader"));
    let golden = ["Tiny-a", "Tiny-b", "Tiny-c"].into_iter().zip(SETS.map(dir));
    for (checkpoint, from) in golden.chain([reader]) {
        let told = told(&text, checkpoint);
        assert_eq!(told.len(), 4, "{checkpoint}");
        for (mix, (ours, theirs)) in Mix::ALL.into_iter().zip(told) {
            let lost = lost(folder.path(), &from, mix);
            assert!(
                (lost - ours).abs() < 1.1e-5,
                "{checkpoint} in {mix} loses {lost:.5}, and {ours} is told"
            );
            assert!(ours <= theirs, "{checkpoint} in {mix}: {ours} > {theirs}");
        }
    }
}
