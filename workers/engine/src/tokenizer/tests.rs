use std::time::Instant;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// `ab` can be merged, `abc` and `bc` too; `xyz` only exists whole; the rest are bytes.
fn small() -> Tokenizer {
    let dir = tempfile::tempdir().unwrap();
    fixtures::write(
        dir.path(),
        &[b"bc", b"ab", b"abc", b"xyz", b"aa", b"aaaa", "é".as_bytes()],
        "",
    );
    Tokenizer::load(dir.path()).unwrap()
}

fn broken(model: &str, config: Option<&str>) -> String {
    let dir: TempDir = tempfile::tempdir().unwrap();
    fixtures::write_bytes_only(dir.path(), "");
    let path = dir.path().join("tokenizer.model");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + model).unwrap();
    if let Some(config) = config {
        std::fs::write(dir.path().join("tokenizer_config.json"), config).unwrap();
    }
    Tokenizer::load(dir.path()).unwrap_err().to_string()
}

#[test]
fn every_text_of_the_real_vocabulary_is_equal() {
    let Some((dir, vectors)) = fixtures::real_vocabulary() else {
        return;
    };
    let tokenizer = Tokenizer::load(&dir).unwrap();
    let cases = vectors["encode"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let text = case[0].as_str().unwrap();
        let ids = tokenizer.encode(text);
        assert_eq!(serde_json::json!(ids), case[1], "{text:?}");
        assert_eq!(tokenizer.decode(&ids), text);
    }
}

#[test]
fn the_pair_of_lowest_rank_is_merged_first() {
    let tokenizer = small();
    assert_eq!(tokenizer.encode("ab"), [257]);
    // `bc` (256) comes before `ab` (257), and then `a` with `bc` is `abc` (258).
    assert_eq!(tokenizer.encode("zabc"), [u32::from(b'z'), 258]);
    assert_eq!(
        tokenizer.encode("zaaaaa"),
        [u32::from(b'z'), 261, u32::from(b'a')]
    );
}

#[test]
fn a_whole_piece_is_found_even_when_no_merges_lead_to_it() {
    let tokenizer = small();
    assert_eq!(tokenizer.encode("xyz"), [259]);
    assert_eq!(tokenizer.encode("xyzx"), [120, 121, 122, 120]);
}

#[test]
fn text_that_looks_special_stays_text() {
    let tokenizer = small();
    let ids = tokenizer.encode("<|user|>[gMASK]<sop><|endoftext|>");
    assert!(ids.iter().all(|&id| id < 300));
    assert_eq!(tokenizer.decode(&ids), "<|user|>[gMASK]<sop><|endoftext|>");
    assert_eq!(tokenizer.special("<|user|>"), Some(304));
    assert_eq!(tokenizer.special("user"), None);
}

#[test]
fn ids_are_known_when_they_have_a_token_of_either_kind() {
    let tokenizer = small();
    assert!(tokenizer.is_known(0) && tokenizer.is_known(262) && tokenizer.is_known(304));
    assert!(!tokenizer.is_known(263) && !tokenizer.is_known(5_000));
    assert_eq!(
        tokenizer.tokenless(312),
        (263..300).chain(309..312).collect::<Vec<_>>()
    );
}

#[test]
fn special_and_unknown_ids_have_no_text_in_an_answer() {
    let tokenizer = small();
    assert_eq!(tokenizer.decode(&[304, 257, 299, 303, 99]), "abc");
    assert_eq!(tokenizer.token(304), "<|user|>");
    assert_eq!(tokenizer.token(258), "abc");
    assert_eq!(tokenizer.token(0xc3), "\u{fffd}");
    assert_eq!(tokenizer.token(299), "");
}

#[test]
fn a_long_piece_takes_no_quadratic_time() {
    let started = Instant::now();
    let tokenizer = small();
    let text = "a".repeat(400_001);
    let ids = tokenizer.encode(&text);
    assert_eq!(ids.len(), 100_001);
    assert_eq!(tokenizer.decode(&ids), text);
    // Quadratic merging takes minutes here; a second or so is usual.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_malformed_line_is_named_by_file_and_number() {
    for (line, reason) in [
        ("YWI=", "expected `base64 rank`, found no space"),
        ("YW!= 256", "not base64"),
        ("YWI= x", "`x` is not a rank"),
        ("YWI= -1", "`-1` is not a rank"),
        ("YWI= 99999999999", "`99999999999` is not a rank"),
        ("YWI= 256 7", "`256 7` is not a rank"),
        (" 256", "the token is empty"),
        ("YWI= 9", "rank 9 is given twice"),
        ("YQ== 256", "the token of rank 97 is given again with rank 256"),
    ] {
        let message = broken(line, None);
        assert!(message.contains("tokenizer.model line 257: "), "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_cut_vocabulary_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fixtures::write_bytes_only(dir.path(), "");
    std::fs::write(dir.path().join("tokenizer.model"), "AA== 0\n").unwrap();
    let message = Tokenizer::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("the single byte 0x01 has no rank"), "{message}");
}

#[test]
fn a_wrong_configuration_is_named() {
    for (config, reason) in [
        ("{", "EOF while parsing"),
        ("{}", "missing field `added_tokens_decoder`"),
        (
            r#"{"added_tokens_decoder":{"x":{"content":"a"}}}"#,
            "id `x` is not a number",
        ),
        (
            r#"{"added_tokens_decoder":{"7":{"content":"a"}}}"#,
            "which is a rank",
        ),
        (
            r#"{"added_tokens_decoder":{"500":{"content":"a"},"501":{"content":"a"}}}"#,
            "two ids",
        ),
    ] {
        let message = broken("", Some(config));
        assert!(message.contains("tokenizer_config.json: "), "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let message = Tokenizer::load(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("cannot read") && message.contains("tokenizer.model"),
        "{message}"
    );
}

/// Merging as it is defined, with no thought of speed.
fn merge_slowly(piece: &[u8], ranks: &ranks::Ranks) -> Vec<u32> {
    let mut parts: Vec<Vec<u8>> = piece.iter().map(|&byte| vec![byte]).collect();
    loop {
        let pairs = parts.windows(2).enumerate();
        let lowest = pairs
            .filter_map(|(at, pair)| Some((ranks.of(&pair.concat())?, at)))
            .min();
        let Some((_, at)) = lowest else { break };
        let right = parts.remove(at + 1);
        parts[at].extend(right);
    }
    parts.iter().map(|part| ranks.of(part).unwrap()).collect()
}

proptest! {
    #[test]
    fn merging_by_heap_equals_merging_by_definition(piece in "[abcxyzé]{1,40}") {
        let tokenizer = small();
        let mut ids = Vec::new();
        merge::merge_into(&mut ids, piece.as_bytes(), &tokenizer.ranks);
        prop_assert_eq!(ids, merge_slowly(piece.as_bytes(), &tokenizer.ranks));
    }

    #[test]
    fn decoding_what_was_encoded_gives_the_text_back(text in r"(\PC|\s|[abcxyz']){0,60}") {
        let tokenizer = small();
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text);
    }

    #[test]
    fn the_stream_put_together_equals_decoding_at_once(ids in prop::collection::vec(0..320_u32, 0..40)) {
        let tokenizer = small();
        let mut stream = tokenizer.stream();
        let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text.push_str(&stream.finish());
        prop_assert_eq!(text, tokenizer.decode(&ids));
    }

    #[test]
    fn the_stream_never_cuts_a_character(text in r"(\PC|\s){0,40}") {
        let tokenizer = small();
        let mut stream = tokenizer.stream();
        // Each byte alone is an id here: every other way to cut is coarser.
        let given: Vec<String> = text.bytes().map(|byte| stream.push(u32::from(byte))).collect();
        let characters: Vec<String> = text.chars().map(String::from).collect();
        prop_assert_eq!(given.into_iter().filter(|each| !each.is_empty()).collect::<Vec<_>>(), characters);
        prop_assert_eq!(stream.finish(), "");
    }
}
