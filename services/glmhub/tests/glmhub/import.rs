//! `glmhub model import` from outside.

use crate::{
    hub::Hub,
    process::{Ended, glmhub, perform_in},
    weights::{TERMS, WeightsFolder},
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

const MODEL: &str = "THUDM/glm-4v-9b";
const SHARD: &str = "model-00002-of-00002.safetensors";

fn import(data: &Path, model: &str, from: &Path, more: &[&str]) -> Ended {
    let arguments = [
        &[
            "model",
            "import",
            "--model",
            model,
            "--from",
            from.to_str().unwrap(),
        ],
        more,
    ]
    .concat();
    perform_in(data, &arguments, &[])
}

fn imported(data: &Path, model: &str, from: &Path) -> Value {
    serde_json::from_str(&import(data, model, from, &["--json"]).well()).unwrap()
}

fn data() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// How an import of a folder that is not right complains.
fn complaint(weights: &WeightsFolder) -> String {
    let data = data();
    let complaint = import(data.path(), MODEL, weights.path(), &[]).badly(2);
    // Nothing is half-written: what was wrong is mended, and the import goes through.
    assert!(
        !data.path().join("hub.db").exists(),
        "the database was made for an import that cannot be"
    );
    complaint
}

#[test]
fn a_folder_becomes_a_revision_and_a_second_import_changes_nothing() {
    let (data, weights) = (data(), WeightsFolder::new());
    let first = imported(data.path(), MODEL, weights.path());
    assert_eq!(first["outcome"], "new");
    assert_eq!(first["copied_bytes"], first["bytes"]);
    assert_eq!(first["license"], "glm-4");
    let paths: Vec<&str> = first["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    let expected = [
        "LICENSE",
        "config.json",
        "generation_config.json",
        "model-00001-of-00002.safetensors",
        SHARD,
        "model.safetensors.index.json",
        "tokenizer.model",
        "tokenizer_config.json",
    ];
    assert_eq!(paths, expected);
    let second = imported(data.path(), MODEL, weights.path());
    assert_eq!(
        (&second["outcome"], &second["copied_bytes"]),
        (&"already".into(), &0.into())
    );
    assert_eq!(second["revision_sha256"], first["revision_sha256"]);
    let said = import(data.path(), MODEL, weights.path(), &[]).well();
    assert!(said.contains("nothing changed"), "{said}");
}

#[test]
fn what_is_no_part_of_a_model_is_left_out_and_named() {
    let (data, weights) = (data(), WeightsFolder::new());
    weights.write("pytorch_model.bin", b"pickle");
    fs::create_dir(weights.file("runs")).unwrap();
    let ended = import(data.path(), MODEL, weights.path(), &["--json"]);
    assert!(ended.stderr.contains("pytorch_model.bin"), "{}", ended.stderr);
    let outcome: Value = serde_json::from_str(&ended.well()).unwrap();
    let ignored = outcome["ignored"].to_string();
    // A shard that the index does not name is no part of the model either.
    for name in ["pytorch_model.bin", "runs", "expected.safetensors", "input.png"] {
        assert!(ignored.contains(name), "{ignored}");
    }
}

/// Makes a folder wrong in one way.
type Spoil = fn(&WeightsFolder);

#[test]
fn each_fault_of_a_folder_is_named_with_its_file() {
    let faults: [(&str, Spoil); 10] = [
        ("config.json", |weights| weights.remove("config.json")),
        ("config.json", |weights| {
            weights.write("config.json", br#"{"model_type":"llama"}"#)
        }),
        ("config.json", |weights| {
            weights.write("config.json", br#"{"model_type":"chatglm"}"#)
        }),
        ("tokenizer.model", |weights| weights.remove("tokenizer.model")),
        ("model.safetensors.index.json", |weights| {
            weights.write("model.safetensors.index.json", b"{")
        }),
        (SHARD, |weights| weights.remove(SHARD)),
        (SHARD, |weights| {
            let bytes = fs::read(weights.file(SHARD)).unwrap();
            weights.write(SHARD, &bytes[..bytes.len() / 2]);
        }),
        // Weights of another shape than the configuration says.
        ("mlp.dense_h_to_4h.weight", |weights| {
            let config = fs::read_to_string(weights.file("config.json")).unwrap();
            let wider = config.replace("\"ffn_hidden_size\": 512", "\"ffn_hidden_size\": 768");
            weights.write("config.json", wider.as_bytes());
        }),
        ("LICENSE", |weights| weights.write("LICENSE", b" \n")),
        ("LICENSE", |weights| weights.write("LICENSE", b"\xff\xfe")),
    ];
    for (file, spoil) in faults {
        let weights = WeightsFolder::new();
        spoil(&weights);
        let complaint = complaint(&weights);
        assert!(complaint.contains(file), "{file}: {complaint}");
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_refused_with_what_to_do() {
    let (weights, elsewhere) = (WeightsFolder::new(), WeightsFolder::new());
    weights.remove(SHARD);
    std::os::unix::fs::symlink(elsewhere.file(SHARD), weights.file(SHARD)).unwrap();
    let complaint = complaint(&weights);
    assert!(
        complaint.contains(SHARD) && complaint.contains("cp -RL"),
        "{complaint}"
    );
}

#[test]
fn an_index_that_leads_out_of_the_folder_is_refused() {
    let weights = WeightsFolder::new();
    weights.write(
        "model.safetensors.index.json",
        br#"{"weight_map":{"a":"../../etc/x.safetensors"}}"#,
    );
    let complaint = complaint(&weights);
    assert!(complaint.contains("../../etc/x.safetensors"), "{complaint}");
}

#[test]
fn a_folder_that_is_not_there_is_refused_with_the_option_to_mend() {
    let data = data();
    let complaint = import(data.path(), MODEL, Path::new("/nowhere/at/all"), &[]).badly(2);
    assert!(complaint.contains("--from"), "{complaint}");
}

#[test]
fn the_license_of_an_unregistered_model_is_presumed_aloud_or_given() {
    let (data, weights) = (data(), WeightsFolder::new());
    let ended = import(data.path(), "acme/glm-4-reader", weights.path(), &["--json"]);
    assert!(ended.stderr.contains("presumed"), "{}", ended.stderr);
    let outcome: Value = serde_json::from_str(&ended.well()).unwrap();
    assert_eq!(outcome["license"], "glm-4");
    assert!(
        outcome["license_source"].as_str().unwrap().contains("presumed"),
        "{outcome}"
    );
    let more = ["--license", "apache-2.0", "--json"];
    let given = import(data.path(), "acme/mine", weights.path(), &more);
    assert!(
        given.stderr.contains("only published under glm-4"),
        "{}",
        given.stderr
    );
    assert!(given.well().contains(r#""license":"apache-2.0""#));
}

#[test]
fn an_import_neither_changes_a_models_license_nor_invents_one() {
    let (data, weights) = (data(), WeightsFolder::new());
    let complaint = import(data.path(), MODEL, weights.path(), &["--license", "mit"]).badly(2);
    assert!(complaint.contains("registered under glm-4"), "{complaint}");
    let complaint = import(data.path(), "acme/mine", weights.path(), &["--license", "my-own"]).badly(2);
    assert!(complaint.contains("apache-2.0"), "{complaint}");
}

#[test]
fn a_model_under_glm_4_is_imported_under_a_name_that_says_so() {
    let (data, weights) = (data(), WeightsFolder::new());
    let complaint = import(data.path(), "acme/reader", weights.path(), &[]).badly(2);
    assert!(
        complaint.contains(r#"begin with "glm-4""#) && complaint.contains("OWNER/glm-4-NAME"),
        "{complaint}"
    );
    imported(data.path(), "acme/glm-4-reader", weights.path());
}

#[test]
fn a_folder_without_terms_is_imported_with_a_warning() {
    let (data, weights) = (data(), WeightsFolder::new());
    weights.remove("LICENSE");
    let ended = import(data.path(), MODEL, weights.path(), &["--json"]);
    assert!(ended.stderr.contains("no LICENSE"), "{}", ended.stderr);
    assert!(ended.well().contains(r#""terms_sha256":null"#));
}

#[test]
fn an_import_that_is_killed_again_and_again_is_complete_in_the_end() {
    let (data, weights) = (data(), WeightsFolder::new());
    let expected = imported(self::data().path(), MODEL, weights.path());
    for delay in [5, 20, 40, 60, 80, 120] {
        let mut command: Command = glmhub();
        command
            .args(["model", "import", "--model", MODEL, "--from"])
            .arg(weights.path());
        command.arg("--data").arg(data.path());
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(delay));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let outcome = imported(data.path(), MODEL, weights.path());
    assert_eq!(outcome["revision_sha256"], expected["revision_sha256"]);
    assert_eq!(outcome["artifacts"], expected["artifacts"]);
    let leftovers: Vec<_> = fs::read_dir(data.path().join("imports")).unwrap().collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[tokio::test]
async fn a_running_hub_knows_an_import_at_once() {
    let (hub, weights) = (Hub::start(), WeightsFolder::new());
    let reader = hub.client("acme", &["submitter"]);
    let path = format!("/v1/models/{MODEL}");
    let before = reader.get(&path).await.expect(200).json();
    assert_eq!(before["revision"], Value::Null);
    assert_eq!(before["card"]["context_tokens"], 8192);
    assert_eq!(before["parents"][0]["model"], "THUDM/glm-4-9b");
    hub.import(MODEL, weights.path());
    let after = reader.get(&path).await.expect(200).json();
    let terms = after["revision"]["terms_sha256"].as_str().unwrap();
    let text = reader
        .get(&format!("/v1/licenses/glm-4/terms/{terms}"))
        .await
        .expect(200);
    assert_eq!(text.body, TERMS.as_bytes());
    let encoded = reader
        .get("/v1/models/THUDM%2Fglm-4v-9b")
        .await
        .expect(200)
        .json();
    assert_eq!(encoded, after);
    weights.write("README.md", b"# more\n");
    hub.import(MODEL, weights.path());
    let list = reader
        .get("/v1/models/THUDM%2Fglm-4v-9b/revisions?limit=1")
        .await
        .expect(200)
        .json();
    assert_ne!(list["data"][0]["sha256"], after["revision"]["sha256"]);
    let next = list["next"].as_str().unwrap();
    let rest = reader
        .get(&format!("{path}/revisions?after={next}"))
        .await
        .expect(200)
        .json();
    assert_eq!(rest["data"][0], after["revision"]);
    assert_eq!(rest["next"], Value::Null);
}
