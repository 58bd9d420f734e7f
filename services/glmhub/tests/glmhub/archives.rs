//! A model's files on their way out of the hub: never without the terms, never against the licence.

use crate::{
    client::Answer,
    hub::Hub,
    licence::scene::{MODEL, Scene},
    weights::{TERMS, WeightsFolder},
};
use domain::digest::Sha256;
use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read as _},
};

fn members(answer: &Answer) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(answer.body.clone())).unwrap();
    let count = archive.len();
    let read = |index| {
        let mut member = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        (member.name().unwrap().into_owned(), content)
    };
    (0..count).map(read).collect()
}

/// Where the archive of the model's newest revision is.
async fn path(scene: &Scene, wanted: &str) -> String {
    let model = scene.submitter.get(&format!("/v1/models/{MODEL}")).await.json();
    let revision = model["revision"]["sha256"].as_str().unwrap();
    format!("/v1/models/{MODEL}/revisions/{revision}/archive?{wanted}")
}

#[tokio::test]
async fn the_files_come_with_the_exact_terms_and_a_notice_of_what_is_owed() {
    let scene = Scene::set().await;
    let answer = scene
        .submitter
        .get(&path(&scene, "purpose=research").await)
        .await
        .expect(200);
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    assert_eq!(answer.header("x-attribution"), Some("Built with glm-4"));
    let decision = answer.header("x-decision-id").unwrap().to_owned();
    let members = members(&answer);
    let terms = format!("TERMS/glm-4-{}.txt", &scene.terms[..12]);
    assert_eq!(members[&terms], TERMS.as_bytes());
    let notice = String::from_utf8(members["NOTICE.txt"].clone()).unwrap();
    for owed in [
        "Built with glm-4",
        &terms,
        &decision,
        "begin the names of models that you derive",
        "military use",
    ] {
        assert!(
            notice.to_lowercase().contains(&owed.to_lowercase()),
            "{owed}: {notice}"
        );
    }
    for name in ["config.json", "model-00001-of-00002.safetensors"] {
        let given = Sha256::of(&members[&format!("model/{name}")]);
        assert_eq!(
            given,
            Sha256::of(&fs::read(scene.weights.file(name)).unwrap()),
            "{name}"
        );
    }
    let found = scene
        .submitter
        .get(&format!("/v1/decisions/{decision}"))
        .await
        .expect(200);
    assert_eq!(found.json()["purpose"], "research");
}

#[tokio::test]
async fn one_file_comes_with_the_terms_too() {
    let scene = Scene::set().await;
    let answer = scene
        .submitter
        .get(&path(&scene, "purpose=research&path=config.json").await)
        .await
        .expect(200);
    let names: Vec<String> = members(&answer).into_keys().collect();
    let terms = format!("TERMS/glm-4-{}.txt", &scene.terms[..12]);
    assert_eq!(
        names,
        ["NOTICE.txt".to_owned(), terms, "model/config.json".into()]
    );
    let absent = path(&scene, "purpose=research&path=none.json").await;
    scene.submitter.get(&absent).await.refused(404, "not_found");
}

#[tokio::test]
async fn what_the_licence_does_not_allow_is_not_given_out() {
    let scene = Scene::set().await;
    let commercial = path(&scene, "purpose=commercial").await;
    let problem = scene
        .submitter
        .get(&commercial)
        .await
        .refused(403, "license_not_accepted");
    let decision = format!("/v1/decisions/{}", problem["decision_id"].as_str().unwrap());
    let decision = scene.submitter.get(&decision).await.expect(200).json();
    assert_eq!(decision["outcome"], "refused");
    let malformed = path(&scene, "").await;
    scene
        .submitter
        .get(&malformed)
        .await
        .refused(400, "query_malformed");
}

#[tokio::test]
async fn files_whose_terms_are_not_here_are_not_given_out() {
    let (hub, weights) = (Hub::start(), WeightsFolder::new());
    weights.remove("LICENSE");
    hub.import(MODEL, weights.path());
    let reader = hub.client("acme", &["submitter"]);
    let model = reader.get(&format!("/v1/models/{MODEL}")).await.json();
    let revision = model["revision"]["sha256"].as_str().unwrap();
    let path = format!("/v1/models/{MODEL}/revisions/{revision}/archive?purpose=research");
    reader.get(&path).await.refused(409, "terms_absent");
}
