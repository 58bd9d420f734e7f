//! `glmhub license accept`: a signatory accepts one exact text for its tenant.

use super::acceptance::{End, print};
use crate::{misuse::Misuse, remote::Remote};
use anyhow::Context as _;
use clap::{ArgGroup, Args};
use domain::{
    digest::Sha256,
    names::{LicenseName, ModelName},
    purpose::Purpose,
    territory::Territory,
};
use reqwest::{Method, Url, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

const EXAMPLE: &str = "\
Examples:
  glmhub license accept --model THUDM/glm-4v-9b --current --purpose evaluation --signer-name NAME --signer-title CFO
  glmhub license accept glm-4 --terms SHA256 --purpose commercial --signer-name NAME --signer-title 'General Counsel' \\
      --registration-number R-1 --evidence register.pdf --valid-until 2027-12-31 --yes

What is accepted is one exact text, named by its digest: read it with `glmhub license show glm-4 --terms SHA256`. Without
--yes the command names the text and asks. With --evidence the acceptance is submitted after the files have been sent.";

/// Accepts the terms of a licence for the tenant
#[derive(Args, Debug)]
#[command(
    after_help = EXAMPLE,
    group = ArgGroup::new("subject").args(["license", "model"]).required(true),
    group = ArgGroup::new("text").args(["terms", "current"]).required(true)
)]
pub struct AcceptArgs {
    #[command(flatten)]
    remote: Remote,
    /// The licence, of which the newest text is accepted
    #[arg(value_name = "LICENSE")]
    license: Option<LicenseName>,
    /// A model, of which the text that it came with is accepted
    #[arg(long, value_name = "OWNER/NAME")]
    model: Option<ModelName>,
    /// The digest of the text that was read
    #[arg(long, value_name = "SHA256")]
    terms: Option<Sha256>,
    /// Accept whatever text is in force now
    #[arg(long)]
    current: bool,
    /// For what: research, evaluation, commercial; may be given several times
    #[arg(long = "purpose", value_name = "PURPOSE", required = true)]
    purposes: Vec<Purpose>,
    /// Who signs for the tenant
    #[arg(long, value_name = "NAME")]
    signer_name: String,
    /// In which function
    #[arg(long, value_name = "TITLE")]
    signer_title: String,
    /// The number under which the tenant is registered with the licensor
    #[arg(long, value_name = "NUMBER")]
    registration_number: Option<String>,
    /// Where the tenant is, as a code of ISO 3166-1 such as CN or DE; needed where the licence asks for it
    #[arg(long, value_name = "CODE")]
    territory: Option<Territory>,
    /// A file that shows that signer and registration are real; may be given several times
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    /// Through which day (or until which moment) it shall stand
    #[arg(long, value_name = "DATE")]
    valid_until: Option<End>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Accepts, and prints what has become of it.
pub async fn run(args: AcceptArgs) -> anyhow::Result<()> {
    // Whatever can be wrong here is found before anything is asked of the hub.
    let files = args.evidence.iter().map(|path| read(path));
    let files = files.collect::<Result<Vec<_>, Misuse>>()?;
    if !args.yes && !io::stdin().is_terminal() {
        let why = "this binds the tenant, and nobody can be asked here: read the text, then give --yes";
        return Err(Misuse(why.into()).into());
    }
    let terms = match args.terms {
        Some(terms) => terms.to_string(),
        None => current(&args).await?,
    };
    if !args.yes && !agreed(&args, &terms)? {
        return Err(Misuse("nothing was accepted".into()).into());
    }
    let asked = args
        .remote
        .post("/v1/acceptances", &body(&args, &terms, files.is_empty()))
        .await?;
    let acceptance = match files.is_empty() {
        true => asked,
        false => submit(&args.remote, &asked, files).await?,
    };
    print(&acceptance, args.json)
}

fn body(args: &AcceptArgs, terms: &str, submit: bool) -> Value {
    let mut body = json!({
        "terms_sha256": terms, "purposes": args.purposes, "submit": submit,
        "signer": { "name": args.signer_name, "title": args.signer_title },
        "registration_number": args.registration_number,
        "territory": args.territory,
        "valid_until": args.valid_until.map(End::moment),
    });
    match (&args.model, &args.license) {
        (Some(model), _) => body["model"] = json!(model),
        (None, license) => body["license"] = json!(license),
    }
    body
}

/// The digest of the text in force.
async fn current(args: &AcceptArgs) -> anyhow::Result<String> {
    let license = match (&args.model, &args.license) {
        (Some(model), _) => {
            let model = args.remote.get(&format!("/v1/models/{model}")).await?;
            if let Some(own) = model["revision"]["terms_sha256"].as_str() {
                return Ok(own.to_owned());
            }
            let license = model["license"]["id"].as_str();
            license.context("the model has no license")?.to_owned()
        }
        (None, license) => license.as_ref().context("no license was named")?.to_string(),
    };
    let texts = args.remote.get(&format!("/v1/licenses/{license}/terms")).await?;
    let newest = texts["data"][0]["sha256"].as_str();
    let newest =
        newest.with_context(|| format!("the hub has no text of {license}: nothing can be accepted"))?;
    Ok(newest.to_owned())
}

/// Names what would be accepted and asks. The question goes to stderr: stdout is for what the command gives.
fn agreed(args: &AcceptArgs, terms: &str) -> io::Result<bool> {
    let subject = match (&args.model, &args.license) {
        (Some(model), _) => format!("the terms of {model}"),
        (None, license) => format!(
            "the terms {}",
            license.as_ref().map_or("", |license| license.as_str())
        ),
    };
    let purposes: Vec<&str> = args.purposes.iter().map(|purpose| purpose.as_str()).collect();
    let mut stderr = io::stderr().lock();
    writeln!(stderr, "Accept {subject}, the text {terms},")?;
    writeln!(
        stderr,
        "for {}, signed by {}, {}?",
        purposes.join(", "),
        args.signer_name,
        args.signer_title
    )?;
    write!(stderr, "Type yes to accept: ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// A file of evidence.
struct File {
    name: String,
    media_type: &'static str,
    bytes: Vec<u8>,
}

fn read(path: &Path) -> Result<File, Misuse> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let media_type = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("txt") => "text/plain",
        _ => {
            let why = "give evidence as .pdf, .png, .jpg, .webp or .txt";
            return Err(Misuse(format!("{}: {why}", path.display())));
        }
    };
    let bytes = fs::read(path).map_err(|error| Misuse(format!("{}: {error}", path.display())))?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(File {
        name,
        media_type,
        bytes,
    })
}

/// Adds the files to what was asked for, and submits it.
async fn submit(remote: &Remote, asked: &Value, files: Vec<File>) -> anyhow::Result<Value> {
    let id = asked["id"].as_str().context("the hub gave no id")?;
    let left =
        || format!("{id} was requested and is not submitted yet: POST /v1/acceptances/{id}/submit does that");
    for file in files {
        let mut place = Url::parse("glmhub:")?;
        place.query_pairs_mut().append_pair("name", &file.name);
        let query = place.query().unwrap_or_default();
        let path = format!("/v1/acceptances/{id}/evidence?{query}");
        let fill =
            |request: reqwest::RequestBuilder| request.header(CONTENT_TYPE, file.media_type).body(file.bytes);
        let sent = remote.json(Method::POST, &path, fill).await;
        sent.with_context(|| format!("{} could not be added; {}", file.name, left()))?;
    }
    let path = format!("/v1/acceptances/{id}/submit");
    remote.post(&path, &json!({})).await.with_context(left)
}
