//! Pages that were encoded a short while ago. A further order on the same page of the same tenant, from whichever batch,
//! starts with them and not at the tower, which is nearly all of the work at a page.
//!
//! What is found is what was encoded for the same bytes by the same weights for the same tenant: nothing else is looked at,
//! so that no order can reach another page, and no tenant learns by the clock what another has sent.

use domain::{digest::Sha256, grant::Grant, names::TenantName};
use engine::EncodedPage;
use lru::LruCache;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whose page it is, which, and by which weights it was encoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    tenant: TenantName,
    revision_sha256: Sha256,
    page_sha256: Sha256,
}

impl PageKey {
    /// The page that a grant is for.
    pub(crate) fn of(grant: &Grant) -> Self {
        Self {
            tenant: grant.tenant.clone(),
            revision_sha256: grant.revision_sha256,
            page_sha256: grant.page_sha256,
        }
    }
}

/// See the module's text. The page that was not asked for the longest goes first.
pub(crate) struct KeptPages {
    most_bytes: u64,
    kept: Mutex<Kept>,
}

struct Kept {
    pages: LruCache<PageKey, EncodedPage>,
    bytes: u64,
}

impl KeptPages {
    /// Room for `most_bytes` of encoded pages.
    pub(crate) fn new(most_bytes: u64) -> Self {
        Self {
            most_bytes,
            kept: Mutex::new(Kept {
                pages: LruCache::unbounded(),
                bytes: 0,
            }),
        }
    }

    /// The page, if it is here.
    pub(crate) fn get(&self, key: &PageKey) -> Option<EncodedPage> {
        let found = self.lock().pages.get(key).cloned();
        let name = match found {
            Some(_) => "found",
            None => "missed",
        };
        metrics::counter!("glmhub_kept_pages_total", "look" => name).increment(1);
        found
    }

    /// The page, if it has come since it was missed.
    pub(crate) fn again(&self, key: &PageKey) -> Option<EncodedPage> {
        self.lock().pages.get(key).cloned()
    }

    /// Keeps a page, if it fits at all.
    pub(crate) fn keep(&self, key: PageKey, page: EncodedPage) {
        let bytes = page.bytes();
        if bytes > self.most_bytes {
            return;
        }
        let mut kept = self.lock();
        kept.bytes += bytes;
        let before = kept.pages.put(key, page);
        kept.bytes -= before.map_or(0, |page| page.bytes());
        while kept.bytes > self.most_bytes
            && let Some((_, oldest)) = kept.pages.pop_lru()
        {
            kept.bytes -= oldest.bytes();
        }
        metrics::gauge!("glmhub_kept_pages_bytes").set(kept.bytes as f64);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::golden;
    use engine::{Engine, LoadOptions};
    use pages::Limits;

    fn key(tenant: &str, page: &str) -> PageKey {
        PageKey {
            tenant: tenant.parse().unwrap(),
            revision_sha256: Sha256::of(b"weights"),
            page_sha256: Sha256::of(page.as_bytes()),
        }
    }

    fn encoded() -> EncodedPage {
        let engine = Engine::load(&golden(), &LoadOptions::default()).unwrap();
        let bytes = std::fs::read(golden().join("input.png")).unwrap();
        let page = pages::decode(&bytes, &Limits::default()).unwrap();
        engine.encode_page(&page).unwrap()
    }

    #[test]
    fn a_page_is_found_by_its_tenant_weights_and_bytes_alone() {
        let kept = KeptPages::new(u64::MAX);
        kept.keep(key("acme", "one"), encoded());
        assert!(kept.get(&key("acme", "one")).is_some());
        let other_weights = PageKey {
            revision_sha256: Sha256::of(b"other"),
            ..key("acme", "one")
        };
        for other in [key("other", "one"), key("acme", "two"), other_weights] {
            assert!(kept.get(&other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn the_page_that_was_not_asked_for_the_longest_goes_when_there_is_no_room() {
        let page = encoded();
        assert!(page.bytes() > 0);
        let kept = KeptPages::new(2 * page.bytes());
        for name in ["one", "two"] {
            kept.keep(key("acme", name), page.clone());
        }
        // Kept twice, it counts once.
        kept.keep(key("acme", "two"), page.clone());
        assert!(kept.get(&key("acme", "one")).is_some());
        kept.keep(key("acme", "three"), page.clone());
        let here = ["one", "two", "three"].map(|name| kept.get(&key("acme", name)).is_some());
        assert_eq!((here, kept.lock().bytes), ([true, false, true], 2 * page.bytes()));
    }

    #[test]
    fn a_page_that_does_not_fit_is_not_kept() {
        let page = encoded();
        let kept = KeptPages::new(page.bytes() - 1);
        kept.keep(key("acme", "one"), page.clone());
        assert!(kept.get(&key("acme", "one")).is_none());
        let none = KeptPages::new(0);
        none.keep(key("acme", "one"), page);
        assert!(none.get(&key("acme", "one")).is_none());
    }
}
