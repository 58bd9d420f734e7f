//! The commands as a shell sees them.

use crate::{
    hub::Hub,
    process::{glmhub, perform, perform_in},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use std::{fs, path::Path};
use tempfile::TempDir;

pub const COMMANDS: &[&[&str]] = &[
    &[],
    &["up"],
    &["serve"],
    &["ask"],
    &["model"],
    &["model", "import"],
    &["model", "fit"],
    &["model", "inspect"],
    &["model", "quantize"],
    &["model", "synthesize"],
    &["model", "upload"],
    &["batch"],
    &["batch", "submit"],
    &["batch", "status"],
    &["batch", "results"],
    &["batch", "cancel"],
    &["batch", "requeue"],
    &["license"],
    &["license", "show"],
    &["license", "accept"],
    &["license", "list"],
    &["license", "review"],
    &["license", "suspend"],
    &["license", "resume"],
    &["license", "revoke"],
    &["policy"],
    &["policy", "check"],
    &["policy", "test"],
    &["policy", "explain"],
    &["policy", "simulate"],
    &["audit"],
    &["audit", "verify"],
    &["audit", "export"],
    &["audit", "prove"],
    &["audit", "checkpoint"],
    &["bench"],
    &["bench", "engine"],
    &["bench", "revocation"],
    &["bench", "uploads"],
    &["bench", "catalogue"],
    &["bench", "queue"],
    &["bench", "noop-worker"],
    &["admin"],
    &["admin", "link"],
    &["key"],
    &["key", "list"],
    &["key", "rotate"],
    &["key", "retire"],
    &["token"],
    &["token", "issue"],
    &["worker"],
    &["migrate"],
    &["config"],
    &["config", "show"],
];

fn data() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn issue(data: &Path, more: &[&str]) -> crate::process::Ended {
    let arguments = [
        "token",
        "issue",
        "--tenant",
        "acme",
        "--member",
        "li",
        "--role",
        "submitter",
    ];
    perform_in(data, &[&arguments[..], more].concat(), &[])
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in COMMANDS {
        let help = perform(&[*command, &["--help"]].concat()).well();
        let example = format!("\n  glmhub {}", command.join(" "));
        assert!(
            help.contains("Examples:") && help.contains(example.trim_end()),
            "{command:?}: {help}"
        );
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(
        perform(&["--version"]).well(),
        format!("glmhub {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_command_that_does_not_exist_has_exit_code_2() {
    for arguments in [
        &["run"][..],
        &["token"],
        &["config"],
        &["up", "--listen", "here"],
        &[],
    ] {
        let complaint = perform(arguments).badly(2);
        assert!(
            complaint.contains("Usage:") || complaint.contains("--help"),
            "{arguments:?}: {complaint}"
        );
    }
}

#[test]
fn a_token_stands_alone_on_stdout() {
    let data = data();
    let token = issue(data.path(), &[]).well();
    let parts: Vec<&str> = token.trim_end_matches('\n').split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    assert!(
        parts
            .iter()
            .all(|part| !part.is_empty() && !part.contains(char::is_whitespace)),
        "{token}"
    );
}

#[test]
fn a_token_as_json_says_what_it_holds() {
    let data = data();
    let printed = issue(
        data.path(),
        &["--role", "signatory", "--expires-in", "12h", "--json"],
    )
    .well();
    let object: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(object["tenant"], "acme");
    assert_eq!(object["member"], "li");
    assert_eq!(object["roles"], serde_json::json!(["submitter", "signatory"]));
    assert_eq!(object["token"].as_str().unwrap().split('.').count(), 3);
    assert!(object["expires_at"].as_str().unwrap().ends_with('Z'), "{object}");
}

#[test]
fn a_token_that_makes_no_sense_is_refused_with_what_to_do() {
    let data = data();
    for (more, hint) in [
        (["--role", "owner"], "submitter, signatory, reviewer"),
        (["--expires-in", "soon"], "30d"),
        (["--expires-in", "9999d"], "access.longest_token_days"),
    ] {
        let complaint = issue(data.path(), &more).badly(2);
        assert!(complaint.contains(hint), "{more:?}: {complaint}");
    }
    let complaint = perform(&[
        "token",
        "issue",
        "--tenant",
        "a/b",
        "--member",
        "li",
        "--role",
        "submitter",
    ])
    .badly(2);
    assert!(complaint.contains("a tenant's name has"), "{complaint}");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = data();
    issue(data.path(), &[]).well();
    let key = data.path().join("keys/hub.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let complaint = issue(data.path(), &[]).badly(1);
    assert!(complaint.contains("chmod 600"), "{complaint}");
}

#[test]
fn a_token_is_good_for_as_long_as_was_asked() {
    let data = data();
    let span = |more: &[&str]| {
        let token = issue(data.path(), more).well();
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    assert_eq!(span(&["--expires-in", "45s"]), 45);
    assert_eq!(span(&[]), 30 * 86_400);
}

#[test]
fn the_settings_are_shown_with_where_they_come_from() {
    let data = data();
    fs::write(data.path().join("config.toml"), "[server]\nthreads = 3\n").unwrap();
    let settings = [("GLMHUB_LOG__FORMAT", "json")];
    let printed = perform_in(data.path(), &["config", "show"], &settings).well();
    let line = |key: &str| {
        printed
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(line("server.threads = 3 ").contains("config.toml"), "{printed}");
    assert!(
        line("log.format = \"json\"").contains("GLMHUB_LOG__FORMAT"),
        "{printed}"
    );
    assert!(line("server.listen = ").contains("the defaults"), "{printed}");
    let object = perform_in(data.path(), &["config", "show", "--json"], &settings).well();
    let object: Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object["server.threads"]["value"], 3);
    assert_eq!(
        object["log.format"]["source"],
        "the environment (GLMHUB_LOG__FORMAT)"
    );
}

#[test]
fn a_setting_that_does_not_exist_is_refused_by_every_command_that_reads_settings() {
    let data = data();
    let file = data.path().join("config.toml");
    fs::write(&file, "[server]\nport = 3\n").unwrap();
    for command in [&["up"][..], &["migrate"], &["config", "show"]] {
        let complaint = perform_in(data.path(), command, &[]).badly(2);
        assert!(complaint.contains("`server.port`"), "{command:?}: {complaint}");
        assert!(
            complaint.contains(file.to_str().unwrap()),
            "{command:?}: {complaint}"
        );
    }
}

#[test]
fn a_file_of_settings_that_is_not_there_is_refused() {
    let data = data();
    let complaint = perform_in(data.path(), &["up", "--config", "/nowhere/hub.toml"], &[]).badly(2);
    assert!(complaint.contains("/nowhere/hub.toml"), "{complaint}");
}

#[test]
fn a_second_hub_on_the_same_folder_is_refused() {
    let hub = Hub::start();
    let complaint = perform_in(&hub.data(), &["up", "--listen", "127.0.0.1:0"], &[]).badly(2);
    assert!(
        complaint.contains("another `glmhub up` serves") && complaint.contains("--data"),
        "{complaint}"
    );
}

#[test]
fn an_address_in_use_is_a_fault_that_says_what_to_do() {
    let hub = Hub::start();
    let address = hub.url().strip_prefix("http://").unwrap();
    let data = data();
    let complaint = perform_in(data.path(), &["up", "--listen", address], &[]).badly(1);
    assert!(
        complaint.contains(address) && complaint.contains("--listen"),
        "{complaint}"
    );
}

#[test]
fn processes_that_are_many_say_what_they_lack_and_never_a_password() {
    let data = data();
    let postgres = ("GLMHUB_RECORDS__URL", "postgres://hub:hunter1@127.0.0.1:1/hub");
    let redis = ("GLMHUB_QUEUE__URL", "redis://hub:hunter2@127.0.0.1:1");
    let public = ("GLMHUB_WEBHOOKS__PUBLIC_URL", "https://hub.test");
    let file = data.path().join("password");
    fs::write(&file, "hunter3\n").unwrap();
    let password = ("GLMHUB_QUEUE__PASSWORD_FILE", file.to_str().unwrap());
    type Settings<'a> = &'a [(&'a str, &'a str)];
    let soon = ("GLMHUB_RECORDS__CONNECTION_SECONDS", "1");
    let cases: [(&str, Settings, i32, &str); 9] = [
        ("worker", &[], 2, "queue.url"),
        ("worker", &[redis, password], 1, "does not answer"),
        ("serve", &[redis], 2, "records.url"),
        ("serve", &[postgres], 2, "webhooks.public_url"),
        ("serve", &[postgres, public], 2, "queue.url"),
        ("serve", &[postgres, public, redis], 1, "does not answer"),
        ("migrate", &[postgres, soon], 1, "records.url"),
        ("up", &[redis], 2, "`glmhub serve`"),
        ("up", &[postgres], 2, "`glmhub serve`"),
    ];
    for (command, settings, code, lack) in cases {
        let complaint = perform_in(data.path(), &[command], settings).badly(code);
        assert!(complaint.contains(lack), "{command}: {complaint}");
        assert!(!complaint.contains("hunter"), "{command}: {complaint}");
    }
    let shown = perform_in(data.path(), &["config", "show"], &[postgres, redis]).well();
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn migrating_twice_is_once() {
    let data = data();
    for _ in 0..2 {
        let said = perform_in(data.path(), &["migrate"], &[]).well();
        assert!(said.contains("hub.db is up to date"), "{said}");
    }
    assert!(data.path().join("hub.db").is_file());
}

#[test]
fn the_folder_can_be_named_by_the_environment() {
    let data = data();
    let output = glmhub()
        .arg("migrate")
        .env("GLMHUB_DATA", data.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(data.path().join("hub.db").is_file());
}

#[test]
fn the_log_is_json_when_nobody_watches_and_holds_no_token() {
    let hub = Hub::start();
    let token = hub.token("acme", &["submitter"]);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        crate::client::Client::new(hub.url(), Some(token.clone()))
            .get("/v1/batches")
            .await
            .expect(200);
    });
    let log = hub.log();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        assert!(
            serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"].is_string()),
            "{line}"
        );
    }
    assert!(log.contains("/v1/batches") && !log.contains(&token), "{log}");
}
