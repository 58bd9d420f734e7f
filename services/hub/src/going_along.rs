//! What goes along with the files of a revision, however they are given out: a notice of what is owed for them, and the
//! texts of the terms that the whole lineage obliges to pass on.

use crate::problem::Problem;
use actix_web::{HttpResponseBuilder, http::header::HeaderValue};
use domain::{
    bundle::{self, Terms, TermsAbsent},
    gate::Allowed,
    model::Revision,
    policy::Policies,
};
use records::{Db, facts, terms};
use std::collections::BTreeMap;

/// Where the notice stands.
pub const NOTICE: &str = "NOTICE.txt";

/// A text beside the files.
pub struct Text {
    /// Where it stands.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// The notice, and the texts of the terms. Problem: 409 `terms_absent`, if a text that must go along is not here.
pub async fn texts(db: &Db, policies: &Policies, revision: &Revision) -> Result<Vec<Text>, Problem> {
    let mut lineage = facts::lineage(db, &revision.model).await?;
    if let Some(own) = lineage.first_mut() {
        own.terms_sha256 = revision.terms_sha256;
    }
    let mut newest = BTreeMap::new();
    for known in terms::list(db).await? {
        newest.entry(known.license).or_insert(known.sha256);
    }
    let licenses = policies.licenses();
    let owed = bundle::terms(&lineage, licenses, |license| newest.get(license).copied())
        .map_err(|absent| without_terms(&absent))?;
    let mut texts = vec![Text {
        path: NOTICE.into(),
        text: bundle::notice(revision, &lineage, licenses, &owed),
    }];
    for one in &owed {
        texts.push(Text {
            path: one.path(),
            text: text(db, one).await?,
        });
    }
    Ok(texts)
}

async fn text(db: &Db, owed: &Terms) -> Result<String, Problem> {
    let text = terms::text(db, &owed.license, &owed.sha256).await?;
    text.ok_or_else(|| {
        without_terms(&TermsAbsent {
            license: owed.license.clone(),
        })
    })
}

fn without_terms(absent: &TermsAbsent) -> Problem {
    Problem::conflict("terms_absent", absent.to_string()).with(
        "cure",
        format!(
            "the operator imports weights under {} with their LICENSE file, or publishes its text",
            absent.license
        ),
    )
}

/// Says in the head of a response what must be shown with what it carries, and the decision behind it.
pub fn say_notices(response: &mut HttpResponseBuilder, allowed: &Allowed) {
    response.insert_header(("x-decision-id", allowed.decision().to_string()));
    for duty in allowed.duties() {
        if let Some(Ok(text)) = duty.notice().map(HeaderValue::from_str) {
            response.append_header(("x-attribution", text));
        }
    }
}
