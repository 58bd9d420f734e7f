//! `/hf` as programs of the Hugging Face world use it.

use crate::{
    client::{Answer, Client},
    hub::Hub,
    licence::scene::{MODEL, Scene},
    weights::{TERMS, WeightsFolder},
};
use serde_json::{Value, json};
use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{FileExt as _, PermissionsExt as _},
};

const MESSAGE: &str = "x-error-message";

async fn get(client: &Client, path: &str) -> Answer {
    client.send_unjudged("GET", path, |request| request).await
}

/// Refused in the form, and as the class, that these clients know.
fn refused(answer: &Answer, status: u16, class: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("x-error-code"), Some(class));
    let message = answer.json()["error"].as_str().unwrap().to_owned();
    assert_eq!(answer.header(MESSAGE), Some(message.as_str()));
    message
}

#[tokio::test]
async fn a_repository_tells_what_it_holds_and_under_what_terms() {
    let scene = Scene::set().await;
    let client = &scene.submitter;
    let info = get(client, &format!("/hf/api/models/{MODEL}"))
        .await
        .expect(200)
        .json();
    assert_eq!((&info["id"], &info["gated"]), (&json!(MODEL), &json!(false)));
    let commit = info["sha"].as_str().unwrap();
    assert_eq!(commit.len(), 40);
    assert_eq!(
        (&info["cardData"]["license"], &info["cardData"]["license_name"]),
        (&json!("other"), &json!("glm-4"))
    );
    for (purpose, gated) in [("evaluation", "auto"), ("commercial", "manual")] {
        let path = format!("/hf/for/{purpose}/api/models/{MODEL}/revision/{commit}");
        assert_eq!(get(client, &path).await.expect(200).json()["gated"], gated);
    }
    let siblings = info["siblings"].as_array().unwrap();
    let names: Vec<&str> = siblings
        .iter()
        .map(|one| one["rfilename"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"config.json") && names.contains(&"NOTICE.txt"),
        "{names:?}"
    );
    let terms = format!("TERMS/glm-4-{}.txt", &scene.terms[..12]);
    assert!(names.contains(&terms.as_str()), "{names:?}");

    let tree = get(
        client,
        &format!("/hf/api/models/{MODEL}/tree/{commit}?recursive=true"),
    )
    .await;
    let tree = tree.expect(200).json();
    let leaf = tree
        .as_array()
        .unwrap()
        .iter()
        .find(|leaf| leaf["path"] == terms.as_str())
        .unwrap();
    assert_eq!(
        (&leaf["size"], &leaf["lfs"]["oid"]),
        (&json!(TERMS.len()), &json!(scene.terms))
    );
    let below = get(client, &format!("/hf/api/models/{MODEL}/tree/main/TERMS"))
        .await
        .expect(200)
        .json();
    assert_eq!(below, json!([leaf]));

    let mine = get(client, "/hf/api/whoami-v2").await.expect(200).json();
    assert_eq!(
        (&mine["type"], &mine["orgs"][0]["name"]),
        (&json!("user"), &json!("acme"))
    );
    let listed = get(client, "/hf/api/models?author=THUDM&limit=100")
        .await
        .expect(200)
        .json();
    let listed: Vec<&Value> = listed.as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(listed, [MODEL], "models without files are not here");
    let refs = get(client, &format!("/hf/api/models/{MODEL}/refs"))
        .await
        .expect(200)
        .json();
    assert_eq!(refs["branches"][0]["targetCommit"], commit);
}

#[tokio::test]
async fn a_file_comes_whole_or_in_part_with_its_digest_and_what_is_owed() {
    let scene = Scene::set().await;
    let client = &scene.submitter;
    let path = format!("/hf/{MODEL}/resolve/main/LICENSE");
    let head = client
        .send_unjudged("HEAD", &path, |request| request)
        .await
        .expect(200);
    let whole = get(client, &path).await.expect(200);
    assert_eq!(whole.text(), TERMS);
    let etag = format!("\"{}\"", scene.terms);
    for answer in [&head, &whole] {
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        assert_eq!(
            answer.header("content-length"),
            Some(TERMS.len().to_string().as_str())
        );
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("x-attribution"), Some("Built with glm-4"));
        assert_eq!(answer.header("x-repo-commit").unwrap().len(), 40);
    }
    assert_eq!(head.text(), "");
    let part = |range: &'static str| {
        client.send_unjudged("GET", &path, move |request| request.header("range", range))
    };
    let rest = part("bytes=3-").await.expect(206);
    assert_eq!(rest.text(), TERMS[3..]);
    let range = format!("bytes 3-{}/{}", TERMS.len() - 1, TERMS.len());
    assert_eq!(rest.header("content-range"), Some(range.as_str()));
    let beyond = part("bytes=999999-").await.expect(416);
    assert_eq!(
        beyond.header("content-range"),
        Some(format!("bytes */{}", TERMS.len()).as_str())
    );
    let notice = get(client, &format!("/hf/{MODEL}/resolve/main/NOTICE.txt"))
        .await
        .expect(200)
        .text();
    assert!(
        notice.contains("Built with glm-4") && notice.contains("TERMS/glm-4-"),
        "{notice}"
    );
    // What was given out is in the audit log, what was only looked at is not.
    let entries = scene.hub.audit_log("acme").await;
    assert_eq!(entries.matches("model.downloaded").count(), 3, "{entries}");
}

#[tokio::test]
async fn a_large_file_that_changes_after_it_was_given_out_never_comes_whole_again() {
    let (hub, weights) = (Hub::start(), WeightsFolder::new());
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 253) as u8).collect();
    weights.write("README.md", &sent);
    hub.import(MODEL, weights.path());
    let client = hub.client("acme", &["submitter"]);
    let path = format!("/hf/{MODEL}/resolve/main/README.md");
    // Hashed, and known by then.
    for _ in 0..3 {
        assert!(get(&client, &path).await.expect(200).body == sent);
    }
    let part = || {
        client.send_unjudged("GET", &path, |request| {
            request.header("range", "bytes=1000-200999")
        })
    };
    let came = part().await.expect(206);
    assert!(came.body == sent[1000..201_000]);
    let name = came.header("etag").unwrap().trim_matches('"');
    let place = hub.data().join("blobs/sha256").join(&name[..2]).join(name);
    let before = fs::metadata(&place).unwrap();
    fs::set_permissions(&place, Permissions::from_mode(0o600)).unwrap();
    let file = File::options().write(true).open(&place).unwrap();
    file.write_all_at(b"x", 2_000_000).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    for _ in 0..2 {
        assert!(client.try_send("GET", &path, |request| request).await.is_err());
    }
    assert!(part().await.expect(206).body == sent[1000..201_000]);
}

#[tokio::test]
async fn what_the_licence_does_not_allow_is_refused_with_how_to_accept() {
    let scene = Scene::set().await;
    let client = &scene.submitter;
    let path = format!("/hf/for/commercial/{MODEL}/resolve/main/config.json");
    let answer = get(client, &path).await;
    let message = refused(&answer, 403, "GatedRepo");
    assert!(
        message.contains("POST /v1/acceptances") && message.contains("(dec_"),
        "{message}"
    );
    assert!(message.ends_with(&format!("/models/{MODEL}")), "{message}");
    let check = get(
        client,
        &format!("/hf/for/commercial/api/models/{MODEL}/auth-check"),
    )
    .await;
    refused(&check, 403, "GatedRepo");
    get(client, &format!("/hf/api/models/{MODEL}/auth-check"))
        .await
        .expect(200);
    let head = client.send_unjudged("HEAD", &path, |request| request).await;
    assert_eq!(
        (head.status, head.header("x-error-code")),
        (403, Some("GatedRepo"))
    );
    scene.accepted(&["evaluation"]).await;
    get(
        client,
        &format!("/hf/for/evaluation/{MODEL}/resolve/main/config.json"),
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn what_is_not_there_is_told_by_its_class() {
    let scene = Scene::set().await;
    let client = &scene.submitter;
    let absent = get(client, "/hf/api/models/no/such").await;
    refused(&absent, 404, "RepoNotFound");
    let known = get(client, "/hf/api/models/THUDM/glm-4-9b").await;
    refused(&known, 404, "RevisionNotFound");
    for revision in ["0".repeat(40), "0".repeat(64), "v1".into(), "é".repeat(20)] {
        let answer = get(client, &format!("/hf/{MODEL}/resolve/{revision}/config.json")).await;
        refused(&answer, 404, "RevisionNotFound");
    }
    let file = get(client, &format!("/hf/{MODEL}/resolve/main/absent.bin")).await;
    refused(&file, 404, "EntryNotFound");
    assert_eq!(file.header("x-repo-commit").unwrap().len(), 40);
    let purpose = get(client, &format!("/hf/for/fun/api/models/{MODEL}")).await;
    assert_eq!(purpose.status, 404);
    let stranger = get(
        &scene.hub.stranger(),
        &format!("/hf/{MODEL}/resolve/main/config.json"),
    )
    .await;
    assert_eq!(stranger.status, 401);
    assert!(
        stranger.json()["error"]
            .as_str()
            .unwrap()
            .contains("glmhub token issue")
    );
    let nothing = get(client, "/hf/api/spaces").await;
    assert_eq!(nothing.status, 404);
    assert!(nothing.json()["error"].is_string());
}
