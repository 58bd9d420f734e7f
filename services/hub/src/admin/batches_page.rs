//! `/admin/batches`: the tenant's batches, and how far they are as they go on.

use super::{
    live::{self, Live, Look, Piece},
    progress::Progress,
    refused::Refused,
    shell::Shell,
    visitor::Visitor,
};
use crate::{problem::Problem, site};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use domain::{access::Act, batch::StoredBatch, digest::Sha256, id::BatchId, language::Language};
use records::{Db, batches, rows};
use serde::{Deserialize, Serialize};

const SHOWN: u32 = 20;
/// The piece that says which batches are listed.
const LISTED: &str = "listed";

/// After which batch the list begins.
#[derive(Deserialize, Serialize, Default, Clone, Copy)]
#[serde(default)]
pub struct From {
    after: Option<BatchId>,
}

/// The same, with what is shown already.
#[derive(Deserialize, Clone, Copy)]
pub struct Seen {
    after: Option<BatchId>,
    seen: Sha256,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "batches.html")]
pub struct BatchesPage {
    t: Language,
    shell: Shell,
    here: String,
    live: String,
    batches: Vec<Row>,
    next: Option<String>,
}

/// A batch in the list.
struct Row {
    id: String,
    model: String,
    purpose: &'static str,
    member: String,
    opened: String,
    progress: Progress,
}

impl Row {
    fn of(batch: &StoredBatch, progress: Progress) -> Self {
        Self {
            id: batch.id.to_string(),
            model: batch.license.model.to_string(),
            purpose: batch.license.purpose.as_str(),
            member: batch.member.to_string(),
            opened: site::minute(batch.opened_at),
            progress,
        }
    }
}

impl BatchesPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let row = |id: &str| Row {
            id: id.into(),
            model: "THUDM/glm-4v-9b".into(),
            purpose: "commercial",
            member: "li".into(),
            opened: "2026-01-01 12:00 UTC".into(),
            progress: Progress::sample(t),
        };
        Self {
            t,
            shell: Shell::sample(t),
            here: "/admin/batches".into(),
            live: "/admin/batches/live?seen=0".into(),
            batches: vec![
                row("bat_00000000000000000000000000"),
                row("bat_00000000000000000000000001"),
            ],
            next: Some("?after=bat".into()),
        }
    }

    /// Without any.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            batches: Vec::new(),
            next: None,
            ..Self::sample(t)
        }
    }
}

async fn listed(
    db: &Db,
    visitor: &Visitor,
    after: Option<BatchId>,
) -> Result<Vec<(StoredBatch, Progress)>, Problem> {
    let caller = visitor.caller.may(Act::ReadBatch)?;
    let mut listed = Vec::new();
    for batch in batches::list(db, &caller.tenant, after, SHOWN).await? {
        let counts = rows::counts(db, &batch).await?;
        let progress = Progress::of(&batch, &counts, false, visitor.t);
        listed.push((batch, progress));
    }
    Ok(listed)
}

/// A digest of which batches are listed: when it changes the page is read again.
fn which(listed: &[(StoredBatch, Progress)]) -> Sha256 {
    let ids: String = listed.iter().map(|(batch, _)| batch.id.to_string()).collect();
    Sha256::of(ids.as_bytes())
}

/// The page.
pub async fn get(visitor: Visitor, query: Query<From>, db: Data<Db>) -> Result<HttpResponse, Refused> {
    let after = query.after;
    let listed = listed(&db, &visitor, after).await?;
    let from = after.map(|after| format!("after={after}")).unwrap_or_default();
    let full = listed.len() == SHOWN as usize;
    let shown = BatchesPage {
        t: visitor.t,
        shell: Shell::of(&visitor, "/admin/batches"),
        here: format!("/admin/batches?{from}"),
        live: format!("/admin/batches/live?seen={}&{from}", which(&listed)),
        next: listed
            .last()
            .filter(|_| full)
            .map(|(last, _)| format!("?after={}", last.id)),
        batches: listed
            .into_iter()
            .map(|(batch, progress)| Row::of(&batch, progress))
            .collect(),
    };
    Ok(site::live_page(StatusCode::OK, &shown)?)
}

/// What changes on the page, as it does.
pub async fn live(live: Live, query: Query<Seen>) -> Result<HttpResponse, Refused> {
    let Seen { after, seen } = query.into_inner();
    live.visitor.caller.may(Act::ReadBatch)?;
    let told = vec![(LISTED.to_owned(), Sha256::of(seen.to_string().as_bytes()))];
    live::tell(live, Act::ReadBatch, told, async move |live: &Live| {
        let listed = listed(&live.db, &live.visitor, after).await?;
        let mut pieces = vec![Piece {
            name: LISTED.into(),
            html: which(&listed).to_string(),
        }];
        for (batch, progress) in listed {
            let html = progress.render().map_err(Problem::internal)?;
            pieces.push(Piece {
                name: batch.id.to_string(),
                html,
            });
        }
        Ok(Look { pieces, over: false })
    })
}
