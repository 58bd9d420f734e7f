//! `/admin/reviews/{acceptance}`: everything that a reviewer needs to judge a request.

use super::{refused::Refused, shell::Shell, visitor::Visitor, words};
use crate::{
    api::{acceptance_problems::no_acceptance, acceptances::scope},
    handing_out::HandedOut,
    problem::Problem,
    site,
    terms_diff::{self, Version},
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use askama::Template;
use domain::{
    acceptance::{Acceptance, Phase, State},
    access::Act,
    clock::SharedClock,
    digest::Sha256,
    id::AcceptanceId,
    language::Language,
    license::{Duty, License},
    names::{LicenseName, ModelName},
    policy::CurrentPolicies,
};
use exchange::blobs::Blobs;
use records::{
    Db,
    acceptances::{self, comments, evidence},
    terms,
};
use time::OffsetDateTime;

/// The most comments that are shown.
const COMMENTS: u32 = 100;

/// See the module's text.
#[derive(Template)]
#[template(path = "review.html")]
pub struct ReviewPage {
    t: Language,
    shell: Shell,
    may_judge: bool,
    id: String,
    state: &'static str,
    facts: Vec<(String, String)>,
    notice: Vec<String>,
    duties: Vec<String>,
    prohibitions: Vec<String>,
    models: Vec<String>,
    terms: String,
    against: Option<String>,
    diff: Vec<Vec<(&'static str, String)>>,
    evidence: Vec<(String, String, u64)>,
    past: Vec<(String, String, String)>,
    comments: Vec<(String, String, String)>,
}

impl ReviewPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let text = str::to_owned;
        Self {
            t,
            shell: Shell::sample(t),
            may_judge: true,
            id: text("acc_00000000000000000000000000"),
            state: "under_review",
            facts: vec![(text("Tenant"), text("acme & sons"))],
            notice: vec![text("Built with glm-4")],
            duties: vec![text("Show “Built with glm-4”")],
            prohibitions: vec![text("military use")],
            models: vec![text("THUDM/glm-4v-9b")],
            terms: text("1. You may.\n2. You may not."),
            against: Some(text("0123")),
            diff: vec![vec![("removed", text("old\n")), ("added", text("new\n"))]],
            evidence: vec![(text("ab"), text("certificate.pdf"), 1000)],
            past: vec![(text("acc_1"), text("revoked"), text("2026-01-01"))],
            comments: vec![(text("li"), text("2026-01-01"), text("a comment <b>"))],
        }
    }

    fn is(&self, state: &str) -> bool {
        self.state == state
    }
}

/// The page.
pub async fn get(
    visitor: Visitor,
    path: Path<AcceptanceId>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Refused> {
    let (t, now, tenant) = (visitor.t, clock.now(), scope(&visitor.caller)?);
    let entry = acceptances::entry(&db, tenant, *path)
        .await?
        .ok_or_else(no_acceptance)?;
    let held = entry.acceptance;
    let policies = policies.get();
    let license = policies.licenses().get(&held.license).map(AsRef::as_ref);
    let others = acceptances::of_tenant(&db, &held.tenant).await?;
    let under: Vec<ModelName> = terms::of_models(&db, &held.license)
        .await?
        .into_iter()
        .map(|(model, _)| model)
        .collect();
    let (terms, against, diff) = texts(&db, &held, &others).await?;
    let files = evidence::list(&db, tenant, *path).await?.into_iter();
    let said = comments::list(&db, tenant, *path, None, COMMENTS)
        .await?
        .into_iter();
    let phase = held.phase(now);
    let shown = ReviewPage {
        t,
        shell: Shell::of(&visitor, "/admin/reviews"),
        may_judge: visitor.caller.can(Act::ReviewAcceptance),
        id: held.id.to_string(),
        state: phase.as_str(),
        facts: facts(&held, phase, t),
        notice: notices(license),
        duties: duties(license, t),
        prohibitions: license
            .map(|license| license.prohibitions.clone())
            .unwrap_or_default(),
        models: under.iter().map(ToString::to_string).collect(),
        terms,
        against,
        diff,
        evidence: files
            .map(|file| {
                let name = file.name.unwrap_or_else(|| file.sha256.to_string());
                (file.sha256.to_string(), name, file.bytes)
            })
            .collect(),
        past: past(&held, &others, now, t),
        comments: said
            .map(|comment| {
                (
                    format!("{} · {}", comment.by.member, comment.by.tenant),
                    site::minute(comment.at),
                    comment.text,
                )
            })
            .collect(),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

type Texts = (String, Option<String>, Vec<Vec<(&'static str, String)>>);

/// The accepted text, and how it differs from the one that the tenant accepted last before.
async fn texts(db: &Db, held: &Acceptance, others: &[Acceptance]) -> Result<Texts, Problem> {
    let text = version(db, &held.license, held.terms_sha256).await?;
    let earlier = others.iter().rev().find(|other| {
        other.id < held.id
            && other.license == held.license
            && other.terms_sha256 != held.terms_sha256
            && other.state.standing().is_some()
    });
    let Some(earlier) = earlier else {
        return Ok((text.text, None, Vec::new()));
    };
    let old = version(db, &held.license, earlier.terms_sha256).await?;
    let (shown, sha256) = (text.text.clone(), old.sha256.to_string());
    // It may take long, so it is done beside the threads that serve.
    let hunks = web::block(move || terms_diff::hunks(&old, &text))
        .await
        .map_err(Problem::internal)?;
    let lines = |hunk: terms_diff::Hunk| {
        hunk.lines
            .into_iter()
            .map(|line| (line.change, line.text))
            .collect()
    };
    Ok((shown, Some(sha256), hunks.into_iter().map(lines).collect()))
}

async fn version(db: &Db, license: &LicenseName, sha256: Sha256) -> Result<Version, Problem> {
    let text = terms::text(db, license, &sha256).await?;
    let text = text.ok_or_else(|| Problem::not_found("text of terms"))?;
    Ok(Version { sha256, text })
}

fn facts(held: &Acceptance, phase: Phase, t: Language) -> Vec<(String, String)> {
    let purposes: Vec<&str> = held.purposes.iter().map(|purpose| purpose.as_str()).collect();
    let told = [
        (
            t.of("State", "状态"),
            Some(words::acceptance(phase, t).to_owned()),
        ),
        (t.of("Tenant", "租户"), Some(held.tenant.to_string())),
        (
            t.of("Signatory", "签署人"),
            Some(format!("{}, {}", held.signer.name, held.signer.title)),
        ),
        (t.of("Purposes", "用途"), Some(purposes.join(", "))),
        (t.of("Licence", "许可"), Some(held.license.to_string())),
        (
            t.of("Registration number", "登记编号"),
            held.registration_number.clone(),
        ),
        (
            t.of("Territory", "所在地区"),
            held.territory.map(|territory| territory.to_string()),
        ),
        (t.of("Evidence, as told", "凭证说明"), held.evidence.clone()),
        (
            t.of("Requested", "提交"),
            Some(format!(
                "{} · {}",
                site::minute(held.requested_at),
                held.requested_by
            )),
        ),
        (t.of("Valid until", "有效至"), held.valid_until.map(site::minute)),
        (t.of("Terms", "条款"), Some(held.terms_sha256.to_string())),
        (t.of("Reason", "理由"), reason(&held.state)),
    ];
    let known = told
        .into_iter()
        .filter_map(|(label, value)| Some((label.to_owned(), value?)));
    known.collect()
}

fn reason(state: &State) -> Option<String> {
    match state {
        State::Rejected { judged, reason }
        | State::Suspended { judged, reason, .. }
        | State::Revoked { judged, reason, .. } => Some(format!(
            "{reason} ({} · {}, {})",
            judged.by.member,
            judged.by.tenant,
            site::minute(judged.at)
        )),
        State::Requested
        | State::UnderReview
        | State::Active(_)
        | State::Expired { .. }
        | State::Superseded { .. } => None,
    }
}

/// What must be shown where the model's work is shown, and so is shown here.
fn notices(license: Option<&License>) -> Vec<String> {
    let duties = license.map_or(&[][..], |license| &license.duties);
    duties
        .iter()
        .filter_map(Duty::notice)
        .map(str::to_owned)
        .collect()
}

fn duties(license: Option<&License>, t: Language) -> Vec<String> {
    let told = license
        .map_or(&[][..], |license| &license.duties)
        .iter()
        .map(|duty| match duty {
            Duty::Notice => t.of("Keep the copyright notice", "保留版权声明").to_owned(),
            Duty::TermsCopy => t.of("Pass on a copy of the terms", "随附条款副本").to_owned(),
            Duty::Attribution { text } => format!("{} “{text}”", t.of("Show", "须展示")),
            Duty::NamePrefix { prefix } => {
                format!(
                    "{} “{prefix}”",
                    t.of("Names of derived models begin with", "衍生模型名称须以此开头：")
                )
            }
        });
    told.collect()
}

/// What became of the tenant's other acceptances, newest first.
fn past(
    held: &Acceptance,
    others: &[Acceptance],
    now: OffsetDateTime,
    t: Language,
) -> Vec<(String, String, String)> {
    let others = others.iter().rev().filter(|other| other.id != held.id);
    others
        .map(|other| {
            let state = words::acceptance(other.phase(now), t);
            (
                other.id.to_string(),
                format!("{} · {state}", other.license),
                site::minute(other.requested_at),
            )
        })
        .collect()
}

/// A file of evidence, to keep.
pub async fn evidence(
    visitor: Visitor,
    path: Path<(AcceptanceId, Sha256)>,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
) -> Result<HttpResponse, Refused> {
    let tenant = scope(&visitor.caller)?;
    let (acceptance, sha256) = path.into_inner();
    let found = evidence::get(&db, tenant, acceptance, sha256).await?;
    let file = found.ok_or_else(|| Problem::not_found("file of evidence"))?;
    let handed = HandedOut {
        name: file.name.unwrap_or_else(|| sha256.to_string()),
        media_type: file.media_type,
        bytes: file.bytes,
    };
    Ok(handed.respond(blobs.get_ref(), sha256).await?)
}
