//! A batch on its way: its counts for a person, and waiting for its end.

use crate::remote::Remote;
use domain::id::BatchId;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::{
    io::{self, Write as _},
    time::Duration,
};

/// How often it is looked.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// The outcome of a batch whose every row failed.
pub const ALL_FAILED: &str = "all_failed";

/// Waits until the batch is completed or cancelled or has expired, and prints it. It is an error if jobs of it have failed.
pub async fn until_done(remote: &Remote, batch: BatchId, as_json: bool) -> anyhow::Result<()> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    let path = format!("/v1/batches/{batch}");
    let seen = loop {
        let seen = remote.get(&path).await?;
        let count = |of: &str| seen["jobs"][of].as_u64().unwrap_or_default();
        bar.set_length(count("total"));
        bar.set_position(settled(&seen));
        bar.set_message(format!("{} of {} pages", count("answered"), seen["pages"]));
        if matches!(
            seen["state"].as_str(),
            Some("completed" | "cancelled" | "expired")
        ) {
            break seen;
        }
        tokio::time::sleep(LOOK_AFTER).await;
    };
    bar.finish_and_clear();
    print(&seen, as_json)?;
    let lost = seen["jobs"]["total"].as_u64().unwrap_or_default()
        - seen["jobs"]["answered"].as_u64().unwrap_or_default();
    let documents = seen["documents"]["failed"].as_u64().unwrap_or_default();
    let why = format!(
        "{lost} questions were not answered and {documents} documents could not be read: `glmhub batch results {batch}` \
         says why"
    );
    match (outcome(&seen), lost, documents) {
        (Some(ALL_FAILED), ..) => Err(anyhow::anyhow!("every row failed: {why}")),
        (_, 0, 0) => Ok(()),
        _ => Err(anyhow::anyhow!(why)),
    }
}

/// What the rows of a batch came to, when all have their verdict.
pub fn outcome(batch: &Value) -> Option<&str> {
    batch["outcome"].as_str()
}

/// How many jobs have a verdict.
fn settled(seen: &Value) -> u64 {
    let count = |of: &&str| seen["jobs"][*of].as_u64().unwrap_or_default();
    ["waiting", "queued", "dispatched", "running", "held"]
        .iter()
        .map(count)
        .fold(count(&"total"), u64::saturating_sub)
}

/// Prints a batch as the API tells it, or its counts that are not zero.
pub fn print(seen: &Value, as_json: bool) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    if as_json {
        return Ok(writeln!(stdout, "{seen}")?);
    }
    let text = |key: &str| seen[key].as_str().unwrap_or("-").to_owned();
    writeln!(stdout, "{} is {}", text("id"), text("state"))?;
    writeln!(stdout, "  model      {}", text("model"))?;
    writeln!(
        stdout,
        "  purpose    {}, decided by {}",
        text("purpose"),
        text("decision_id")
    )?;
    if let Some(end) = seen["expires_at"].as_str() {
        writeln!(stdout, "  expires    {end}")?;
    }
    writeln!(stdout, "  documents  {}", counts(&seen["documents"]))?;
    if let Some(warned) = seen["documents_with_warnings"]
        .as_u64()
        .filter(|warned| *warned > 0)
    {
        writeln!(
            stdout,
            "  warnings   on {warned} documents: `glmhub batch results` tells them"
        )?;
    }
    writeln!(stdout, "  pages      {}", seen["pages"])?;
    writeln!(stdout, "  answers    {}", counts(&seen["jobs"]))?;
    if let Some(outcome) = outcome(seen) {
        writeln!(
            stdout,
            "  rows       {}; {}",
            counts(&seen["rows"]),
            outcome.replace('_', " ")
        )?;
    }
    Ok(())
}

/// The sum, and what it is made of.
fn counts(counted: &Value) -> String {
    let parts = counted.as_object().into_iter().flatten();
    let parts = parts.filter(|(name, count)| *name != "total" && count.as_u64() > Some(0));
    let parts: Vec<String> = parts.map(|(name, count)| format!("{count} {name}")).collect();
    match parts.is_empty() {
        true => counted["total"].to_string(),
        false => format!("{}: {}", counted["total"], parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_are_a_sum_and_what_is_not_zero() {
        let seen = json!({ "total": 3, "answered": 2, "failed": 1, "held": 0 });
        assert_eq!(counts(&seen), "3: 2 answered, 1 failed");
        assert_eq!(counts(&json!({ "total": 0, "failed": 0 })), "0");
        assert_eq!(
            settled(&json!({ "jobs": { "total": 9, "queued": 2, "running": 1, "held": 1 } })),
            5
        );
    }
}
