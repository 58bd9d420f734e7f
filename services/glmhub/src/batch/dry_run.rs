//! `glmhub batch submit --dry-run`: what a batch would be, told by the hub.

use super::uploading::{Source, asking, part};
use crate::remote::Remote;
use indicatif::HumanDuration;
use reqwest::{Method, multipart::Form};
use serde_json::Value;
use std::{
    io::{self, Write as _},
    time::Duration,
};

const PREFLIGHT: &str = "/v1/batches/preflight";
/// How many documents the hub is asked about in one request.
const AT_ONCE: usize = 10;

/// Asks about `batch` with the documents at `sources`, of which each is asked the questions at the places `asked` (none for
/// all), and prints what came out.
pub async fn run(
    remote: &Remote,
    batch: &Value,
    sources: &[Source],
    asked: &[Option<Vec<u32>>],
    as_json: bool,
) -> anyhow::Result<()> {
    let mut sum: Option<Value> = None;
    let documents: Vec<(&Source, Option<&[u32]>)> =
        sources.iter().zip(asked.iter().map(Option::as_deref)).collect();
    let alike = documents.chunk_by(|one, next| one.1 == next.1);
    for portion in alike.flat_map(|alike| alike.chunks(AT_ONCE)) {
        let mut form = Form::new().text("batch", batch.to_string());
        for (source, _) in portion {
            form = form.part("document", part(source).await?);
        }
        let asking = portion.first().and_then(|(_, asked)| asking(*asked));
        let path = asking.map_or_else(|| PREFLIGHT.to_owned(), |asking| format!("{PREFLIGHT}?{asking}"));
        let fill = |request: reqwest::RequestBuilder| request.multipart(form);
        let seen = remote.json(Method::POST, &path, fill).await?;
        match &mut sum {
            None => sum = Some(seen),
            Some(sum) => add(sum, &seen),
        }
    }
    let (sum, mut stdout) = (sum.unwrap_or_default(), io::stdout().lock());
    match as_json {
        true => writeln!(stdout, "{sum}")?,
        false => write!(stdout, "{}", told(&sum))?,
    }
    Ok(())
}

/// Adds what was found in one portion of the documents to what was found in those before.
fn add(sum: &mut Value, more: &Value) {
    if let (Some(all), Some(documents)) = (sum["documents"].as_array_mut(), more["documents"].as_array()) {
        all.extend(documents.iter().cloned());
    }
    for place in [
        "/pages",
        "/jobs",
        "/combining/jobs",
        "/combining/most_input",
        "/combining/most_output",
        "/tokens/input",
        "/tokens/most_output",
    ] {
        add_at(sum, more, place, |one, other| {
            Some(one.as_u64()?.checked_add(other.as_u64()?)?.into())
        });
    }
    for place in ["/combining/is_exact", "/tokens/is_exact"] {
        add_at(sum, more, place, |one, other| {
            Some((one.as_bool()? && other.as_bool()?).into())
        });
    }
    add_at(sum, more, "/seconds", |one, other| {
        Some((one.as_f64()? + other.as_f64()?).into())
    });
}

/// The sum at a place; nothing where one of the two is not known.
fn add_at(sum: &mut Value, more: &Value, place: &str, both: impl Fn(&Value, &Value) -> Option<Value>) {
    if let (Some(one), Some(other)) = (sum.pointer_mut(place), more.pointer(place)) {
        *one = both(one, other).unwrap_or_default();
    }
}

/// For a person.
fn told(seen: &Value) -> String {
    let text = |key: &str| seen[key].as_str().unwrap_or("-").to_owned();
    let documents = seen["documents"].as_array().map_or(&[][..], Vec::as_slice);
    let failed: Vec<&Value> = documents.iter().filter(|one| one["fault"].is_object()).collect();
    let mut lines = vec![
        "nothing was stored or submitted".to_owned(),
        format!("  model      {}", text("model")),
        format!(
            "  purpose    {}, allowed by {}",
            text("purpose"),
            text("decision_id")
        ),
        format!(
            "  documents  {}, {} cannot be read",
            documents.len(),
            failed.len()
        ),
    ];
    for one in failed {
        let name = one["name"].as_str().unwrap_or("-");
        let fault = ["code", "message"].map(|key| one["fault"][key].as_str().unwrap_or_default());
        lines.push(format!("    {name}: {}: {}", fault[0], fault[1]));
    }
    for one in documents {
        let name = one["name"].as_str().unwrap_or("-");
        for warning in one["warnings"].as_array().into_iter().flatten() {
            let message = warning["message"].as_str().unwrap_or_default();
            lines.push(format!("    warning: {name}: {message}"));
        }
    }
    lines.push(format!("  pages      {}", seen["pages"]));
    lines.push(format!(
        "  questions  {}, {} answers in all",
        seen["questions"].as_array().map_or(0, Vec::len),
        seen["jobs"]
    ));
    lines.extend(combining(&seen["combining"]));
    lines.push(format!("  tokens     {}", tokens(&seen["tokens"])));
    lines.push(format!("  time       {}", time(seen)));
    lines.join("\n") + "\n"
}

/// What combines answers of pages, if anything does.
fn combining(combining: &Value) -> Option<String> {
    let jobs = combining["jobs"].as_u64().filter(|jobs| *jobs > 0)?;
    let how_many = match combining["is_exact"] == true {
        true => jobs.to_string(),
        false => format!("about {jobs}"),
    };
    Some(format!(
        "  combining  {how_many} of these from answers of pages, at most {} tokens read",
        combining["most_input"]
    ))
}

fn tokens(tokens: &Value) -> String {
    let input = match (tokens["input"].as_u64(), tokens["is_exact"] == true) {
        (Some(input), true) => format!("{input} read"),
        (Some(input), false) => format!("at most {input} read"),
        (None, _) => "not known how many read".to_owned(),
    };
    format!("{input}, at most {} written", tokens["most_output"])
}

fn time(seen: &Value) -> String {
    match (seen["seconds"].as_f64(), seen["seconds_unknown"].as_str()) {
        (Some(seconds), _) => format!(
            "about {} by the measured speed of {} workers, if nothing else waits",
            HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
            seen["workers"]
        ),
        (None, Some("no_worker")) => "not known: no worker is heard of".to_owned(),
        (None, _) => "not known: no worker has answered with this revision yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(seconds: Value) -> Value {
        let fault = json!({ "code": "pdf_locked", "message": "it is locked" });
        json!({
            "model": "acme/tiny", "purpose": "research", "decision_id": "dec_1",
            "documents": [{ "name": "a.png", "fault": null }, { "name": "b.pdf", "fault": fault }],
            "pages": 3, "jobs": 6, "questions": [{}, {}], "tokens": { "input": 90, "is_exact": true, "most_output": 12 },
            "combining": { "jobs": 0, "is_exact": true, "most_input": 0, "most_output": 0 },
            "workers": 2, "seconds": seconds, "seconds_unknown": null,
        })
    }

    #[test]
    fn portions_are_one_sum_and_what_is_not_known_stays_so() {
        let mut sum = seen(json!(1.5));
        add(&mut sum, &seen(json!(2.5)));
        assert_eq!(
            (&sum["pages"], &sum["jobs"], &sum["tokens"]["input"]),
            (&json!(6), &json!(12), &json!(180))
        );
        assert_eq!(
            (&sum["seconds"], sum["documents"].as_array().unwrap().len()),
            (&json!(4.0), 4)
        );
        let mut combined = seen(json!(1.0));
        combined["combining"] = json!({ "jobs": 7, "is_exact": false, "most_input": 900, "most_output": 28 });
        combined["tokens"]["is_exact"] = json!(false);
        let mut both = sum.clone();
        add(&mut both, &combined);
        let said = told(&both);
        assert!(
            said.contains("\n  combining  about 7 of these from answers of pages, at most 900 tokens read\n")
                && said.contains("at most 270 read"),
            "{said}"
        );
        let mut unknown = seen(Value::Null);
        unknown["tokens"]["input"] = Value::Null;
        add(&mut sum, &unknown);
        assert_eq!(
            (&sum["seconds"], &sum["tokens"]["input"]),
            (&Value::Null, &Value::Null)
        );
        assert!(
            told(&sum).contains("not known how many read, at most 36 written"),
            "{}",
            told(&sum)
        );
    }

    #[test]
    fn a_person_reads_what_it_would_be() {
        let told = told(&seen(json!(30.0)));
        assert_eq!(
            told,
            "nothing was stored or submitted\n  model      acme/tiny\n  purpose    research, allowed by dec_1\n  \
             documents  2, 1 cannot be read\n    b.pdf: pdf_locked: it is locked\n  pages      3\n  questions  2, 6 \
             answers in all\n  tokens     90 read, at most 12 written\n  time       about 30 seconds by the measured speed of 2 \
             workers, if nothing else waits\n"
        );
    }
}
