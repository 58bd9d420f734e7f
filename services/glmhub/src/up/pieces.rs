//! What hub and workers are made of, opened once.

use crate::{clock::SystemClock, config::Settings, data_folder::DataFolder};
use anyhow::Context as _;
use domain::{
    clock::SharedClock,
    id::{IdMaker, WorkerId},
    model::Seed,
    policy::CurrentPolicies,
};
use exchange::{
    blobs::{Blobs, local::LocalBlobs},
    queue::{
        Queue,
        embedded::{EmbeddedQueue, EmbeddedSettings},
    },
    signing::SigningKey,
};
use hub::{
    acceptance_settings::AcceptanceSettings, audit_settings::AuditSettings, outgoing::Outgoing,
    randomness::Randomness, reload::Reload, signals::Signals, splitting::Splitting,
    webhook_settings::WebhookSettings, work_settings::WorkSettings,
};
use metrics_exporter_prometheus::PrometheusHandle;
use pages::Limits;
use records::{Db, epochs, models};
use runner::{Worker, WorkerParts};
use std::{env, path::PathBuf, sync::Arc};
use tokio::sync::Mutex;

/// See the module's text.
pub struct Pieces {
    pub settings: Settings,
    pub work: Arc<WorkSettings>,
    pub acceptances: Arc<AcceptanceSettings>,
    pub webhooks: Arc<WebhookSettings>,
    pub audit: Arc<AuditSettings>,
    pub db: Db,
    pub blobs: Arc<dyn Blobs>,
    pub queue: Arc<dyn Queue>,
    pub key: Arc<SigningKey>,
    pub clock: SharedClock,
    pub ids: IdMaker,
    pub policies: CurrentPolicies,
    pub reload: Arc<Reload>,
    pub signals: Arc<Signals>,
    pub splitting: Arc<Splitting>,
    pub outgoing: Outgoing,
    pub randomness: Randomness,
    pub metrics: PrometheusHandle,
    page_limits: Limits,
    models_dir: PathBuf,
}

impl Pieces {
    /// Opens everything in the data folder.
    pub async fn assemble(
        folder: &DataFolder,
        settings: Settings,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let ids = IdMaker::new(clock.clone());
        let policy_folder = folder.policies(&settings);
        let policies = CurrentPolicies::new(policy_folder.policies()?, &settings.server.site, clock.now());
        let db = folder.records(&settings).await?;
        records::policies::keep(&db, &policies.get(), clock.now()).await?;
        let reload = Arc::new(Reload {
            db: db.clone(),
            ids: ids.clone(),
            clock: clock.clone(),
            policies: policies.clone(),
            folder: policy_folder,
            turn: Mutex::default(),
        });
        models::seed(&db, &Seed::shipped()?, clock.now()).await?;
        let blobs_folder = folder.resolve(&settings.blobs.folder);
        let blobs = LocalBlobs::open(&blobs_folder);
        let blobs: Arc<dyn Blobs> =
            Arc::new(blobs.with_context(|| format!("the blobs in {}", blobs_folder.display()))?);
        let queue = open_queue(&settings, clock.clone(), &db).await?;
        let work = Arc::new(settings.work.clone());
        let program = env::current_exe().context("the path of this program")?;
        let scratch = folder.resolve("scratch".as_ref());
        let splitter = work.splitter(program);
        let page_limits = splitter.limits;
        let splitting = Splitting::open(splitter, blobs.clone(), scratch, work.split_processes)
            .context("the scratch folder")?;
        Ok(Self {
            page_limits,
            models_dir: folder.resolve(&settings.worker.models_folder),
            work,
            acceptances: Arc::new(settings.acceptances.clone()),
            webhooks: Arc::new(settings.webhooks.clone()),
            audit: Arc::new(settings.audit.clone()),
            db,
            blobs,
            queue,
            key: Arc::new(folder.key()?),
            clock,
            ids,
            policies,
            reload,
            signals: Arc::default(),
            splitting: Arc::new(splitting),
            outgoing: Outgoing::new(&settings.outgoing).context("the client for webhooks")?,
            randomness: Randomness::default(),
            metrics,
            settings,
        })
    }

    /// A worker that has loaded nothing yet.
    pub fn worker(&self) -> anyhow::Result<Worker> {
        let settings = &self.settings.worker;
        let load = settings.load_options().map_err(anyhow::Error::msg)?;
        Ok(Worker::new(WorkerParts {
            id: self.ids.make::<WorkerId>(),
            queue: self.queue.clone(),
            blobs: self.blobs.clone(),
            keys: self.key.public(),
            clock: self.clock.clone(),
            models_dir: self.models_dir.clone(),
            limits: self.page_limits,
            settings: runner::Settings {
                drain: settings.drain(),
                load,
                ..runner::Settings::default()
            },
        }))
    }
}

/// The queue of this process, told every epoch: it remembers none from before.
async fn open_queue(settings: &Settings, clock: SharedClock, db: &Db) -> anyhow::Result<Arc<dyn Queue>> {
    let queue = EmbeddedQueue::new(
        clock,
        EmbeddedSettings {
            lease: settings.queue.lease(),
            most_orders: settings.queue.most_orders,
        },
    );
    for (tenant, epoch) in epochs::all(db).await? {
        queue.announce_epoch(&tenant, epoch).await?;
    }
    Ok(Arc::new(queue))
}
