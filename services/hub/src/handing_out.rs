//! Files that came from outside, handed out again: as files to keep, never as pages that a browser would act on.

use crate::problem::Problem;
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{
        CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentDisposition,
        DispositionParam, DispositionType, LOCATION, X_CONTENT_TYPE_OPTIONS,
    },
};
use domain::digest::Sha256;
use exchange::blobs::{BlobError, Blobs, ByteStream, Linked};

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
    /// The response that leads to the blob `sha256`, where the store gives out links, or carries it. Whoever has it may
    /// read the file: ask and write down before. Problems: 503 `storage_unavailable`.
    pub async fn respond(self, blobs: &dyn Blobs, sha256: Sha256) -> Result<HttpResponse, Problem> {
        let linked = Linked {
            media_type: self.media_type.clone(),
            disposition: self.kept().to_string(),
        };
        match elsewhere(blobs, sha256, &linked).await? {
            Some(mut lead) => Ok(lead.finish()),
            None => Ok(self.carry(blobs.get(sha256).await?)),
        }
    }

    fn kept(&self) -> ContentDisposition {
        ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::Filename(self.name.clone())],
        }
    }

    /// The response that carries `content`, whose reader may read the file: ask and write down before.
    pub fn carry(self, content: ByteStream) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((CONTENT_LENGTH, self.bytes))
            .insert_header(self.kept())
            .insert_header((CONTENT_TYPE, self.media_type))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
            .insert_header((CACHE_CONTROL, "private, no-store"))
            .streaming(content)
    }
}

/// The beginning of a response that leads to where the store itself gives a blob out, if it does.
pub async fn elsewhere(
    blobs: &dyn Blobs,
    sha256: Sha256,
    linked: &Linked,
) -> Result<Option<HttpResponseBuilder>, BlobError> {
    let link = blobs.link(sha256, linked).await?;
    Ok(link.map(|link| {
        let mut lead = HttpResponse::Found();
        lead.insert_header((LOCATION, link))
            .insert_header((CACHE_CONTROL, "private, no-store"));
        lead
    }))
}
