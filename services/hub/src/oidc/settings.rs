//! The section `[oidc]` of the settings. What each setting means stands in `config.default.toml`.

use domain::{access::Role, names::TenantName};
use exchange::issuer_keys::IssuerAlgorithm;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use url::{Host, Url};

/// Which issuers are believed, and how their keys are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcSettings {
    /// The issuers.
    pub issuers: Vec<IssuerSettings>,
    /// How long keys are used before they are fetched again, in seconds.
    pub keys_seconds: u64,
    /// How long an issuer is left alone after it was asked, in seconds.
    pub refetch_seconds: u64,
    /// How long keys are used while the issuer does not answer, in seconds.
    pub longest_keys_seconds: u64,
    /// How long an issuer may take to answer, in seconds.
    pub timeout_seconds: u64,
}

/// An issuer, and what its tokens say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// Exactly as `iss` has it.
    pub issuer: String,
    /// Of which `aud` must name one; empty if it need not.
    #[serde(default)]
    pub audiences: BTreeSet<String>,
    /// Of which `azp` must be one; empty if it need not.
    #[serde(default)]
    pub authorized_parties: BTreeSet<String>,
    /// By which it may sign.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<IssuerAlgorithm>,
    /// The tenant of all its members.
    pub tenant: Option<TenantName>,
    /// Where a token says its member's tenant, as a JSON pointer.
    pub tenant_claim: Option<String>,
    /// The tenants that it may name there.
    #[serde(default)]
    pub tenants: BTreeSet<TenantName>,
    /// Where a token says the member's name, as a JSON pointer.
    #[serde(default = "usual_member")]
    pub member_claim: String,
    /// Where a token lists what the member is, as a JSON pointer.
    pub roles_claim: String,
    /// Which role that is here.
    pub roles: BTreeMap<String, Role>,
    /// How its members sign in to the dashboard; none if they do not.
    pub sign_in: Option<SignInSettings>,
}

/// What the hub is at an issuer whose members sign in to the dashboard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInSettings {
    /// What the issuer is called on the page.
    pub name: String,
    /// Under which the hub is registered there.
    pub client_id: String,
    /// The file with the secret that the issuer gave for it; empty if it gave none.
    #[serde(default)]
    pub client_secret_file: PathBuf,
    /// What is asked for.
    #[serde(default = "usual_scopes")]
    pub scopes: Vec<String>,
}

fn usual_algorithms() -> Vec<IssuerAlgorithm> {
    vec![
        IssuerAlgorithm::RS256,
        IssuerAlgorithm::PS256,
        IssuerAlgorithm::ES256,
        IssuerAlgorithm::EdDSA,
    ]
}

fn usual_scopes() -> Vec<String> {
    ["openid", "profile"].map(str::to_owned).to_vec()
}

fn usual_member() -> String {
    "/preferred_username".into()
}

impl OidcSettings {
    /// Whether the values fit together. An error says which do not and what to change.
    pub fn check(&self) -> Result<(), String> {
        if self.refetch_seconds == 0 || self.refetch_seconds > self.keys_seconds {
            return Err("oidc.refetch_seconds must be from 1 to keys_seconds".into());
        }
        if self.longest_keys_seconds < self.keys_seconds {
            return Err("oidc.longest_keys_seconds must be at least keys_seconds".into());
        }
        let mut seen = BTreeSet::new();
        for issuer in &self.issuers {
            issuer
                .check()
                .map_err(|fault| format!("oidc.issuers, {}: {fault}", issuer.issuer))?;
            if !seen.insert(&issuer.issuer) {
                return Err(format!("oidc.issuers names {} twice", issuer.issuer));
            }
        }
        Ok(())
    }

    /// Whether members can sign in at a dashboard that browsers reach at `url`. An error says what to change.
    pub fn check_sign_in(&self, url: &str) -> Result<(), String> {
        let signing_in = self.issuers.iter().any(|issuer| issuer.sign_in.is_some());
        match signing_in && !is_safe(url) {
            true => Err(
                "dashboard.url must be an https URL (http only for this machine itself) where oidc.issuers have \
                 sign_in: issuers send browsers back to it"
                    .into(),
            ),
            false => Ok(()),
        }
    }
}

impl SignInSettings {
    fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.client_id.is_empty() {
            return Err("sign_in.name and sign_in.client_id must say something".into());
        }
        // As RFC 6749 writes them, and one of them makes it OpenID Connect.
        let is_scope = |scope: &String| {
            let is_letter = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            !scope.is_empty() && scope.bytes().all(is_letter)
        };
        match self.scopes.iter().any(|scope| scope == "openid") && self.scopes.iter().all(is_scope) {
            true => Ok(()),
            false => Err("sign_in.scopes must be words, openid among them".into()),
        }
    }
}

impl IssuerSettings {
    fn check(&self) -> Result<(), String> {
        if !is_safe(&self.issuer) {
            return Err("issuer must be an https URL (http only for this machine itself)".into());
        }
        if self.audiences.is_empty() && self.authorized_parties.is_empty() {
            return Err(
                "name audiences or authorized_parties: a token that it gave to another program is none for this hub"
                    .into(),
            );
        }
        if self.algorithms.is_empty() {
            return Err("algorithms must name at least one".into());
        }
        if let Some(sign_in) = &self.sign_in {
            sign_in.check()?;
        }
        match (&self.tenant, &self.tenant_claim) {
            (Some(_), None) if self.tenants.is_empty() => {}
            (None, Some(_)) if !self.tenants.is_empty() => {}
            _ => {
                return Err("give either tenant, or tenant_claim with the tenants that it may name".into());
            }
        }
        let pointers = [
            Some(&self.member_claim),
            Some(&self.roles_claim),
            self.tenant_claim.as_ref(),
        ];
        match pointers
            .into_iter()
            .flatten()
            .find(|pointer| !pointer.starts_with('/'))
        {
            Some(pointer) => Err(format!("{pointer} is no JSON pointer; it begins with /")),
            None => Ok(()),
        }
    }
}

/// Whether nobody between could answer instead.
pub(super) fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "keys_seconds = 600\nrefetch_seconds = 30\nlongest_keys_seconds = 600\ntimeout_seconds = 5\n";

    fn settings(issuer: &str) -> Result<(), String> {
        let text = format!(
            "{HEAD}[[issuers]]\nroles_claim = \"/roles\"\nroles = {{ clerk = \"submitter\" }}\n{issuer}"
        );
        toml::from_str::<OidcSettings>(&text).unwrap().check()
    }

    #[test]
    fn an_issuer_is_bound_to_tenants_and_to_this_hub() {
        let good = "issuer = \"https://sso.example.com\"\naudiences = [\"glmhub\"]\n";
        assert_eq!(settings(&format!("{good}tenant = \"acme\"")), Ok(()));
        let named = format!("{good}tenant_claim = \"/org\"\n");
        assert_eq!(settings(&format!("{named}tenants = [\"acme\"]")), Ok(()));
        let here =
            "issuer = \"http://127.0.0.1:9000/realm\"\nauthorized_parties = [\"app\"]\ntenant = \"acme\"";
        assert_eq!(settings(here), Ok(()));
        for (bad, said) in [
            (named.clone(), "either tenant"),
            (good.to_owned(), "either tenant"),
            (
                format!("{named}tenant = \"acme\"\ntenants = [\"acme\"]"),
                "either tenant",
            ),
            (
                format!("{good}tenant = \"acme\"\nmember_claim = \"sub\""),
                "JSON pointer",
            ),
            (format!("{good}tenant = \"acme\"\nalgorithms = []"), "algorithms"),
            (
                "issuer = \"https://sso.example.com\"\ntenant = \"acme\"".into(),
                "audiences",
            ),
            (
                "issuer = \"http://sso.example.com\"\naudiences = [\"a\"]\ntenant = \"acme\"".into(),
                "https",
            ),
        ] {
            let fault = settings(&bad).unwrap_err();
            assert!(fault.contains(said), "{bad}: {fault}");
        }
    }

    #[test]
    fn members_sign_in_where_the_issuer_can_send_them_back() {
        let head = "issuer = \"https://sso.example.com\"\naudiences = [\"glmhub\"]\ntenant = \"acme\"\n";
        let with = |more: &str| settings(&format!("{head}[issuers.sign_in]\n{more}"));
        let good = "name = \"Acme\"\nclient_id = \"dashboard\"\n";
        assert_eq!(with(good), Ok(()));
        for (bad, said) in [
            (format!("{good}scopes = [\"profile\"]"), "scopes"),
            (format!("{good}scopes = [\"openid\", \"a b\"]"), "scopes"),
            ("name = \" \"\nclient_id = \"dashboard\"".into(), "sign_in.name"),
            ("name = \"Acme\"\nclient_id = \"\"".into(), "client_id"),
        ] {
            let fault = with(&bad).unwrap_err();
            assert!(fault.contains(said), "{bad}: {fault}");
        }
        let read = |more: &str| {
            let text = format!("{HEAD}[[issuers]]\nroles_claim = \"/roles\"\nroles = {{}}\n{head}{more}");
            toml::from_str::<OidcSettings>(&text).unwrap()
        };
        let (without, signing_in) = (read(""), read(&format!("[issuers.sign_in]\n{good}")));
        for url in ["", "http://hub.example.com"] {
            assert_eq!(without.check_sign_in(url), Ok(()));
            assert!(
                signing_in
                    .check_sign_in(url)
                    .unwrap_err()
                    .contains("dashboard.url")
            );
        }
        for url in ["https://hub.example.com", "http://localhost:8080"] {
            assert_eq!(signing_in.check_sign_in(url), Ok(()), "{url}");
        }
    }
}
