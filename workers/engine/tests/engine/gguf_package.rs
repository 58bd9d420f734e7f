//! The package gguf for Python, unmodified, reads the files and gives the engine's own values.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use engine::gguf::{Array, Header, Value};
use engine::quantise::{ARCHITECTURE, Mix, quantise};
use serde_json::json;

use crate::golden::{SETS, dir};
use crate::lost::values;

/// The folder of the package, as `pip install --target` leaves it.
const FOLDER: &str = "GLMHUB_TEST_GGUF";
const LICENSE: &str = "glm-4v-9b";
const SHA256: &str = "a4ba1e9a1e9d4f1d2c9c2b9d5c7f8e6d3b2a1f0e9d8c7b6a5f4e3d2c1b0a9f8e";

/// A file with what the command line puts into it, and beside it the engine's values of each tensor in f32.
fn made(folder: &Path, set: &str, mix: Mix) -> serde_json::Value {
    let file = folder.join(format!("{set}-{mix}.gguf"));
    let sources = vec![format!("{SHA256}  model.safetensors")];
    let more = vec![
        ("general.license".to_owned(), Value::Text(LICENSE.into())),
        ("glmhub.terms.sha256".to_owned(), Value::Text(SHA256.into())),
        (
            "glmhub.sources".to_owned(),
            Value::Array(Array::Texts(sources.clone())),
        ),
    ];
    quantise(&dir(set), &file, mix, more, &mut |_| ControlFlow::Continue(())).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let header = Header::read(&bytes).unwrap();
    let beside = file.with_extension("f32");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&beside).unwrap());
    let mut tensors = Vec::new();
    for (name, place) in &header.tensors {
        for value in values(&bytes, place) {
            out.write_all(&value.to_le_bytes()).unwrap();
        }
        tensors.push(json!({ "name": name, "type": place.kind.name(), "shape": place.shape }));
    }
    out.flush().unwrap();
    let text = |name: &str| std::fs::read_to_string(dir(set).join(name)).unwrap();
    json!({
        "file": file,
        "values": beside,
        "tensors": tensors,
        "texts": {
            "general.architecture": ARCHITECTURE,
            "general.license": LICENSE,
            "glmhub.mix": mix.name(),
            "glmhub.terms.sha256": SHA256,
            "glmhub.files.config.json": text("config.json"),
            "glmhub.files.tokenizer.model": text("tokenizer.model"),
            "glmhub.files.tokenizer_config.json": text("tokenizer_config.json"),
        },
        "sources": sources,
        "layers": header.values[&format!("{ARCHITECTURE}.block_count")].as_count(),
    })
}

#[test]
fn the_unmodified_package_reads_every_type_and_gives_the_engine_s_values() {
    let Some(package) = std::env::var_os(FOLDER) else {
        eprintln!("{FOLDER} is not set: the package was not tested");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = SETS
        .into_iter()
        .flat_map(|set| Mix::ALL.map(|mix| (set, mix)))
        .map(|(set, mix)| made(folder.path(), set, mix))
        .collect();
    let mut python = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/gguf_package.py"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PYTHONPATH", package)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(json!(files).to_string().as_bytes()).unwrap();
    drop(stdin);
    let done = python.wait_with_output().unwrap();
    let (told, wrong) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{told}{wrong}");
    assert_eq!(told.trim(), "bf16 f32 q4_k q5_k q6_k q8_0");
}
