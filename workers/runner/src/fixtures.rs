//! A bench for tests: the smallest real checkpoint, a hub's key, an embedded queue and local blobs.

use crate::{About, ModelsFolder, Outcome, Settings, Worker, WorkerParts};
use domain::{
    clock::{Clock, HandClock},
    digest::Sha256,
    grant::Grant,
    hardware::Room,
    id::{IdMaker, JobId},
    model::{Artifact, artifacts_digest},
    order::{OrderQuestion, Parameters, Report, ReportKind, WorkOrder, questions_digest},
    purpose::Purpose,
};
use exchange::{
    blobs::{Blobs, local::LocalBlobs, one_piece},
    grant,
    manifest::{Manifest, ManifestFile},
    queue::{
        Queue,
        embedded::{EmbeddedQueue, EmbeddedSettings},
    },
    signing::SigningKey,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

pub(crate) const LEASE: time::Duration = time::Duration::seconds(30);
const NO_WAIT: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(120);
pub(crate) const FILES: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.model",
    "tokenizer_config.json",
];

/// The checkpoint's folder, with the page and the answer that its reference gave.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden/tiny-a")
}

/// The reference's question and its answer of 16 tokens.
pub(crate) fn golden_question_and_answer() -> (String, String) {
    let expected = fs::read(golden().join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (
        text(&expected["messages"][0]["content"]),
        text(&expected["greedy_text"]),
    )
}

pub(crate) struct Bench {
    pub folder: TempDir,
    pub clock: Arc<HandClock>,
    pub ids: IdMaker,
    pub key: SigningKey,
    pub queue: Arc<EmbeddedQueue>,
    pub blobs: LocalBlobs,
    pub page: Sha256,
    pub revision: Sha256,
    pub artifacts: Sha256,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with_lease(LEASE.unsigned_abs()).await
    }

    pub async fn with_lease(lease: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        let clock = Arc::new(HandClock::at(start));
        let blobs = LocalBlobs::open(folder.path().join("blobs")).unwrap();
        let page = blobs.put_file(&golden().join("input.png")).await.unwrap().sha256;
        let (revision, artifacts) = import(&blobs, &FILES).await;
        Self {
            ids: IdMaker::new(clock.clone()),
            key: SigningKey::ephemeral().unwrap(),
            queue: Arc::new(EmbeddedQueue::new(
                clock.clone(),
                EmbeddedSettings {
                    lease,
                    most_orders: 16,
                },
            )),
            folder,
            clock,
            blobs,
            page,
            revision,
            artifacts,
        }
    }

    pub fn models_dir(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    pub fn worker(&self) -> Worker {
        self.worker_that_drains_for(NO_WAIT)
    }

    pub fn worker_that_drains_for(&self, drain: Duration) -> Worker {
        self.worker_with(Settings {
            drain,
            orders_at_once: 1,
            ..Settings::default()
        })
    }

    /// A worker that does not wait at the queue.
    pub fn worker_with(&self, settings: Settings) -> Worker {
        Worker::new(WorkerParts {
            id: self.ids.make(),
            about: About {
                device: "cpu".into(),
                room: Room {
                    memory_bytes: None,
                    value_bytes: 4,
                },
            },
            queue: self.queue.clone(),
            blobs: Arc::new(self.blobs.clone()),
            keys: self.key.public(),
            clock: self.clock.clone(),
            models: ModelsFolder {
                path: self.models_dir(),
                most_bytes: u64::MAX,
            },
            limits: pages::Limits::default(),
            settings: Settings {
                wait: NO_WAIT,
                ..settings
            },
        })
    }

    /// A question to be answered in at most `tokens` tokens.
    pub fn question(&self, text: &str, tokens: u32) -> OrderQuestion {
        let parameters = Parameters {
            max_new_tokens: Some(tokens),
            ..Parameters::default()
        };
        OrderQuestion {
            job: self.ids.make(),
            text: text.to_owned(),
            parameters,
        }
    }

    /// `count` questions that take a while.
    pub fn long_questions(&self, count: usize) -> Vec<OrderQuestion> {
        (0..count)
            .map(|number| self.question(&format!("Question {number}?"), 300))
            .collect()
    }

    pub fn grant(&self, questions: &[OrderQuestion]) -> Grant {
        let now = self.clock.now().unix_timestamp();
        Grant {
            order: self.ids.make(),
            tenant: "acme".parse().unwrap(),
            jobs: questions.iter().map(|question| question.job).collect(),
            purpose: Purpose::Evaluation,
            page_sha256: self.page,
            questions_sha256: questions_digest(questions),
            model: "acme/tiny-a".parse().unwrap(),
            revision_sha256: self.revision,
            artifacts_sha256: self.artifacts,
            policies_sha256: Sha256::of(b"the policies"),
            terms_sha256: None,
            decision: self.ids.make(),
            attempt: 1,
            epoch: 0,
            iat: now,
            exp: now + 3600,
        }
    }

    /// An honest order.
    pub fn order(&self, questions: Vec<OrderQuestion>) -> WorkOrder {
        let grant = self.grant(&questions);
        self.granted(&grant, questions)
    }

    pub fn granted(&self, grant: &Grant, questions: Vec<OrderQuestion>) -> WorkOrder {
        WorkOrder::new(grant, grant::mint(&self.key, grant).unwrap(), questions)
    }

    /// Offers an order and lets a new worker do a step.
    pub async fn step_at(&self, order: WorkOrder) -> Outcome {
        self.queue.offer(order).await.unwrap();
        self.worker().step().await
    }

    /// Waits for the next report and acknowledges it.
    pub async fn next_report(&self) -> Report {
        let received = self.queue.collect(1, LONG).await.unwrap().remove(0);
        self.queue.acknowledge(&[received.receipt]).await.unwrap();
        received.report
    }

    /// All reports that are there.
    pub async fn reports(&self) -> Vec<ReportKind> {
        let received = self.queue.collect(usize::MAX, NO_WAIT).await.unwrap();
        let receipts: Vec<_> = received.iter().map(|one| one.receipt.clone()).collect();
        self.queue.acknowledge(&receipts).await.unwrap();
        received.into_iter().map(|one| one.report.kind).collect()
    }

    /// Takes reports until the first answer.
    pub async fn first_answer(&self) {
        while !matches!(self.next_report().await.kind, ReportKind::Answered { .. }) {}
    }

    /// Overwrites a stored blob with bytes that do not have its digest.
    pub fn damage(&self, sha256: Sha256) {
        let name = sha256.to_string();
        let file = self
            .folder
            .path()
            .join("blobs/sha256")
            .join(&name[..2])
            .join(&name);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&file).unwrap();
        fs::write(&file, bytes).unwrap();
    }

    pub async fn store(&self, bytes: &'static [u8]) -> Sha256 {
        self.blobs.put(one_piece(bytes), 1 << 20).await.unwrap().sha256
    }
}

/// Stores files of the checkpoint and the manifest over them: the revision, and the digest of its artifacts.
pub(crate) async fn import(blobs: &LocalBlobs, files: &[&str]) -> (Sha256, Sha256) {
    let mut listed = Vec::new();
    for path in files {
        let stored = blobs.put_file(&golden().join(path)).await.unwrap();
        listed.push(ManifestFile {
            path: (*path).to_owned(),
            sha256: stored.sha256,
            bytes: stored.bytes,
        });
    }
    let artifact = |file: &ManifestFile| Artifact {
        path: file.path.clone(),
        sha256: file.sha256,
        bytes: file.bytes,
    };
    let artifacts = artifacts_digest(&listed.iter().map(artifact).collect::<Vec<_>>());
    let manifest = Manifest::new(listed).unwrap().to_bytes();
    let revision = blobs.put(one_piece(manifest), 1 << 20).await.unwrap().sha256;
    (revision, artifacts)
}

/// The jobs that failed, each with its fault's code and whether it may pass.
pub(crate) fn faults(reports: &[ReportKind]) -> Vec<(JobId, &str, bool)> {
    let fault = |kind| match kind {
        &ReportKind::Failed { job, ref fault } => Some((job, fault.code.as_str(), fault.may_pass)),
        _ => None,
    };
    reports.iter().filter_map(fault).collect()
}
