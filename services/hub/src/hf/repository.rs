//! A revision of a model as a repository: its files, and what goes along with them.

use crate::{
    api::models::{Named, find},
    going_along,
    problem::Problem,
};
use actix_web::{
    http::StatusCode,
    web::{Bytes, Path},
};
use domain::{
    digest::Sha256,
    model::{Model, Revision},
    policy::Policies,
};
use records::{Db, models};

/// The name of the newest revision.
pub(super) const NEWEST: &str = "main";
/// There is no such revision.
pub(super) const NO_REVISION: &str = "revision_unknown";
/// There is no such file.
pub(super) const NO_FILE: &str = "file_unknown";
/// Clients take a name of this length for that of a commit, and keep what they fetched under it.
const COMMIT: usize = 40;

/// See the module's text.
pub(super) struct Repository {
    pub model: Model,
    pub revision: Revision,
    pub files: Vec<Held>,
}

/// A file of a repository.
pub(super) struct Held {
    pub path: String,
    pub sha256: Sha256,
    pub bytes: u64,
    /// What it holds, unless that is the blob of its digest.
    pub text: Option<Bytes>,
}

/// A revision under the name of a commit.
pub(super) fn commit(revision: &Revision) -> String {
    revision.sha256.to_string()[..COMMIT].to_owned()
}

impl Repository {
    /// The repository of a model at a revision: `main`, a digest, or the commit that it is told as.
    pub async fn open(
        db: &Db,
        policies: &Policies,
        named: &Path<Named>,
        revision: &str,
    ) -> Result<Self, Problem> {
        let model = find(db, named).await?;
        let found = match (revision, revision.parse::<Sha256>()) {
            (NEWEST, _) => models::current_revision(db, &model.name).await?,
            (_, Ok(sha256)) => models::revision(db, &model.name, &sha256).await?,
            (commit, _) if commit.len() == COMMIT => {
                models::revision_beginning(db, &model.name, commit).await?
            }
            _ => None,
        };
        let revision = found.ok_or_else(|| {
            let detail = format!("{} has no revision {revision} on this hub", model.name);
            Problem::new(StatusCode::NOT_FOUND, NO_REVISION, detail)
        })?;
        Ok(Self {
            files: files(db, policies, &revision).await?,
            model,
            revision,
        })
    }

    /// The name of its commit.
    pub fn commit(&self) -> String {
        commit(&self.revision)
    }

    /// The file at `path`.
    pub fn file(&self, path: &str) -> Result<&Held, Problem> {
        let found = self.files.iter().find(|file| file.path == path);
        found.ok_or_else(|| {
            let detail = format!("{} has no file {path} in this revision", self.model.name);
            Problem::new(StatusCode::NOT_FOUND, NO_FILE, detail).with("commit", self.commit())
        })
    }
}

/// The artifacts, and the texts that go along; a file of the model stays what it is where a text would stand.
async fn files(db: &Db, policies: &Policies, revision: &Revision) -> Result<Vec<Held>, Problem> {
    let artifacts = models::revision_artifacts(db, &revision.sha256).await?;
    let mut files: Vec<Held> = artifacts
        .into_iter()
        .map(|artifact| Held {
            path: artifact.path,
            sha256: artifact.sha256,
            bytes: artifact.bytes,
            text: None,
        })
        .collect();
    for along in going_along::texts(db, policies, revision).await? {
        if files.iter().all(|file| file.path != along.path) {
            files.push(Held {
                path: along.path,
                sha256: Sha256::of(along.text.as_bytes()),
                bytes: along.text.len() as u64,
                text: Some(along.text.into()),
            });
        }
    }
    Ok(files)
}
