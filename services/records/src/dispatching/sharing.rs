//! What is computed once: of jobs of a tenant that ask the same about the same bytes in the same way, one goes out.
//! The others wait for it, and get its answer under attempts and grants of their own.
//!
//! Within a batch the first goes out, and the others wait for it from the beginning. Between batches, which have to be
//! for the same purpose and revision, a job waits only for one that is out already: nobody has to wait for a batch that is
//! held or comes later. Claims of a tenant come one after the other, so that each sees what is out. If what a job waits for
//! comes to nothing, it is computed for itself; so is what somebody waits for while it is written.

use super::{
    Asked, ClaimedPage, Signed,
    claiming::{DueJobs, begin_orders},
};
use crate::{
    At, RecordsError, Stamp, Tx,
    answers::{self, Answer, NewAnswer},
    attempts, batches,
    jobs::Job,
    later::Write,
    many, on,
    read::{Reading, number},
    run::Run as _,
    turns, webhooks,
};
use domain::{
    batch::StoredBatch,
    id::{BatchId, JobId, PageId, WorkerId},
    job::{JobPhase, Out},
    order::AnswerReport,
};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeSet, HashMap, HashSet, hash_map::Entry};
use time::{Duration, OffsetDateTime};

const FIRSTS: &str = "SELECT r.value ->> 'job', f.id, f.page, f.state, a.job FROM json_each($1) AS r \
    JOIN pages p ON p.id = r.value ->> 'page' JOIN jobs f ON f.page = COALESCE(p.same_as, p.id) \
    AND f.question = CAST(r.value ->> 'question' AS BIGINT) LEFT JOIN answers a ON a.job = f.id \
    WHERE f.id <> r.value ->> 'job'";
// Pages whose bytes another batch of their tenant has too: most have none, and need not be looked for job by job.
const KNOWN_ELSEWHERE: &str = "SELECT p.id FROM json_each($1) AS r JOIN pages p ON p.id = r.value ->> 'id' AND p.width > 0 \
    WHERE EXISTS (SELECT 1 FROM pages t WHERE t.tenant = p.tenant AND t.sha256 = p.sha256 AND t.same_as IS NULL \
    AND t.batch <> p.batch)";
// Of the pages with the same bytes, the first of each of the latest batches. What was given again is as old as the answer that
// was computed, and gone with it.
const ELSEWHERE: &str = "SELECT r.value ->> 'job', COALESCE(c.job, f.id), COALESCE(p.same_as, p.id), f.state, c.job \
    FROM json_each($1) AS r JOIN pages p ON p.id = r.value ->> 'page' AND p.width > 0 \
    JOIN batches o ON o.id = p.batch \
    JOIN pages t ON t.tenant = p.tenant AND t.sha256 = p.sha256 AND t.same_as IS NULL AND t.batch <> p.batch \
    AND t.id >= COALESCE((SELECT l.id FROM pages l WHERE l.tenant = p.tenant AND l.sha256 = p.sha256 \
        AND l.same_as IS NULL ORDER BY l.id DESC LIMIT 1 OFFSET $3), '') \
    JOIN batches b ON b.id = t.batch AND b.model = o.model AND b.revision_sha256 = o.revision_sha256 \
    AND b.purpose = o.purpose \
    JOIN questions asked ON asked.batch = o.id AND asked.place = CAST(r.value ->> 'question' AS BIGINT) \
    JOIN questions q ON q.batch = b.id AND q.text = asked.text AND q.parameters = asked.parameters \
    AND q.scope = asked.scope JOIN jobs f ON f.page = t.id AND f.question = q.place \
    LEFT JOIN answers a ON a.job = f.id \
    LEFT JOIN answers c ON c.job = COALESCE(a.shared_from, a.job) AND c.answered_at >= $2 \
    LEFT JOIN jobs s ON s.id = c.job LEFT JOIN batches cb ON cb.id = s.batch \
    WHERE c.job IS NOT NULL AND cb.answers_gone_at IS NULL OR f.state IN ('dispatched', 'running')";
const ATTEMPTS: &str =
    "SELECT id, attempts FROM pages WHERE id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const WAIT: &str =
    "UPDATE jobs SET not_before = $2 WHERE id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const WAIT_TOO: &str = "UPDATE jobs SET not_before = $2 WHERE id IN (SELECT j.id FROM json_each($1) AS r \
    JOIN pages p ON p.same_as = r.value ->> 'page' \
    JOIN jobs j ON j.page = p.id AND j.question = CAST(r.value ->> 'question' AS BIGINT)) \
    AND state || '' = 'queued' AND not_before <= $3";
// Jobs with faults wait for another reason. The state is hidden from the planner, or it might go through all that wait.
const LET_GO: &str = "UPDATE jobs SET not_before = $2 WHERE id IN (\
    SELECT j.id FROM json_each($1) AS r JOIN jobs j ON j.page = r.value ->> 'id' \
    UNION ALL SELECT j.id FROM json_each($1) AS r JOIN pages p ON p.same_as = r.value ->> 'id' JOIN jobs j ON j.page = p.id \
    UNION ALL SELECT j.id FROM json_each($1) AS r JOIN pages p ON p.id = r.value ->> 'id' AND p.width > 0 \
        JOIN pages t ON t.tenant = p.tenant AND t.sha256 = p.sha256 AND t.same_as IS NULL AND t.batch <> p.batch \
        AND t.id >= COALESCE((SELECT l.id FROM pages l WHERE l.tenant = p.tenant AND l.sha256 = p.sha256 \
            AND l.same_as IS NULL ORDER BY l.id DESC LIMIT 1 OFFSET $3), '') JOIN jobs j ON j.page = t.id) \
    AND state || '' = 'queued' AND not_before > $2 AND faults = 0 AND losses = 0";
// Nobody worked at these orders. Which are open is hidden from the planner, or it might go through all that are.
const CLOSE: &str = "UPDATE attempts SET closed_at = $2, outcome = 'done' WHERE COALESCE(closed_at, closed_at) IS NULL \
    AND order_id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";

pub(crate) const STATEMENTS: &[&str] = &[
    FIRSTS,
    KNOWN_ELSEWHERE,
    ELSEWHERE,
    ATTEMPTS,
    WAIT,
    WAIT_TOO,
    LET_GO,
    CLOSE,
];

/// After how long jobs are looked at again that wait for one of their kind. Its answer lets them go at once.
const LOOK_AGAIN: Duration = Duration::seconds(15);

/// In how many batches of the tenant a job of the same kind is looked for: the latest that have the page. No setting: it
/// bounds what a look costs however often a page has come, which is the same for every tenant, and who looks for others
/// has to look as far as who lets them go. What lies beyond is computed, never answered wrongly.
const MOST_BATCHES: i64 = 32;

/// Another job of the same kind.
struct Alike {
    id: JobId,
    /// The first page of the asking job's batch that has the bytes.
    page: PageId,
    phase: JobPhase,
    has_answer: bool,
}

impl Alike {
    /// What it says to a job of its kind, the more the better.
    fn rank(&self) -> u8 {
        match (self.has_answer, self.phase.is_settled()) {
            (true, _) => 2,
            (false, false) => 1,
            (false, true) => 0,
        }
    }
}

/// A job, another of its kind, a page, the state of that other, and the same again if it has an answer.
type AlikeRow = (String, String, String, String, Option<String>);

/// Gives those of `due` that have to be computed, and the jobs that were answered without it. Answers of other batches
/// are good if they are from `since` or later. The batch and its tenant's turn are locked.
pub(super) async fn share(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    due: Vec<DueJobs>,
    asked: &Asked,
    since: Option<OffsetDateTime>,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<(Vec<DueJobs>, Vec<JobId>), RecordsError> {
    // What somebody waits for while it is written is computed, whatever other batches have.
    let since = since.filter(|_| !batch.is_awaited);
    // A question alone on its page has none of its kind in its batch.
    if since.is_none() && batch.pages == 1 && asked.len() == 1 {
        return Ok((due, Vec::new()));
    }
    let known = find(tx, &due, asked, since).await?;
    if known.is_empty() {
        return Ok((due, Vec::new()));
    }
    let (mut computed, mut copied, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for mut page in due {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for job in std::mem::take(&mut page.jobs) {
            match known.get(&job.id) {
                Some(alike) if alike.has_answer => others.push(job),
                Some(alike) if !alike.phase.is_settled() => waiting.push((job, alike.page)),
                _ => own.push(job),
            }
        }
        for (kind, jobs) in [(&mut computed, own), (&mut copied, others)] {
            if !jobs.is_empty() {
                kind.push(DueJobs { jobs, ..page });
            }
        }
    }
    wait(tx, stamp.at, &waiting).await?;
    if copied.is_empty() {
        return Ok((computed, Vec::new()));
    }
    let shared = copy(tx, stamp, batch.id, copied, &known, asked, sign).await?;
    recount_attempts(tx, &mut computed).await?;
    Ok((computed, shared))
}

/// What was answered without being computed has counted attempts at its pages.
async fn recount_attempts(tx: &mut Tx, pages: &mut [DueJobs]) -> Result<(), RecordsError> {
    if pages.is_empty() {
        return Ok(());
    }
    let ids = many::ids(pages.iter().map(|page| page.page));
    let rows: Vec<(String, i64)> = on!(tx: tx, |c| sqlx::query_as(ATTEMPTS).bind(&ids).fetch_all(c))?;
    let counted: HashMap<String, i64> = rows.into_iter().collect();
    for page in pages {
        let id = page.page.to_string();
        let reading = Reading {
            table: "pages",
            id: &id,
        };
        let attempts = reading.required(counted.get(&id), "a row")?;
        page.attempts = reading.whole(*attempts)?;
    }
    Ok(())
}

/// Jobs wait for another of their kind; so do all of their kind in their batch that are due, of which there may be many
/// more than have their turn now. The first page of the batch that has the bytes is named with each.
async fn wait(tx: &mut Tx, now: OffsetDateTime, waiting: &[(Job, PageId)]) -> Result<(), RecordsError> {
    if waiting.is_empty() {
        return Ok(());
    }
    let again = At(now + LOOK_AGAIN);
    let ids = many::ids(waiting.iter().map(|(job, _)| job.id));
    on!(tx: &mut *tx, |c| sqlx::query(WAIT).bind(&ids).bind(again).run(c))?;
    let kinds: BTreeSet<(PageId, u32)> = waiting.iter().map(|(job, page)| (*page, job.question)).collect();
    let kind = |(page, question): (PageId, u32)| json!({ "page": page, "question": question });
    let kinds = many::rows(kinds.into_iter().map(kind));
    on!(tx: tx, |c| sqlx::query(WAIT_TOO).bind(&kinds).bind(again).bind(At(now)).run(c))?;
    Ok(())
}

/// A job that others of its kind are looked for, with the first question of its batch that asks the same.
#[derive(Clone, Copy, Serialize)]
struct Asking {
    job: JobId,
    page: PageId,
    question: i64,
}

/// The others of their kind in other batches, if they are out or were answered `since` then.
async fn elsewhere(
    tx: &mut Tx,
    mut asking: Vec<Asking>,
    since: OffsetDateTime,
) -> Result<Vec<AlikeRow>, RecordsError> {
    let pages: BTreeSet<PageId> = asking.iter().map(|one| one.page).collect();
    if pages.is_empty() {
        return Ok(Vec::new());
    }
    let pages = many::ids(pages);
    let known: Vec<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(KNOWN_ELSEWHERE)
        .bind(&pages)
        .fetch_all(c))?;
    let page = |id: &String| Reading { table: "pages", id }.parsed(id);
    let known: HashSet<PageId> = known.iter().map(page).collect::<Result<_, RecordsError>>()?;
    asking.retain(|one| known.contains(&one.page));
    if asking.is_empty() {
        return Ok(Vec::new());
    }
    let asking = many::rows(asking);
    Ok(on!(tx: tx, |c| sqlx::query_as(ELSEWHERE)
        .bind(&asking)
        .bind(At(since))
        .bind(MOST_BATCHES - 1)
        .fetch_all(c))?)
}

/// For each job that can be answered as another one was, the one of its kind that says most about it.
async fn find(
    tx: &mut Tx,
    due: &[DueJobs],
    asked: &Asked,
    since: Option<OffsetDateTime>,
) -> Result<HashMap<JobId, Alike>, RecordsError> {
    let (mut in_batch, mut all) = (Vec::new(), Vec::new());
    for page in due {
        for job in &page.jobs {
            let Some(question) = first_question(asked, job) else {
                continue;
            };
            let one = Asking {
                job: job.id,
                page: job.page,
                question,
            };
            // The first of its kind in its batch has none there to look for.
            if !page.is_first || question != number(job.question) {
                in_batch.push(one);
            }
            all.push(one);
        }
    }
    let mut rows: Vec<AlikeRow> = Vec::new();
    if !in_batch.is_empty() {
        let asking = many::rows(in_batch);
        rows = on!(tx: &mut *tx, |c| sqlx::query_as(FIRSTS).bind(&asking).fetch_all(c))?;
    }
    if let Some(since) = since {
        rows.extend(elsewhere(tx, all, since).await?);
    }
    let mut known: HashMap<JobId, Alike> = HashMap::new();
    for (job, id, page, phase, answer) in rows {
        let reading = Reading {
            table: "jobs",
            id: &id,
        };
        let alike = Alike {
            id: reading.parsed(&id)?,
            page: reading.parsed(&page)?,
            phase: reading.parsed(&phase)?,
            has_answer: answer.is_some(),
        };
        match known.entry(reading.parsed(&job)?) {
            Entry::Vacant(place) => {
                place.insert(alike);
            }
            Entry::Occupied(mut best) if best.get().rank() < alike.rank() => {
                best.insert(alike);
            }
            Entry::Occupied(_) => {}
        }
    }
    Ok(known)
}

/// The place of the first question of the batch that asks the same in the same way; none, if each answer may differ.
fn first_question(asked: &Asked, job: &Job) -> Option<i64> {
    let place = number(job.question);
    let (_, text, parameters, scope) = asked.iter().find(|(asked, ..)| *asked == place)?;
    if !job.role.parameters(parameters).are_repeatable() {
        return None;
    }
    let is_same = |(_, other, others, of): &&(i64, String, _, String)| {
        other == text && of == scope && *others == *parameters
    };
    asked.iter().find(is_same).map(|(place, ..)| *place)
}

/// Answers jobs as another of their kind was answered. Gives which.
async fn copy(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: BatchId,
    due: Vec<DueJobs>,
    alike: &HashMap<JobId, Alike>,
    asked: &Asked,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<Vec<JobId>, RecordsError> {
    // How many verdicts it lacks is known since it was locked.
    let Some(batch) = batches::read_locked(tx, batch).await? else {
        return Ok(Vec::new());
    };
    let pages = due.iter().map(|page| page.page).collect();
    let (_, moved) = begin_orders(tx, stamp, &batch, due, asked, sign)?;
    let known: BTreeSet<JobId> = alike.values().map(|alike| alike.id).collect();
    let known = answers::of_jobs(tx, &known.into_iter().collect::<Vec<_>>()).await?;
    let known: HashMap<JobId, &Answer> = known.iter().map(|answer| (answer.job, answer)).collect();
    let (mut changes, mut copies) = (Vec::new(), Vec::new());
    for (job, dispatched) in moved {
        let other = alike.get(&job.id).and_then(|alike| known.get(&alike.id));
        if let (Some(other), Some(out)) = (other, dispatched.out())
            && let Ok(answered) = dispatched.answer(out, stamp.at)
        {
            copies.push(Copied::of(other, job.id, out));
            changes.push((job, answered));
        }
    }
    let new: Vec<NewAnswer<'_>> = copies.iter().map(Copied::answer).collect();
    let_go(tx, stamp.at, batch.id, &pages).await?;
    let asking = webhooks::asking(tx, &batch.tenant).await?;
    attempts::answered_with(tx, stamp, &batch, &changes, &new, &asking).await?;
    let done = many::ids(copies.iter().map(|copied| copied.out.order));
    tx.later(Write::of(CLOSE).bind(done).bind(At(stamp.at)));
    Ok(copies.into_iter().map(|copied| copied.job).collect())
}

/// The answer of another job of the kind, for which nothing was computed.
struct Copied {
    job: JobId,
    out: Out,
    worker: WorkerId,
    first: JobId,
    report: AnswerReport,
}

impl Copied {
    fn of(other: &Answer, job: JobId, out: Out) -> Self {
        Self {
            job,
            out,
            worker: other.worker,
            first: other.shared_from.unwrap_or(other.job),
            report: AnswerReport {
                compute_ms: 0,
                ..other.report.clone()
            },
        }
    }

    fn answer(&self) -> NewAnswer<'_> {
        NewAnswer {
            job: self.job,
            out: self.out,
            worker: self.worker,
            report: &self.report,
            shared_from: Some(self.first),
        }
    }
}

/// Jobs on these pages were answered: those that wait for them, in whichever batch, are looked at now.
pub(crate) async fn let_go(
    tx: &mut Tx,
    now: OffsetDateTime,
    batch: BatchId,
    pages: &BTreeSet<PageId>,
) -> Result<(), RecordsError> {
    let pages = many::ids(pages);
    let waited: u64 = on!(tx: &mut *tx, |c| sqlx::query(LET_GO).bind(&pages)
        .bind(At(now))
        .bind(MOST_BATCHES - 1)
        .run(c))?;
    if waited > 0 {
        turns::mark(tx, batch, now);
    }
    Ok(())
}
