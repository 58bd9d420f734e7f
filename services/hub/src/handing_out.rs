//! Files that came from outside, handed out again: as files to keep, never as pages that a browser would act on.

use actix_web::{
    HttpResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentDisposition,
        DispositionParam, DispositionType, X_CONTENT_TYPE_OPTIONS,
    },
};
use exchange::blobs::ByteStream;

/// A file as its sender described it.
#[derive(Debug, Clone)]
pub struct HandedOut {
    /// What to call it.
    pub name: String,
    /// What it was said to be.
    pub media_type: String,
    /// How many bytes it has.
    pub bytes: u64,
}

impl HandedOut {
    /// The response that carries `content`.
    pub fn respond(self, content: ByteStream) -> HttpResponse {
        let kept = ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::Filename(self.name)],
        };
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, self.media_type))
            .insert_header((CONTENT_LENGTH, self.bytes))
            .insert_header(kept)
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
            .insert_header((CACHE_CONTROL, "private, no-store"))
            .streaming(content)
    }
}
