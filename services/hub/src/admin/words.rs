//! States and spans as people read them, in both languages.

use domain::{
    acceptance::Phase, api_key::KeyPhase, batch::BatchState, card_change::ChangeState, gate, job::JobPhase,
    language::Language, policy::RuleEffect, rows::Verdict, webhook::delivery::DeliveryPhase,
};
use time::Duration;

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

/// What a batch is.
pub fn batch(state: BatchState, t: Language) -> &'static str {
    match state {
        BatchState::Open => t.of("open", "待提交"),
        BatchState::Running { .. } => t.of("running", "进行中"),
        BatchState::Completed { .. } => t.of("completed", "已完成"),
        BatchState::Cancelled { .. } => t.of("cancelled", "已取消"),
        BatchState::Expired { .. } => t.of("expired", "已超时"),
    }
}

/// What a job is.
pub fn job(phase: JobPhase, t: Language) -> &'static str {
    match phase {
        JobPhase::Waiting => t.of("waiting for its pages", "等待各页结果"),
        JobPhase::Queued => t.of("queued", "排队中"),
        JobPhase::Dispatched => t.of("sent out", "已派发"),
        JobPhase::Running => t.of("running", "处理中"),
        JobPhase::Held => t.of("held", "已搁置"),
        JobPhase::Answered => t.of("answered", "已回答"),
        JobPhase::Failed => t.of("failed", "失败"),
        JobPhase::Cancelled => t.of("cancelled", "已取消"),
        JobPhase::Refused => t.of("refused", "被拒绝"),
        JobPhase::Expired => t.of("expired", "已超时"),
    }
}

/// What became of a row that is no job.
pub fn row(verdict: Verdict, t: Language) -> &'static str {
    match verdict {
        Verdict::Pending => t.of("being split into pages", "正在拆分页面"),
        Verdict::Held => job(JobPhase::Held, t),
        Verdict::Answered => job(JobPhase::Answered, t),
        Verdict::Failed => job(JobPhase::Failed, t),
        Verdict::Cancelled => job(JobPhase::Cancelled, t),
        Verdict::Refused => job(JobPhase::Refused, t),
        Verdict::Expired => job(JobPhase::Expired, t),
    }
}

/// What a delivery is.
pub fn delivery(phase: DeliveryPhase, t: Language) -> &'static str {
    match phase {
        DeliveryPhase::Pending => t.of("pending", "待投递"),
        DeliveryPhase::Delivered => t.of("delivered", "已送达"),
        DeliveryPhase::Failed => t.of("failed", "失败"),
        DeliveryPhase::Refused => t.of("refused", "被拒收"),
    }
}

/// What a change of a card is.
pub fn card_change(state: ChangeState, t: Language) -> &'static str {
    match state {
        ChangeState::Proposed => t.of("proposed", "待同意"),
        ChangeState::Approved => t.of("in force", "已生效"),
        ChangeState::Rejected => t.of("rejected", "已驳回"),
        ChangeState::Withdrawn => t.of("withdrawn", "已撤回"),
    }
}

/// How long something has been waiting, in its largest unit.
pub fn age(span: Duration, t: Language) -> String {
    match (span.whole_days(), span.whole_hours()) {
        (days @ 1.., _) => t.of(format!("{days} d"), format!("{days} 天")),
        (_, hours @ 1..) => t.of(format!("{hours} h"), format!("{hours} 小时")),
        _ => t.of(
            format!("{} min", span.whole_minutes()),
            format!("{} 分钟", span.whole_minutes()),
        ),
    }
}

/// What the gate answered.
pub fn outcome(outcome: gate::Outcome, t: Language) -> &'static str {
    match outcome {
        gate::Outcome::Allowed => t.of("allowed", "允许"),
        gate::Outcome::Refused => t.of("refused", "拒绝"),
    }
}

/// How that looks.
pub fn tone_of_outcome(outcome: gate::Outcome) -> &'static str {
    match outcome {
        gate::Outcome::Allowed => "good",
        gate::Outcome::Refused => "bad",
    }
}

/// Which way a rule speaks.
pub fn effect(effect: RuleEffect, t: Language) -> &'static str {
    match effect {
        RuleEffect::Permit => t.of("permits", "允许"),
        RuleEffect::Forbid => t.of("forbids", "禁止"),
    }
}

/// What an API key is.
pub fn api_key(phase: KeyPhase, t: Language) -> &'static str {
    match phase {
        KeyPhase::Active => t.of("active", "有效"),
        KeyPhase::Expired => t.of("expired", "已到期"),
        KeyPhase::Revoked => t.of("revoked", "已撤销"),
    }
}
