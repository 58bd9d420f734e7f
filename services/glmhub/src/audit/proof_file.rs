//! `glmhub audit verify --proof`: judges the proof of one answer.

use crate::misuse::Misuse;
use anyhow::{Context as _, bail};
use domain::proof::Proof;
use exchange::{proof_bundle, signing::VerifyingKeys};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
};
use zip::ZipArchive;

/// The most files of a proof.
const MOST_FILES: usize = 1000;
/// The most bytes of all of its files.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Prints what is proven; fails if something does not hold.
pub fn verify(file: &Path, keys: &VerifyingKeys, origin: &str, json: bool) -> anyhow::Result<()> {
    let files = unpack(file).with_context(|| format!("the proof {}", file.display()))?;
    let proof = proof_bundle::read(&files, keys, Some(origin))
        .map_err(|bad| anyhow::anyhow!("the proof {} is not to be believed: {bad}", file.display()))?;
    let findings = proof.findings();
    let mut out = io::stdout().lock();
    if json {
        let told = serde_json::json!({
            "job": proof.job, "entries": proof.entries.len(), "log_size": proof.root.size,
            "provenance": proof.statement.predicate, "findings": findings,
        });
        writeln!(out, "{told}")?;
    } else {
        for finding in &findings {
            writeln!(out, "FOUND {finding}")?;
        }
        if findings.is_empty() {
            write!(out, "{}", told(&proof))?;
        }
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("{count} things do not hold"),
    }
}

fn told(proof: &Proof) -> String {
    let said = &proof.statement.predicate;
    let acceptances: Vec<String> = said.license.acceptances.iter().map(ToString::to_string).collect();
    let accepted = match acceptances.is_empty() {
        true => "no acceptance was needed or stood".to_owned(),
        false => acceptances.join(", "),
    };
    let what = match said.page.number {
        Some(number) => format!("number {number} of"),
        None => "answers of pages, in one text, of".to_owned(),
    };
    format!(
        "the answer of {job} is proven\n\
         page         {page} ({what} {document})\n\
         model        {model}, revision {revision}\n\
         purpose      {purpose}, for {tenant}\n\
         decision     {decision}\n\
         acceptances  {accepted}\n\
         engine       {engine}\n\
         answered     {answered_at}\n\
         {entries} entries of the log are under its checkpoint of {size}\n",
        job = proof.job,
        page = said.page.sha256,
        document = said.page.document,
        model = said.model.name,
        revision = said.model.revision_sha256,
        purpose = said.purpose,
        tenant = said.tenant,
        decision = said.license.decision,
        engine = said.engine,
        answered_at = said.answered_at,
        entries = proof.entries.len(),
        size = proof.root.size,
    )
}

/// The files of the archive, as far as they are within the limits.
fn unpack(file: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut archive = ZipArchive::new(File::open(file)?)?;
    if archive.len() > MOST_FILES {
        return Err(Misuse(format!("it has more than {MOST_FILES} files")).into());
    }
    let (mut files, mut left) = (BTreeMap::new(), MOST_BYTES);
    for at in 0..archive.len() {
        let member = archive.by_index(at)?;
        let (name, mut bytes) = (member.name()?.into_owned(), Vec::new());
        member.take(left + 1).read_to_end(&mut bytes)?;
        left = left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| Misuse(format!("it has more than {MOST_BYTES} bytes")))?;
        if files.insert(name.clone(), bytes).is_some() {
            return Err(Misuse(format!("it has two files named {name}")).into());
        }
    }
    Ok(files)
}
