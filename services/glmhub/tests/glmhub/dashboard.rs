//! The dashboard as a browser sees it: a link, a cookie, forms.

pub mod browser;
mod cards;
mod depths;
mod live;
mod policies;
mod replay;
mod tenant;
mod together;
mod webhooks;
pub mod work;

use crate::{
    hub::{Hub, eventually},
    licence::scene::{MODEL, Scene},
    process::glmhub,
    revocation::scene::Work,
};
use browser::{Browser, link, sign_in, url_encoded};
use serde_json::json;

#[tokio::test]
async fn a_reviewer_reads_a_request_approves_it_and_revokes_it_after_seeing_what_stops() {
    let scene = Scene::set().await;
    // An older text was accepted before, so that there is a difference to read.
    let registrar = scene.hub.client("zhipu", &["registrar"]);
    let put = registrar.send("PUT", "/v1/licenses/glm-4/terms", |request| {
        request
            .header("content-type", "text/plain")
            .body("An older text.\n")
    });
    let older = put.await.expect(201).json()["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    let evaluation = json!({
        "license": "glm-4", "terms_sha256": older, "purposes": ["evaluation"],
        "signer": { "name": "the signatory", "title": "General counsel" },
    });
    scene
        .signatory
        .post("/v1/acceptances", &evaluation)
        .await
        .expect(201);
    let requested = scene.accepted(&["commercial"]).await;
    let id = requested["id"].as_str().unwrap();
    let evidence = format!("/v1/acceptances/{id}/evidence?name=certificate.txt");
    let file = |request: reqwest::RequestBuilder| request.header("content-type", "text/plain").body("R-1");
    scene.signatory.send("POST", &evidence, file).await.expect(201);

    let browser = Browser::open(&scene.hub, "zhipu", "reviewer").await;
    let queue = browser.get("/admin/reviews").await.expect(200).text();
    assert!(
        queue.contains(id) && queue.contains("commercial") && queue.contains("acme"),
        "{queue}"
    );
    let path = format!("/admin/reviews/{id}");
    let page = browser.get(&path).await.expect(200);
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    let page = page.text();
    for expected in [
        "the signatory, General counsel",
        "R-1",
        "filed as 2024/17",
        "certificate.txt",
        "Built with glm-4",
        "diff removed\">-An older text.",
        "class=\"diff added\">+",
        &older,
        "military use",
        MODEL,
    ] {
        assert!(page.contains(expected), "{expected} is not on the page:\n{page}");
    }
    let sha256 = page
        .split("/evidence/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let kept = browser
        .get(&format!("{path}/evidence/{sha256}"))
        .await
        .expect(200);
    assert_eq!(kept.text(), "R-1");
    assert!(
        kept.header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );

    let proof = browser.proof(&path).await;
    browser
        .post(
            &format!("{path}/comment"),
            &[("csrf", &proof), ("text", "checked <b>the</b> number")],
        )
        .await
        .expect(303);
    assert!(
        browser.get(&path).await.text().contains("checked &#60;b&#62;the"),
        "escaped"
    );
    let rejected = browser
        .post(&format!("{path}/reject"), &[("csrf", &proof), ("reason", " ")])
        .await;
    assert!(rejected.expect(400).text().contains("reason_missing"));
    let approved = browser
        .post(
            &format!("{path}/approve"),
            &[
                ("csrf", &proof),
                ("reason", "as filed"),
                ("valid_until", "2031-12-31"),
            ],
        )
        .await;
    assert_eq!(approved.expect(303).header("location"), Some(path.as_str()));
    let api = scene
        .reviewer
        .get(&format!("/v1/acceptances/{id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(api["state"], "active");
    assert_eq!(
        api["approval"]["by"],
        json!({ "tenant": "zhipu", "member": "li" })
    );
    assert_eq!(api["valid_until"], "2032-01-01T00:00:00Z");

    let batch =
        json!({ "model": MODEL, "purpose": "commercial", "questions": [{ "text": "What is this?" }] });
    let batch = scene
        .submitter
        .post("/v1/batches", &batch)
        .await
        .expect(201)
        .json();
    let preview = browser.get(&format!("{path}/revoke")).await.expect(200).text();
    assert!(
        preview.contains("What stops") && preview.contains("It cannot be undone"),
        "{preview}"
    );
    let revoked = browser
        .post(
            &format!("{path}/revoke"),
            &[("csrf", &proof), ("reason", "the contract ended")],
        )
        .await;
    revoked.expect(303);
    let page = browser.get(&path).await.expect(200).text();
    assert!(
        page.contains("revoked") && page.contains("the contract ended (li · zhipu"),
        "{page}"
    );
    let again = browser
        .post(
            &format!("{path}/suspend"),
            &[("csrf", &proof), ("reason", "again")],
        )
        .await;
    assert!(again.expect(409).text().contains("acceptance_state"));
    assert!(batch["id"].is_string());
    let log = scene.hub.audit_log("acme").await;
    for kind in [
        "acceptance.approved",
        "acceptance.commented",
        "acceptance.revoked",
    ] {
        assert!(log.contains(kind), "{kind}: {log}");
    }
}

#[tokio::test]
async fn the_preview_of_a_revocation_shows_the_work_that_stops_then() {
    let work = Work::with_orders_at_once(1).await;
    let batch = work.batch(6, 40).await;
    // Research asks for no acceptance, so nothing of it hangs on this one.
    let free = work.batch_for("research", 1, 1).await;
    let browser = Browser::open(&work.scene.hub, "zhipu", "reviewer").await;
    let revoke = format!(
        "/admin/reviews/{}/revoke",
        work.acceptance["id"].as_str().unwrap()
    );
    let preview = browser.get(&revoke).await.expect(200).text();
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    assert!(preview.contains(&id(&batch)), "{preview}");
    assert!(!preview.contains(&id(&free)), "{preview}");
    let proof = browser.proof(&revoke).await;
    browser
        .post(
            &revoke,
            &[("csrf", &proof), ("reason", "the registration was withdrawn")],
        )
        .await
        .expect(303);
    work.all_stopped(&batch).await;
    work.completed(&free).await;
}

#[tokio::test]
async fn a_form_without_its_proof_or_from_elsewhere_changes_nothing() {
    let scene = Scene::set().await;
    let requested = scene.accepted(&["commercial"]).await;
    let id = requested["id"].as_str().unwrap();
    let browser = Browser::open(&scene.hub, "zhipu", "reviewer").await;
    let (path, approve) = (
        format!("/admin/reviews/{id}"),
        format!("/admin/reviews/{id}/approve"),
    );
    let proof = browser.proof(&path).await;
    let wrong = browser.post(&approve, &[("csrf", "0000"), ("reason", "")]).await;
    assert!(wrong.expect(403).text().contains("form_foreign"));
    browser.post(&approve, &[("reason", "")]).await.expect(400);
    let other = Browser::open(&scene.hub, "zhipu", "reviewer").await;
    other.post(&approve, &[("csrf", &proof)]).await.expect(403);
    let body = url_encoded(&[("csrf", &proof)]);
    let elsewhere = |request: reqwest::RequestBuilder| {
        request
            .header("cookie", &browser.cookie)
            .header("origin", "https://elsewhere.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    };
    scene
        .hub
        .stranger()
        .send_unjudged("POST", &approve, elsewhere)
        .await
        .expect(403);
    let api = scene
        .reviewer
        .get(&format!("/v1/acceptances/{id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(api["state"], "under_review");
    // A submitter's session reads its own tenant's requests and judges nothing.
    let submitter = Browser::open(&scene.hub, "acme", "submitter").await;
    let page = submitter.get(&path).await.expect(200).text();
    assert!(!page.contains("/approve"), "{page}");
    let own = submitter.proof(&path).await;
    assert!(
        submitter
            .post(&approve, &[("csrf", &own)])
            .await
            .expect(403)
            .text()
            .contains("missing_role")
    );
    let stranger = Browser::open(&scene.hub, "other", "submitter").await;
    stranger.get(&path).await.expect(404);
}

#[tokio::test]
async fn a_link_opens_one_session_and_a_session_ends() {
    let hub = Hub::start_with(&[
        ("GLMHUB_DASHBOARD__LONGEST_SECONDS", "3"),
        ("GLMHUB_DASHBOARD__LINK_SECONDS", "3"),
    ]);
    let signed_out = hub
        .stranger()
        .send_unjudged("GET", "/admin/reviews", |request| request)
        .await;
    assert!(signed_out.expect(401).text().contains("glmhub admin link"));
    let link = link(&hub, "zhipu", &["reviewer"]);
    let page = hub
        .stranger()
        .send_unjudged("GET", &format!("/admin/sign-in?link={link}"), |request| request)
        .await;
    assert!(page.expect(200).text().contains("li of zhipu"));
    let opened = sign_in(&hub, &link).await.expect(303);
    assert!(
        sign_in(&hub, &link)
            .await
            .expect(403)
            .text()
            .contains("link_unusable")
    );
    assert!(
        sign_in(&hub, "a.b.c")
            .await
            .expect(403)
            .text()
            .contains("link_unusable")
    );
    let cookie = opened
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let browser = Browser { hub: &hub, cookie };
    browser.get("/admin/reviews").await.expect(200);
    // Being looked at does not prolong it beyond its end.
    eventually("the session ends", async || {
        (browser.get("/admin/reviews").await.status == 401).then_some(())
    })
    .await;
    assert_eq!(
        browser.post("/admin/sign-out", &[("csrf", "0")]).await.status,
        401
    );
    let expired = sign_in(&hub, &link).await;
    assert_eq!(expired.status, 403);
}

#[tokio::test]
async fn whoever_signs_out_is_out_and_behind_tls_the_cookie_is_secure() {
    let hub = Hub::start_with(&[("GLMHUB_DASHBOARD__URL", "https://hub.example.com")]);
    let mut command = glmhub();
    command.args([
        "admin", "link", "--tenant", "zhipu", "--member", "li", "--role", "reviewer", "--data",
    ]);
    command
        .arg(hub.data())
        .env("GLMHUB_DASHBOARD__URL", "https://hub.example.com");
    let printed = crate::process::ended(command.output().unwrap()).well();
    let link = printed
        .trim_end()
        .strip_prefix("https://hub.example.com/admin/sign-in?link=")
        .unwrap();
    let opened = sign_in(&hub, link).await.expect(303);
    let set = opened.header("set-cookie").unwrap();
    assert!(
        set.starts_with("__Host-glmhub_session=") && set.contains("Secure"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap().to_owned();
    let browser = Browser { hub: &hub, cookie };
    let proof = browser.proof("/admin/reviews").await;
    browser
        .post("/admin/sign-out", &[("csrf", &proof)])
        .await
        .expect(303);
    browser.get("/admin/reviews").await.expect(401);
}
