//! The data folder of a hub or a worker.
//!
//! ```text
//! DATA/hub.db       the records (SQLite), with its -wal and -shm beside it, unless a PostgreSQL has them
//! DATA/hub.lock     locked by the one `glmhub up` that serves the folder
//! DATA/keys/hub.key the hub's signing key
//! DATA/config.toml  settings, if there are any
//! DATA/policies/    the organisation's own policies, if there are any
//! DATA/imports/     what imports that were cut off had stored already
//! DATA/scratch/     documents while they are split; emptied at start, a place for each process
//! ```
//!
//! Blobs and laid-out models are where the settings say, by default in `blobs` and `models` beside these.

use crate::{
    config::{RecordsSettings, Settings},
    misuse::Misuse,
    secrets,
};
use anyhow::Context as _;
use exchange::{key_folder::KeyFolder, signing::SigningKey};
use hub::policy_folder::PolicyFolder;
use records::{Db, PostgresSettings};
use secrecy::ExposeSecret as _;
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

/// A data folder that exists.
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Opens the folder; makes it, closed to other accounts, if there is none.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let about = || format!("the data folder {} cannot be used", path.display());
        if !path.exists() {
            create_private(path).with_context(about)?;
        }
        // Absolute, so that children and threads mean the same whatever the current folder is.
        Ok(Self(path.canonicalize().with_context(about)?))
    }

    /// Takes the folder for this process, for as long as the file is kept open.
    pub fn lock(&self) -> anyhow::Result<File> {
        let path = self.0.join("hub.lock");
        let about = || format!("the lock {} cannot be taken", path.display());
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(about)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Misuse(format!(
                "another `glmhub up` serves {}: stop it first, or give --data another folder",
                self.0.display()
            ))
            .into()),
            Err(TryLockError::Error(error)) => Err(error).with_context(about),
        }
    }

    /// The hub's key; makes one on first use.
    pub fn key(&self) -> anyhow::Result<SigningKey> {
        Ok(self.keys()?.load()?)
    }

    /// The folder of the hub's keys.
    pub fn keys(&self) -> anyhow::Result<KeyFolder> {
        let folder = self.0.join("keys");
        if !folder.exists() {
            create_private(&folder).with_context(|| format!("the folder {}", folder.display()))?;
        }
        Ok(KeyFolder::new(folder))
    }

    /// The hub's key, which has to be there: hubs that are many need the same one.
    pub fn shared_key(&self) -> anyhow::Result<SigningKey> {
        if !self.keys()?.has_key() {
            return Err(Misuse(format!(
                "there is no keys/hub.key in {}, and all hubs of one database need the same: copy it from another hub, or \
                 let `glmhub token issue` make it for the first one",
                self.0.display()
            ))
            .into());
        }
        self.key()
    }

    /// The database, its tables up to date. Those of a file are brought so; a PostgreSQL is changed by `glmhub migrate`
    /// alone, so that an operator chooses the moment.
    pub async fn records(&self, settings: &Settings) -> anyhow::Result<Db> {
        let db = self.open_records(settings).await?;
        let about = || self.place_of_records(settings);
        match &db {
            Db::Sqlite(_) => db.migrate().await.with_context(about)?,
            Db::Postgres(_) => {
                let missing = db.missing_migrations().await.with_context(about)?;
                if !missing.is_empty() {
                    return Err(Misuse(format!(
                        "{} lacks {}: use `glmhub migrate` first",
                        about(),
                        missing.join(", ")
                    ))
                    .into());
                }
            }
        }
        Ok(db)
    }

    /// The database as it is, only to be read. A hub may be up meanwhile.
    pub async fn records_to_read(&self, settings: &Settings) -> anyhow::Result<Db> {
        if !settings.records.in_file() {
            return self.open_records(settings).await;
        }
        let busy = Duration::from_secs(settings.records.busy_seconds);
        let opened = Db::open_sqlite_to_read(&self.records_file(), busy).await;
        opened.with_context(|| self.place_of_records(settings))
    }

    /// The database with whatever tables it has.
    pub async fn open_records(&self, settings: &Settings) -> anyhow::Result<Db> {
        let RecordsSettings {
            url,
            password_file,
            connections,
            busy_seconds,
            statement_seconds,
            connection_seconds,
        } = &settings.records;
        let opened = match url.expose_secret() {
            "" => {
                Db::open_sqlite(
                    &self.records_file(),
                    *connections,
                    Duration::from_secs(*busy_seconds),
                )
                .await
            }
            url => {
                let password = secrets::password("records.password_file", password_file)?;
                Db::open_postgres(&PostgresSettings {
                    url,
                    password: password.as_deref(),
                    connections: *connections,
                    statement: Duration::from_secs(*statement_seconds),
                    wait: Duration::from_secs(*connection_seconds),
                })
                .await
            }
        };
        opened.with_context(|| self.place_of_records(settings))
    }

    /// Where the records are, in words without a secret.
    pub fn place_of_records(&self, settings: &Settings) -> String {
        match settings.records.in_file() {
            true => format!("the database {}", self.records_file().display()),
            false => "the database that records.url names".to_owned(),
        }
    }

    /// The file of the database.
    pub fn records_file(&self) -> PathBuf {
        self.0.join("hub.db")
    }

    /// Where an organisation keeps policies of its own.
    pub fn policies(&self, settings: &Settings) -> PolicyFolder {
        PolicyFolder::new(self.resolve(&settings.policies.folder))
    }

    /// A path of the settings: relative ones start in the data folder.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.0.join(path)
    }
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&parent.path().join("data")).unwrap();
        let first = folder.lock().unwrap();
        let error = folder.lock().unwrap_err();
        assert!(
            error.is::<Misuse>() && error.to_string().contains("--data"),
            "{error}"
        );
        drop(first);
        assert!(folder.lock().is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_is_closed_to_other_accounts() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        DataFolder::open(&path).unwrap().key().unwrap();
        for each in [path.clone(), path.join("keys"), path.join("keys/hub.key")] {
            assert_eq!(
                fs::metadata(&each).unwrap().permissions().mode() & 0o077,
                0,
                "{}",
                each.display()
            );
        }
    }

    #[tokio::test]
    async fn opening_the_records_twice_changes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        let place = crate::config::Place {
            data: parent.path().into(),
            config: None,
        };
        let settings = crate::config::load(&place, &[]).unwrap().settings;
        folder.records(&settings).await.unwrap().close().await;
        folder.records(&settings).await.unwrap().ping().await.unwrap();
    }
}
