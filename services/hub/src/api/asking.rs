//! An image and a question in one call: what `POST /v1/jobs` and chat completions have in common.
//!
//! The gate is asked first, the image is kept and split at once, the job is stored whole or not at all.

use super::{batches::bad_questions, end, full, job_view::JobView, jobs::whole, schemas, stopped};
use crate::{
    gate::{self, Given, Wanted},
    idempotency::Once,
    problem::Problem,
    removed_files::are_back,
    sending::Sending,
    signals::{Signals, Verdicts},
    splitting::{SplitDocument, SplitFault, SplitFolder, Splitting},
    uploads,
    work_settings::WorkSettings,
};
use actix_web::http::StatusCode;
use bytes::Bytes;
use domain::{
    access::Caller,
    batch::{Batch, BatchState, Metadata},
    clock::SharedClock,
    document::Warning,
    id::{ApiKeyId, IdMaker, JobId},
    job::JobState,
    names::ModelName,
    order::{Parameters, WorkOrder},
    policy::CurrentPolicies,
    purpose::Purpose,
    question::{Question, questions},
    turn::Priority,
};
use exchange::{
    blobs::{Blobs, Settling, Stored},
    spans,
};
use futures_util::Stream;
use pages::PageError;
use records::{
    Db, RecordsError, Stamp, backlog,
    documents::{NewDocument, NewPage},
    jobs,
    one_call::{self, Submitted},
};
use std::{fmt::Display, time::Duration};
use time::OffsetDateTime;
use tokio::time::Instant;

/// How often a waiting call looks for itself: the answer may have been collected by another process.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Who asks, and the pieces that asking works with.
pub(crate) struct Asking<'a> {
    pub(crate) caller: &'a Caller,
    /// The API key that it came with, if it was one.
    pub(crate) key: Option<ApiKeyId>,
    pub(crate) db: &'a Db,
    pub(crate) policies: &'a CurrentPolicies,
    pub(crate) ids: &'a IdMaker,
    pub(crate) clock: &'a SharedClock,
    pub(crate) settings: &'a WorkSettings,
    pub(crate) blobs: &'a dyn Blobs,
    pub(crate) splitting: &'a Splitting,
    pub(crate) signals: &'a Signals,
    /// Whether this was asked before.
    pub(crate) once: &'a Once,
    /// Sends out at once what the caller waits for while it is written; where nobody waits, dispatch does in its time.
    pub(crate) awaited: Option<&'a Sending>,
}

/// All that a call needs, read and allowed.
pub(crate) struct Call {
    pub(crate) given: Given,
    /// What is asked of the image.
    pub(crate) questions: Vec<Question>,
    pub(crate) priority: Priority,
    pub(crate) expires_at: Option<OffsetDateTime>,
    pub(crate) image: Image,
}

/// Jobs that were stored, and their order, if it was claimed at once: it has to be [sent out](Asking::dispatch).
pub(crate) struct StoredCall {
    pub(crate) jobs: Vec<JobId>,
    orders: Vec<WorkOrder>,
}

/// An image that is kept as soon as it has settled, and its only page, if it was split already.
pub(crate) struct Image {
    document: NewDocument,
    folder: Option<SplitFolder>,
    settling: Option<Settling>,
    page: Option<(NewPage, Vec<Warning>)>,
}

impl Asking<'_> {
    /// Asks the gate, if there is room for what it allows. Problems: those of [`full::problem`] and of [`gate::ask`].
    pub(crate) async fn allow(&self, model: &ModelName, purpose: Purpose) -> Result<Given, Problem> {
        let (given, ()) = self.allow_before(model, purpose, async { Ok(()) }).await?;
        Ok(given)
    }

    /// As [`Asking::allow`], and does `work` if it is allowed. Problems: those of [`gate::ask_before`] beside.
    pub(crate) async fn allow_before<T>(
        &self,
        model: &ModelName,
        purpose: Purpose,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<(Given, T), Problem> {
        let room = async {
            let room = backlog::room(self.db, &self.caller.tenant, self.settings.bounds());
            room.await?.map_err(full::problem)
        };
        let wanted = Wanted::model(model, None, purpose);
        let now = self.clock.now();
        gate::ask_before(
            self.db,
            self.policies,
            self.ids,
            now,
            self.caller,
            wanted,
            room,
            work,
        )
        .await
    }

    /// The questions, if they keep their limits. Problems: 400 `question_invalid` and those of [`schemas::check`].
    pub(crate) async fn questions(&self, given: Vec<(String, Parameters)>) -> Result<Vec<Question>, Problem> {
        let limits = self.settings.question_limits();
        let questions = questions(given, limits).map_err(|bad| bad_questions(&bad))?;
        // Several answers to one question have one schema.
        schemas::check(questions.get(..1).unwrap_or_default(), self.settings).await?;
        Ok(questions)
    }

    /// Until when it may be answered, if that is said. Problems: those of [`end::read`].
    pub(crate) fn end(&self, text: Option<&str>) -> Result<Option<OffsetDateTime>, Problem> {
        end::read(text, self.clock.now(), self.settings)
    }

    /// Keeps an image's bytes. Problems: 415 `content_type_wrong` and those of [`uploads::store`].
    pub(crate) async fn image<E: Display>(
        &self,
        name: Option<String>,
        media_type: String,
        content: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Image, Problem> {
        uploads::check_type(self.settings, &media_type)?;
        let folder = self.splitting.folder().map_err(|error| no_room(&error.into()))?;
        let (document, settling) = uploads::placed_document(
            self.blobs,
            self.settings,
            name,
            media_type,
            content,
            &folder.document(),
        )
        .await?;
        Ok(Image {
            document,
            folder: Some(folder),
            settling: Some(settling),
            page: None,
        })
    }

    /// As [`Asking::image`] for what is allowed, which is split as soon as it is there, unless this was asked before.
    /// Problems: those of splitting beside, which [`Asking::submit`] names.
    pub(crate) async fn split(
        &self,
        image: impl Future<Output = Result<Image, Problem>>,
    ) -> Result<Image, Problem> {
        let mut image = image.await?;
        if self.once.job().is_none() {
            self.page_of(&mut image).await?;
        }
        Ok(image)
    }

    /// The only page of an image.
    async fn page_of(&self, image: &mut Image) -> Result<(NewPage, Vec<Warning>), Problem> {
        if let Some(page) = &image.page {
            return Ok(page.clone());
        }
        let (sha256, bytes) = (image.document.sha256, image.document.bytes);
        let split = match image.folder.take() {
            Some(folder) => {
                self.splitting
                    .split_placed(folder, Stored { sha256, bytes })
                    .await
            }
            None => self.splitting.split(sha256).await,
        };
        let page = one_page(split)?;
        image.page = Some(page.clone());
        Ok(page)
    }

    /// Splits the image, if that was not done before, and stores a job for each question, which are durable as soon as
    /// [`Asking::settled_within`] or [`Asking::kept`] returns, and not before: until then they are on their way to a worker
    /// already. Problems: 422 with the image's fault, 422 `too_many_pages`, 503 `storage_unavailable`, and those of
    /// [`full::problem`].
    ///
    /// A request that has made its jobs before makes none.
    pub(crate) async fn submit(&self, call: &mut Call) -> Result<Vec<JobId>, Problem> {
        let stored = self.store(call).await?;
        Ok(self.dispatch(stored).await)
    }

    /// As [`Asking::submit`], but for [`Asking::dispatch`], which is called next.
    pub(crate) async fn store(&self, call: &mut Call) -> Result<StoredCall, Problem> {
        if let Some(job) = self.once.job() {
            let most = u32::try_from(call.questions.len()).unwrap_or(u32::MAX);
            let jobs = jobs::of_one_call(self.db, &self.caller.tenant, job, most).await?;
            let orders = Vec::new();
            return Ok(StoredCall { jobs, orders });
        }
        let (page, warnings) = self.page_of(&mut call.image).await?;
        let settling = call.image.settling.take();
        let document = &call.image.document;
        let now = self.clock.now();
        let batch = Batch::open(self.ids.make(), &call.given.allowed, Metadata::new(), now)
            .with_priority(call.priority)
            .with_end(call.expires_at)
            .with_key(self.key)
            .with_trace(spans::here())
            .awaited(self.awaited.is_some());
        let stamp = Stamp::of(self.ids, now, self.caller).under(self.once.claim());
        let stored = batch.stored(BatchState::Running { submitted_at: now });
        let files = [document.sha256, page.sha256];
        let look = one_call::look(self.db, batch.tenant(), files, self.settings.bounds());
        let at_once = async {
            match self.awaited {
                Some(sending) => sending.at_once(now, &stored, &call.given).await,
                None => Ok(None),
            }
        };
        let settled = async {
            match settling {
                Some(settling) => settling.await.map_err(|error| uploads::not_stored(&error)),
                None => Ok(()),
            }
        };
        let (looked, settled) = tokio::join!(async { tokio::try_join!(look, at_once) }, settled);
        settled?;
        let (looked, allowed) = looked?;
        let looked = looked.map_err(full::problem)?;
        let at_once = self.awaited.zip(allowed.as_ref());
        let submit = || {
            let claiming = at_once.map(|(sending, allowed)| sending.claiming(allowed));
            let page = (page, &*warnings);
            let (questions, db) = (&call.questions, self.db);
            one_call::submit(db, stamp, &batch, questions, document, page, looked, claiming)
        };
        let mut submitted = submit().await;
        if are_back(self.db, self.blobs, &submitted).await? {
            submitted = submit().await;
        }
        let Submitted { jobs, claimed } = submitted?;
        let orders = match (at_once, claimed) {
            (Some((sending, allowed)), Some(claimed)) => sending.orders(allowed, claimed),
            _ => Vec::new(),
        };
        Ok(StoredCall { jobs, orders })
    }

    /// Has jobs that were stored handed out now, and not at the next look.
    pub(crate) async fn dispatch(&self, stored: StoredCall) -> Vec<JobId> {
        let StoredCall { jobs, orders } = stored;
        match self.awaited.filter(|_| !orders.is_empty()) {
            Some(sending) => {
                if let Err(fault) = sending.send(orders).await {
                    // The jobs are stored, and wait for dispatch.
                    tracing::error!(cause = format!("{fault:#}"), "an order of a call did not go out");
                }
            }
            None => self.signals.dispatch.notify_one(),
        }
        jobs
    }

    /// Waits until the jobs that were submitted are durable.
    pub(crate) async fn kept(&self) -> Result<(), Problem> {
        Ok(self.db.flush().await.map_err(RecordsError::from)?)
    }

    /// Listens for verdicts from now on.
    pub(crate) fn listen(&self) -> Verdicts {
        self.signals.listen()
    }

    /// The job when it has its verdict or is stopped, or as it is after `wait`; in any case it is durable. Who has listened
    /// since before the job was there hands in what was heard.
    pub(crate) async fn settled_within(
        &self,
        job: JobId,
        wait: Duration,
        heard: Option<Verdicts>,
    ) -> Result<JobView, Problem> {
        let deadline = Instant::now() + wait;
        let (mut verdicts, mut may_be_over) = match heard {
            Some(verdicts) => (verdicts, false),
            None => {
                let verdicts = self.listen();
                // Most jobs are not over at the first look, which reads no more than it needs.
                (verdicts, self.is_over(job).await?)
            }
        };
        loop {
            let is_late = Instant::now() >= deadline;
            if may_be_over || is_late {
                let view = whole(self.db, &self.caller.tenant, job).await?;
                // What says so is durable, and with it all that was stored before.
                if view.is_settled() || view.stopped_by().is_some() {
                    return Ok(view);
                }
                if is_late {
                    self.kept().await?;
                    return Ok(view);
                }
            }
            verdicts.wait_for(job, LOOK_AFTER, deadline).await;
            may_be_over = true;
        }
    }

    async fn is_over(&self, job: JobId) -> Result<bool, Problem> {
        let state = jobs::state(self.db, &self.caller.tenant, job).await?;
        let is_over = |state: JobState| state.phase().is_settled() || matches!(state, JobState::Held(_));
        Ok(state.is_none_or(is_over))
    }

    /// The refusal of the decision that stopped a job meanwhile; nothing, if none did.
    pub(crate) async fn stopped(&self, view: &JobView) -> Result<Option<Problem>, Problem> {
        stopped::problem(self.db, view).await
    }
}

/// The only page of an image, and what is amiss with it.
fn one_page(split: Result<SplitDocument, SplitFault>) -> Result<(NewPage, Vec<Warning>), Problem> {
    match split {
        Ok(SplitDocument { pages, warnings }) => match pages.as_slice() {
            [page] => Ok((*page, warnings)),
            more => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_pages",
                format!(
                    "the image has {} pages and one is taken here; open a batch for more",
                    more.len()
                ),
            )),
        },
        Err(SplitFault::Document(error)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.code(),
            error.to_string(),
        )),
        Err(SplitFault::Ours(fault)) => Err(no_room(&fault)),
    }
}

fn no_room(fault: &anyhow::Error) -> Problem {
    let reason = fault
        .downcast_ref::<PageError>()
        .map(PageError::code)
        .unwrap_or("storage");
    tracing::error!(
        reason,
        cause = format!("{fault:#}"),
        "an image could not be split"
    );
    Problem::unavailable(
        "storage_unavailable",
        "the hub cannot split documents now; nothing was kept",
        10,
    )
}
