//! `/admin/audit`: what the log remembers, and whether an entry is in it as it was signed.

use super::{refused::Refused, shell::Shell, visitor::Visitor};
use crate::{audit_settings::AuditSettings, problem::Problem, site};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path, Query},
};
use askama::Template;
use domain::{
    access::Act,
    audit::tree::{self, Question},
    clock::SharedClock,
    id::AuditId,
    language::Language,
};
use exchange::{checkpoint, signing::SigningKey};
use records::{
    Db,
    audit::reading::{self, Checkpoint, Placed, Wanted},
};
use serde::Deserialize;
use time::{Date, Duration, OffsetDateTime, macros::format_description};
use url::form_urlencoded;

const SHOWN: u32 = 100;
/// How many days are shown unless it is said from when on.
const USUAL_DAYS: i64 = 1;

/// What is asked of the log. Empty fields of the form ask for nothing.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Asked {
    tenant: String,
    kind: String,
    subject: String,
    since: String,
    after: Option<AuditId>,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "audit.html")]
pub struct AuditPage {
    t: Language,
    shell: Shell,
    asked: Asked,
    /// How many entries are under the newest checkpoint.
    sealed: Option<u64>,
    entries: Vec<Row>,
    next: Option<String>,
}

/// An entry in the list.
struct Row {
    id: String,
    at: String,
    tenant: String,
    member: String,
    kind: String,
    subject: String,
    sealed: bool,
}

impl Row {
    fn of(placed: Placed) -> Self {
        let entry = placed.entry;
        Self {
            id: entry.id,
            at: site::minute(entry.at),
            tenant: entry.tenant,
            member: entry.member.unwrap_or_default(),
            kind: entry.kind,
            subject: entry.subject,
            sealed: placed.place.is_some(),
        }
    }
}

impl AuditPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            asked: Asked {
                since: "2026-01-01".into(),
                ..Asked::default()
            },
            sealed: Some(12),
            entries: vec![Row {
                id: "aud_00000000000000000000000000".into(),
                at: "2026-01-01 12:00 UTC".into(),
                tenant: "acme".into(),
                member: "li".into(),
                kind: "batch.opened".into(),
                subject: "bat_<0>".into(),
                sealed: true,
            }],
            next: Some("?after=aud".into()),
        }
    }

    /// Without any.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            entries: vec![],
            next: None,
            sealed: None,
            ..Self::sample(t)
        }
    }
}

/// The words of a form's field, if there are any.
fn named(field: &str) -> Option<String> {
    Some(field.trim())
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// From when on entries are asked for, and the day that the form shows.
fn since(field: &str, now: OffsetDateTime) -> Result<OffsetDateTime, Problem> {
    if field.is_empty() {
        return Ok((now - Duration::days(USUAL_DAYS)).replace_time(time::Time::MIDNIGHT));
    }
    let day = Date::parse(field, format_description!("[year]-[month]-[day]"))
        .map_err(|_| Problem::bad_request("query_malformed", "`since` is a day such as 2030-12-31"))?;
    Ok(day.midnight().assume_utc())
}

/// The page.
pub async fn get(
    visitor: Visitor,
    query: Query<Asked>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Refused> {
    visitor.caller.may(Act::ReadAudit)?;
    let mut asked = query.into_inner();
    let since = since(&asked.since, clock.now())?;
    asked.since = since.date().to_string();
    let wanted = Wanted {
        tenant: named(&asked.tenant),
        kind: named(&asked.kind),
        subject: named(&asked.subject),
        decision: None,
        since,
    };
    let after = asked.after.map(|after| after.to_string());
    let found = reading::page(&db, &wanted, after.as_deref(), SHOWN).await?;
    let full = found.len() == SHOWN as usize;
    let last = found.last().filter(|_| full).map(|last| last.entry.id.clone());
    let shown = AuditPage {
        t: visitor.t,
        shell: Shell::of(&visitor, "/admin/audit"),
        next: last.map(|id| next(&asked, &id)),
        sealed: reading::newest_checkpoint(&db).await?.map(|newest| newest.size),
        entries: found.into_iter().map(Row::of).collect(),
        asked,
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// The query of the entries after `id`.
fn next(asked: &Asked, id: &str) -> String {
    let fields = [
        ("tenant", asked.tenant.as_str()),
        ("kind", &asked.kind),
        ("subject", &asked.subject),
        ("since", &asked.since),
        ("after", id),
    ];
    let mut query = form_urlencoded::Serializer::new(String::new());
    format!("?{}", query.extend_pairs(fields).finish())
}

/// `/admin/audit/{entry}`: an entry, and whether the log has it as it was signed.
#[derive(Template)]
#[template(path = "audit_entry.html")]
pub struct EntryPage {
    t: Language,
    shell: Shell,
    id: String,
    facts: Vec<(&'static str, String)>,
    detail: String,
    proof: Shown,
}

/// What is known of an entry's place in the log.
enum Shown {
    /// It waits for the next checkpoint.
    Waiting,
    /// It is under a checkpoint of so many entries, which this hub has signed.
    Proven { size: u64, place: u64 },
    /// It is not as it was signed.
    Broken(String),
}

impl EntryPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            id: "aud_00000000000000000000000000".into(),
            facts: vec![(t.of("Kind", "类型"), "batch.opened".into())],
            detail: "{\n  \"jobs\": \"<2>\"\n}".into(),
            proof: Shown::Proven { size: 12, place: 3 },
        }
    }

    /// One that somebody has tampered with.
    pub fn broken_sample(t: Language) -> Self {
        Self {
            proof: Shown::Broken("the root differs".into()),
            ..Self::sample(t)
        }
    }
}

/// The page of an entry.
pub async fn entry(
    visitor: Visitor,
    path: Path<AuditId>,
    db: Data<Db>,
    key: Data<SigningKey>,
    settings: Data<AuditSettings>,
) -> Result<HttpResponse, Refused> {
    visitor.caller.may(Act::ReadAudit)?;
    let t = visitor.t;
    let found = reading::get(&db, &path.to_string()).await?;
    let placed = found.ok_or_else(|| Problem::not_found("entry"))?;
    // A checkpoint that is read after the entry is about it, if the entry had a place.
    let newest = reading::newest_checkpoint(&db).await?;
    let proof = match (placed.place, newest) {
        (Some(place), Some(newest)) => prove(&db, &placed, place, newest, &key, &settings).await?,
        _ => Shown::Waiting,
    };
    let entry = placed.entry;
    let facts = [
        (t.of("Happened", "时间"), Some(site::minute(entry.at))),
        (t.of("Tenant", "租户"), Some(entry.tenant)),
        (t.of("Member", "成员"), entry.member),
        (t.of("Kind", "类型"), Some(entry.kind)),
        (t.of("About", "对象"), Some(entry.subject)),
        (t.of("Decision", "许可判定"), entry.decision),
    ];
    let shown = EntryPage {
        t,
        shell: Shell::of(&visitor, "/admin/audit"),
        id: entry.id,
        facts: facts
            .into_iter()
            .filter_map(|(label, value)| Some((label, value?)))
            .collect(),
        detail: serde_json::to_string_pretty(&entry.detail).map_err(Problem::internal)?,
        proof,
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// Computes what was signed anew: the checkpoint's signature, and that its tree has the entry as it is stored.
async fn prove(
    db: &Db,
    placed: &Placed,
    place: u64,
    newest: Checkpoint,
    key: &SigningKey,
    settings: &AuditSettings,
) -> Result<Shown, Problem> {
    let believed = match checkpoint::verify(&key.every(), Some(&settings.origin), &newest.note) {
        Ok(believed) => believed,
        Err(error) => return Ok(Shown::Broken(error.to_string())),
    };
    let (size, root) = (believed.size, believed.root);
    let proof = reading::proof(db, Question::Inclusion { size, place }).await?;
    Ok(
        match tree::includes(&root, size, place, &placed.entry.leaf(), &proof) {
            Ok(()) => Shown::Proven { size, place },
            Err(error) => Shown::Broken(error.to_string()),
        },
    )
}
