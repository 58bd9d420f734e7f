//! Documents that are looked at and not kept: how many pages each gives, or why it gives none.

use super::{
    documents::{Source, fetched, from_part},
    places::Places,
    preflight_view::LookedAt,
};
use crate::{
    multipart::{Parts, checked_name},
    outgoing::Outgoing,
    problem::Problem,
    splitting::{SplitFault, Splitting},
    uploads,
    work_settings::WorkSettings,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::{
    digest::Sha256,
    document::{Document, DocumentState, Warning},
    id::DocumentId,
    names::TenantName,
};
use exchange::blobs::{Blobs, local::LocalBlobs};
use futures_util::stream;
use records::{
    Db,
    documents::{NewDocument, reading},
};
use serde::Deserialize;
use std::io;
use tempfile::TempDir;

/// Documents as a request gives them.
pub(super) enum Given {
    /// The rest of a form.
    Parts(Parts),
    /// A list in JSON.
    Listed(Vec<ListedDocument>),
}

/// A document in JSON, and the places of the questions that it is asked, if it says so.
#[derive(Deserialize)]
pub(super) struct ListedDocument {
    #[serde(flatten)]
    what: Listed,
    questions: Option<Vec<u32>>,
}

/// A document in JSON: one that was uploaded already, one that lies elsewhere, or its bytes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Uploaded(Uploaded),
    Elsewhere(Source),
    Inline(Inline),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Uploaded {
    document: DocumentId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inline {
    content: String,
    media_type: String,
    name: Option<String>,
}

/// How many pages a document gives and what is amiss with them, or the code and message of why it gives none.
type Found = Result<(u32, Vec<Warning>), (String, String)>;

/// The pieces that looking at documents works with.
pub(super) struct Looking<'a> {
    pub(super) tenant: &'a TenantName,
    pub(super) db: &'a Db,
    pub(super) blobs: &'a dyn Blobs,
    pub(super) settings: &'a WorkSettings,
    pub(super) outgoing: &'a Outgoing,
    pub(super) splitting: &'a Splitting,
    /// How many questions the batch has.
    pub(super) questions: usize,
}

impl Looking<'_> {
    /// Every document, one after the other: none is held longer than it is looked at. `asked` are the places of the questions
    /// that those are asked which say nothing else. Problems: 400 `question_unknown`, 409 `too_many_documents`, 404
    /// `not_found`, those of an upload, and 503 `storage_unavailable`.
    pub(super) async fn all(&self, given: Given, asked: Option<Places>) -> Result<Vec<LookedAt>, Problem> {
        let asked = asked.map(|places| places.within(self.questions)).transpose()?;
        let mut seen = Vec::new();
        match given {
            Given::Parts(mut parts) => {
                while let Some(part) = parts.next().await? {
                    self.check_number(seen.len())?;
                    let place = self.throwaway()?;
                    let new = from_part(&place.blobs, self.settings, part).await?;
                    let looked_at = self.fresh(&place.blobs, new).await?;
                    seen.push(looked_at.asked(asked.clone()));
                }
            }
            Given::Listed(listed) => {
                for one in listed {
                    self.check_number(seen.len())?;
                    let its_own = one.questions.map(Places::from);
                    let its_own = its_own.map(|places| places.within(self.questions)).transpose()?;
                    let looked_at = self.listed(one.what).await?;
                    seen.push(looked_at.asked(its_own.or_else(|| asked.clone())));
                }
            }
        }
        Ok(seen)
    }

    fn check_number(&self, seen: usize) -> Result<(), Problem> {
        let settings = self.settings;
        let most = settings.most_preflight_documents.min(settings.most_documents);
        match (seen as u64) < most {
            true => Ok(()),
            false => {
                let detail =
                    format!("a preflight looks at {most} documents at most; ask about the others in another");
                Err(Problem::conflict("too_many_documents", detail).with("limit", most))
            }
        }
    }

    async fn listed(&self, one: Listed) -> Result<LookedAt, Problem> {
        match one {
            Listed::Uploaded(Uploaded { document }) => {
                let found = reading::of_tenant(self.db, self.tenant, document).await?;
                let kept = found.filter(|document| document.deleted_at.is_none());
                let found = kept.ok_or_else(|| Problem::not_found("document"))?;
                self.uploaded(found).await
            }
            Listed::Elsewhere(from) => {
                let place = self.throwaway()?;
                let new = fetched(&place.blobs, self.settings, self.outgoing, from).await?;
                self.fresh(&place.blobs, new).await
            }
            Listed::Inline(inline) => {
                let place = self.throwaway()?;
                let new = self.inline(&place.blobs, inline).await?;
                self.fresh(&place.blobs, new).await
            }
        }
    }

    async fn inline(&self, blobs: &dyn Blobs, inline: Inline) -> Result<NewDocument, Problem> {
        uploads::check_type(self.settings, &inline.media_type)?;
        let bytes = BASE64_STANDARD.decode(&inline.content).map_err(|error| {
            Problem::bad_request("json_malformed", format!("content is not base64: {error}"))
        })?;
        let content = stream::iter([Ok::<_, io::Error>(bytes.into())]);
        let name = checked_name(inline.name)?;
        uploads::document(blobs, self.settings, name, inline.media_type, content).await
    }

    /// What intake has found already, or what it would find.
    async fn uploaded(&self, document: Document) -> Result<LookedAt, Problem> {
        let found = match document.state {
            DocumentState::Split { pages, .. } => Ok((pages, document.warnings)),
            DocumentState::Failed { code, message, .. } => Err((code, message)),
            _ => self.pages(self.blobs, document.sha256).await?,
        };
        let seen = LookedAt::of(document.name, document.media_type, document.bytes, found);
        Ok(LookedAt {
            document: Some(document.id),
            ..seen
        })
    }

    async fn fresh(&self, blobs: &dyn Blobs, new: NewDocument) -> Result<LookedAt, Problem> {
        let found = self.pages(blobs, new.sha256).await?;
        Ok(LookedAt::of(new.name, new.media_type, new.bytes, found))
    }

    async fn pages(&self, blobs: &dyn Blobs, sha256: Sha256) -> Result<Found, Problem> {
        match self.splitting.count(blobs, sha256).await {
            Ok(found) => Ok(Ok(found)),
            Err(SplitFault::Document(error)) => Ok(Err((error.code().to_owned(), error.to_string()))),
            Err(SplitFault::Ours(fault)) => Err(unavailable(&format!("{fault:#}"))),
        }
    }

    fn throwaway(&self) -> Result<Throwaway, Problem> {
        let made = self.splitting.throwaway().and_then(|folder| {
            let blobs = LocalBlobs::open(folder.path())?;
            Ok(Throwaway {
                blobs,
                _folder: folder,
            })
        });
        made.map_err(|error| unavailable(&error.to_string()))
    }
}

impl LookedAt {
    /// A document that is asked everything.
    fn of(name: Option<String>, media_type: String, bytes: u64, found: Found) -> Self {
        let (pages, warnings) = match found {
            Ok((pages, warnings)) => (Ok(pages), warnings),
            Err(fault) => (Err(fault), Vec::new()),
        };
        Self {
            document: None,
            name,
            media_type,
            bytes,
            questions: None,
            warnings,
            pages,
        }
    }

    /// The same, asked the questions at these places; all without.
    fn asked(self, questions: Option<Vec<u32>>) -> Self {
        Self { questions, ..self }
    }
}

/// Blobs that are gone when this is dropped.
struct Throwaway {
    blobs: LocalBlobs,
    _folder: TempDir,
}

fn unavailable(cause: &str) -> Problem {
    tracing::error!(cause, "a document could not be looked at");
    Problem::unavailable(
        "storage_unavailable",
        "the hub cannot split documents now; nothing was kept",
        10,
    )
}
