//! What is computed once: of jobs of a batch that ask the same about the same bytes in the same way, the first goes out.
//! The others wait for it, and get its answer under attempts and grants of their own.
//!
//! Whether two jobs are such is asked only within a batch: all of it stands on one decision, for one purpose and revision,
//! and is deleted together. If the first comes to nothing, each other one is computed for itself.

use super::{
    ClaimedPage, Signed,
    claiming::{Asked, DuePages, begin_orders},
};
use crate::{
    At, RecordsError, Stamp, Tx,
    answers::{self, Answer, NewAnswer},
    attempts,
    jobs::{self, Job},
    many, on,
    read::{Reading, number},
    run::Run as _,
    turns,
};
use domain::{
    batch::StoredBatch,
    id::{BatchId, JobId, PageId, WorkerId},
    job::{JobPhase, Out},
    order::AnswerReport,
};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use time::{Duration, OffsetDateTime};

const FIRSTS: &str = "SELECT r.value ->> 'job', f.id, f.page, f.state, a.job FROM json_each($1) AS r \
    JOIN pages p ON p.id = r.value ->> 'page' JOIN jobs f ON f.page = COALESCE(p.same_as, p.id) \
    AND f.question = CAST(r.value ->> 'question' AS BIGINT) LEFT JOIN answers a ON a.job = f.id \
    WHERE f.id <> r.value ->> 'job'";
const WAIT: &str =
    "UPDATE jobs SET not_before = $2 WHERE id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const WAIT_TOO: &str = "UPDATE jobs SET not_before = $2 WHERE id IN (SELECT j.id FROM json_each($1) AS r \
    JOIN pages p ON p.same_as = r.value ->> 'page' \
    JOIN jobs j ON j.page = p.id AND j.question = CAST(r.value ->> 'question' AS BIGINT)) \
    AND state || '' = 'queued' AND not_before <= $3";
// Jobs with faults wait for another reason. The state is hidden from the planner, or it might go through all that wait.
const LET_GO: &str = "UPDATE jobs SET not_before = $2 WHERE id IN (\
    SELECT j.id FROM json_each($1) AS r JOIN jobs j ON j.page = r.value ->> 'id' \
    UNION ALL SELECT j.id FROM json_each($1) AS r JOIN pages p ON p.same_as = r.value ->> 'id' JOIN jobs j ON j.page = p.id) \
    AND state || '' = 'queued' AND not_before > $2 AND faults = 0 AND losses = 0";

pub(crate) const STATEMENTS: &[&str] = &[FIRSTS, WAIT, WAIT_TOO, LET_GO];

/// After how long jobs are looked at again that wait for the first of their kind. Its answer lets them go at once.
const LOOK_AGAIN: Duration = Duration::seconds(15);

/// The first job of a kind.
struct First {
    id: JobId,
    page: PageId,
    phase: JobPhase,
    has_answer: bool,
}

/// A job, the first of its kind, the page and state of that, and the same again if it has an answer.
type FirstRow = (String, String, String, String, Option<String>);

/// Gives those of `due` that have to be computed, and the jobs that were answered without it. The batch is locked.
pub(super) async fn share(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    due: DuePages,
    asked: &Asked,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<(DuePages, Vec<JobId>), RecordsError> {
    let firsts = find(tx, &due, asked).await?;
    if firsts.is_empty() {
        return Ok((due, Vec::new()));
    }
    let (mut computed, mut copied, mut waiting) = (DuePages::new(), DuePages::new(), Vec::new());
    for (page, jobs) in due {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for job in jobs {
            match firsts.get(&job.id) {
                Some(first) if first.has_answer => others.push(job),
                Some(first) if !first.phase.is_settled() => waiting.push((job, first.page)),
                _ => own.push(job),
            }
        }
        for (kind, jobs) in [(&mut computed, own), (&mut copied, others)] {
            if !jobs.is_empty() {
                kind.push((page.clone(), jobs));
            }
        }
    }
    wait(tx, stamp.at, &waiting).await?;
    let shared = copy(tx, stamp, batch, copied, &firsts, asked, sign).await?;
    Ok((computed, shared))
}

/// Jobs wait for the first of their kind, which is about the page that is named with each; so do all of their kind that
/// are due, of which there may be many more than have their turn now.
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

/// The first job of the kind of each job that is not the first itself and can be answered as it was.
async fn find(tx: &mut Tx, due: &DuePages, asked: &Asked) -> Result<HashMap<JobId, First>, RecordsError> {
    let wanted = |job: &Job| {
        let question = first_question(asked, job)?;
        Some(json!({ "job": job.id, "page": job.page, "question": question }))
    };
    let jobs = due.iter().flat_map(|(_, jobs)| jobs);
    let wanted: Vec<Value> = jobs.filter_map(wanted).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<FirstRow> = on!(tx: tx, |c| sqlx::query_as(FIRSTS)
        .bind(many::rows(wanted))
        .fetch_all(c))?;
    let read = |(job, first, page, phase, answer): FirstRow| {
        let reading = Reading {
            table: "jobs",
            id: &first,
        };
        let found = First {
            id: reading.parsed(&first)?,
            page: reading.parsed(&page)?,
            phase: reading.parsed(&phase)?,
            has_answer: answer.is_some(),
        };
        Ok((reading.parsed(&job)?, found))
    };
    rows.into_iter().map(read).collect()
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

/// Answers jobs as the first of their kind was answered. Gives which.
async fn copy(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    due: DuePages,
    firsts: &HashMap<JobId, First>,
    asked: &Asked,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<Vec<JobId>, RecordsError> {
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let (_, moved) = begin_orders(tx, stamp, batch, due, asked, sign).await?;
    let known: BTreeSet<JobId> = firsts.values().map(|first| first.id).collect();
    let known = answers::of_jobs(tx, &known.into_iter().collect::<Vec<_>>()).await?;
    let known: HashMap<JobId, &Answer> = known.iter().map(|answer| (answer.job, answer)).collect();
    let (mut changes, mut copies) = (Vec::new(), Vec::new());
    for (job, dispatched) in moved {
        let first = firsts.get(&job.id).and_then(|first| known.get(&first.id));
        if let (Some(first), Some(out)) = (first, dispatched.out())
            && let Ok(answered) = dispatched.answer(out, stamp.at)
        {
            copies.push(Copied::of(first, job.id, out));
            changes.push((job, answered));
        }
    }
    jobs::change_all(tx, batch.id, &changes).await?;
    let done = copies.iter().map(|copied| copied.out.order).collect();
    let new: Vec<NewAnswer<'_>> = copies.iter().map(Copied::answer).collect();
    attempts::answered_with(tx, stamp, batch, &new, done).await?;
    Ok(copies.into_iter().map(|copied| copied.job).collect())
}

/// The answer of the first job of a kind as that of another one, for which nothing was computed.
struct Copied {
    job: JobId,
    out: Out,
    worker: WorkerId,
    first: JobId,
    report: AnswerReport,
}

impl Copied {
    fn of(first: &Answer, job: JobId, out: Out) -> Self {
        Self {
            job,
            out,
            worker: first.worker,
            first: first.job,
            report: AnswerReport {
                compute_ms: 0,
                ..first.report.clone()
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

/// Jobs on these pages were answered: those that wait for them are looked at now.
pub(crate) async fn let_go(
    tx: &mut Tx,
    now: OffsetDateTime,
    batch: BatchId,
    pages: &BTreeSet<PageId>,
) -> Result<(), RecordsError> {
    let pages = many::ids(pages);
    let waited: u64 = on!(tx: &mut *tx, |c| sqlx::query(LET_GO).bind(&pages).bind(At(now)).run(c))?;
    match waited {
        0 => Ok(()),
        _ => turns::mark(tx, batch, now).await,
    }
}
