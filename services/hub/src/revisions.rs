//! What orders tell of revisions. A revision never changes, so each process reads it once.

use domain::{
    batch::LicenseFacts, digest::Sha256, hardware::Need, model::artifacts_digest, names::ModelName,
};
use records::{Db, RecordsError, models};
use std::collections::HashMap;

/// No more are remembered than this: then it is begun anew.
const MOST: usize = 1024;

/// What an order tells of its revision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Of all files.
    pub artifacts_sha256: Sha256,
    /// What it takes in memory.
    pub need: Option<Need>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Revisions(HashMap<(ModelName, Sha256), Told>);

impl Revisions {
    /// What is told of the revision of a batch.
    pub(crate) async fn of(&mut self, db: &Db, license: &LicenseFacts) -> Result<Told, RecordsError> {
        let (model, revision) = (&license.model, license.revision_sha256);
        let key = (model.clone(), revision);
        if let Some(told) = self.0.get(&key) {
            return Ok(*told);
        }
        let (artifacts, need) = tokio::try_join!(
            models::revision_artifacts(db, &revision),
            models::revision_need(db, model, &revision),
        )?;
        let artifacts_sha256 = artifacts_digest(&artifacts);
        let told = Told {
            artifacts_sha256,
            need,
        };
        // A revision that is not there may come yet.
        if !artifacts.is_empty() {
            if self.0.len() >= MOST {
                self.0.clear();
            }
            self.0.insert(key, told);
        }
        Ok(told)
    }
}
