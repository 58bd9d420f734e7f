//! `/admin/batches/{batch}`: a batch with its pages beside their answers, as they come.

use super::{
    live::{self, Live, Look, Piece},
    progress::Progress,
    refused::Refused,
    shell::Shell,
    verdict::Verdict,
    visitor::Visitor,
};
use crate::{
    api::batches::{lacks_worker, no_batch},
    problem::Problem,
    site,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path, Query},
};
use askama::Template;
use domain::{
    access::Act,
    batch::{BatchState, StoredBatch},
    clock::SharedClock,
    digest::Sha256,
    id::BatchId,
    language::Language,
    question::Asked,
    rows::RowId,
};
use records::{
    Db, batches,
    rows::{self, Place, Row, RowOf},
};
use serde::Deserialize;

/// How many rows are shown at once.
const SHOWN: u32 = 25;
/// The piece that says which rows there are.
const ROWS: &str = "rows";

/// After which row the page begins.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
pub struct From {
    after: Option<RowId>,
}

/// The same, with what is shown already.
#[derive(Deserialize, Clone, Copy)]
pub struct Seen {
    after: Option<RowId>,
    seen: Sha256,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "batch.html")]
pub struct BatchPage {
    t: Language,
    shell: Shell,
    id: String,
    here: String,
    live: String,
    facts: Vec<(&'static str, String)>,
    /// What must be shown where the answers are.
    notices: Vec<String>,
    progress: Progress,
    rows: Vec<ShownRow>,
    next: Option<String>,
    can_cancel: bool,
    can_requeue: bool,
}

/// A row as it is shown.
struct ShownRow {
    id: String,
    document: String,
    page: Option<u32>,
    /// Where its page is to be had as an image.
    image: Option<String>,
    question: String,
    verdict: Verdict,
}

impl ShownRow {
    fn of(seen: &Batch, row: &Row, visitor: &Visitor, t: Language) -> Self {
        let verdict = Verdict::of(
            &seen.batch,
            row,
            &visitor.csrf,
            visitor.caller.can(Act::SubmitBatch),
            t,
        );
        let (document, page, question) = match &row.of {
            RowOf::Job(job) => (job.job.document, job.job.page(), seen.question(job.job.question)),
            RowOf::Document(document) => (document.id, None, String::new()),
        };
        let image = |page| {
            format!(
                "/admin/batches/{}/documents/{document}/pages/{page}/image",
                seen.batch.id
            )
        };
        Self {
            id: id_of(row),
            document: row.document_name.clone().unwrap_or_else(|| document.to_string()),
            page,
            image: page.filter(|_| seen.batch.documents_gone_at.is_none()).map(image),
            question,
            verdict,
        }
    }
}

fn id_of(row: &Row) -> String {
    match &row.of {
        RowOf::Job(job) => job.job.id.to_string(),
        RowOf::Document(document) => document.id.to_string(),
    }
}

impl BatchPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let row = |id: &str, page| ShownRow {
            id: id.into(),
            document: "a scan with a <long> name.pdf".into(),
            page,
            image: page.map(|page: u32| format!("/admin/batches/b/documents/d/pages/{page}/image")),
            question: "What is the total? 合计是多少？".into(),
            verdict: Verdict::sample(t),
        };
        Self {
            t,
            shell: Shell::sample(t),
            id: "bat_00000000000000000000000000".into(),
            here: "/admin/batches/bat_0".into(),
            live: "/admin/batches/bat_0/live?seen=0".into(),
            facts: vec![(t.of("Model", "模型"), "THUDM/glm-4v-9b".into())],
            notices: vec!["Built with glm-4".into()],
            progress: Progress::sample(t),
            rows: vec![row("job_0", Some(1)), row("job_1", None)],
            next: Some("?after=job".into()),
            can_cancel: true,
            can_requeue: true,
        }
    }

    /// Before anything was uploaded.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            rows: Vec::new(),
            next: None,
            ..Self::sample(t)
        }
    }
}

/// A batch with a portion of its rows.
struct Batch {
    batch: StoredBatch,
    questions: Vec<Asked>,
    rows: Vec<Row>,
    progress: Progress,
}

impl Batch {
    fn question(&self, place: u32) -> String {
        let asked = self.questions.get(place as usize);
        asked.map(|asked| asked.text.clone()).unwrap_or_default()
    }

    /// A digest of which rows are shown: when it changes the page is read again.
    fn which(&self) -> Sha256 {
        let ids: String = self.rows.iter().map(id_of).collect();
        Sha256::of(ids.as_bytes())
    }
}

/// What the looks at a batch work with.
#[derive(Clone)]
pub struct Looking {
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
}

impl Looking {
    async fn at(
        &self,
        db: &Db,
        visitor: &Visitor,
        id: BatchId,
        after: Option<RowId>,
    ) -> Result<Batch, Problem> {
        let tenant = &visitor.caller.may(Act::ReadBatch)?.tenant;
        let batch = batches::get(db, tenant, id).await?.ok_or_else(no_batch)?;
        let place = match after {
            Some(row) => rows::place_of(db, tenant, id, row).await?.unwrap_or(Place::START),
            None => Place::START,
        };
        let counts = rows::counts(db, &batch).await?;
        let lacks = lacks_worker(db, &batch, self.clock.now(), &self.settings).await?;
        Ok(Batch {
            questions: batches::questions(db, tenant, id).await?,
            rows: rows::after(db, tenant, id, place, SHOWN).await?,
            progress: Progress::of(&batch, &counts, lacks, visitor.t),
            batch,
        })
    }
}

/// The page.
pub async fn get(
    visitor: Visitor,
    path: Path<BatchId>,
    query: Query<From>,
    db: Data<Db>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
) -> Result<HttpResponse, Refused> {
    let (id, after) = (*path, query.after);
    let seen = Looking { clock, settings }.at(&db, &visitor, id, after).await?;
    let from = after.map(|after| format!("after={after}")).unwrap_or_default();
    let (t, may_act) = (visitor.t, visitor.caller.can(Act::SubmitBatch));
    let full = seen.rows.len() == SHOWN as usize;
    let next = seen.rows.last().filter(|_| full);
    let shown = BatchPage {
        t,
        shell: Shell::of(&visitor, "/admin/batches"),
        id: id.to_string(),
        here: format!("/admin/batches/{id}?{from}"),
        live: format!("/admin/batches/{id}/live?seen={}&{from}", seen.which()),
        facts: facts(&seen.batch, t),
        notices: seen.batch.license.notices().map(str::to_owned).collect(),
        rows: seen
            .rows
            .iter()
            .map(|row| ShownRow::of(&seen, row, &visitor, t))
            .collect(),
        next: next.map(|row| format!("?after={}", id_of(row))),
        can_cancel: may_act && is_unfinished(seen.batch.state),
        can_requeue: may_act && seen.batch.jobs.failed > 0,
        progress: seen.progress,
    };
    Ok(site::live_page(StatusCode::OK, &shown)?)
}

/// What changes on the page, as it does.
pub async fn live(
    live: Live,
    path: Path<BatchId>,
    query: Query<Seen>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
) -> Result<HttpResponse, Refused> {
    let (id, Seen { after, seen }) = (*path, query.into_inner());
    let looking = Looking { clock, settings };
    // A batch that is not there is said before the stream begins.
    looking.at(&live.db, &live.visitor, id, after).await?;
    let told = vec![(ROWS.to_owned(), Sha256::of(seen.to_string().as_bytes()))];
    live::tell(live, Act::ReadBatch, told, async move |live: &Live| {
        let seen = looking.at(&live.db, &live.visitor, id, after).await?;
        pieces(&seen, &live.visitor)
    })
}

fn pieces(seen: &Batch, visitor: &Visitor) -> Result<Look, Problem> {
    let may_act = visitor.caller.can(Act::SubmitBatch);
    let piece = |name: String, html: Result<String, askama::Error>| {
        Ok::<_, Problem>(Piece {
            name,
            html: html.map_err(Problem::internal)?,
        })
    };
    let mut pieces = vec![
        piece(ROWS.into(), Ok(seen.which().to_string()))?,
        piece("progress".into(), seen.progress.render())?,
    ];
    for row in &seen.rows {
        let verdict = Verdict::of(&seen.batch, row, &visitor.csrf, may_act, visitor.t);
        pieces.push(piece(id_of(row), verdict.render())?);
    }
    Ok(Look {
        pieces,
        over: !is_unfinished(seen.batch.state),
    })
}

fn is_unfinished(state: BatchState) -> bool {
    matches!(state, BatchState::Open | BatchState::Running { .. })
}

fn facts(batch: &StoredBatch, t: Language) -> Vec<(&'static str, String)> {
    let told = [
        (t.of("Model", "模型"), Some(batch.license.model.to_string())),
        (
            t.of("Revision", "版本"),
            Some(batch.license.revision_sha256.to_string()),
        ),
        (t.of("Purpose", "用途"), Some(batch.license.purpose.to_string())),
        (t.of("Member", "成员"), Some(batch.member.to_string())),
        (
            t.of("Decision", "许可判定"),
            Some(batch.license.decision.to_string()),
        ),
        (t.of("Opened", "创建"), Some(site::minute(batch.opened_at))),
        (t.of("Ends", "截止"), batch.expires_at.map(site::minute)),
        (
            t.of("Documents", "文档"),
            Some(batch.documents.total().to_string()),
        ),
        (t.of("Pages", "页"), Some(batch.pages.to_string())),
        (
            t.of("Documents deleted", "文档已删除"),
            batch.documents_gone_at.map(site::minute),
        ),
        (
            t.of("Answers deleted", "答案已删除"),
            batch.answers_gone_at.map(site::minute),
        ),
    ];
    told.into_iter()
        .filter_map(|(label, value)| Some((label, value?)))
        .collect()
}
