//! What hub and workers are made of, opened once.

use super::{
    backends::{Backends, Company},
    checkpoints::EngineCheckpoints,
    prompt_tokens::EngineTokens,
    scratch::Scratch,
    workers::Workers,
};
use crate::{config::Settings, data_folder::DataFolder};
use anyhow::Context as _;
use domain::{clock::SharedClock, id::IdMaker, model::Seed, policy::CurrentPolicies};
use exchange::{blobs::Blobs, queue::Queue, signing::SigningKey};
use hub::{
    acceptance_settings::AcceptanceSettings,
    audit_settings::AuditSettings,
    checkpoints::Checkpoints,
    depths::Depths,
    outgoing::Outgoing,
    prompt_tokens::PromptTokens,
    randomness::Randomness,
    reload::Reload,
    retention_settings::RetentionSettings,
    sending::{Sending, SendingParts},
    signals::Signals,
    splitting::Splitting,
    webhook_settings::WebhookSettings,
    work_settings::WorkSettings,
};
use metrics_exporter_prometheus::PrometheusHandle;
use records::{Db, epochs, models};
use std::{env, sync::Arc};
use tokio::sync::Mutex;

/// See the module's text.
pub struct Pieces {
    pub settings: Settings,
    pub work: Arc<WorkSettings>,
    pub acceptances: Arc<AcceptanceSettings>,
    pub webhooks: Arc<WebhookSettings>,
    pub audit: Arc<AuditSettings>,
    pub retention: RetentionSettings,
    pub db: Db,
    pub blobs: Arc<dyn Blobs>,
    pub queue: Arc<dyn Queue>,
    pub key: Arc<SigningKey>,
    pub clock: SharedClock,
    pub ids: IdMaker,
    pub policies: CurrentPolicies,
    pub reload: Arc<Reload>,
    pub signals: Arc<Signals>,
    /// What waited in the last hour.
    pub depths: Arc<Depths>,
    pub splitting: Arc<Splitting>,
    /// Sends orders out, for dispatch and for calls.
    pub sending: Arc<Sending>,
    pub prompt_tokens: Arc<dyn PromptTokens>,
    pub checkpoints: Arc<dyn Checkpoints>,
    pub outgoing: Outgoing,
    pub randomness: Randomness,
    pub metrics: PrometheusHandle,
    pub company: Company,
    /// Workers in this process, if it has any.
    pub workers: Option<Workers>,
    /// A place of this process alone.
    pub scratch: Scratch,
}

impl Pieces {
    /// Opens everything in the data folder that is not a backend.
    pub async fn assemble(
        folder: &DataFolder,
        settings: Settings,
        backends: Backends,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let Backends {
            clock,
            db,
            blobs,
            queue,
            company,
        } = backends;
        let ids = IdMaker::new(clock.clone());
        let policy_folder = folder.policies(&settings);
        let policies = CurrentPolicies::new(policy_folder.policies()?, &settings.server.site, clock.now());
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
        // A queue that has just begun remembers none from before.
        for (tenant, epoch) in epochs::all(&db).await? {
            queue.announce_epoch(&tenant, epoch).await?;
        }
        let work = Arc::new(settings.work.clone());
        let program = env::current_exe().context("the path of this program")?;
        let scratch = Scratch::take(&folder.resolve("scratch".as_ref())).context("the scratch folder")?;
        let splitter = work.splitter(program);
        let place = scratch.path().to_owned();
        let splitting = Splitting::open(splitter, blobs.clone(), place, work.split_processes)
            .context("the scratch folder")?;
        let prompt_tokens = EngineTokens::new(blobs.clone(), scratch.path().to_owned());
        let key = Arc::new(match company {
            Company::Alone => folder.key()?,
            Company::Many => folder.shared_key()?,
        });
        let workers = (company == Company::Alone).then(|| Workers {
            queue: queue.clone(),
            blobs: blobs.clone(),
            keys: key.public(),
            clock: clock.clone(),
            ids: ids.clone(),
            models: settings.worker.models(folder),
            limits: work.page_limits(),
            settings: settings.worker.clone(),
            computing: runner::Computing::Engine,
        });
        let signals = Arc::<Signals>::default();
        let sending = Sending::new(SendingParts {
            db: db.clone(),
            queue: queue.clone(),
            policies: policies.clone(),
            key: key.clone(),
            ids: ids.clone(),
            clock: clock.clone(),
            settings: work.clone(),
            signals: signals.clone(),
        });
        Ok(Self {
            company,
            workers,
            scratch,
            work,
            acceptances: Arc::new(settings.acceptances.clone()),
            webhooks: Arc::new(settings.webhooks.clone()),
            audit: Arc::new(settings.audit.clone()),
            retention: settings.retention.clone(),
            db,
            blobs,
            queue,
            key,
            clock,
            ids,
            policies,
            reload,
            signals,
            sending: Arc::new(sending),
            depths: Arc::default(),
            splitting: Arc::new(splitting),
            prompt_tokens: Arc::new(prompt_tokens),
            checkpoints: Arc::new(EngineCheckpoints),
            outgoing: Outgoing::new(&settings.outgoing).context("the client for webhooks")?,
            randomness: Randomness::default(),
            metrics,
            settings,
        })
    }
}
