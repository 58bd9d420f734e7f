//! Records, queue and loops of a hub, and what a tenant and a worker do to them.

use super::{
    crew::{empty_queue, loops},
    model::{model, register},
};
use crate::{
    gate,
    loops::{
        Outcome,
        collect::Collect,
        combine::{Combine, CombineParts},
        dispatch::Dispatch,
        expire::{Expire, ExpireParts},
        reconsider::Reconsider,
        sweep::Sweep,
    },
    sending::Sending,
    signals::Signals,
    work_settings::WorkSettings,
};
use domain::{
    access::Caller,
    batch::{Batch, Metadata, StoredBatch},
    clock::{Clock as _, HandClock, SharedClock},
    combining::Scope,
    digest::Sha256,
    id::{BatchId, IdMaker, JobId, WorkerId},
    names::TenantName,
    order::{AnswerReport, Fault, FinishReason, Parameters, Report, ReportKind, WorkOrder},
    policy::{self, CurrentPolicies, Policies},
    purpose::Purpose,
    question::{Question, questions},
    turn::Priority,
};
use exchange::{
    blobs::local::LocalBlobs,
    queue::{Lease, Queue as _, Taker, embedded::EmbeddedQueue},
    signing::SigningKey,
};
use records::{
    Db, Stamp, batches,
    documents::{self, NewDocument, NewPage, TakenDocument},
    jobs::{self, Job, WholeJob},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use time::OffsetDateTime;

pub struct Desk {
    pub db: Db,
    pub clock: Arc<HandClock>,
    pub ids: IdMaker,
    pub key: Arc<SigningKey>,
    pub queue: Arc<EmbeddedQueue>,
    pub settings: Arc<WorkSettings>,
    pub policies: CurrentPolicies,
    pub sending: Arc<Sending>,
    pub dispatch: Dispatch,
    pub collect: Collect,
    pub sweep: Sweep,
    pub reconsider: Reconsider,
    pub worker: WorkerId,
    /// Of every batch.
    pub purpose: Purpose,
    /// Of every question.
    pub scope: Scope,
    pub parameters: Parameters,
    pub blobs: Arc<LocalBlobs>,
    _folder: tempfile::TempDir,
}

/// The shipped settings of `[work]`.
pub fn shipped() -> WorkSettings {
    let all: toml::Table = include_str!("../../../../../config.default.toml")
        .parse()
        .unwrap();
    all["work"].clone().try_into().unwrap()
}

impl Desk {
    pub async fn new() -> Self {
        Self::with(shipped()).await
    }

    pub async fn with(settings: WorkSettings) -> Self {
        Self::under("apache-2.0", Purpose::Research, settings).await
    }

    /// A desk whose batches need an acceptance.
    pub async fn licensed() -> Self {
        Self::under("glm-4", Purpose::Evaluation, shipped()).await
    }

    async fn under(license: &str, purpose: Purpose, settings: WorkSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(&folder.path().join("hub.db"), 4, Duration::from_secs(5))
            .await
            .unwrap();
        db.migrate().await.unwrap();
        let start = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        let clock = Arc::new(HandClock::at(start));
        let shared: SharedClock = clock.clone();
        let ids = IdMaker::new(shared);
        register(&db, &ids, start, license).await;
        let queue = empty_queue(&clock);
        let key = Arc::new(SigningKey::ephemeral().unwrap());
        let settings = Arc::new(settings);
        let policies = CurrentPolicies::new(Policies::shipped().unwrap(), "", start);
        let (sending, dispatch, collect, sweep, reconsider) =
            loops(&db, &clock, &ids, &key, &queue, &settings, &policies);
        let worker = ids.make();
        let blobs = Arc::new(LocalBlobs::open(folder.path().join("blobs")).unwrap());
        Self {
            db,
            clock,
            ids,
            key,
            queue,
            settings,
            policies,
            sending,
            dispatch,
            collect,
            sweep,
            reconsider,
            worker,
            purpose,
            scope: Scope::Page,
            parameters: Parameters::default(),
            blobs,
            _folder: folder,
        }
    }

    /// The process ends and begins again: the queue is empty.
    pub async fn restart(&mut self) {
        self.queue = empty_queue(&self.clock);

        let made = loops(
            &self.db,
            &self.clock,
            &self.ids,
            &self.key,
            &self.queue,
            &self.settings,
            &self.policies,
        );
        (
            self.sending,
            self.dispatch,
            self.collect,
            self.sweep,
            self.reconsider,
        ) = made;
        self.sweep.at_start().await.unwrap();
    }

    /// As any process has it.
    pub fn expire(&self) -> Expire {
        Expire::new(ExpireParts {
            db: self.db.clone(),
            queue: self.queue.clone(),
            ids: self.ids.clone(),
            clock: self.clock.clone(),
            settings: self.settings.clone(),
            signals: Arc::new(Signals::default()),
        })
    }

    /// As any process has it.
    pub fn combine(&self) -> Combine {
        Combine::new(CombineParts {
            db: self.db.clone(),
            blobs: self.blobs.clone(),
            ids: self.ids.clone(),
            clock: self.clock.clone(),
            settings: self.settings.clone(),
            signals: Arc::new(Signals::default()),
        })
    }

    /// As another process has it.
    pub fn another_reconsider(&self) -> Reconsider {
        let (db, clock, ids, key) = (&self.db, &self.clock, &self.ids, &self.key);
        loops(db, clock, ids, key, &self.queue, &self.settings, &self.policies).4
    }

    /// From now on no license is known.
    pub fn forget_licenses(&self) {
        let rules = policy::shipped().filter(|file| file.name.starts_with("rules/"));
        let policies = Policies::read(rules.collect()).unwrap();
        self.policies.replace(policies, self.clock.now());
    }

    /// From now on the licenses that are compiled in are known.
    pub fn know_licenses(&self) {
        let policies = Policies::shipped().unwrap();
        self.policies.replace(policies, self.clock.now());
    }

    pub fn stamp(&self) -> Stamp<'_> {
        Stamp::of_hub(&self.ids, self.clock.now())
    }

    /// A submitted batch whose one document has become `pages` pages, each asked `asked` questions.
    pub async fn batch(&self, tenant: &str, pages: u32, asked: usize) -> BatchId {
        let id = self.submitted(tenant, asked).await;
        let taken = self.take_document().await.unwrap();
        assert!(self.split(&taken, pages).await);
        id
    }

    /// A submitted batch of a priority, with pages that are asked one question.
    pub async fn batch_of(&self, tenant: &str, priority: Priority, pages: u32) -> BatchId {
        let id = self
            .submitted_as(tenant, 1, |batch| batch.with_priority(priority))
            .await;
        let taken = self.take_document().await.unwrap();
        assert!(self.split(&taken, pages).await);
        id
    }

    /// A submitted batch with one document, which waits.
    pub async fn submitted(&self, tenant: &str, asked: usize) -> BatchId {
        self.submitted_as(tenant, asked, |batch| batch).await
    }

    /// The same of a batch that is as `shaped` says.
    pub async fn submitted_as(
        &self,
        tenant: &str,
        asked: usize,
        shaped: impl FnOnce(Batch) -> Batch,
    ) -> BatchId {
        let id = self.opened(tenant, asked, shaped).await;
        let tenant = tenant.parse().unwrap();
        batches::submit(&self.db, self.stamp(), &tenant, id, self.settings.bounds())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        id
    }

    /// The same of a batch that is still open.
    pub async fn opened(&self, tenant: &str, asked: usize, shaped: impl FnOnce(Batch) -> Batch) -> BatchId {
        let caller = Caller {
            tenant: tenant.parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: BTreeSet::new(),
        };
        let now = self.clock.now();
        let allowed = gate::ask(
            &self.db,
            &self.policies,
            &self.ids,
            now,
            &caller,
            gate::Wanted {
                model: &model(),
                revision: None,
                purpose: self.purpose,
                metadata: &Metadata::new(),
            },
        )
        .await
        .unwrap();
        let batch = shaped(Batch::open(self.ids.make(), &allowed, Metadata::new(), now));
        let given = (0..asked)
            .map(|number| (format!("Question {number}?"), self.parameters.clone()))
            .collect();
        let given = questions(given, self.settings.question_limits()).unwrap();
        let given: Vec<Question> = given.into_iter().map(|one| one.about(self.scope)).collect();
        batches::open(&self.db, self.stamp(), &batch, &given)
            .await
            .unwrap();
        let document = NewDocument {
            questions: None,
            name: Some("letter.png".into()),
            media_type: "image/png".into(),
            sha256: Sha256::of(b"document"),
            bytes: 8,
        };
        let (id, tenant) = (batch.id(), &caller.tenant);
        documents::add(&self.db, self.stamp(), tenant, id, &[document], 1)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        id
    }

    /// A document in the hands of intake for a minute.
    pub async fn take_document(&self) -> Option<TakenDocument> {
        let now = self.clock.now();
        let until = now + time::Duration::minutes(1);
        documents::take(&self.db, None, now, until).await.unwrap()
    }

    /// Stores the pages of a document, if it is still held.
    pub async fn split(&self, taken: &TakenDocument, pages: u32) -> bool {
        let id = taken.document.batch;
        let page = |number| NewPage {
            number,
            sha256: Sha256::of(format!("page {number} of {id}").as_bytes()),
            bytes: 9,
            width: 3,
            height: 3,
        };
        let pages: Vec<NewPage> = (1..=pages).map(page).collect();
        documents::split(&self.db, self.stamp(), taken, &pages, &[])
            .await
            .unwrap()
    }

    pub async fn read(&self, tenant: &str, batch: BatchId) -> StoredBatch {
        let tenant: TenantName = tenant.parse().unwrap();
        batches::get(&self.db, &tenant, batch).await.unwrap().unwrap()
    }

    pub async fn jobs(&self, tenant: &str, batch: BatchId) -> Vec<Job> {
        let tenant: TenantName = tenant.parse().unwrap();
        jobs::of_batch(&self.db, &tenant, batch, None, 100).await.unwrap()
    }

    pub async fn job(&self, tenant: &str, job: JobId) -> WholeJob {
        jobs::get(&self.db, &tenant.parse().unwrap(), job)
            .await
            .unwrap()
            .unwrap()
    }

    /// Dispatches until nothing goes out any more.
    pub async fn dispatch_all(&mut self) {
        while self.dispatch.step().await.unwrap() == Outcome::Worked {}
    }

    /// Reconsiders until nothing changes any more.
    pub async fn reconsider_all(&mut self) {
        while self.reconsider.step().await.unwrap() == Outcome::Worked {}
    }

    /// Collects all that was reported.
    pub async fn collect_all(&mut self) {
        while self.collect.collect(Duration::ZERO).await.unwrap() == Outcome::Worked {}
    }

    pub async fn take(&self) -> Option<Lease> {
        self.queue
            .take(&Taker::of_anything(self.worker), Duration::ZERO)
            .await
            .unwrap()
    }

    pub async fn report(&self, order: &WorkOrder, kind: ReportKind) {
        let report = Report {
            order: order.id,
            attempt: order.attempt,
            worker: self.worker,
            kind,
            trace: order.trace.clone(),
        };
        self.queue.report(&[report]).await.unwrap();
    }

    /// A worker answers all of an order and is done with it.
    pub async fn answer_all(&self, lease: &Lease) {
        self.report(&lease.order, ReportKind::Started).await;
        for question in &lease.order.questions {
            self.report(&lease.order, answered(question.job, &question.text))
                .await;
        }
        self.queue.settle(lease).await.unwrap();
    }
}

pub fn answered(job: JobId, text: &str) -> ReportKind {
    let answer = AnswerReport {
        text: format!("An answer to: {text}"),
        finish_reason: FinishReason::Stop,
        input_tokens: 1_610,
        output_tokens: 5,
        compute_ms: 40,
        engine: "glm4v 0.1.0".into(),
        logprobs: None,
    };
    ReportKind::Answered { job, answer }
}

pub fn failed(job: JobId, may_pass: bool) -> ReportKind {
    let fault = Fault {
        code: "engine_failed".into(),
        message: "no memory".into(),
        may_pass,
    };
    ReportKind::Failed { job, fault }
}
