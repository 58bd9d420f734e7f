//! What settings do, layer by layer. The environment is handed in, so that tests do not disturb each other.

use super::*;
use engine::kv::KvType;
use engine::precision::TowerPrecision;
use runner::Computing;
use std::{fs, path::Path};

fn load_from(file: Option<&Path>, environment: &[(&str, &str)]) -> Result<Loaded, String> {
    let environment = environment
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    layers::all(file, environment, &[])
        .and_then(read)
        .map_err(|misuse| misuse.to_string())
}

fn load_text(text: &str) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, text).unwrap();
    load_from(Some(&file), &[])
}

fn source_of(loaded: &Loaded, key: &str) -> String {
    loaded
        .shown()
        .unwrap()
        .into_iter()
        .find(|setting| setting.key == key)
        .unwrap()
        .source
}

fn refusal(loaded: Result<Loaded, String>) -> String {
    loaded.err().expect("these settings are refused")
}

#[test]
fn the_defaults_are_complete_and_fit_together() {
    let loaded = load_from(None, &[]).unwrap();
    assert!(loaded.settings.server.listen.ip().is_loopback());
    assert!(
        loaded
            .shown()
            .unwrap()
            .iter()
            .all(|setting| setting.source == "the defaults")
    );
}

#[test]
fn a_file_goes_over_the_defaults_and_the_environment_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.toml");
    fs::write(&file, "[server]\nlisten = \"127.0.0.1:1\"\nthreads = 3\n").unwrap();
    let loaded = load_from(Some(&file), &[("GLMHUB_SERVER__LISTEN", "127.0.0.1:2")]).unwrap();
    assert_eq!(loaded.settings.server.listen.port(), 2);
    assert_eq!(loaded.settings.server.threads, 3);
    assert_eq!(
        source_of(&loaded, "server.listen"),
        "the environment (GLMHUB_SERVER__LISTEN)"
    );
    assert_eq!(source_of(&loaded, "server.threads"), file.display().to_string());
    assert_eq!(source_of(&loaded, "log.filter"), "the defaults");
}

#[test]
fn the_command_line_goes_over_everything() {
    let environment = vec![("GLMHUB_SERVER__LISTEN".into(), "127.0.0.1:2".into())];
    let layers = layers::all(None, environment, &[("server.listen", "127.0.0.1:3".into())]).unwrap();
    let loaded = read(layers).unwrap_or_else(|misuse| panic!("{misuse}"));
    assert_eq!(loaded.settings.server.listen.port(), 3);
    assert_eq!(source_of(&loaded, "server.listen"), "the command line");
}

#[test]
fn the_environment_of_opentelemetry_is_heard_and_our_own_goes_over_it() {
    let standard = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
    let told = |environment: &[(&str, &str)]| load_from(None, environment).unwrap().settings.telemetry;
    assert_eq!(told(&[]).traces_url(), None);
    assert_eq!(told(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).traces_url(), None);
    let url = told(&[standard]).traces_url();
    assert_eq!(url.as_deref(), Some("http://collector:4318/v1/traces"));
    let own = ("GLMHUB_TELEMETRY__OTLP_ENDPOINT", "https://own.example/otlp");
    for environment in [[standard, own], [own, standard]] {
        let url = told(&environment).traces_url();
        assert_eq!(url.as_deref(), Some("https://own.example/otlp/v1/traces"));
    }
    assert_eq!(told(&[("OTEL_SERVICE_NAME", "7")]).service_name, "7");
    let source = source_of(&load_from(None, &[standard]).unwrap(), "telemetry.otlp_endpoint");
    assert_eq!(source, "the environment of OpenTelemetry");
    let bad = load_from(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]);
    assert!(refusal(bad).contains("telemetry.otlp_endpoint"));
}

#[test]
fn sites_are_named_as_browsers_name_them() {
    let with = |origin: &str| load_text(&format!("[server]\ncors_origins = [\"{origin}\"]\n"));
    for good in [
        "https://app.example.com",
        "http://localhost:5173",
        "https://[::1]:8443",
    ] {
        assert!(with(good).is_ok(), "{good}");
    }
    for bad in [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://App.example.com",
        "https://app.example.com:443",
        "https://*.example.com",
        "file:///x",
    ] {
        let refused = refusal(with(bad));
        assert!(refused.contains("server.cors_origins"), "{bad}: {refused}");
    }
}

#[test]
fn several_variables_of_one_section_are_all_taken() {
    let environment = [("GLMHUB_LOG__FILTER", "debug"), ("GLMHUB_LOG__FORMAT", "json")];
    let log = load_from(None, &environment).unwrap().settings.log;
    assert_eq!((log.filter.as_str(), log.format), ("debug", LogFormat::Json));
}

#[test]
fn an_unknown_setting_is_refused_with_its_name_and_place() {
    let error = refusal(load_text("[server]\nlisten_on = \"127.0.0.1:1\"\n"));
    assert!(
        error.contains("`server.listen_on`") && error.contains("config.toml"),
        "{error}"
    );
    let error = refusal(load_text("[sever]\nlisten = \"127.0.0.1:1\"\n"));
    assert!(error.contains("`sever`"), "{error}");
    let error = refusal(load_from(None, &[("GLMHUB_QUEUE__LEASE", "1")]));
    assert!(
        error.contains("`queue.lease`") && error.contains("GLMHUB_QUEUE__LEASE"),
        "{error}"
    );
}

#[test]
fn a_variable_without_a_section_is_no_setting() {
    assert!(
        load_from(
            None,
            &[("GLMHUB_DATA", "/x"), ("GLMHUB_TOKEN", "t"), ("PATH", "/bin")]
        )
        .is_ok()
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_its_name_and_place() {
    let error = refusal(load_text("[server]\nthreads = \"many\"\n"));
    assert!(
        error.contains("`server.threads`") && error.contains("config.toml"),
        "{error}"
    );
    let error = refusal(load_text("[server]\nlisten = \"here\"\n"));
    assert!(error.contains("`server.listen`"), "{error}");
    let error = refusal(load_text("[server\n"));
    assert!(error.contains("config.toml"), "{error}");
}

#[test]
fn what_keys_and_values_are_kept_in_reaches_the_engine() {
    for (text, kept) in [
        ("", None),
        ("[worker]\nkv_cache_type = \"auto\"", None),
        ("[worker]\nkv_cache_type = \"f32\"", Some(KvType::F32)),
        ("[worker]\nkv_cache_type = \"q8_0\"", Some(KvType::Q8_0)),
    ] {
        let settings = load_text(text).unwrap().settings;
        let runner = settings.worker.runner(Computing::Engine).unwrap();
        assert_eq!(runner.load.kv, kept, "{text}");
    }
}

#[test]
fn what_the_tower_multiplies_in_reaches_the_engine() {
    for (text, precision) in [
        ("", TowerPrecision::F32),
        ("[worker]\ntower_precision = \"bf16\"", TowerPrecision::Bf16),
    ] {
        let settings = load_text(text).unwrap().settings;
        let runner = settings.worker.runner(Computing::Engine).unwrap();
        assert_eq!(runner.load.tower, precision, "{text}");
    }
}

#[test]
fn settings_that_would_stop_everything_are_refused() {
    for (text, name) in [
        ("[worker]\ncount = 0", "worker.count"),
        ("[worker]\ndrain_seconds = 20", "worker.drain_seconds"),
        ("[worker]\nannounce_seconds = 0", "worker.announce_seconds"),
        ("[worker]\nannounce_seconds = 45", "worker.announce_seconds"),
        ("[worker]\nweights = \"f8\"", "worker.weights"),
        (
            "[worker]\ndevice = \"gpu\"",
            "worker.device: \"gpu\" is not a device",
        ),
        (
            "[worker]\nkv_cache_type = \"q4_0\"",
            "worker.kv_cache_type: \"q4_0\" is not a type of keys and values; choose f32, f16 or q8_0, or auto",
        ),
        (
            "[worker]\ndevice = \"candle-cpu\"\nkv_cache_type = \"q8_0\"",
            "worker.kv_cache_type: candle-cpu keeps keys and values in f32 or f16, not in q8_0",
        ),
        (
            "[worker]\ntower_precision = \"int8\"",
            "worker.tower_precision: \"int8\" is not a precision of the tower; choose f32 or bf16",
        ),
        ("[worker]\nquestions_at_once = 0", "worker.questions_at_once"),
        ("[worker]\nquestions_at_once = 9", "worker.questions_at_once"),
        ("[worker]\norders_at_once = 9", "worker.orders_at_once"),
        ("[worker]\npage_share = -0.5", "worker.page_share"),
        ("[worker]\npage_share = 100.5", "worker.page_share"),
        ("[queue]\nlease_seconds = 2", "queue.lease_seconds"),
        ("[queue]\nmost_orders = 1", "work.most_orders"),
        ("[work]\ngrant_seconds = 60", "work.grant_seconds"),
        ("[work]\nreconsider_seconds = 0", "work.reconsider_seconds"),
        ("[queue]\nmost_orders = 0", "queue.most_orders"),
        ("[queue]\nlistening_seconds = 0", "queue.listening_seconds"),
        ("[queue]\nmost_pieces = 0", "queue.most_pieces"),
        ("[access]\ntoken_days = 400", "access.token_days"),
        ("[log]\nfilter = \"a=b=c\"", "log.filter"),
        ("[policies]\nmost_replayed = 0", "policies.most_replayed"),
        ("[openai]\npurpose = \"commercial\"", "openai.purpose"),
        ("[hf]\npurpose = \"commercial\"", "hf.purpose"),
        ("[openai]\nmost_body_bytes = 0", "openai.most_body_bytes"),
        ("[server]\nsite = \"the cellar\"", "server.site"),
        (
            "[[oidc.issuers]]\nissuer = \"https://sso.example.com\"\naudiences = [\"a\"]\ntenant = \"acme\"\n\
             roles_claim = \"/roles\"\nroles = {}\n[oidc.issuers.sign_in]\nname = \"Acme\"\nclient_id = \"a\"",
            "dashboard.url",
        ),
        ("[connections]\nhead_seconds = 0", "connections.head_seconds"),
        ("[connections]\nmost_headers = 97", "connections.most_headers"),
        (
            "[connections]\nmost_url_bytes = 65535",
            "connections.most_url_bytes",
        ),
        (
            "[connections]\nmost_header_bytes = 131073",
            "connections.most_header_bytes",
        ),
        (
            "[blobs]\nbucket = \"b\"\naccess_key = \"a\"",
            "blobs.secret_key_file",
        ),
        ("[blobs]\nlink_seconds = 60", "blobs.link_seconds"),
        (
            "[blobs]\nbucket = \"b\"\nlink_seconds = 604801",
            "blobs.link_seconds",
        ),
        ("[blobs]\nprefix = \"a/\"", "blobs.prefix"),
        ("[blobs]\nunfinished_hours = 0", "blobs.unfinished_hours"),
        ("[blobs]\nencryption = \"rot13\"", "blobs.encryption"),
        ("[retention]\nlook_seconds = 0", "retention.look_seconds"),
        ("[retention]\nanswers_days = 36501", "retention.answers_days"),
        ("[blobs]\nencryption_key = \"k\"", "blobs.encryption_key"),
        ("[queue]\nname = \"{a}\"", "queue.name"),
        ("[records]\nstatement_seconds = 0", "records.statement_seconds"),
    ] {
        let error = refusal(load_text(text));
        assert!(error.contains(name), "{text}: {error}");
    }
}

#[test]
fn shares_that_cannot_be_kept_are_refused_by_the_name_of_their_tenant() {
    let shares = |shares: &str| load_text(&format!("[work]\nshares = [{shares}]"));
    for (given, told) in [
        ("{ tenant = \"acme\", weight = 0 }", "acme the weight 0"),
        ("{ tenant = \"acme\", weight = 1001 }", "acme the weight 1001"),
        ("{ tenant = \"acme\", most_orders = 0 }", "acme no orders"),
        (
            "{ tenant = \"acme\" }, { tenant = \"acme\", weight = 2 }",
            "names acme twice",
        ),
        ("{ tenant = \"not a name\" }", "work.shares"),
        ("{ weight = 2 }", "tenant"),
        ("{ tenant = \"acme\", wait = 2 }", "wait"),
    ] {
        let error = refusal(shares(given));
        assert!(error.contains(told), "{given}: {error}");
    }
    let kept = "{ tenant = \"acme\", weight = 1000, most_orders = 1 }, { tenant = \"other\", weight = 1 }";
    let loaded = shares(kept).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.settings.work.shares().len(), 2);
}
