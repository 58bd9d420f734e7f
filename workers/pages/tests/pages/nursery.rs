//! Children that are forked by a process which was loaded once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use image::ImageFormat;
use pages::child::{Ahead, NURSERY, Splitter};
use pages::{Fonts, PageError};

use crate::child::{document, out, splitter};
use crate::documents::{encode, limits, picture};

/// What the system tells of a process.
struct Seen {
    process: String,
    /// What its standard input, output and error are, and whatever else it has open.
    open: Vec<PathBuf>,
}

impl Seen {
    fn reads_from(&self, what: &str) -> bool {
        self.open
            .first()
            .is_some_and(|input| input.to_string_lossy().starts_with(what))
    }
}

/// The processes of this program's nurseries, and of what they forked, that are children of this process.
fn seen(program: &Path) -> Vec<Seen> {
    let started = format!("{}\0{NURSERY}", program.display());
    let parent = format!("PPid:\t{}", std::process::id());
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let folder = entry.unwrap().path();
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        if !text("cmdline").starts_with(&started) || !text("status").lines().any(|line| line == parent) {
            continue;
        }
        let mut numbers: Vec<u32> = fs::read_dir(folder.join("fd"))
            .into_iter()
            .flatten()
            .filter_map(|open| open.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        let open = |number: &u32| fs::read_link(folder.join("fd").join(number.to_string())).ok();
        all.push(Seen {
            process: folder.file_name().unwrap().to_string_lossy().into_owned(),
            open: numbers.iter().filter_map(open).collect(),
        });
    }
    all
}

/// Children that wait for their order: they have taken their pipes a moment after they were forked.
fn forked(program: &Path) -> Vec<Seen> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        let mut waiting = seen(program);
        waiting.retain(|one| one.reads_from("pipe:"));
        if !waiting.is_empty() {
            return waiting;
        }
        std::thread::yield_now();
    }
    panic!("no child was forked by a nursery")
}

#[test]
fn children_are_forked_and_cannot_ask_for_others() {
    let bytes = encode(picture(30, 20), ImageFormat::WebP);
    let (dir, path) = document(&bytes);
    // A name of its own tells this test's processes from those of others.
    let program = dir.path().join("splitter");
    std::os::unix::fs::symlink(splitter().program, &program).unwrap();
    let ahead = Ahead::new(
        Splitter {
            program: program.clone(),
            ..splitter()
        },
        2,
    );
    ahead.prepare();
    let here = || pages::split(&path, &out(&dir), &limits(), &Fonts::default());

    for child in &forked(&program) {
        let has = |what: &str| {
            child
                .open
                .iter()
                .any(|open| open.to_string_lossy().starts_with(what))
        };
        assert!(!has("socket:"), "{}: {:?}", child.process, child.open);
    }
    for _ in 0..3 {
        assert_eq!(ahead.split(&path, &out(&dir)), here());
    }

    // A nursery that somebody ends is missed by nobody.
    for nursery in seen(&program).into_iter().filter(|one| one.reads_from("socket:")) {
        Command::new("kill")
            .args(["-9", &nursery.process])
            .status()
            .unwrap();
    }
    for _ in 0..2 {
        assert_eq!(ahead.split(&path, &out(&dir)), here());
    }
    assert!(seen(&program).iter().any(|one| one.reads_from("socket:")));
}

#[test]
fn a_forked_child_that_hangs_is_ended_when_its_time_is_up_and_the_next_one_serves() {
    let dir = tempfile::tempdir().unwrap();
    // Opening a pipe that nobody writes to waits for ever.
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ahead = Ahead::new(
        Splitter {
            time_limit: Duration::from_millis(300),
            ..splitter()
        },
        1,
    );
    ahead.prepare();
    assert_eq!(
        ahead.split(&pipe, &out(&dir)),
        Err(PageError::TimedOut { seconds: 0 })
    );
    let (dir, path) = document(b"text");
    assert!(
        ahead
            .split(&path, &out(&dir))
            .is_err_and(|refused| refused.is_documents_fault())
    );
}

#[test]
fn a_program_that_is_no_nursery_is_loaded_for_each_document() {
    let (dir, path) = document(b"text");
    let ahead = Ahead::new(
        Splitter {
            program: PathBuf::from("/bin/false"),
            ..splitter()
        },
        1,
    );
    for _ in 0..2 {
        let silent = ahead.split(&path, &out(&dir)).unwrap_err();
        assert_eq!(silent.code(), "splitting_crashed");
    }
}
