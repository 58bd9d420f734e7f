//! PDF documents with text whose font is not in them.

use crate::{
    batch::batch,
    client::Client,
    hub::eventually,
    jobs::{MODEL, completed, hub_with_model, new_batch, open, submit, upload},
    licence::scene::Scene,
    tally::all,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{
    RequestBuilder,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use std::fs;

const NO_FONTS: (&str, &str) = ("GLMHUB_WORK__FONT_FOLDERS", "[]");
const FONT: &str = "STSong-Light";

/// A PDF of one page that says 发票 in a font which is not in it.
fn invoice() -> Vec<u8> {
    let text = "BT /F1 40 Tf 5 100 Td <53D17968> Tj ET";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        format!("<< /Type /Font /Subtype /Type0 /BaseFont /{FONT} /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] >>"),
        format!(
            "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /{FONT} /DW 1000 \
             /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>"
        ),
    ];
    let objects: String = (1..)
        .zip(objects)
        .map(|(number, object)| format!("{number} 0 obj {object} endobj\n"))
        .collect();
    format!("%PDF-1.7\n{objects}trailer << /Root 1 0 R >>\n%%EOF\n").into_bytes()
}

/// How many pixels of the first page of a batch's only document are dark.
async fn ink(client: &Client, place: &str, document: &Value) -> usize {
    let id = document["id"].as_str().unwrap();
    let page = client
        .get(&format!("{place}/documents/{id}/pages/1/content"))
        .await
        .expect(200);
    let page = image::load_from_memory(&page.body).unwrap().into_luma8();
    page.pixels().filter(|pixel| pixel.0[0] < 128).count()
}

/// The only document of a batch that was completed, its place, and the batch.
async fn done(client: &Client) -> (Value, String, Value) {
    let place = open(client, &["What is it?"]).await;
    let made = upload(client, &place, invoice(), "application/pdf")
        .await
        .expect(201)
        .json();
    assert_eq!(made["data"][0]["warnings"], json!([]));
    submit(client, &place).await.expect(200);
    let seen = completed(client, &place).await;
    let documents = all(client, &format!("{place}/documents")).await;
    (documents[0].clone(), place, seen)
}

#[tokio::test]
async fn a_font_that_is_nowhere_is_a_warning_on_the_document_and_its_rows() {
    let hub = hub_with_model(&[NO_FONTS]);
    let client = hub.client("acme", &["submitter"]);
    let (document, place, seen) = done(&client).await;
    let warnings = document["warnings"].as_array().unwrap();
    assert_eq!(
        (warnings.len(), &warnings[0]["code"]),
        (1, &json!("font_missing"))
    );
    assert!(warnings[0]["message"].as_str().unwrap().contains(FONT));
    assert_eq!(
        (&seen["documents_with_warnings"], &seen["documents"]["split"]),
        (&json!(1), &json!(1))
    );
    let rows = all(&client, &format!("{place}/results")).await;
    assert_eq!(
        (&rows[0]["verdict"], &rows[0]["warnings"]),
        (&json!("answered"), &document["warnings"])
    );
    let job = format!("/v1/jobs/{}", rows[0]["job"].as_str().unwrap());
    let job = client.get(&job).await.expect(200).json();
    assert_eq!(job["warnings"], document["warnings"]);
    let fill = |request: RequestBuilder| {
        let image = Part::bytes(invoice()).mime_str("application/pdf").unwrap();
        let form = Form::new()
            .text("model", MODEL)
            .text("purpose", "research")
            .text("question", "What is it?");
        request.multipart(form.part("image", image))
    };
    let asked = client.send("POST", "/v1/jobs", fill).await.expect(202).json();
    assert_eq!(asked["warnings"], document["warnings"]);
    let csv = client
        .get(&format!("{place}/results?format=csv"))
        .await
        .expect(200)
        .text();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",warnings"), "{csv}");
    assert!(lines[1].ends_with(",font_missing"), "{csv}");
    let mut batch = new_batch(&["What is it?"]);
    batch["documents"] = json!([
        { "document": document["id"] },
        { "content": BASE64_STANDARD.encode(invoice()), "media_type": "application/pdf" },
    ]);
    let told = client
        .post("/v1/batches/preflight", &batch)
        .await
        .expect(200)
        .json();
    for looked_at in told["documents"].as_array().unwrap() {
        assert_eq!(looked_at["warnings"], document["warnings"]);
    }
    // What is deleted is told no more.
    client.delete(&place).await;
    let gone = || async {
        let left = all(&client, &format!("{place}/documents")).await;
        (left[0]["deleted_at"].is_string()).then_some(left)
    };
    let left = eventually("the document to be deleted", gone).await;
    assert_eq!(left[0]["warnings"], json!([]));
}

#[tokio::test]
async fn with_the_fonts_of_this_machine_the_letters_are_drawn() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let (document, place, seen) = done(&client).await;
    assert_eq!(
        (&document["warnings"], &seen["documents_with_warnings"]),
        (&json!([]), &json!(0)),
        "no font of this machine has Chinese letters; scripts/test installs one"
    );
    let dark = ink(&client, &place, &document).await;
    assert!(dark > 1_000, "{dark}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_warnings_before_and_after() {
    let scene = Scene::set_with(&[NO_FONTS]).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("发票.pdf"), invoice()).unwrap();
    let path = folder.path().to_str().unwrap();
    let submit = [
        "submit",
        "--model",
        MODEL,
        "--purpose",
        "research",
        "--question",
        "a?",
        path,
    ];
    let before = batch(&scene, &[&submit[..], &["--dry-run"]].concat()).well();
    let told = format!("warning: 发票.pdf: the font \"{FONT}\" is neither");
    assert!(before.contains(&told), "{before}");
    let status = batch(&scene, &[&submit[..], &["--wait"]].concat()).well();
    assert!(status.contains("  warnings   on 1 documents"), "{status}");
    let id = status.split(' ').next().unwrap();
    let results = batch(&scene, &["results", id]);
    assert!(results.stderr.starts_with(&told), "{}", results.stderr);
    assert_eq!(results.stderr.lines().count(), 1);
    assert!(!results.stdout.contains("warning"), "{}", results.stdout);
}
