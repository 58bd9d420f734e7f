//! Files and lists in OpenAI's form.

use crate::{api::paging, problem::Problem};
use domain::id::FileId;
use records::openai_files::{File, Order};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// How many entries a list gives unless it is told.
const USUAL: u32 = 20;

#[derive(Serialize)]
pub(super) struct FileView {
    id: FileId,
    object: &'static str,
    bytes: u64,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    filename: String,
    purpose: String,
    status: &'static str,
}

impl FileView {
    pub(super) fn of(file: &File) -> Self {
        Self {
            id: file.id,
            object: "file",
            bytes: file.bytes,
            created_at: file.created_at.unix_timestamp(),
            expires_at: file.expires_at.map(OffsetDateTime::unix_timestamp),
            filename: file.filename.clone(),
            purpose: file.purpose.clone(),
            // What is wrong with a file of requests is told by the batch that reads it.
            status: "processed",
        }
    }

    pub(super) fn id(&self) -> String {
        self.id.to_string()
    }
}

#[derive(Serialize)]
pub(super) struct Deleted {
    id: FileId,
    object: &'static str,
    deleted: bool,
}

impl Deleted {
    pub(super) fn of(id: FileId) -> Self {
        Self {
            id,
            object: "file",
            deleted: true,
        }
    }
}

/// The query of a list. What is not known here is let pass.
#[derive(Deserialize)]
pub(super) struct ListQuery<I> {
    pub(super) after: Option<I>,
    limit: Option<u32>,
    order: Option<Wish>,
    pub(super) purpose: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wish {
    Asc,
    Desc,
}

impl<I> ListQuery<I> {
    /// How many entries to give. Problem: 400 `limit_out_of_range`.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(USUAL) {
            limit if (1..=paging::MOST).contains(&limit) => Ok(limit),
            limit => Err(Problem::bad_request(
                "limit_out_of_range",
                format!(
                    "limit is a number from 1 to {}, and {limit} was given",
                    paging::MOST
                ),
            )
            .with("field", "limit")),
        }
    }

    pub(super) fn order(&self) -> Order {
        match self.order {
            Some(Wish::Asc) => Order::Oldest,
            _ => Order::Newest,
        }
    }
}

/// A portion of a list.
#[derive(Serialize)]
pub(super) struct Listed<T> {
    object: &'static str,
    data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

impl<T> Listed<T> {
    /// The first `limit` of `data`; one beyond tells that there are more.
    pub(super) fn new(mut data: Vec<T>, limit: u32, id: impl Fn(&T) -> String) -> Self {
        let has_more = data.len() > limit as usize;
        data.truncate(limit as usize);
        Self {
            object: "list",
            first_id: data.first().map(&id),
            last_id: data.last().map(&id),
            data,
            has_more,
        }
    }
}
