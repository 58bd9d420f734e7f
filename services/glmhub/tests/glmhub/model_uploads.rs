//! Weights that a registrar puts into the bucket in parts, from a machine that is not the hub's.

mod commands;
mod limits;
mod relay;

use crate::{
    client::{Answer, Client},
    fleet::bucket::{BUCKET, Bucket},
    hub::{Hub, eventually},
    registration::model,
    tree,
    upload_links::{ON, put, started_on},
    weights::{TERMS, WeightsFolder},
};
use domain::digest::Sha256;
use serde_json::{Value, json};
use std::{fs, path::Path};

const MODEL: &str = "acme/glm-4-reader";
const PARTS: (&str, &str) = ("GLMHUB_MODEL_UPLOADS__PART_BYTES", "5242880");
const WEIGHTS: &str = "model.safetensors";
const ACTS: [&str; 3] = ["", "/parts?path=config.json", "/complete"];

/// A hub on a bucket, with a model that `acme` has registered.
struct Scene {
    hub: Hub,
    registrar: Client,
}

impl Scene {
    async fn set(bucket: &Bucket, more: &[(&str, &str)]) -> Self {
        Self::set_at(&format!("http://{}", bucket.address()), BUCKET, more).await
    }

    async fn set_at(endpoint: &str, bucket: &str, more: &[(&str, &str)]) -> Self {
        let hub = started_on(endpoint, bucket, &[&[ON, PARTS], more].concat());
        let registrar = hub.client("acme", &["registrar"]);
        let named = model(MODEL, "glm-4", &[]);
        registrar.post("/v1/models", &named).await.expect(201);
        Self { hub, registrar }
    }

    async fn open(&self, files: &[Value]) -> Answer {
        let body = json!({ "model": MODEL, "files": files });
        self.registrar.post("/v1/model-uploads", &body).await
    }

    /// Puts up to `most` of the parts that are missing of `file`; gives how many were missing.
    async fn put_some(&self, upload: &str, file: &Path, most: usize) -> u64 {
        let name = file.file_name().unwrap().to_str().unwrap();
        let told = self.registrar.get(&format!("{upload}/parts?path={name}")).await;
        assert_eq!(told.header("cache-control"), Some("no-store"));
        let (told, bytes) = (told.expect(200).json(), fs::read(file).unwrap());
        for part in told["data"].as_array().unwrap().iter().take(most) {
            let place = |name: &str| usize::try_from(part[name].as_u64().unwrap()).unwrap();
            let (start, length) = (place("start"), place("bytes"));
            assert_eq!(put(part, bytes[start..start + length].to_vec()).await, 200);
        }
        told["missing"].as_u64().unwrap()
    }

    async fn put_all(&self, upload: &str, folder: &Path, files: &[Value]) {
        for file in files {
            let file = folder.join(file["path"].as_str().unwrap());
            self.put_some(upload, &file, usize::MAX).await;
        }
    }

    async fn complete(&self, upload: &str) -> Answer {
        self.registrar
            .post(&format!("{upload}/complete"), &json!({}))
            .await
    }

    /// The upload, when the hub has read it.
    async fn read(&self, upload: &str) -> Value {
        let look = || async {
            let seen = self.registrar.get(upload).await.expect(200).json();
            Some(seen).filter(|seen| seen["state"] != "checking")
        };
        eventually("the hub to read the upload", look).await
    }

    async fn revision(&self) -> Value {
        let shown = self.registrar.get(&format!("/v1/models/{MODEL}")).await;
        shown.expect(200).json()["revision"]["sha256"].clone()
    }
}

fn location(answer: &Answer) -> String {
    answer.header("location").unwrap().to_owned()
}

/// The small model that comes with the source, with terms: its weights have two parts.
fn reader() -> WeightsFolder {
    let folder = WeightsFolder::empty();
    let from = tree::root().join("models/demo/reader");
    for name in [
        "config.json",
        "generation_config.json",
        WEIGHTS,
        "model.safetensors.index.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "README.md",
    ] {
        folder.write(name, &fs::read(from.join(name)).unwrap());
    }
    folder.write("LICENSE", TERMS.as_bytes());
    folder
}

/// The files of a folder as they are declared.
fn declared(folder: &Path) -> Vec<Value> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let declare = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        json!({ "path": name, "sha256": Sha256::of(&bytes), "bytes": bytes.len() })
    };
    paths.iter().map(declare).collect()
}

#[tokio::test]
async fn weights_are_put_in_parts_and_count_when_the_hub_has_read_them() {
    let bucket = Bucket::start();
    let scene = Scene::set(&bucket, &[]).await;
    let (folder, files) = (reader(), declared(reader().path()));
    let opened = scene.open(&files).await.expect(201);
    let (upload, view) = (location(&opened), opened.json());
    assert_eq!((&view["state"], &view["model"]), (&json!("open"), &json!(MODEL)));
    let of_weights = |view: &Value| {
        let mut files = view["files"].as_array().unwrap().iter();
        files.find(|file| file["path"] == WEIGHTS).unwrap()["parts"].clone()
    };
    assert_eq!(of_weights(&view), 2);
    // The same again is the same upload, and goes on.
    let again = scene.open(&files).await.expect(200);
    assert_eq!(location(&again), upload);
    let missing = scene.complete(&upload).await.refused(409, "parts_missing");
    assert_eq!(missing["missing"].as_array().unwrap().len(), files.len());
    for file in files.iter().filter(|file| file["path"] != WEIGHTS) {
        let path = folder.file(file["path"].as_str().unwrap());
        assert_eq!(scene.put_some(&upload, &path, 9).await, 1);
    }
    let weights = folder.file(WEIGHTS);
    assert_eq!(scene.put_some(&upload, &weights, 1).await, 2);
    let missing = scene.complete(&upload).await.refused(409, "parts_missing");
    assert_eq!(missing["missing"], json!([WEIGHTS]));
    assert_eq!(scene.put_some(&upload, &weights, 9).await, 1);
    assert_eq!(scene.put_some(&upload, &weights, 9).await, 0);
    // Nothing is here before it was read.
    assert_eq!(scene.revision().await, Value::Null);
    assert_eq!(bucket.names("sha256/"), Vec::<String>::new());
    scene.complete(&upload).await.expect(202);
    let done = scene.read(&upload).await;
    assert_eq!(done["state"], "completed", "{done}");
    assert_eq!(done["revision_sha256"], scene.revision().await);
    scene.complete(&upload).await.expect(200);
    scene.registrar.delete(&upload).await.refused(409, "upload_over");
    // An import of the same folder at the hub's machine finds nothing new.
    let imported = scene.hub.import(MODEL, folder.path());
    assert!(imported.contains("nothing changed"), "{imported}");
    // What the model has is not asked for again.
    let again = scene.open(&files).await.expect(201);
    let parts = again.json()["files"].to_string();
    assert!(
        !parts.contains("\"parts\":1") && !parts.contains("\"parts\":2"),
        "{parts}"
    );
    scene.complete(&location(&again)).await.expect(202);
    let same = scene.read(&location(&again)).await;
    assert_eq!(same["revision_sha256"], done["revision_sha256"]);
    let cleared = || async { bucket.names("parts/").is_empty().then_some(()) };
    eventually("the bucket to be cleared", cleared).await;
}

#[tokio::test]
async fn what_is_not_what_was_declared_or_no_checkpoint_is_refused_and_leaves_nothing() {
    let bucket = Bucket::start();
    let scene = Scene::set(&bucket, &[]).await;
    let folder = reader();
    let other = "0".repeat(64);
    let mut wrong_digest = declared(folder.path());
    for file in &mut wrong_digest {
        if file["path"] == WEIGHTS {
            file["sha256"] = json!(other);
        }
    }
    let (mut without, mut with_more) = (declared(folder.path()), declared(folder.path()));
    without.retain(|file| file["path"] != "tokenizer.model");
    folder.write("run.sh", b"#!/bin/sh");
    with_more.extend(
        declared(folder.path())
            .into_iter()
            .filter(|file| file["path"] == "run.sh"),
    );
    let broken = reader();
    let mut weights = fs::read(broken.file(WEIGHTS)).unwrap();
    weights[20..60].fill(b'x');
    broken.write(WEIGHTS, &weights);
    for (files, folder, why) in [
        (
            wrong_digest,
            &folder,
            "model.safetensors: what was put has another size or digest",
        ),
        (without, &folder, "tokenizer.model"),
        (with_more, &folder, "no part of a model: run.sh"),
        (
            declared(broken.path()),
            &broken,
            "this is no GLM-4V that can run here",
        ),
    ] {
        let upload = location(&scene.open(&files).await.expect(201));
        scene.put_all(&upload, folder.path(), &files).await;
        scene.complete(&upload).await.expect(202);
        let refused = scene.read(&upload).await;
        assert_eq!(refused["state"], "refused", "{refused}");
        let told = refused["refusal"].as_str().unwrap();
        assert!(told.contains(why) && !told.contains("scratch"), "{told}");
    }
    assert_eq!(scene.revision().await, Value::Null);
    let left = || async {
        (bucket.names("parts/").is_empty() && bucket.names("upload_id").is_empty()).then_some(())
    };
    eventually("the bucket to be cleared", left).await;
    assert_eq!(bucket.names("sha256/"), Vec::<String>::new());
}

#[tokio::test]
async fn uploads_are_of_registrars_of_the_tenant_that_registered_the_model() {
    let bucket = Bucket::start();
    let scene = Scene::set(&bucket, &[]).await;
    let files = declared(reader().path());
    let upload = location(&scene.open(&files).await.expect(201));
    let body = json!({ "model": MODEL, "files": files });
    let (rival, submitter) = (
        scene.hub.client("rival", &["registrar"]),
        scene.hub.client("acme", &["submitter", "operator"]),
    );
    let of_another = rival.post("/v1/model-uploads", &body).await;
    of_another.refused(403, "model_of_another");
    submitter
        .post("/v1/model-uploads", &body)
        .await
        .refused(403, "missing_role");
    scene
        .hub
        .stranger()
        .post("/v1/model-uploads", &body)
        .await
        .refused(401, "token_missing");
    for act in ACTS {
        let path = format!("{upload}{act}");
        for (client, status, code) in [(&rival, 404, "not_found"), (&submitter, 403, "missing_role")] {
            let answer = match act {
                "/complete" => client.post(&path, &json!({})).await,
                _ => client.get(&path).await,
            };
            answer.refused(status, code);
        }
    }
    rival.delete(&upload).await.refused(404, "not_found");
    assert_eq!(scene.registrar.get(&upload).await.json()["state"], "open");
    let unknown = json!({ "model": "acme/glm-4-unknown", "files": files });
    let unknown = scene.registrar.post("/v1/model-uploads", &unknown).await;
    unknown.refused(404, "model_unknown");
    // Models that came with the hub are the operator's to bring weights of.
    let seeded = json!({ "model": "THUDM/glm-4v-9b", "files": files });
    let refused = scene.registrar.post("/v1/model-uploads", &seeded).await;
    refused.refused(403, "model_of_another");
    let operator = scene.hub.client("glmhub", &["registrar"]);
    operator.post("/v1/model-uploads", &seeded).await.expect(201);
}

#[tokio::test]
async fn what_was_given_up_or_has_expired_is_cleared_out_of_the_bucket() {
    let bucket = Bucket::start();
    let scene = Scene::set(&bucket, &[("GLMHUB_MODEL_UPLOADS__OPEN_SECONDS", "2")]).await;
    let (folder, files) = (reader(), declared(reader().path()));
    for given_up in [true, false] {
        let upload = location(&scene.open(&files).await.expect(201));
        scene.put_some(&upload, &folder.file(WEIGHTS), 1).await;
        assert_eq!(bucket.names(".part-").len(), 1);
        let state = match given_up {
            true => {
                scene.registrar.delete(&upload).await.expect(200);
                "aborted"
            }
            false => "expired",
        };
        let ended = || async {
            let seen = scene.registrar.get(&upload).await.expect(200).json();
            (seen["state"] == state).then_some(())
        };
        eventually("the upload to end", ended).await;
        let cleared = || async { bucket.names("upload_id").is_empty().then_some(()) };
        eventually("the bucket to be cleared", cleared).await;
        scene.complete(&upload).await.refused(409, "upload_over");
        let parts = scene
            .registrar
            .get(&format!("{upload}/parts?path={WEIGHTS}"))
            .await;
        assert_eq!(parts.refused(409, "upload_over")["state"], state);
    }
    let log = scene.hub.audit_log("acme").await;
    for kind in ["opened", "aborted", "expired"] {
        assert!(log.contains(&format!("model_upload.{kind}")), "{log}");
    }
}

#[tokio::test]
async fn a_hub_that_dies_while_it_reads_has_another_begin_anew() {
    let bucket = Bucket::start();
    let mut scene = Scene::set(&bucket, &[("GLMHUB_MODEL_UPLOADS__HOLD_SECONDS", "1")]).await;
    let (folder, files) = (reader(), declared(reader().path()));
    let upload = location(&scene.open(&files).await.expect(201));
    scene.put_all(&upload, folder.path(), &files).await;
    scene.complete(&upload).await.expect(202);
    scene.hub.kill9();
    scene.hub.begin();
    scene.registrar = scene.hub.client("acme", &["registrar"]);
    let done = scene.read(&upload).await;
    assert_eq!(
        (&done["state"], &done["revision_sha256"]),
        (&json!("completed"), &scene.revision().await)
    );
}
