//! What pages load beside themselves.

use actix_web::{HttpResponse, http::header};

/// The one style sheet.
pub async fn style() -> HttpResponse {
    asset("text/css; charset=utf-8", include_str!("../../assets/site.css"))
}

/// htmx 2.0.11, as published.
pub async fn htmx() -> HttpResponse {
    script(include_str!("../../assets/htmx/htmx.min.js"))
}

/// htmx's extension for server-sent events 2.2.4, as published.
pub async fn htmx_sse() -> HttpResponse {
    script(include_str!("../../assets/htmx/sse.js"))
}

fn script(text: &'static str) -> HttpResponse {
    asset("text/javascript; charset=utf-8", text)
}

fn asset(media_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(text)
}

#[cfg(test)]
mod tests {
    use domain::digest::Sha256;

    #[test]
    fn vendored_scripts_are_as_published() {
        for (bytes, sha256) in [
            (
                &include_bytes!("../../assets/htmx/htmx.min.js")[..],
                "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
            ),
            (
                &include_bytes!("../../assets/htmx/sse.js")[..],
                "3b5992a541619babefc4c169505af474df5c3039da51e59b96ccf9241ecd61d2",
            ),
        ] {
            assert_eq!(Sha256::of(bytes).to_string(), sha256);
        }
    }
}
