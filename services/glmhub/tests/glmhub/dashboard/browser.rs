//! A browser that signs in with a link, keeps its cookie and sends forms.

use crate::{client::Answer, hub::Hub, process::perform_in};

/// A browser that has signed in.
pub struct Browser<'a> {
    pub hub: &'a Hub,
    pub cookie: String,
}

/// What `glmhub admin link` makes for a member of `tenant` with `roles`.
pub fn link(hub: &Hub, tenant: &str, roles: &[&str]) -> String {
    let mut arguments = vec!["admin", "link", "--tenant", tenant, "--member", "li"];
    arguments.extend(roles.iter().flat_map(|role| ["--role", role]));
    let url = perform_in(&hub.data(), &arguments, &[]).well();
    let (_, link) = url.trim_end().split_once("/admin/sign-in?link=").unwrap();
    link.to_owned()
}

pub async fn sign_in(hub: &Hub, link: &str) -> Answer {
    let body = format!("link={link}");
    let fill = |request: reqwest::RequestBuilder| {
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    };
    hub.stranger().send_unjudged("POST", "/admin/sign-in", fill).await
}

impl<'a> Browser<'a> {
    pub async fn open(hub: &'a Hub, tenant: &str, role: &str) -> Self {
        let opened = sign_in(hub, &link(hub, tenant, &[role])).await;
        let set = opened.header("set-cookie").unwrap().to_owned();
        for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
            assert!(set.contains(flag), "{set}");
        }
        assert!(!set.contains("Secure"), "there is no TLS here: {set}");
        let cookie = set.split(';').next().unwrap().to_owned();
        Self { hub, cookie }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.hub
            .stranger()
            .send_unjudged("GET", path, |request| request.header("cookie", &self.cookie))
            .await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = url_encoded(form);
        let fill = |request: reqwest::RequestBuilder| {
            request
                .header("cookie", &self.cookie)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body)
        };
        self.hub.stranger().send_unjudged("POST", path, fill).await
    }

    /// The proof that the forms of a page carry.
    pub async fn proof(&self, path: &str) -> String {
        let page = self.get(path).await.expect(200).text();
        let (_, rest) = page
            .split_once("name=\"csrf\" value=\"")
            .unwrap_or_else(|| panic!("no form: {page}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

pub fn url_encoded(form: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://form/", form).unwrap();
    url.query().unwrap_or_default().to_owned()
}
