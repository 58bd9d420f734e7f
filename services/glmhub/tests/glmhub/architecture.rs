//! The rules of the tree, as tests.

use crate::{contract::CONTRACT, tree};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Our crates, and which of ours each may use.
const LAYERS: [(&str, &[&str]); 10] = [
    ("domain", &[]),
    ("records", &["domain"]),
    ("exchange", &["domain"]),
    ("hub", &["domain", "records", "exchange", "pages", "shapes"]),
    (
        "glmhub",
        &[
            "domain", "records", "exchange", "hub", "pages", "engine", "runner",
        ],
    ),
    ("kernels", &[]),
    ("pages", &[]),
    ("shapes", &[]),
    ("engine", &["kernels", "pages", "shapes"]),
    ("runner", &["domain", "exchange", "pages", "shapes", "engine"]),
];

/// What only some crates may list, tests included.
const RESERVED: [(&str, &[&str]); 12] = [
    ("llguidance", &["shapes"]),
    ("sqlx", &["records"]),
    ("redis", &["exchange"]),
    ("aws-sdk-s3", &["exchange"]),
    ("aws-config", &["exchange"]),
    ("actix-web", &["hub", "glmhub"]),
    ("actix-multipart", &["hub"]),
    ("candle-core", &["engine"]),
    ("candle-flash-attn", &["engine"]),
    ("candle-nn", &["engine"]),
    ("candle-transformers", &["engine"]),
    ("image", &["pages", "engine", "glmhub"]),
];

/// What would bring a runtime, a clock or a disk into the rules.
const NOT_IN_DOMAIN: [&str; 6] = [
    "tokio",
    "futures-util",
    "reqwest",
    "async-trait",
    "tracing",
    "tempfile",
];

/// Files that are longer than 400 lines, each with the reason.
const LONG_FILES: [(&str, &str); 0] = [];

/// Words that no file and no type is named by: the glossary has better ones.
const NEVER: [&str; 14] = [
    "task", "tasks", "item", "items", "user", "users", "hook", "hooks", "node", "nodes", "manager", "utils",
    "helper", "helpers",
];

/// Words that beside these no part of the API is named by.
const NEVER_IN_API: [&str; 5] = ["run", "runs", "result", "results", "prompt"];

/// What another protocol prescribes, and the table that tenants know by this word.
const FOREIGN: [&str; 2] = ["prompt_tokens", "results"];

type Listed = BTreeMap<String, BTreeSet<String>>;

/// What each of our crates lists, for use and for tests.
fn listed() -> Listed {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(tree::root())
        .output()
        .unwrap();
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            (
                name(package),
                package["dependencies"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(name)
                    .collect(),
            )
        })
        .collect()
}

#[test]
fn every_crate_stays_in_its_layer() {
    let listed = listed();
    let ours: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed.keys().map(String::as_str).collect::<BTreeSet<_>>(), ours);
    for (name, allowed) in LAYERS {
        for other in listed[name].iter().filter(|other| ours.contains(other.as_str())) {
            assert!(allowed.contains(&other.as_str()), "{name} must not list {other}");
        }
    }
}

#[test]
fn reserved_crates_are_listed_only_where_they_belong() {
    for (name, dependencies) in listed() {
        for (reserved, owners) in RESERVED {
            let allowed = owners.contains(&name.as_str()) || !dependencies.contains(reserved);
            assert!(allowed, "{name} must not list {reserved}: it is for {owners:?}");
        }
    }
}

#[test]
fn the_rules_have_no_input_no_output_and_no_clock() {
    let listed = listed();
    for unwanted in NOT_IN_DOMAIN {
        assert!(
            !listed["domain"].contains(unwanted),
            "domain must not list {unwanted}"
        );
    }
}

/// All Rust files of ours with their texts.
fn sources() -> Vec<(String, String)> {
    let files = tree::files("services").into_iter().chain(tree::files("workers"));
    files
        .filter(|path| path.ends_with(".rs"))
        .map(|path| (path.clone(), tree::text(&path)))
        .collect()
}

#[test]
fn no_file_is_longer_than_400_lines_without_a_reason() {
    let mut excused: BTreeMap<&str, &str> = LONG_FILES.into_iter().collect();
    for (path, text) in sources() {
        let lines = text.lines().count();
        let reason = excused.remove(path.as_str());
        assert!(
            lines <= 400 || reason.is_some(),
            "{path} has {lines} lines: split it"
        );
        assert!(
            lines > 400 || reason.is_none(),
            "{path} has {lines} lines and needs no excuse any more"
        );
    }
    assert!(excused.is_empty(), "excused and not there: {excused:?}");
}

/// `HttpServer`, `http_server` or `http-server` as words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter.is_uppercase() || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().unwrap().extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn files_and_types_are_named_by_the_glossary() {
    for (path, text) in sources() {
        for word in path.split('/').flat_map(words) {
            assert!(
                !NEVER.contains(&word.as_str()),
                "{path}: {word} names nothing here"
            );
        }
        for line in text.lines() {
            let line = line
                .trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            let declared = ["struct ", "enum ", "trait ", "mod "]
                .iter()
                .find_map(|start| line.strip_prefix(start));
            let name = declared
                .unwrap_or_default()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            for word in words(name.unwrap_or_default()) {
                assert!(
                    !NEVER.contains(&word.as_str()),
                    "{path}: {line}: {word} names nothing here"
                );
            }
        }
    }
}

#[test]
fn no_test_is_left_out() {
    let mark = format!("#[{}", "ignore");
    for (path, text) in sources() {
        assert!(!text.contains(&mark), "{path}: mend the test or remove it");
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| -> Vec<String> {
        let files = tree::files(&format!("migrations/{folder}")).into_iter();
        files
            .map(|path| path.rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("postgres"), names("sqlite"));
}

#[test]
fn the_api_speaks_the_words_of_the_glossary() {
    let mut names: Vec<String> = Vec::new();
    for (path, _, operation) in CONTRACT.operations() {
        names.extend(path.split(['/', '{', '}']).map(str::to_owned));
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        names.extend(parameters.filter_map(|one| CONTRACT.resolve(one)["name"].as_str().map(str::to_owned)));
    }
    collect_properties(CONTRACT.document(), &mut names);
    for name in names.iter().filter(|name| !FOREIGN.contains(&name.as_str())) {
        for word in words(name) {
            let never = NEVER.iter().chain(&NEVER_IN_API).any(|never| *never == word);
            assert!(!never, "{name}: the glossary has another word for {word}");
        }
    }
}

fn collect_properties(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let properties = members
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            names.extend(properties.map(|(name, _)| name.clone()));
            members
                .values()
                .for_each(|member| collect_properties(member, names));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_properties(value, names)),
        _ => {}
    }
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let roots = [
        "services/",
        "workers/",
        "migrations/",
        "policies/",
        "scripts/",
        "docs/",
        "models/",
        ".ci/",
    ];
    let documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .map(str::to_owned)
        .into_iter();
    for document in documents
        .chain(tree::files("docs"))
        .filter(|path| path.ends_with(".md"))
    {
        let text = tree::text(&document);
        for quoted in text.split('`').skip(1).step_by(2) {
            let path = quoted.split_whitespace().next().unwrap_or_default();
            let is_pattern = path.contains(['<', '*', '{', '…']);
            if roots.iter().any(|root| path.starts_with(root)) && !is_pattern {
                assert!(
                    tree::root().join(path).exists(),
                    "{document} names `{path}`, which is not there"
                );
            }
        }
    }
}

#[test]
fn the_architecture_names_every_crate() {
    let text = tree::text("ARCHITECTURE.md");
    for folder in ["services", "workers"] {
        for manifest in tree::files(folder)
            .iter()
            .filter(|path| path.ends_with("Cargo.toml"))
        {
            let folder = manifest.trim_end_matches("/Cargo.toml");
            assert!(
                text.contains(&format!("`{folder}`")),
                "ARCHITECTURE.md does not tell what {folder} is"
            );
        }
    }
}
