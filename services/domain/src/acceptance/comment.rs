//! What reviewers and the tenant say to each other about an acceptance.

use super::{Judge, declaration::is_text};
use crate::id::CommentId;
use time::OffsetDateTime;

/// The most characters of a comment.
pub const COMMENT_LIMIT: usize = 4000;

/// A comment on an acceptance. It changes nothing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// Who wrote it.
    pub by: Judge,
    /// When.
    pub at: OffsetDateTime,
    /// What it says.
    pub text: String,
}

/// The text is no comment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`text` has 1 to 4000 characters")]
pub struct BadComment;

/// Whether `text` can be a comment.
pub fn check_comment(text: &str) -> Result<(), BadComment> {
    if is_text(text, COMMENT_LIMIT) {
        Ok(())
    } else {
        Err(BadComment)
    }
}
