//! Where a member goes once it has signed in: a page of the dashboard, and nowhere else.

use url::{Position, Url};

/// Where it goes if nothing else was asked for.
pub const USUAL: &str = "/admin/reviews";
/// The most bytes of a path: it must fit into a cookie.
const MOST_BYTES: usize = 1000;
/// Stands for whichever hub it is.
const HUB: &str = "https://hub.invalid";

/// `asked`, if it is a page of the dashboard that a member can be sent to; else the usual one.
pub fn of(asked: &str) -> String {
    page(asked).unwrap_or_else(|| USUAL.to_owned())
}

fn page(asked: &str) -> Option<String> {
    let hub = Url::parse(HUB).ok()?;
    // What browsers make of it: dots, backslashes and other hosts show then.
    let url = hub.join(asked).ok()?;
    let is_page = url.path() == "/admin" || url.path().starts_with("/admin/");
    let is_sign = ["/admin/sign-in", "/admin/sign-out"]
        .iter()
        .any(|path| url.path().starts_with(path));
    let local = &url[Position::BeforePath..Position::AfterQuery];
    let is_good = asked.starts_with('/') && url.origin() == hub.origin() && is_page && !is_sign;
    (is_good && local.len() <= MOST_BYTES).then(|| local.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_dashboard_are_returned_to() {
        for good in [
            "/admin",
            "/admin/batches",
            "/admin/batches/b-1?after=2&state=open",
        ] {
            assert_eq!(of(good), good);
        }
        assert_eq!(
            of("/admin/audit?since=\"'><b>"),
            "/admin/audit?since=%22%27%3E%3Cb%3E"
        );
        let long = format!("/admin/{}", "a".repeat(MOST_BYTES));
        for bad in [
            "",
            "batches",
            "//elsewhere.example/admin/reviews",
            "/\\elsewhere.example/admin/reviews",
            "https://elsewhere.example/admin/reviews",
            "https://hub.invalid/admin/batches",
            "///elsewhere.example/admin",
            "/admin/../models",
            "/admin/%2e%2e/models",
            "/admin/..\\models",
            "/adminx",
            "/models",
            "javascript:alert(1)",
            "/admin/sign-in?link=a.b.c",
            "/admin/sign-out",
            "/\t/elsewhere.example/admin/reviews",
            &long,
        ] {
            assert_eq!(of(bad), USUAL, "{bad}");
        }
    }
}
