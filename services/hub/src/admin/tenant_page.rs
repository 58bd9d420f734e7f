//! `/admin/tenant`: the tenant's API keys, its limits and what is left of them, and what it has used.

use super::{bar_chart, refused::Refused, shell::Shell, visitor::Visitor, words};
use crate::{api_key_settings::ApiKeySettings, limits::Keeper, retention_settings::RetentionSettings, site};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use domain::{
    access::Act,
    api_key::KeyPhase,
    clock::SharedClock,
    deletion::Retention,
    id::ApiKeyId,
    language::Language,
    limits::{Limits, Quota, Usage},
    names::{MemberName, TenantName},
    purpose::Purpose,
};
use records::{
    Db, RecordsError,
    api_keys::{self, StoredKey},
    retention, usage,
};
use serde::Deserialize;
use std::{collections::BTreeMap, num::NonZeroU64};
use time::{Date, Duration, OffsetDateTime, macros::date};

pub(super) const PATH: &str = "/admin/tenant";
const SHOWN: u32 = 50;
/// How many days of use are told, today among them.
const DAYS: i64 = 30;

/// Where the list of keys goes on.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Asked {
    after: Option<ApiKeyId>,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "tenant.html")]
pub struct TenantPage {
    t: Language,
    shell: Shell,
    tenant: String,
    keys: Vec<KeyRow>,
    next: Option<String>,
    /// The roles that a key may have.
    roles: Vec<&'static str>,
    purposes: Vec<&'static str>,
    usual_days: u32,
    most_days: u32,
    most_overlap_hours: u32,
    /// What whoever may read batches is told of their use.
    used: Option<Used>,
}

/// A key.
struct KeyRow {
    id: String,
    name: String,
    member: String,
    roles: String,
    /// Its own limits; empty if it has none.
    limits: String,
    state: &'static str,
    tone: &'static str,
    ends: String,
    last_used: String,
    may_rotate: bool,
    may_revoke: bool,
}

/// What was used, and how much may be.
struct Used {
    requests: String,
    quotas: Vec<QuotaRow>,
    kept: Vec<(&'static str, String)>,
    charts: Vec<(&'static str, String)>,
    days: Vec<DayRow>,
}

/// A bound of a day's use.
struct QuotaRow {
    name: &'static str,
    used: u64,
    /// The bound, and what is left of it.
    bound: Option<(u64, u64)>,
}

/// What was used in a day.
struct DayRow {
    day: Date,
    usage: Usage,
}

impl KeyRow {
    fn of(key: &StoredKey, me: &MemberName, now: OffsetDateTime, t: Language) -> Self {
        let phase = key.phase(now);
        let roles: Vec<&str> = key.caller.roles.iter().map(|role| role.as_str()).collect();
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            member: key.caller.member.to_string(),
            roles: roles.join(", "),
            limits: told(&key.limits, t),
            state: words::api_key(phase, t),
            tone: match phase {
                KeyPhase::Active => "good",
                KeyPhase::Expired => "warn",
                KeyPhase::Revoked => "bad",
            },
            ends: site::minute(key.ends_at),
            last_used: key.used_at.map(site::minute).unwrap_or_default(),
            may_rotate: phase == KeyPhase::Active && key.caller.member == *me,
            may_revoke: phase != KeyPhase::Revoked,
        }
    }

    fn sample(t: Language, phase: KeyPhase) -> Self {
        Self {
            id: "key_00000000000000000000000000".into(),
            name: "scan <station>".into(),
            member: "li".into(),
            roles: "submitter, signatory".into(),
            limits: t.of("5 pages a day", "每日 5 页").into(),
            state: words::api_key(phase, t),
            tone: "",
            ends: "2026-01-01 12:00 UTC".into(),
            last_used: String::new(),
            may_rotate: phase == KeyPhase::Active,
            may_revoke: phase != KeyPhase::Revoked,
        }
    }
}

/// Limits in words.
fn told(limits: &Limits, t: Language) -> String {
    let requests = limits.requests_per_minute.map(|most| {
        t.of(
            format!("{most} requests a minute"),
            format!("每分钟 {most} 次请求"),
        )
    });
    let pages = limits.pages_per_day;
    let pages = pages.map(|most| t.of(format!("{most} pages a day"), format!("每日 {most} 页")));
    let tokens = limits.tokens_per_day;
    let tokens = tokens.map(|most| t.of(format!("{most} tokens a day"), format!("每日 {most} token")));
    let all = [requests, pages, tokens].into_iter().flatten();
    all.collect::<Vec<_>>().join(", ")
}

fn quotas(limits: &Limits, today: &Usage, t: Language) -> Vec<QuotaRow> {
    let row = |quota: Quota| {
        let (name, used) = match quota {
            Quota::Pages => (t.of("Pages", "页"), today.pages),
            Quota::Tokens => (t.of("Tokens", "Token"), today.tokens()),
        };
        QuotaRow {
            name,
            used,
            bound: quota.left(limits, today),
        }
    };
    Quota::ALL.map(row).into()
}

fn kept(kept: Retention, t: Language) -> Vec<(&'static str, String)> {
    let days = |days: Option<u32>| match days {
        Some(days) => t.of(
            format!("{days} days after their batch is over"),
            format!("批次结束后 {days} 天"),
        ),
        None => t.of("for ever", "永久").to_owned(),
    };
    vec![
        (t.of("Documents", "文档"), days(kept.documents_days)),
        (t.of("Answers", "答案"), days(kept.answers_days)),
    ]
}

impl Used {
    /// What is told of `days`, oldest first, the last of them today.
    fn of(limits: &Limits, retention: Retention, days: Vec<DayRow>, t: Language) -> Self {
        let today = days.last().map(|day| day.usage).unwrap_or_default();
        let chart = |label, count: fn(&Usage) -> u64| {
            let counts: Vec<(Date, u64)> = days.iter().map(|day| (day.day, count(&day.usage))).collect();
            (label, bar_chart::svg(label, &counts, t))
        };
        let unbounded = || t.of("unbounded", "不限").to_owned();
        let requests = limits.requests_per_minute;
        Self {
            requests: requests.map_or_else(unbounded, |most| most.to_string()),
            quotas: quotas(limits, &today, t),
            kept: kept(retention, t),
            charts: vec![
                chart(t.of("Pages by day", "每日页数"), |usage| usage.pages),
                chart(t.of("Tokens by day", "每日 token 数"), Usage::tokens),
            ],
            days: days.into_iter().rev().collect(),
        }
    }

    async fn read(
        db: &Db,
        tenant: &TenantName,
        (limits, usual): (Limits, Retention),
        today: Date,
        t: Language,
    ) -> Result<Self, RecordsError> {
        let first = today.saturating_sub(Duration::days(DAYS - 1));
        let mut by_day: BTreeMap<Date, Usage> = (0..DAYS)
            .map(|day| (first.saturating_add(Duration::days(day)), Usage::default()))
            .collect();
        for told in usage::days(db, tenant, first, today).await? {
            by_day
                .entry(told.day)
                .and_modify(|sum| *sum = sum.plus(told.usage));
        }
        let days = by_day.into_iter().map(|(day, usage)| DayRow { day, usage });
        let own = retention::get(db, tenant).await?;
        Ok(Self::of(&limits, own.unwrap_or(usual), days.collect(), t))
    }
}

fn purposes() -> Vec<&'static str> {
    Purpose::ALL.map(Purpose::as_str).to_vec()
}

impl TenantPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let usage = Usage {
            pages: 12,
            answers: 24,
            input_tokens: 38_400,
            output_tokens: 512,
        };
        let limits = Limits {
            pages_per_day: NonZeroU64::new(100),
            ..Limits::default()
        };
        let retention = Retention {
            documents_days: Some(30),
            answers_days: None,
        };
        let day = |day| DayRow { day, usage };
        let phases = [KeyPhase::Active, KeyPhase::Expired, KeyPhase::Revoked];
        Self {
            t,
            shell: Shell::sample(t),
            tenant: "a-tenant-with-a-rather-long-name".into(),
            keys: phases.map(|phase| KeyRow::sample(t, phase)).into(),
            next: Some("?after=key".into()),
            roles: vec!["submitter", "signatory"],
            purposes: purposes(),
            usual_days: 90,
            most_days: 365,
            most_overlap_hours: 72,
            used: Some(Used::of(
                &limits,
                retention,
                vec![day(date!(2026 - 01 - 01)), day(date!(2026 - 01 - 02))],
                t,
            )),
        }
    }

    /// That of a visitor who sees no batches, without keys.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            keys: vec![],
            next: None,
            used: None,
            ..Self::sample(t)
        }
    }
}

/// The page.
pub async fn get(
    visitor: Visitor,
    query: Query<Asked>,
    db: Data<Db>,
    clock: Data<SharedClock>,
    settings: Data<ApiKeySettings>,
    keeper: Data<Keeper>,
    kept: Data<RetentionSettings>,
) -> Result<HttpResponse, Refused> {
    let (t, now, caller) = (visitor.t, clock.now(), visitor.caller.may(Act::KeepApiKeys)?);
    let tenant = &caller.tenant;
    let keys = api_keys::list(&db, tenant, query.after, SHOWN).await?;
    let bounds = (keeper.of_tenant(tenant), kept.usual());
    let used = match visitor.caller.can(Act::ReadBatch) {
        true => Some(Used::read(&db, tenant, bounds, now.date(), t).await?),
        false => None,
    };
    let full = keys.len() == SHOWN as usize;
    let shown = TenantPage {
        t,
        shell: Shell::of(&visitor, PATH),
        tenant: tenant.to_string(),
        next: keys
            .last()
            .filter(|_| full)
            .map(|last| format!("?after={}", last.id)),
        keys: keys
            .iter()
            .map(|key| KeyRow::of(key, &caller.member, now, t))
            .collect(),
        roles: caller.roles.iter().map(|role| role.as_str()).collect(),
        purposes: purposes(),
        usual_days: settings.usual_days,
        most_days: settings.most_days,
        most_overlap_hours: settings.most_overlap_hours,
        used,
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}
