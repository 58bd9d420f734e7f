//! What `deploy` says to the program is what the program takes. `deploy/check` compares the files with published schemas.

use super::tree::text;
use std::process::Command;

fn file(name: &str) -> String {
    text(&format!("deploy/{name}"))
}

/// The program refuses a setting that it does not have.
#[test]
fn the_settings_of_each_deployment_are_known_and_fit_together() {
    for name in ["compose.yaml", "kubernetes/hub.yaml", "kubernetes/worker.yaml"] {
        let text = file(name);
        let folder = tempfile::tempdir().unwrap();
        let mut show = Command::new(env!("CARGO_BIN_EXE_glmhub"));
        show.args(["config", "show", "--data"]).arg(folder.path());
        let mut given = 0;
        for line in text.lines() {
            let Some((setting, value)) = line.trim().split_once(": ") else {
                continue;
            };
            if setting.starts_with("GLMHUB_") {
                show.env(setting, value.trim_matches('"'));
                given += 1;
            }
        }
        assert!(given > 5, "{name}");
        let shown = show.output().unwrap();
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success(), "{name}: {said}");
    }
}

#[test]
fn scaling_asks_for_a_metric_that_hubs_give() {
    let metric = "glmhub_queue_orders";
    assert!(file("kubernetes/scaling.yaml").contains(&format!("({metric})")));
    assert!(text("services/hub/src/measuring.rs").contains(&format!("gauge!(\"{metric}\"")));
}
