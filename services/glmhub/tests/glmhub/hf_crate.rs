//! `hf-hub`, the crate by which candle's programs pull models, unmodified.

use crate::{
    licence::scene::{MODEL, Scene},
    weights::TERMS,
};
use hf_hub::{
    Repo, RepoType,
    api::tokio::{Api, ApiBuilder, ApiError},
};
use std::{collections::BTreeSet, fs, path::Path};

/// As a program is set up by `HF_ENDPOINT` and `HF_TOKEN`, with a folder of its own.
fn api(scene: &Scene, endpoint: &str, folder: &Path) -> Api {
    ApiBuilder::new()
        .with_endpoint(format!("{}{endpoint}", scene.hub.url()))
        .with_token(Some(scene.hub.token("acme", &["submitter"])))
        .with_cache_dir(folder.to_owned())
        .with_progress(false)
        // Small, so that files come in several parts at once.
        .with_chunk_size(Some(200_000))
        .with_max_files(4)
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_unmodified_crate_pulls_every_file_of_a_model_with_its_terms() {
    let scene = Scene::set().await;
    let folder = tempfile::tempdir().unwrap();
    let model = api(&scene, "/hf", folder.path()).model(MODEL.to_owned());
    let info = model.info().await.unwrap();
    let names: BTreeSet<&str> = info.siblings.iter().map(|one| one.rfilename.as_str()).collect();
    for wanted in [
        "LICENSE",
        "NOTICE.txt",
        "config.json",
        "model-00001-of-00002.safetensors",
    ] {
        assert!(names.contains(wanted), "{names:?}");
    }
    for name in &names {
        let got = fs::read(model.get(name).await.unwrap()).unwrap();
        match fs::read(scene.weights.file(name)) {
            Ok(sent) => assert!(got == sent, "{name} is another file"),
            Err(_) => assert!(!got.is_empty(), "{name}"),
        }
    }
    let terms = format!("TERMS/glm-4-{}.txt", &scene.terms[..12]);
    assert_eq!(
        fs::read_to_string(model.get(&terms).await.unwrap()).unwrap(),
        TERMS
    );
    // At the commit by which the others know it, what is in the folder is taken from there.
    let at = Repo::with_revision(MODEL.to_owned(), RepoType::Model, info.sha.clone());
    let at = api(&scene, "/hf", folder.path()).repo(at);
    let path = at.get("config.json").await.unwrap();
    assert!(path.to_str().unwrap().contains(&info.sha), "{path:?}");
}

#[tokio::test]
async fn the_crate_is_refused_what_the_licence_does_not_allow_and_pulls_it_when_it_does() {
    let scene = Scene::set().await;
    let folder = tempfile::tempdir().unwrap();
    let model = api(&scene, "/hf/for/evaluation", folder.path()).model(MODEL.to_owned());
    let refused = model.download("config.json").await.unwrap_err();
    let ApiError::RequestError(error) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(error.status().map(|status| status.as_u16()), Some(403), "{error}");
    scene.accepted(&["evaluation"]).await;
    let path = model.download("config.json").await.unwrap();
    assert_eq!(
        fs::read(path).unwrap(),
        fs::read(scene.weights.file("config.json")).unwrap()
    );
}
