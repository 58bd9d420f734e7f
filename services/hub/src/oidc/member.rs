//! Which member the claims of a token name, within what its issuer may say.

use super::settings::IssuerSettings;
use domain::{
    access::{Caller, Role},
    names::TenantName,
};
use serde_json::Value;
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// How far the clocks of issuer and hub may differ.
const LEEWAY: Duration = Duration::seconds(60);

/// Why claims let nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    #[error("it has expired")]
    Expired,
    #[error("it says no time at which it ends")]
    Endless,
    #[error("its time has not come")]
    Early,
    #[error("it is for {0}, and not for this hub")]
    Audience(String),
    #[error("it was given to {0}, and not to a program of this hub's")]
    Party(String),
    #[error("it says no name of a member at {0}")]
    Member(String),
    #[error("it says no tenant at {0} that its issuer may name")]
    Tenant(String),
    #[error("it says that {0} issued it")]
    Issuer(String),
    #[error("it says no time at which it was issued, or one that has not come")]
    Unissued,
    #[error("it answers another request")]
    Nonce,
}

/// The member that `claims` of an access token, whose signature fits, are of.
pub(super) fn of(issuer: &IssuerSettings, claims: &Value, now: OffsetDateTime) -> Result<Caller, Misfit> {
    timely(claims, now)?;
    let audiences = texts(Some(&claims["aud"]));
    if !issuer.audiences.is_empty() && !audiences.iter().any(|one| issuer.audiences.contains(*one)) {
        return Err(Misfit::Audience(audiences.join(", ")));
    }
    let party = claims["azp"].as_str().unwrap_or_default();
    if !issuer.authorized_parties.is_empty() && !issuer.authorized_parties.contains(party) {
        return Err(Misfit::Party(party.to_owned()));
    }
    named(issuer, claims)
}

/// The second of the claim `name`.
pub(super) fn moment(claims: &Value, name: &str) -> Option<i64> {
    claims[name].as_f64().map(|seconds| seconds as i64)
}

/// Whether `claims` are good at `now`.
pub(super) fn timely(claims: &Value, now: OffsetDateTime) -> Result<(), Misfit> {
    let ends = moment(claims, "exp").ok_or(Misfit::Endless)?;
    if ends <= (now - LEEWAY).unix_timestamp() {
        return Err(Misfit::Expired);
    }
    match moment(claims, "nbf").is_some_and(|begins| is_ahead(begins, now)) {
        true => Err(Misfit::Early),
        false => Ok(()),
    }
}

/// Whether a moment has not come at `now`, by whichever clock.
pub(super) fn is_ahead(moment: i64, now: OffsetDateTime) -> bool {
    moment > (now + LEEWAY).unix_timestamp()
}

/// The member that `claims` name, within what their issuer may say.
pub(super) fn named(issuer: &IssuerSettings, claims: &Value) -> Result<Caller, Misfit> {
    let member = claims.pointer(&issuer.member_claim).and_then(Value::as_str);
    let member = member.and_then(|name| name.parse().ok());
    Ok(Caller {
        tenant: tenant(issuer, claims)?,
        member: member.ok_or_else(|| Misfit::Member(issuer.member_claim.clone()))?,
        roles: roles(issuer, claims),
    })
}

fn tenant(issuer: &IssuerSettings, claims: &Value) -> Result<TenantName, Misfit> {
    if let Some(tenant) = &issuer.tenant {
        return Ok(tenant.clone());
    }
    let place = issuer.tenant_claim.as_deref().unwrap_or_default();
    let named = claims.pointer(place).and_then(Value::as_str);
    let known = named
        .and_then(|name| name.parse().ok())
        .filter(|name| issuer.tenants.contains(name));
    known.ok_or_else(|| Misfit::Tenant(place.to_owned()))
}

/// What the token's words are here; words that are none here count for nothing.
fn roles(issuer: &IssuerSettings, claims: &Value) -> BTreeSet<Role> {
    let words = texts(claims.pointer(&issuer.roles_claim));
    words
        .iter()
        .filter_map(|word| issuer.roles.get(*word).copied())
        .collect()
}

/// A text, or each text of a list: claims come as either.
pub(super) fn texts(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn issuer(more: &str) -> IssuerSettings {
        let head = "issuer = \"https://sso\"\nroles_claim = \"/realm_access/roles\"\n\
            roles = { clerk = \"submitter\", counsel = \"signatory\" }\n";
        toml::from_str(&format!("{head}{more}")).unwrap()
    }

    fn claims() -> Value {
        json!({
            "exp": 1000, "aud": ["account", "glmhub"], "azp": "scanner", "preferred_username": "li",
            "org": "acme", "realm_access": { "roles": ["clerk", "offline_access"] },
        })
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    #[test]
    fn a_member_is_who_the_claims_say_within_what_the_issuer_may_say() {
        let one = issuer("audiences = [\"glmhub\"]\ntenant = \"acme\"");
        let caller = of(&one, &claims(), at(0)).unwrap();
        assert_eq!((caller.tenant.as_str(), caller.member.as_str()), ("acme", "li"));
        assert_eq!(caller.roles, BTreeSet::from([Role::Submitter]));
        let many =
            issuer("audiences = [\"glmhub\"]\ntenant_claim = \"/org\"\ntenants = [\"acme\", \"other\"]");
        assert_eq!(of(&many, &claims(), at(0)).unwrap(), caller);
        let mut foreign = claims();
        foreign["org"] = json!("glmhub");
        assert_eq!(of(&many, &foreign, at(0)), Err(Misfit::Tenant("/org".into())));
        let mut single = claims();
        single["aud"] = json!("glmhub");
        single["realm_access"]["roles"] = json!("counsel");
        let caller = of(&one, &single, at(0)).unwrap();
        assert_eq!(caller.roles, BTreeSet::from([Role::Signatory]));
    }

    #[test]
    fn what_is_late_early_for_others_or_of_nobody_lets_nobody_in() {
        let one = issuer("audiences = [\"glmhub\"]\nauthorized_parties = [\"scanner\"]\ntenant = \"acme\"");
        assert!(of(&one, &claims(), at(1059)).is_ok());
        assert_eq!(of(&one, &claims(), at(1060)), Err(Misfit::Expired));
        for (name, value, misfit) in [
            ("exp", json!(null), Misfit::Endless),
            ("nbf", json!(61), Misfit::Early),
            ("aud", json!("account"), Misfit::Audience("account".into())),
            ("aud", json!(null), Misfit::Audience(String::new())),
            ("azp", json!("portal"), Misfit::Party("portal".into())),
            ("azp", json!(null), Misfit::Party(String::new())),
            (
                "preferred_username",
                json!("li wang"),
                Misfit::Member("/preferred_username".into()),
            ),
        ] {
            let mut bad = claims();
            bad[name] = value;
            assert_eq!(of(&one, &bad, at(0)), Err(misfit), "{name}");
        }
        let mut soon = claims();
        soon["nbf"] = json!(60);
        assert!(of(&one, &soon, at(0)).is_ok());
    }
}
