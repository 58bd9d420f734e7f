//! Whether an ID token answers this sign-in, as OpenID Connect Core 1.0 asks in 3.1.3.7.

use super::member::{Misfit, is_ahead, moment, texts, timely};
use serde_json::Value;
use time::OffsetDateTime;

/// What the token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

/// Checks the claims of a token whose signature fits.
pub(super) fn check(expected: &Expected<'_>, claims: &Value, now: OffsetDateTime) -> Result<(), Misfit> {
    let said = claims["iss"].as_str().unwrap_or_default();
    if said != expected.issuer {
        return Err(Misfit::Issuer(said.to_owned()));
    }
    timely(claims, now)?;
    if moment(claims, "iat").is_none_or(|issued| is_ahead(issued, now)) {
        return Err(Misfit::Unissued);
    }
    let audiences = texts(Some(&claims["aud"]));
    if !audiences.contains(&expected.client_id) {
        return Err(Misfit::Audience(audiences.join(", ")));
    }
    let party = claims["azp"].as_str();
    // Who else it is for is nobody's business here, as long as it says that it was given to us.
    let needs_party = audiences.len() > 1 || !claims["azp"].is_null();
    if needs_party && party != Some(expected.client_id) {
        return Err(Misfit::Party(party.unwrap_or_default().to_owned()));
    }
    match claims["nonce"].as_str() == Some(expected.nonce) {
        true => Ok(()),
        false => Err(Misfit::Nonce),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::Duration;

    fn checked(name: &str, value: Value) -> Result<(), Misfit> {
        let expected = Expected {
            issuer: "https://sso",
            client_id: "dashboard",
            nonce: "n",
        };
        let mut claims = json!({
            "iss": "https://sso", "aud": "dashboard", "exp": 1300, "iat": 1000, "nonce": "n",
        });
        claims[name] = value;
        let now = OffsetDateTime::UNIX_EPOCH + Duration::seconds(1000);
        check(&expected, &claims, now)
    }

    #[test]
    fn a_token_is_of_its_issuer_for_this_client_in_its_time_and_for_this_sign_in() {
        for (name, value) in [
            ("sub", json!("li")),
            ("aud", json!(["dashboard"])),
            ("azp", json!("dashboard")),
            ("exp", json!(941)),
            ("iat", json!(1060)),
            ("nbf", json!(1060)),
        ] {
            assert_eq!(checked(name, value.clone()), Ok(()), "{name} {value}");
        }
        for (name, value, misfit) in [
            (
                "iss",
                json!("https://sso/"),
                Misfit::Issuer("https://sso/".into()),
            ),
            ("iss", json!(null), Misfit::Issuer(String::new())),
            ("exp", json!(940), Misfit::Expired),
            ("exp", json!(null), Misfit::Endless),
            ("nbf", json!(1061), Misfit::Early),
            ("iat", json!(1061), Misfit::Unissued),
            ("iat", json!(null), Misfit::Unissued),
            ("aud", json!("glmhub"), Misfit::Audience("glmhub".into())),
            ("aud", json!(null), Misfit::Audience(String::new())),
            // Several, and it does not say to whom it was given.
            (
                "aud",
                json!(["dashboard", "account"]),
                Misfit::Party(String::new()),
            ),
            ("azp", json!("scanner"), Misfit::Party("scanner".into())),
            ("azp", json!(7), Misfit::Party(String::new())),
            ("nonce", json!("m"), Misfit::Nonce),
            ("nonce", json!(null), Misfit::Nonce),
        ] {
            assert_eq!(checked(name, value.clone()), Err(misfit), "{name} {value}");
        }
    }
}
