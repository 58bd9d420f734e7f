//! `glmhub ask` from outside: the program, real files, the golden checkpoints.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};
use tempfile::TempDir;

const SETS: [&str; 3] = ["tiny-a", "tiny-b", "tiny-c"];

fn golden(set: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../workers/engine/tests/golden")
        .join(set)
}

fn expected(set: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(set).join("expected.json")).unwrap()).unwrap()
}

fn ask(model: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_glmhub");
    Command::new(program)
        .arg("ask")
        .arg("--model")
        .arg(model)
        .args(arguments)
        .output()
        .unwrap()
}

fn answer(model: &Path, arguments: &[&str]) -> Value {
    let output = ask(model, &[arguments, &["--json"]].concat());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asks and expects to be refused; gives the exit code and the message.
fn refusal(model: &Path, arguments: &[&str]) -> (i32, String) {
    let output = ask(model, arguments);
    assert_eq!(output.stdout, b"", "{arguments:?}");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A folder with the messages of a set, and their image beside them.
fn messages(set: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let image = golden(set).join("input.png");
    if image.exists() {
        std::fs::copy(image, dir.path().join("input.png")).unwrap();
    }
    let file = write(
        &dir,
        "messages.json",
        expected(set)["messages"].to_string().as_bytes(),
    );
    (dir, file)
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_golden_set_is_answered_to_the_id() {
    for set in SETS {
        let expected = expected(set);
        let (_dir, file) = messages(set);
        let asked = [
            "--messages",
            &file,
            "--max-new-tokens",
            "16",
            "--ignore-eos",
            "--top-logprobs",
            "2",
        ];
        let answer = answer(&golden(set), &asked);
        assert_eq!(answer["token_ids"], expected["greedy_ids"], "{set}");
        assert_eq!(answer["prompt_token_ids"], expected["prompt_ids"], "{set}");
        assert_eq!(answer["text"], expected["greedy_text"], "{set}");
        assert_eq!(answer["finish_reason"], "length", "{set}");
        let image_tokens = expected["shapes"]["image_features"][1].as_u64().unwrap_or(0);
        assert_eq!(answer["image_tokens"], image_tokens, "{set}");
        for timing in ["load", "tower", "prefill", "decode"] {
            assert!(
                answer["timings"][timing].as_f64().unwrap() >= 0.0,
                "{set}: {timing}"
            );
        }
        check_logprobs(set, &answer, &expected);
    }
}

/// The likeliest of each place is the greedy token, and as far ahead of the second as the reference has it.
fn check_logprobs(set: &str, answer: &Value, expected: &Value) {
    let places = answer["top_logprobs"].as_array().unwrap();
    assert_eq!(places.len(), 16, "{set}");
    for (index, place) in places.iter().enumerate() {
        assert_eq!(place.as_array().unwrap().len(), 2, "{set}");
        assert_eq!(place[0]["id"], answer["token_ids"][index], "{set}");
        assert!(place[0]["token"].is_string(), "{set}");
        let logprob = |rank: usize| place[rank]["logprob"].as_f64().unwrap();
        let margin = expected["margins"][index].as_f64().unwrap();
        assert!(
            (logprob(0) - logprob(1) - margin).abs() < 1e-3,
            "{set}, token {index}"
        );
        assert!(logprob(0) < 0.0, "{set}, token {index}");
    }
}

#[test]
fn the_streamed_text_is_the_answers_text() {
    for set in SETS {
        let (_dir, file) = messages(set);
        let asked = ["--messages", &file, "--max-new-tokens", "16", "--ignore-eos"];
        let output = ask(&golden(set), &asked);
        assert!(output.status.success());
        let text = expected(set)["greedy_text"].as_str().unwrap().to_owned();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), text + "\n", "{set}");
        assert_eq!(output.stderr, b"", "{set}: progress is for terminals");
    }
}

#[test]
fn weights_kept_in_their_own_type_give_the_same_ids() {
    let (_dir, file) = messages("tiny-a");
    let asked = [
        "--messages",
        &file,
        "--max-new-tokens",
        "16",
        "--ignore-eos",
        "--dtype",
        "bf16",
    ];
    assert_eq!(
        answer(&golden("tiny-a"), &asked)["token_ids"],
        expected("tiny-a")["greedy_ids"]
    );
}

#[test]
fn a_seed_repeats_a_drawn_answer() {
    let drawn = |seed: &str| {
        let asked = ["--question", "hello", "--max-new-tokens", "24", "--ignore-eos"];
        let how = [
            "--temperature",
            "1.5",
            "--top-k",
            "200",
            "--top-p",
            "0.99",
            "--seed",
            seed,
        ];
        answer(&golden("tiny-c"), &[&asked[..], &how].concat())["token_ids"].clone()
    };
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
}

#[test]
fn without_alternatives_asked_for_there_are_none() {
    let answer = answer(
        &golden("tiny-c"),
        &["--question", "hello", "--max-new-tokens", "2"],
    );
    assert_eq!(answer.get("top_logprobs"), None);
}

#[test]
fn a_photograph_is_turned_upright_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let encode = |image: &DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let picture = image::open(golden("tiny-a").join("input.png"))
        .unwrap()
        .into_rgb8();
    let jpeg = encode(&picture.into(), ImageFormat::Jpeg);
    let exif = b"\xff\xe1\0\x22Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let lying = write(&dir, "lying.jpg", &[&jpeg[..2], exif, &jpeg[2..]].concat());
    let turned = image::load_from_memory(&jpeg).unwrap().rotate90();
    let upright = write(&dir, "upright.png", &encode(&turned, ImageFormat::Png));
    let straight = write(&dir, "straight.jpg", &jpeg);
    let logprobs = |image: &str| {
        let asked = [
            "--question",
            "?",
            "--image",
            image,
            "--max-new-tokens",
            "1",
            "--top-logprobs",
            "5",
        ];
        answer(&golden("tiny-a"), &asked)["top_logprobs"].clone()
    };
    assert_eq!(logprobs(&lying), logprobs(&upright));
    assert_ne!(logprobs(&lying), logprobs(&straight));
}

#[test]
fn an_image_that_cannot_be_taken_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let png = std::fs::read(golden("tiny-a").join("input.png")).unwrap();
    let image = |name: &str, bytes: &[u8]| write(&dir, name, bytes);
    for (file, reason) in [
        (
            dir.path().join("missing.png").to_str().unwrap().to_owned(),
            "No such file",
        ),
        (
            image("truncated.png", &png[..png.len() / 2]),
            "the PNG image ends too early",
        ),
        (image("empty.png", b""), "the document is empty"),
        (image("text.png", b"no image"), "is not supported: give PNG, JPEG"),
    ] {
        let (code, message) = refusal(&golden("tiny-a"), &["--question", "?", "--image", &file]);
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(&file) && message.contains(reason), "{message}");
    }
}

#[test]
fn messages_that_cannot_be_answered_are_refused_with_the_reason() {
    let (dir, _) = messages("tiny-a");
    let user = |image: &str| json!({ "role": "user", "content": "?", "image": image });
    for (text, reason) in [
        (
            json!([user("input.png"), user("input.png")]).to_string(),
            "messages 1 and 2 both have an image",
        ),
        (json!([user("missing.png")]).to_string(), "missing.png"),
        (
            json!([{ "role": "user", "content": "?", "colour": 1 }]).to_string(),
            "unknown field `colour`",
        ),
        (
            json!([{ "role": "assistant", "content": "!" }]).to_string(),
            "the last message must be from",
        ),
        ("[{".to_owned(), "are not a JSON list"),
        ("[]".to_owned(), "there is no question"),
    ] {
        let file = write(&dir, "bad.json", text.as_bytes());
        let (code, message) = refusal(&golden("tiny-a"), &["--messages", &file]);
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(reason), "{text}: {message}");
    }
}

#[test]
fn a_question_longer_than_the_context_is_refused_with_the_numbers() {
    let question = "7 ".repeat(300);
    let (code, message) = refusal(&golden("tiny-c"), &["--question", &question]);
    assert_eq!(code, 1);
    assert!(
        message.contains("does not fit") && message.contains("512"),
        "{message}"
    );
    let asked = ["--question", "hello", "--max-new-tokens", "511"];
    let (code, message) = refusal(&golden("tiny-c"), &asked);
    assert_eq!(code, 1);
    assert!(message.contains("511") && message.contains("512"), "{message}");
}

#[test]
fn a_model_that_cannot_be_loaded_is_named() {
    let (code, message) = refusal(Path::new("/nowhere/at/all"), &["--question", "?"]);
    assert_eq!(code, 1);
    assert!(
        message.contains("/nowhere/at/all is no folder: give --model"),
        "{message}"
    );
    let dir = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(golden("tiny-c")).unwrap().map(Result::unwrap) {
        if file.file_name() != "model-00002-of-00002.safetensors" && file.path().is_file() {
            std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
        }
    }
    let (code, message) = refusal(dir.path(), &["--question", "?"]);
    assert_eq!(code, 1);
    assert!(message.contains("model-00002-of-00002.safetensors"), "{message}");
}

#[test]
fn a_command_that_makes_no_sense_has_exit_code_2() {
    for (arguments, reason) in [
        (vec![], "--question"),
        (
            vec!["--question", "?", "--messages", "m.json"],
            "cannot be used with",
        ),
        (
            vec!["--messages", "m.json", "--image", "i.png"],
            "cannot be used with",
        ),
        (vec!["--question", "?", "--top-p", "2"], "above 0 and at most 1"),
        (vec!["--question", "?", "--top-k", "0"], "at least 1"),
        (
            vec!["--question", "?", "--temperature", "-1"],
            "from 0 (greedy) to 100",
        ),
        (
            vec!["--question", "?", "--repetition-penalty", "0"],
            "above 0 and at most 100",
        ),
        (
            vec!["--question", "?", "--max-new-tokens", "0"],
            "--max-new-tokens",
        ),
        (vec!["--question", "?", "--top-logprobs", "2"], "--json"),
        (
            vec!["--question", "?", "--dtype", "q4"],
            "choose f32, bf16 or f16",
        ),
    ] {
        let (code, message) = refusal(&golden("tiny-c"), &arguments);
        assert_eq!(code, 2, "{arguments:?}: {message}");
        assert!(message.contains(reason), "{arguments:?}: {message}");
    }
}
