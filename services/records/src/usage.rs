//! What tenants and their API keys have used, day by day.
//!
//! It is added up in the transactions that store pages and answers, so that it is neither counted twice nor lost.

use crate::{
    Db, RecordsError, Tx,
    later::Write,
    on,
    read::{Reading, number},
};
use domain::{
    id::{ApiKeyId, BatchId},
    limits::Usage,
    names::TenantName,
};
use time::{Date, OffsetDateTime, macros::format_description};

const ADD: &str = "INSERT INTO usage (tenant, day, api_key, part, pages, answers, input_tokens, output_tokens) \
    SELECT tenant, $2, COALESCE(api_key, ''), backlog_part, $3, $4, $5, $6 FROM batches WHERE id = $1 \
    ON CONFLICT (tenant, day, api_key, part) DO UPDATE SET pages = usage.pages + excluded.pages, \
    answers = usage.answers + excluded.answers, input_tokens = usage.input_tokens + excluded.input_tokens, \
    output_tokens = usage.output_tokens + excluded.output_tokens";
// Sums of BIGINT are NUMERIC on PostgreSQL.
const OF_TENANT: &str = "SELECT CAST(COALESCE(SUM(pages), 0) AS BIGINT), CAST(COALESCE(SUM(answers), 0) AS BIGINT), \
    CAST(COALESCE(SUM(input_tokens), 0) AS BIGINT), CAST(COALESCE(SUM(output_tokens), 0) AS BIGINT) \
    FROM usage WHERE tenant = $1 AND day = $2";
const OF_KEY: &str = "SELECT CAST(COALESCE(SUM(pages), 0) AS BIGINT), CAST(COALESCE(SUM(answers), 0) AS BIGINT), \
    CAST(COALESCE(SUM(input_tokens), 0) AS BIGINT), CAST(COALESCE(SUM(output_tokens), 0) AS BIGINT) \
    FROM usage WHERE tenant = $1 AND day = $2 AND api_key = $3";
const DAYS: &str = "SELECT day, api_key, CAST(SUM(pages) AS BIGINT), CAST(SUM(answers) AS BIGINT), \
    CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT) FROM usage \
    WHERE tenant = $1 AND day >= $2 AND day <= $3 GROUP BY day, api_key ORDER BY day, api_key";

pub(crate) const STATEMENTS: &[&str] = &[ADD, OF_TENANT, OF_KEY, DAYS];

/// What was used on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayOfUsage {
    /// The day, in UTC.
    pub day: Date,
    /// The key that it was asked for with, if it was one.
    pub key: Option<ApiKeyId>,
    /// How much.
    pub usage: Usage,
}

/// Adds to what the tenant of `batch`, and its key, have used on the day of `at`.
pub(crate) fn add(tx: &mut Tx, batch: BatchId, at: OffsetDateTime, used: Usage) {
    let write = Write::of(ADD)
        .bind(batch.to_string())
        .bind(at.date().to_string())
        .bind(number(used.pages))
        .bind(number(used.answers))
        .bind(number(used.input_tokens))
        .bind(number(used.output_tokens));
    tx.later(write);
}

/// What `tenant` has used on the day of `at`; with a key, what was asked for with that.
pub async fn of_day(
    db: &Db,
    tenant: &TenantName,
    key: Option<ApiKeyId>,
    at: OffsetDateTime,
) -> Result<Usage, RecordsError> {
    let day = at.date().to_string();
    let sums: Sums = match key {
        None => on!(db, |c| sqlx::query_as(OF_TENANT)
            .bind(tenant.as_str())
            .bind(&day)
            .fetch_one(c)),
        Some(key) => on!(db, |c| sqlx::query_as(OF_KEY)
            .bind(tenant.as_str())
            .bind(&day)
            .bind(key.to_string())
            .fetch_one(c)),
    }?;
    read(&reading(&day), sums)
}

/// What `tenant` has used from `first` to `last`, both included, by day and key; days without use are left out.
pub async fn days(
    db: &Db,
    tenant: &TenantName,
    first: Date,
    last: Date,
) -> Result<Vec<DayOfUsage>, RecordsError> {
    let rows: Vec<(String, String, i64, i64, i64, i64)> = on!(db, |c| sqlx::query_as(DAYS)
        .bind(tenant.as_str())
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(c))?;
    let day = |(day, key, pages, answers, input, output): (String, String, i64, i64, i64, i64)| {
        let reading = reading(&day);
        Ok(DayOfUsage {
            key: reading.parsed_if(Some(key.as_str()).filter(|key| !key.is_empty()))?,
            usage: read(&reading, (pages, answers, input, output))?,
            day: Date::parse(&day, format_description!("[year]-[month]-[day]"))
                .map_err(|_| reading.nonsense(format!("`{day}` is no day")))?,
        })
    };
    rows.into_iter().map(day).collect()
}

type Sums = (i64, i64, i64, i64);

fn reading(day: &str) -> Reading<'_> {
    Reading {
        table: "usage",
        id: day,
    }
}

fn read(
    reading: &Reading<'_>,
    (pages, answers, input_tokens, output_tokens): Sums,
) -> Result<Usage, RecordsError> {
    Ok(Usage {
        pages: reading.whole(pages)?,
        answers: reading.whole(answers)?,
        input_tokens: reading.whole(input_tokens)?,
        output_tokens: reading.whole(output_tokens)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{At, databases::on_each, run::Run as _};
    use domain::{clock::HandClock, id::IdMaker};
    use std::sync::Arc;
    use time::macros::{date, datetime};

    const LATE: OffsetDateTime = datetime!(2026-03-01 23:59:59.999999 UTC);

    async fn batch(db: &Db, ids: &IdMaker, tenant: &str, key: Option<ApiKeyId>) -> BatchId {
        let id: BatchId = ids.make();
        let insert = "INSERT INTO batches (id, tenant, member, model, revision_sha256, purpose, decision, duties, \
            metadata, opened_at, api_key) VALUES ($1, $2, 'li', 'acme/tiny', 'none', 'research', 'dec', '[]', '{}', $3, $4)";
        on!(db, |c| sqlx::query(insert)
            .bind(id.to_string())
            .bind(tenant)
            .bind(At(LATE))
            .bind(key.map(|key| key.to_string()))
            .run(c))
        .unwrap();
        id
    }

    fn used(pages: u64, answers: u64, input_tokens: u64, output_tokens: u64) -> Usage {
        Usage {
            pages,
            answers,
            input_tokens,
            output_tokens,
        }
    }

    #[tokio::test]
    async fn use_is_added_up_by_tenant_key_and_day_of_utc() {
        on_each(async |db| {
            let ids = IdMaker::new(Arc::new(HandClock::at(LATE)));
            let (acme, other): (TenantName, TenantName) = ("acme".parse().unwrap(), "other".parse().unwrap());
            let key: ApiKeyId = ids.make();
            let (by_key, plain) = (
                batch(db, &ids, "acme", Some(key)).await,
                batch(db, &ids, "acme", None).await,
            );
            let foreign = batch(db, &ids, "other", None).await;
            let next = LATE + time::Duration::microseconds(1);
            for (batch, at, used) in [
                (by_key, LATE, used(2, 0, 0, 0)),
                (by_key, LATE, used(0, 2, 3_200, 20)),
                (plain, LATE, used(1, 1, 1_600, 5)),
                (plain, next, used(0, 1, 1_600, 6)),
                (foreign, LATE, used(9, 9, 9, 9)),
            ] {
                let mut tx = db.begin().await.unwrap();
                add(&mut tx, batch, at, used);
                tx.commit().await.unwrap();
            }
            let of = async |tenant: &TenantName, key, at| of_day(db, tenant, key, at).await.unwrap();
            assert_eq!(of(&acme, None, LATE).await, used(3, 3, 4_800, 25));
            assert_eq!(of(&acme, Some(key), LATE).await, used(2, 2, 3_200, 20));
            assert_eq!(of(&acme, Some(key), next).await, Usage::default());
            assert_eq!(of(&other, None, LATE).await, used(9, 9, 9, 9));
            let (first, second) = (date!(2026 - 03 - 01), date!(2026 - 03 - 02));
            let day = |day, key, usage| DayOfUsage { day, key, usage };
            let told = days(db, &acme, first, second).await.unwrap();
            let expected = [
                day(first, None, used(1, 1, 1_600, 5)),
                day(first, Some(key), used(2, 2, 3_200, 20)),
                day(second, None, used(0, 1, 1_600, 6)),
            ];
            assert_eq!(told, expected);
            assert_eq!(days(db, &acme, second, second).await.unwrap(), expected[2..]);
        })
        .await;
    }
}
