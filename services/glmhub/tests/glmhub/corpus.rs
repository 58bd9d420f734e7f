//! The corpus of the fuzz targets: each target bears it, and mutations of it.

use crate::{hostile, mutations::try_all, tree};
use std::path::PathBuf;

fn folder(target: &str) -> PathBuf {
    tree::root().join("services/glmhub/fuzz/corpus").join(target)
}

#[test]
fn bodies_of_parts_of_the_corpus_and_mutations_of_them_break_nothing() {
    try_all(&folder("multipart"), 500, hostile::multipart);
}

#[test]
fn tokens_of_the_corpus_and_mutations_of_them_let_nobody_in() {
    try_all(&folder("token"), 1_000, hostile::token);
}

#[test]
fn urls_of_the_corpus_and_mutations_of_them_lead_nowhere_inside() {
    try_all(&folder("url"), 5_000, hostile::url);
}

#[test]
fn files_of_requests_of_the_corpus_and_mutations_of_them_are_read_the_same_however_they_come() {
    try_all(&folder("jsonl"), 2_000, hostile::jsonl);
}

#[test]
fn data_urls_of_the_corpus_and_mutations_of_them_break_nothing() {
    try_all(&folder("data_url"), 5_000, hostile::data_url);
}
