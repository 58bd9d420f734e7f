//! A code for an ID token: the request to the token endpoint (RFC 6749, 4.1.3).

use super::{
    answers::bounded,
    endpoints::{ClientProof, Endpoints},
};
use anyhow::{Context as _, anyhow, bail};
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::form_urlencoded::{Serializer, byte_serialize};

/// The most characters of an error's code that are logged.
const MOST_ERROR_CHARACTERS: usize = 64;

/// What is exchanged, and by whom.
pub(super) struct Asked<'a> {
    pub(super) client_id: &'a str,
    pub(super) secret: Option<&'a SecretString>,
    pub(super) code: &'a str,
    pub(super) verifier: &'a str,
    pub(super) redirect_uri: &'a str,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
}

/// The ID token that the code is good for. An error says nothing of what was sent or came, but the issuer's own code.
pub(super) async fn id_token(
    client: &Client,
    endpoints: &Endpoints,
    asked: &Asked<'_>,
) -> anyhow::Result<String> {
    let url = endpoints
        .token()
        .ok_or_else(|| anyhow!("it tells no usable token_endpoint"))?;
    let proof = endpoints.proof(asked.secret.is_some()).ok_or_else(|| {
        anyhow!("its token_endpoint takes neither client_secret_basic nor client_secret_post")
    })?;
    let mut request = client
        .post(url)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form(asked, proof));
    if let (ClientProof::Basic, Some(secret)) = (proof, asked.secret) {
        request = request.basic_auth(encoded(asked.client_id), Some(encoded(secret.expose_secret())));
    }
    let response = request.send().await.context("its token_endpoint")?;
    let status = response.status();
    let body = bounded(response).await.context("its token_endpoint")?;
    if status != StatusCode::OK {
        bail!("its token_endpoint answers {status} {}", error_in(&body));
    }
    // The cause could quote the answer, in which there are tokens.
    let tokens: Option<Tokens> = serde_json::from_slice(&body).ok();
    Ok(tokens.context("its token_endpoint gives no id_token")?.id_token)
}

fn form(asked: &Asked<'_>, proof: ClientProof) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", asked.code)
        .append_pair("redirect_uri", asked.redirect_uri)
        .append_pair("code_verifier", asked.verifier);
    if proof != ClientProof::Basic {
        form.append_pair("client_id", asked.client_id);
    }
    if let (ClientProof::Post, Some(secret)) = (proof, asked.secret) {
        form.append_pair("client_secret", secret.expose_secret());
    }
    form.finish()
}

/// As id and secret are written before they are put into the header (RFC 6749, 2.3.1).
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Why the endpoint refuses, as a word.
fn error_in(body: &[u8]) -> String {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let is_letter = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    refusal
        .error
        .chars()
        .filter(is_letter)
        .take(MOST_ERROR_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_the_secret_only_where_it_belongs() {
        let secret = SecretString::from("s&c ret".to_owned());
        let asked = Asked {
            client_id: "dash board",
            secret: Some(&secret),
            code: "a+b",
            verifier: "v",
            redirect_uri: "https://hub/cb?x",
        };
        let common = "grant_type=authorization_code&code=a%2Bb&redirect_uri=https%3A%2F%2Fhub%2Fcb%3Fx&code_verifier=v";
        assert_eq!(form(&asked, ClientProof::Basic), common);
        let public = format!("{common}&client_id=dash+board");
        assert_eq!(form(&asked, ClientProof::Verifier), public);
        assert_eq!(
            form(&asked, ClientProof::Post),
            format!("{public}&client_secret=s%26c+ret")
        );
        assert_eq!(encoded("a:b c"), "a%3Ab+c");
    }

    #[test]
    fn of_a_refusal_only_a_word_is_told() {
        assert_eq!(
            error_in(br#"{"error":"invalid_grant","error_description":"x"}"#),
            "invalid_grant"
        );
        let long = format!("{{\"error\":\"{}\"}}", "a\\n<".repeat(200));
        assert_eq!(error_in(long.as_bytes()), "a".repeat(64));
        assert_eq!(error_in(b"<html>"), "");
    }
}
