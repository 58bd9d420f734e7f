//! Pages and their jobs, stored with all that counts them.

use super::same_pages::Firsts;
use crate::{
    At, RecordsError, Stamp, Tx,
    batches::{Delta, add as add_counts},
    combining,
    deleting::files,
    jobs::Job,
    later::Write,
    many, on,
    read::number,
    turns, usage,
};
use domain::{
    batch::StoredBatch,
    combining::{FIRST_TEXT, Role, Scope},
    digest::Sha256,
    document::Document,
    id::{JobId, PageId},
    job::{JobPhase, JobState, Tries},
    limits::Usage,
};
use serde::Serialize;

pub(super) const INSERT_PAGES: &str = "INSERT INTO pages (id, tenant, batch, document, number, sha256, bytes, width, \
    height, same_as) SELECT r.value ->> 'id', $2, $3, $4, CAST(r.value ->> 'number' AS BIGINT), r.value ->> 'sha256', \
    CAST(r.value ->> 'bytes' AS BIGINT), CAST(r.value ->> 'width' AS BIGINT), CAST(r.value ->> 'height' AS BIGINT), \
    r.value ->> 'same_as' FROM json_each($1) AS r";
pub(super) const INSERT_JOBS: &str = "INSERT INTO jobs (id, tenant, batch, document, document_place, page, page_number, \
    question, state, created_at, not_before, priority, role) SELECT r.value ->> 'id', $2, $3, $4, $5, r.value ->> 'page', \
    CAST(r.value ->> 'page_number' AS BIGINT), CAST(r.value ->> 'question' AS BIGINT), r.value ->> 'state', $6, \
    $6, $7, r.value ->> 'role' \
    FROM json_each($1) AS r";
pub(super) const SCOPES: &str = "SELECT scope FROM questions WHERE batch = $1 ORDER BY place";

/// A page whose bytes are in the blobs.
#[derive(Debug, Clone, Copy)]
pub struct NewPage {
    /// Its number in the document, from 1.
    pub number: u32,
    /// Its bytes.
    pub sha256: Sha256,
    /// How many they are.
    pub bytes: u64,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// Stores pages and their jobs within `tx`, which may go out then, and counts them, together with `delta`.
pub(super) async fn insert_pages(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    document: &Document,
    pages: &[NewPage],
    delta: Delta,
) -> Result<(), RecordsError> {
    let batch_id = batch.id.to_string();
    let scopes: Vec<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(SCOPES).bind(&batch_id).fetch_all(c))?;
    let scopes: Vec<Scope> = scopes.iter().map(|scope| combining::scope(scope)).collect();
    let firsts = Firsts::find(tx, batch, pages).await?;
    let bytes: Vec<Sha256> = pages.iter().map(|page| page.sha256).collect();
    files::want(tx, &bytes).await?;
    let wanted = Wanted {
        pages,
        scopes,
        firsts,
    };
    turns::mark(tx, batch.id, stamp.at);
    let Inserted { delta, .. } = insert_wanted_pages(tx, stamp, batch, document, wanted, delta);
    add_counts(tx, batch.id, &delta);
    Ok(())
}

/// Pages whose files are known to stay.
pub(crate) struct Wanted<'a> {
    pub pages: &'a [NewPage],
    /// Of the batch's questions.
    pub scopes: Vec<Scope>,
    /// Pages of the batch with the same bytes.
    pub firsts: Firsts,
}

/// What has been stored.
pub(crate) struct Inserted {
    /// The jobs that may go out, in order of page and question.
    pub jobs: Vec<NewJob>,
    /// What is left to be added to the batch's counters.
    pub delta: Delta,
}

/// A job that may go out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewJob {
    pub id: JobId,
    pub page: PageId,
    page_number: u32,
    question: u32,
    role: Role,
}

impl NewJob {
    /// As the records tell of it.
    pub(crate) fn stored(self, stamp: Stamp<'_>, document: &Document, batch: &StoredBatch) -> Job {
        Job {
            id: self.id,
            tenant: batch.tenant.clone(),
            batch: batch.id,
            document: document.id,
            page: self.page,
            page_number: self.page_number,
            role: self.role,
            question: self.question,
            created_at: stamp.at,
            state: JobState::Queued { not_before: stamp.at },
            tries: Tries::default(),
        }
    }
}

/// As [`insert_pages`], but for the counters, and nobody is told that jobs wait.
pub(crate) fn insert_wanted_pages(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    document: &Document,
    Wanted {
        pages,
        scopes,
        firsts,
    }: Wanted<'_>,
    delta: Delta,
) -> Inserted {
    let batch_id = batch.id.to_string();
    // The questions that this document is asked, each at its place.
    let asked = scopes.iter().enumerate().filter(|(place, _)| {
        let chosen = document.questions.as_ref();
        chosen.is_none_or(|chosen| chosen.iter().any(|one| *one as usize == *place))
    });
    let asked: Vec<(usize, Scope)> = asked.map(|(place, scope)| (place, *scope)).collect();
    let new = NewRows::of(stamp, pages, &asked, firsts);
    let write = Write::of(INSERT_PAGES)
        .bind(new.pages)
        .bind(batch.tenant.as_str())
        .bind(batch_id.as_str())
        .bind(document.id.to_string());
    tx.later(write);
    let write = Write::of(INSERT_JOBS)
        .bind(new.jobs)
        .bind(batch.tenant.as_str())
        .bind(batch_id.as_str())
        .bind(document.id.to_string())
        .bind(number(document.place))
        .bind(At(stamp.at))
        .bind(batch.priority.rank());
    tx.later(write);
    let delta = delta
        .pages(number(pages.len()))
        .jobs(JobPhase::Queued, number(new.ready.len()))
        .jobs(JobPhase::Waiting, number(new.waiting));
    let used = Usage {
        pages: pages.len() as u64,
        ..Usage::default()
    };
    usage::add(tx, batch.id, stamp.at, used);
    Inserted {
        jobs: new.ready,
        delta,
    }
}

/// What is written of a page, but for what all of a document share.
#[derive(Serialize)]
struct PageRow {
    id: PageId,
    number: u32,
    sha256: Sha256,
    bytes: i64,
    width: u32,
    height: u32,
    same_as: Option<PageId>,
}

impl PageRow {
    fn of(id: PageId, page: &NewPage, same_as: Option<PageId>) -> Self {
        Self {
            id,
            number: page.number,
            sha256: page.sha256,
            bytes: number(page.bytes),
            width: page.width,
            height: page.height,
            same_as,
        }
    }
}

/// What is written of a job, but for what all of a document share.
#[derive(Serialize)]
struct JobRow {
    id: JobId,
    page: PageId,
    page_number: u32,
    question: usize,
    state: JobPhase,
    role: Option<&'static str>,
}

/// Rows of pages and of their jobs, as parameters.
struct NewRows {
    pages: String,
    jobs: String,
    /// The jobs that may go out, in order of page and question.
    ready: Vec<NewJob>,
    /// How many more wait for what those answer.
    waiting: usize,
}

impl NewRows {
    fn of(stamp: Stamp<'_>, pages: &[NewPage], asked: &[(usize, Scope)], mut firsts: Firsts) -> Self {
        let (mut page_rows, mut job_rows, mut ready) =
            (Vec::with_capacity(pages.len()), Vec::new(), Vec::new());
        for page in pages {
            let id: PageId = stamp.ids.make();
            page_rows.push(PageRow::of(id, page, firsts.same_as(page.sha256, id)));
            for (question, scope) in asked {
                let job: JobId = stamp.ids.make();
                let role = match scope {
                    Scope::Page => Role::Page,
                    Scope::Document => Role::Source,
                };
                job_rows.push(JobRow {
                    id: job,
                    page: id,
                    page_number: page.number,
                    question: *question,
                    state: JobPhase::Queued,
                    role: role.as_word(),
                });
                ready.push(NewJob {
                    id: job,
                    page: id,
                    page_number: page.number,
                    question: u32::try_from(*question).unwrap_or(u32::MAX),
                    role,
                });
            }
        }
        let waiting = job_rows.len();
        if !pages.is_empty() {
            push_wholes(stamp, asked, &mut page_rows, &mut job_rows);
        }
        Self {
            waiting: job_rows.len() - waiting,
            pages: many::rows(page_rows),
            jobs: many::rows(job_rows),
            ready,
        }
    }
}

/// Adds the job that gives the answer about the document for each question of that scope, with the text that it will read.
fn push_wholes(stamp: Stamp<'_>, asked: &[(usize, Scope)], pages: &mut Vec<PageRow>, jobs: &mut Vec<JobRow>) {
    let about_all = asked.iter().filter(|(_, scope)| *scope == Scope::Document);
    for (place, (question, _)) in about_all.enumerate() {
        let (page, job): (PageId, JobId) = (stamp.ids.make(), stamp.ids.make());
        let number = FIRST_TEXT.saturating_add(u32::try_from(place).unwrap_or(u32::MAX));
        let text = NewPage {
            number,
            sha256: Sha256::of(b""),
            bytes: 0,
            width: 0,
            height: 0,
        };
        pages.push(PageRow::of(page, &text, None));
        jobs.push(JobRow {
            id: job,
            page,
            page_number: number,
            question: *question,
            state: JobPhase::Waiting,
            role: Role::Whole.as_word(),
        });
    }
}
