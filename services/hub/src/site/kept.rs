//! Pages of models as they were last rendered, for as long as nothing has changed that they tell.
//!
//! A page is good while the catalogue's version, the policies and the day are those that it was made under. The version is
//! read for every request, so that no hub shows what another has changed; those that come while one is being read share
//! the next reading.

use actix_web::web::Bytes;
use domain::{digest::Sha256, language::Language, names::ModelName};
use moka::sync::Cache;
use records::{Db, RecordsError, models};
use serde::Deserialize;
use std::time::Instant;
use time::Date;
use tokio::sync::Mutex;

/// The section `[catalogue]` of the settings. What each setting means stands in `config.default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueSettings {
    /// The most bytes of pages that are kept.
    pub most_kept_bytes: u64,
}

/// What a page was made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Under {
    /// Of the catalogue.
    pub version: i64,
    /// The policies, whose licences pages tell.
    pub policies: Sha256,
    /// Pages tell how long ago facts were looked at.
    pub day: Date,
}

/// What a page is of.
pub type Which = (ModelName, Language);

/// See the module's text.
pub struct KeptPages {
    pages: Cache<Which, (Under, Bytes)>,
    latest: Mutex<Option<(Instant, i64)>>,
}

impl KeptPages {
    /// None yet.
    pub fn new(settings: &CatalogueSettings) -> Self {
        let weight = |_: &Which, (_, page): &(Under, Bytes)| u32::try_from(page.len()).unwrap_or(u32::MAX);
        Self {
            pages: Cache::builder()
                .max_capacity(settings.most_kept_bytes)
                .weigher(weight)
                .build(),
            latest: Mutex::new(None),
        }
    }

    /// The catalogue's version at some moment after this was called.
    pub async fn version(&self, db: &Db) -> Result<i64, RecordsError> {
        let called = Instant::now();
        let mut latest = self.latest.lock().await;
        if let Some((begun, version)) = *latest
            && begun > called
        {
            return Ok(version);
        }
        let begun = Instant::now();
        let version = models::version(db).await?;
        *latest = Some((begun, version));
        Ok(version)
    }

    /// The page, if it was made under the same.
    pub fn get(&self, which: &Which, under: &Under) -> Option<Bytes> {
        let (made_under, page) = self.pages.get(which)?;
        (made_under == *under).then_some(page)
    }

    /// Keeps a page.
    pub fn keep(&self, which: Which, under: Under, page: Bytes) {
        self.pages.insert(which, (under, page));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::model::Seed;
    use futures_util::future;
    use std::time::Duration;
    use time::OffsetDateTime;

    fn which(number: usize) -> Which {
        (format!("acme/model-{number}").parse().unwrap(), Language::English)
    }

    fn under(version: i64) -> Under {
        Under {
            version,
            policies: Sha256::of(b"any"),
            day: Date::MIN,
        }
    }

    fn kept(most_kept_bytes: u64) -> KeptPages {
        KeptPages::new(&CatalogueSettings { most_kept_bytes })
    }

    #[test]
    fn a_page_is_given_for_what_it_was_made_under_and_nothing_else() {
        let kept = kept(1_000);
        kept.keep(which(1), under(7), Bytes::from_static(b"page"));
        assert_eq!(kept.get(&which(1), &under(7)).unwrap(), "page");
        let chinese = (which(1).0, Language::Chinese);
        let mut tomorrow = under(7);
        tomorrow.day = tomorrow.day.next_day().unwrap();
        let mut others = under(7);
        others.policies = Sha256::of(b"other");
        assert_eq!(kept.get(&which(2), &under(7)), None);
        assert_eq!(kept.get(&chinese, &under(7)), None);
        for other in [under(6), under(8), tomorrow, others] {
            assert_eq!(kept.get(&which(1), &other), None);
        }
    }

    #[test]
    fn no_more_bytes_are_kept_than_are_set() {
        let few = kept(1_000);
        for number in 0..50 {
            few.keep(which(number), under(1), Bytes::from(vec![b'x'; 100]));
        }
        few.pages.run_pending_tasks();
        assert_eq!(few.pages.weighted_size(), 1_000);
        let none = kept(0);
        none.keep(which(1), under(1), Bytes::from_static(b"page"));
        none.pages.run_pending_tasks();
        assert_eq!(none.get(&which(1), &under(1)), None);
    }

    #[tokio::test]
    async fn a_version_that_is_asked_for_after_a_change_is_one_from_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(&folder.path().join("hub.db"), 4, Duration::from_secs(5))
            .await
            .unwrap();
        db.migrate().await.unwrap();
        let kept = kept(0);
        let many = || future::try_join_all((0..20).map(|_| kept.version(&db)));
        assert_eq!(many().await.unwrap(), [0; 20]);
        let seed = Seed::shipped().unwrap();
        models::seed(&db, &seed, OffsetDateTime::UNIX_EPOCH)
            .await
            .unwrap();
        let seeded = many().await.unwrap();
        assert!(
            seeded[0] > 0 && seeded.iter().all(|version| *version == seeded[0]),
            "{seeded:?}"
        );
        models::seed(&db, &seed, OffsetDateTime::UNIX_EPOCH)
            .await
            .unwrap();
        assert_eq!(kept.version(&db).await.unwrap(), seeded[0], "nothing has changed");
    }
}
