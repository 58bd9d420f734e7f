//! States as people read them, in both languages.

use domain::{acceptance::Phase, language::Language};

/// What an acceptance is.
pub fn acceptance(phase: Phase, t: Language) -> &'static str {
    match phase {
        Phase::Requested => t.of("requested", "已提交"),
        Phase::UnderReview => t.of("under review", "审核中"),
        Phase::Active => t.of("active", "有效"),
        Phase::Rejected => t.of("rejected", "已驳回"),
        Phase::Suspended => t.of("suspended", "已暂停"),
        Phase::Expired => t.of("expired", "已到期"),
        Phase::Revoked => t.of("revoked", "已撤销"),
        Phase::Superseded => t.of("superseded", "已被取代"),
    }
}
