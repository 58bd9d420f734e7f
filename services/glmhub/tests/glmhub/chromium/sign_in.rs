//! Signing in at an issuer's page, in a browser to which that is another site.

use super::Chromium;
use crate::{
    hub::LISTEN,
    oidc::{
        issuer::{Issuer, code_flow::CLIENT_SECRET},
        signing_in::begun::hub_at,
    },
};
use serde_json::json;
use std::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_presses_its_issuers_button_and_lands_on_the_page_that_it_opened() {
    let Some(chromium) = Chromium::named() else {
        return;
    };
    let issuer = Issuer::start_as("localhost").await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (address, place) = (free.to_string(), format!("http://{free}"));
    let hub = hub_at(&place, &issuer, Some(CLIENT_SECRET), &[(LISTEN, &address)]);
    let given = json!({ "url": hub.url(), "issuer": issuer.url() });
    chromium.run("sign_in.cjs", given).await.well();
}
