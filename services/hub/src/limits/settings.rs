//! The section `[limits]` of the settings. What each setting means stands in `config.default.toml`.

use domain::{limits::Limits, names::TenantName};
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroU64};

/// How much tenants and API keys may ask for. 0 is no bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// The requests of a tenant in a minute, of each process.
    pub requests_per_minute: u32,
    /// The pages of a tenant in a day.
    pub pages_per_day: u64,
    /// The tokens of a tenant in a day.
    pub tokens_per_day: u64,
    /// The requests with a key in a minute, of each process.
    pub key_requests_per_minute: u32,
    /// The pages with a key in a day.
    pub key_pages_per_day: u64,
    /// The tokens with a key in a day.
    pub key_tokens_per_day: u64,
    /// Tenants with other limits.
    pub tenants: Vec<TenantLimits>,
}

/// The limits of a tenant, where they differ from those of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantLimits {
    /// Which one.
    pub tenant: TenantName,
    /// As [`LimitSettings::requests_per_minute`].
    pub requests_per_minute: Option<u32>,
    /// As [`LimitSettings::pages_per_day`].
    pub pages_per_day: Option<u64>,
    /// As [`LimitSettings::tokens_per_day`].
    pub tokens_per_day: Option<u64>,
}

impl LimitSettings {
    /// Whether the values fit together. An error says which do not.
    pub fn check(&self) -> Result<(), String> {
        for (place, one) in self.tenants.iter().enumerate() {
            if self.tenants[..place]
                .iter()
                .any(|other| other.tenant == one.tenant)
            {
                return Err(format!("limits.tenants names {} twice", one.tenant));
            }
        }
        Ok(())
    }

    pub(super) fn of_tenant(&self, tenant: &TenantName) -> Limits {
        let own = self.tenants.iter().find(|one| one.tenant == *tenant);
        limits(
            own.and_then(|own| own.requests_per_minute)
                .unwrap_or(self.requests_per_minute),
            own.and_then(|own| own.pages_per_day)
                .unwrap_or(self.pages_per_day),
            own.and_then(|own| own.tokens_per_day)
                .unwrap_or(self.tokens_per_day),
        )
    }

    pub(super) fn of_key(&self) -> Limits {
        limits(
            self.key_requests_per_minute,
            self.key_pages_per_day,
            self.key_tokens_per_day,
        )
    }
}

fn limits(requests: u32, pages: u64, tokens: u64) -> Limits {
    Limits {
        requests_per_minute: NonZeroU32::new(requests),
        pages_per_day: NonZeroU64::new(pages),
        tokens_per_day: NonZeroU64::new(tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_the_limits_of_all_but_for_its_own() {
        let acme = TenantLimits {
            tenant: "acme".parse().unwrap(),
            requests_per_minute: Some(0),
            pages_per_day: Some(7),
            tokens_per_day: None,
        };
        let settings = LimitSettings {
            requests_per_minute: 1,
            pages_per_day: 2,
            tokens_per_day: 3,
            key_requests_per_minute: 0,
            key_pages_per_day: 5,
            key_tokens_per_day: 0,
            tenants: vec![acme.clone()],
        };
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.of_tenant(&acme.tenant), limits(0, 7, 3));
        assert_eq!(settings.of_tenant(&"other".parse().unwrap()), limits(1, 2, 3));
        assert_eq!(settings.of_key(), limits(0, 5, 0));
        let twice = LimitSettings {
            tenants: vec![acme.clone(), acme],
            ..settings
        };
        assert_eq!(twice.check(), Err("limits.tenants names acme twice".into()));
    }
}
