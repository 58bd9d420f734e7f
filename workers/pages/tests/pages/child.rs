use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image::ImageFormat;
use pages::child::{Ahead, Splitter};
use pages::{Fonts, Limits, PageError};
use tempfile::TempDir;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::archives::image;
use crate::documents::{TiffPage, encode, limits, picture, tiff, with_exif};
use crate::pdf::written;

pub fn splitter() -> Splitter {
    Splitter {
        program: PathBuf::from(env!("CARGO_BIN_EXE_pages-child")),
        time_limit: Duration::from_secs(60),
        memory_limit: 1 << 30,
        limits: limits(),
        fonts: Fonts::default(),
    }
}

pub fn document(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("document");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

pub fn out(dir: &TempDir) -> PathBuf {
    dir.path().join("pages")
}

#[test]
fn the_child_splits_as_this_process_does() {
    let page = |grey| TiffPage {
        width: 6,
        height: 4,
        orientation: 8,
        grey,
    };
    for bytes in [
        encode(picture(30, 20), ImageFormat::WebP),
        with_exif(&encode(picture(24, 16), ImageFormat::Jpeg), 3),
        tiff(&[page(1), page(2)]),
    ] {
        let (dir, path) = document(&bytes);
        let by_child = splitter().split(&path, &out(&dir)).unwrap();
        assert_eq!(
            pages::split(&path, &out(&dir), &limits(), &Fonts::default()),
            Ok(by_child)
        );
    }
}

/// An archive and a PDF document of one page each, with `bytes` that nobody reads.
fn long_documents(bytes: usize) -> [Vec<u8>; 2] {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [(".DS_Store", vec![7; bytes]), ("page.png", image(30))] {
        archive.start_file(name, stored).unwrap();
        archive.write_all(&content).unwrap();
    }
    let unread = "x".repeat(bytes);
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 200] >>".to_owned(),
        format!("<< /Length {bytes} >>\nstream\n{unread}\nendstream"),
    ];
    [archive.finish().unwrap().into_inner(), written(&objects, "")]
}

#[test]
fn a_document_may_be_longer_than_the_memory_for_its_work() {
    let splitter = Splitter {
        memory_limit: 128 << 20,
        limits: Limits::default(),
        ..splitter()
    };
    for bytes in long_documents(200 << 20) {
        let (dir, path) = document(&bytes);
        assert_eq!(splitter.split(&path, &out(&dir)).unwrap().pages.len(), 1);
    }
}

#[test]
fn the_childs_refusal_arrives_whole() {
    let png = encode(picture(30, 20), ImageFormat::Png);
    for bytes in [&b""[..], b"text", &png[..png.len() / 2]] {
        let (dir, path) = document(bytes);
        let refused = splitter().split(&path, &out(&dir)).unwrap_err();
        assert_eq!(
            pages::split(&path, &out(&dir), &limits(), &Fonts::default()),
            Err(refused)
        );
    }
}

#[test]
fn a_child_that_needs_more_memory_than_allowed_is_an_error_of_the_document() {
    let (dir, path) = document(&encode(picture(4_000, 3_000), ImageFormat::Png));
    let tight = Splitter {
        memory_limit: 8 << 20,
        ..splitter()
    };
    let refused = tight.split(&path, &out(&dir)).unwrap_err();
    assert_eq!(refused.code(), "splitting_crashed");
    assert!(refused.is_documents_fault());
    assert!(splitter().split(&path, &out(&dir)).is_ok());
}

#[cfg(unix)]
#[test]
fn a_child_that_hangs_is_ended_when_its_time_is_up() {
    let dir = tempfile::tempdir().unwrap();
    // Opening a pipe that nobody writes to waits for ever.
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let started = Instant::now();
    let impatient = Splitter {
        time_limit: Duration::from_millis(300),
        ..splitter()
    };
    assert_eq!(
        impatient.split(&pipe, &out(&dir)),
        Err(PageError::TimedOut { seconds: 0 })
    );
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[cfg(unix)]
#[test]
fn a_program_that_is_no_splitter_is_a_crash_and_one_that_is_missing_our_fault() {
    let (dir, path) = document(b"text");
    let with = |program: &str| Splitter {
        program: PathBuf::from(program),
        ..splitter()
    };
    let silent = with("/bin/false").split(&path, &out(&dir)).unwrap_err();
    assert_eq!(silent.code(), "splitting_crashed");
    let talkative = with("/usr/bin/yes").split(&path, &out(&dir)).unwrap_err();
    assert_eq!(talkative.code(), "splitting_crashed");
    let missing = with("/nowhere/at/all").split(&path, &out(&dir)).unwrap_err();
    assert_eq!(missing.code(), "page_storage");
}

#[cfg(unix)]
#[test]
fn a_child_that_tells_of_pages_which_it_did_not_write_is_a_crash() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, path) = document(b"text");
    let program = dir.path().join("liar");
    let answered = |pages: &str| {
        let script = format!("#!/bin/sh\necho '{{\"split\":{{\"pages\":[{pages}],\"warnings\":[]}}}}'\n");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let liar = Splitter {
            program: program.clone(),
            limits: Limits {
                max_pages: 2,
                ..limits()
            },
            ..splitter()
        };
        liar.split(&path, &out(&dir)).map(|split| split.pages.len())
    };
    let page = |at: &str| {
        format!("{{\"number\":1,\"width\":1,\"height\":1,\"bytes\":4,\"sha256\":\"\",\"at\":{at}}}")
    };
    let crashed = |pages: &str| answered(pages).unwrap_err().code() == "splitting_crashed";
    assert!(crashed(&page("0")), "there is no file of pages");
    std::fs::write(out(&dir), b"12345").unwrap();
    assert_eq!((answered(&page("0")), answered(&page("1"))), (Ok(1), Ok(1)));
    assert!(crashed(&page("2")) && crashed(&page(&u64::MAX.to_string())));
    let two = [page("0"), page("null")].join(",");
    assert_eq!(answered(&two), Ok(2));
    assert!(crashed(&[two, page("0")].join(",")), "more than there may be");
}

#[test]
fn a_child_that_was_started_before_has_the_same_limits() {
    let (dir, path) = document(&encode(picture(4_000, 3_000), ImageFormat::Png));
    let tight = Splitter {
        memory_limit: 8 << 20,
        ..splitter()
    };
    for (splitter, crashes) in [(tight, true), (splitter(), false)] {
        let ahead = Ahead::new(splitter, 1);
        ahead.prepare();
        let split = ahead.split(&path, &out(&dir));
        assert_eq!(
            split.is_err_and(|refused| refused.code() == "splitting_crashed"),
            crashes
        );
    }
}

#[test]
fn a_child_that_gets_no_order_ends_by_itself() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pages-child"))
        .arg(pages::child::COMMAND)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_order_that_is_none_is_refused() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pages-child"))
        .arg(pages::child::COMMAND)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{}\n").unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(pages::child::run_child(&mut &b"{}"[..], &mut Vec::new()).is_err());
    assert!(!Path::new("split-pages").exists());
}
