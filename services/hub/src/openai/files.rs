//! `/openai/v1/files`: requests for batches, and what came of them.

use super::{
    files_view::{Deleted, FileView, ListQuery, Listed},
    settings::OpenaiSettings,
};
use crate::{
    api::deletions,
    app::ok,
    caller::Authenticated,
    handing_out::HandedOut,
    idempotency::{self, Once, settings::IdempotencySettings},
    multipart::{self, Part, Parts, checked_name},
    problem::Problem,
    removed_files::are_back,
    signals::Signals,
    uploads,
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Payload, Query},
};
use domain::{
    access::{Act, Caller},
    clock::SharedClock,
    id::{FileId, IdMaker},
};
use exchange::blobs::{Blobs, Stored};
use records::{
    Db, Stamp,
    deleting::of_file,
    openai_files::{self, File},
};
use time::{Duration, OffsetDateTime};

/// What files may be for that clients send.
const PURPOSES: [&str; 3] = ["batch", "vision", "user_data"];
/// The most bytes of a part that is not the file.
const SHORT_PART: usize = 256;
/// How long OpenAI lets a file be kept at least and at most, in seconds.
const KEPT: std::ops::RangeInclusive<i64> = 3_600..=2_592_000;

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
pub(super) async fn create(
    caller: Authenticated,
    request: HttpRequest,
    payload: Payload,
    once: Once,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<OpenaiSettings>,
    repetitions: Data<IdempotencySettings>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    let media_type = multipart::media_type(&request);
    if media_type != "multipart/form-data" {
        return Err(multipart::required(&media_type));
    }
    let sent = read(blobs.get_ref(), &settings, Parts::of(&request, payload)).await?;
    let now = clock.now();
    let file = sent.file(ids.make(), caller, now)?;
    if idempotency::was_sent_before(&request) {
        let since = now - repetitions.retried_for();
        if let Some(same) = openai_files::same(&db, &caller.tenant, &file, since).await? {
            return Ok(ok(FileView::of(&same)));
        }
    }
    let stamp = Stamp::of(&ids, now, caller).under(once.claim());
    let most = settings.most_files;
    let mut made = openai_files::create(&db, stamp, &caller.tenant, &file, most).await;
    if are_back(&db, blobs.get_ref(), &made).await? {
        made = openai_files::create(&db, stamp, &caller.tenant, &file, most).await;
    }
    if !made? {
        let detail = format!("a tenant keeps at most {most} files that it has sent: delete some");
        return Err(Problem::conflict("too_many_files", detail).with("limit", most));
    }
    Ok(ok(FileView::of(&file)))
}

/// What was sent, in any order.
#[derive(Default)]
struct Sent {
    purpose: Option<String>,
    anchor: Option<String>,
    seconds: Option<String>,
    name: Option<String>,
    stored: Option<Stored>,
}

async fn read(blobs: &dyn Blobs, settings: &OpenaiSettings, mut parts: Parts) -> Result<Sent, Problem> {
    let mut sent = Sent::default();
    while let Some(part) = parts.next().await? {
        match part.name().as_str() {
            "purpose" => sent.purpose = Some(part.text(SHORT_PART).await?),
            "expires_after[anchor]" => sent.anchor = Some(part.text(SHORT_PART).await?),
            "expires_after[seconds]" => sent.seconds = Some(part.text(SHORT_PART).await?),
            "file" if sent.stored.is_none() => {
                sent.name = checked_name(part.file_name())?;
                sent.stored = Some(store(blobs, settings, part).await?);
            }
            other => {
                let detail = format!("send `purpose` and one `file`, and not another `{other}`");
                return Err(Problem::bad_request("part_unknown", detail));
            }
        }
    }
    Ok(sent)
}

async fn store(blobs: &dyn Blobs, settings: &OpenaiSettings, part: Part) -> Result<Stored, Problem> {
    uploads::store(blobs, settings.most_file_bytes, part.into_stream()).await
}

impl Sent {
    /// The file, if all of it was sent. Problems: 400 `part_missing`, `purpose_unsupported`, `expiry_out_of_range`.
    fn file(self, id: FileId, caller: &Caller, now: OffsetDateTime) -> Result<File, Problem> {
        let missing = |name| Problem::bad_request("part_missing", format!("send a part `{name}`"));
        let purpose = self.purpose.ok_or_else(|| missing("purpose"))?;
        if !PURPOSES.contains(&purpose.as_str()) {
            let detail = format!("a file is sent here for one of {}", PURPOSES.join(", "));
            return Err(Problem::bad_request("purpose_unsupported", detail).with("field", "purpose"));
        }
        let stored = self.stored.ok_or_else(|| missing("file"))?;
        let seconds = self.seconds.map(|text| text.trim().parse().unwrap_or_default());
        Ok(File {
            id,
            member: caller.member.clone(),
            filename: self.name.unwrap_or_else(|| "file".to_owned()),
            purpose,
            bytes: stored.bytes,
            sha256: stored.sha256,
            created_at: now,
            expires_at: expiry(self.anchor.as_deref(), seconds, now)?,
        })
    }
}

/// When a file that was made at `now` ends, if its maker says it. Problem: 400 `expiry_out_of_range`.
pub(super) fn expiry(
    anchor: Option<&str>,
    seconds: Option<i64>,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, Problem> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    if !KEPT.contains(&seconds) || anchor.is_some_and(|anchor| anchor != "created_at") {
        let detail = format!(
            "a file is kept from {} to {} seconds after `created_at`",
            KEPT.start(),
            KEPT.end()
        );
        return Err(Problem::bad_request("expiry_out_of_range", detail).with("field", "expires_after"));
    }
    Ok(Some(now + Duration::seconds(seconds)))
}

pub(super) async fn list(
    caller: Authenticated,
    query: Query<ListQuery<FileId>>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let limit = query.limit()?;
    let which = (query.purpose.as_deref(), query.order());
    let now = clock.now();
    let files = openai_files::list(&db, &caller.tenant, which, query.after, limit + 1, now).await?;
    let views = files.iter().map(FileView::of).collect();
    Ok(ok(Listed::new(views, limit, FileView::id)))
}

pub(super) async fn get(
    caller: Authenticated,
    path: Path<FileId>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let file = found(&db, caller, *path, clock.now()).await?;
    Ok(ok(FileView::of(&file)))
}

pub(super) async fn delete(
    caller: Authenticated,
    path: Path<FileId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let begun = of_file::begin(&db, stamp, &caller.tenant, *path).await?;
    begun.ok_or_else(no_file)?;
    signals.retain.notify_one();
    Ok(ok(Deleted::of(*path)))
}

/// What is told of a file that was deleted, in the form of this hub: OpenAI has none for it.
pub(super) async fn deletions(
    caller: Authenticated,
    path: Path<FileId>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let file = openai_files::whatever(&db, &caller.tenant, *path).await?;
    file.ok_or_else(no_file)?;
    let deletions = of_file::of_file(&db, &caller.tenant, *path).await?;
    Ok(deletions::listed(deletions))
}

pub(super) async fn content(
    caller: Authenticated,
    path: Path<FileId>,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let file = found(&db, caller, *path, clock.now()).await?;
    let media_type = match file.purpose.starts_with("batch") {
        true => "application/jsonl",
        false => "application/octet-stream",
    };
    let handed = HandedOut {
        name: file.filename,
        media_type: media_type.to_owned(),
        bytes: file.bytes,
    };
    handed.respond(blobs.get_ref(), file.sha256).await
}

/// A file of the caller's tenant. Problem: 404 `not_found`.
pub(super) async fn found(
    db: &Db,
    caller: &Caller,
    id: FileId,
    now: OffsetDateTime,
) -> Result<File, Problem> {
    let found = openai_files::get(db, &caller.tenant, id, now).await?;
    found.ok_or_else(no_file)
}

fn no_file() -> Problem {
    Problem::not_found("file")
}
