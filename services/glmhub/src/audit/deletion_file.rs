//! `glmhub audit verify --deletion`: judges the record of a deletion.

use anyhow::{Context as _, bail};
use domain::deletion::{DeletedOf, DeletionStatement};
use exchange::{
    attestation::{self, Envelope},
    signing::VerifyingKeys,
};
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};
use time::format_description::well_known::Rfc3339;

/// Prints what was deleted; fails if no known key says so.
pub fn verify(file: &Path, keys: &VerifyingKeys, json: bool) -> anyhow::Result<()> {
    let about = || format!("the record {}", file.display());
    let envelope: Envelope =
        serde_json::from_str(&fs::read_to_string(file).with_context(about)?).with_context(about)?;
    let statement: DeletionStatement = attestation::verify(keys, &envelope)
        .map_err(|bad| anyhow::anyhow!("{} is not to be believed: {bad}", about()))?;
    if !statement.is_known() {
        bail!("{} is about something else than a deletion", about());
    }
    let mut out = io::stdout().lock();
    match json {
        true => writeln!(out, "{}", serde_json::to_string(&statement)?)?,
        false => write!(out, "{}", told(&statement)?)?,
    }
    Ok(())
}

fn told(statement: &DeletionStatement) -> anyhow::Result<String> {
    let (said, counts) = (&statement.predicate, statement.predicate.counts);
    let subject = statement.subject.first().context("its subject")?;
    let asked = match &said.member {
        Some(member) => format!("asked for by {member} of {}", said.tenant),
        None => format!("of {}, whose time was over", said.tenant),
    };
    let (of, list) = match subject.name {
        DeletedOf::Batch(_) => ("batch", "their list"),
        DeletedOf::File(_) => ("file ", "the list of the file"),
    };
    Ok(format!(
        "the deletion {} is signed\n\
         {of}      {} ({})\n\
         documents  {}, {list} has SHA-256 {}\n\
         pages      {}\n\
         answers    {}\n\
         files      {} removed, {} shared with others\n\
         asked      {}, {asked}\n\
         done       {}\n",
        said.deletion,
        subject.name,
        said.deleted,
        counts.documents,
        subject.digest.sha256,
        counts.pages,
        counts.answers,
        counts.files,
        counts.shared,
        said.asked_at.format(&Rfc3339)?,
        said.done_at.format(&Rfc3339)?,
    ))
}
