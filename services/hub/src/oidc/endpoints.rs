//! Where an issuer is spoken with: what its configuration says beside its keys (OpenID Connect Discovery 1.0, RFC 8414).

use super::settings::is_safe;
use serde::Deserialize;
use url::Url;

/// An issuer's configuration.
#[derive(Deserialize)]
pub(super) struct Discovery {
    pub(super) issuer: String,
    pub(super) jwks_uri: String,
    #[serde(flatten)]
    pub(super) endpoints: Endpoints,
}

/// What is asked of it for signing in. None of it is needed where only tokens are believed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Endpoints {
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

/// How the hub shows at the token endpoint that it is the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientProof {
    /// Its id and secret in the header `Authorization`.
    Basic,
    /// Both in the form.
    Post,
    /// By nothing but the verifier of RFC 7636.
    Verifier,
}

impl Endpoints {
    /// Where browsers are sent to; none if it says none that nobody between could answer for.
    pub(super) fn authorization(&self) -> Option<Url> {
        safe(self.authorization_endpoint.as_deref())
    }

    /// Where codes are exchanged.
    pub(super) fn token(&self) -> Option<Url> {
        safe(self.token_endpoint.as_deref())
    }

    /// How to show who asks, with a secret or without; none if it takes no way that is known here.
    pub(super) fn proof(&self, has_secret: bool) -> Option<ClientProof> {
        let taken = self.token_endpoint_auth_methods_supported.as_deref();
        let takes = |method: &str| match taken {
            Some(methods) => methods.iter().any(|one| one == method),
            // What holds for an issuer that does not say it.
            None => method == "client_secret_basic",
        };
        match has_secret {
            false => Some(ClientProof::Verifier),
            true if takes("client_secret_basic") => Some(ClientProof::Basic),
            true => takes("client_secret_post").then_some(ClientProof::Post),
        }
    }

    /// Whether its answers through browsers always say whose they are (RFC 9207).
    pub(super) fn names_itself(&self) -> bool {
        self.authorization_response_iss_parameter_supported == Some(true)
    }
}

fn safe(url: Option<&str>) -> Option<Url> {
    let url = url.filter(|url| is_safe(url))?;
    Url::parse(url).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn endpoints(told: Value) -> Endpoints {
        serde_json::from_value(told).unwrap()
    }

    #[test]
    fn the_way_to_show_who_asks_is_one_that_the_issuer_takes() {
        let proof = |methods: Value, has_secret| {
            endpoints(json!({ "token_endpoint_auth_methods_supported": methods })).proof(has_secret)
        };
        assert_eq!(proof(json!(null), true), Some(ClientProof::Basic));
        let both = json!(["client_secret_post", "client_secret_basic"]);
        assert_eq!(proof(both.clone(), true), Some(ClientProof::Basic));
        assert_eq!(proof(both, false), Some(ClientProof::Verifier));
        let posted = json!(["private_key_jwt", "client_secret_post"]);
        assert_eq!(proof(posted, true), Some(ClientProof::Post));
        assert_eq!(proof(json!(["private_key_jwt"]), true), None);
    }

    #[test]
    fn only_endpoints_that_nobody_between_could_answer_for_are_used() {
        let told = |url: &str| endpoints(json!({ "authorization_endpoint": url, "token_endpoint": url }));
        for (url, usable) in [
            ("https://sso.example.com/a?b=c", true),
            ("http://127.0.0.1:1/a", true),
            ("http://sso.example.com/a", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(told(url).authorization().is_some(), usable, "{url}");
            assert_eq!(told(url).token().is_some(), usable, "{url}");
        }
        assert!(Endpoints::default().token().is_none() && !Endpoints::default().names_itself());
    }
}
