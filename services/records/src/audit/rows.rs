//! Digests of rows that the audit log vouches for.
//!
//! A digest is over the canonical JSON of the row as it stands in its database, columns without a value left out:
//! a column that is added later without a default changes no digest.

use crate::{At, Db, RecordsError, Tx, later::Param, many, on};
use domain::{
    audit::{canonical, canonical_object},
    digest::Sha256,
    id::OrderId,
};
use serde_json::{Map, Value, json};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow, sqlite::SqliteRow, types::Json};
use std::collections::HashMap;
use time::format_description::well_known::Rfc3339;

const ACCEPTANCE: &str = "SELECT id AS fact, a.* FROM acceptances a WHERE id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const ACCEPTANCES: &str = "SELECT id AS fact, a.* FROM acceptances a WHERE id > $1 ORDER BY id LIMIT $2";
const ANSWER: &str = "SELECT job AS fact, a.* FROM answers a WHERE job IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const ANSWERS: &str = "SELECT job AS fact, a.* FROM answers a WHERE job > $1 ORDER BY job LIMIT $2";
const DECISION: &str = "SELECT id AS fact, d.* FROM decisions d WHERE id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const DECISIONS: &str = "SELECT id AS fact, d.* FROM decisions d WHERE id > $1 ORDER BY id LIMIT $2";
const GRANT: &str = "SELECT order_id AS fact, grant_token FROM attempts WHERE order_id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r) AND grant_token IS NOT NULL";
const GRANTS: &str = "SELECT order_id AS fact, grant_token FROM attempts WHERE order_id > $1 \
    AND grant_token IS NOT NULL ORDER BY order_id LIMIT $2";

pub(crate) const STATEMENTS: &[&str] = &[
    ACCEPTANCE,
    ACCEPTANCES,
    ANSWER,
    ANSWERS,
    DECISION,
    DECISIONS,
    GRANT,
    GRANTS,
];

/// How many rows are read at a time.
const PORTION: i64 = 500;

/// A kind of row that the log vouches for. Its entries have the row's id as their subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Of `acceptances`, as it is after each change.
    Acceptance,
    /// Of `answers`, by its job.
    Answer,
    /// Of `decisions`.
    Decision,
    /// The signed grant of `attempts`, by its order.
    Grant,
}

impl Fact {
    /// Every kind.
    pub const ALL: [Fact; 4] = [Fact::Acceptance, Fact::Answer, Fact::Decision, Fact::Grant];

    /// Its word in entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Fact::Acceptance => "acceptance",
            Fact::Answer => "answer",
            Fact::Decision => "decision",
            Fact::Grant => "grant",
        }
    }

    fn these(self) -> &'static str {
        match self {
            Fact::Acceptance => ACCEPTANCE,
            Fact::Answer => ANSWER,
            Fact::Decision => DECISION,
            Fact::Grant => GRANT,
        }
    }

    fn many(self) -> &'static str {
        match self {
            Fact::Acceptance => ACCEPTANCES,
            Fact::Answer => ANSWERS,
            Fact::Decision => DECISIONS,
            Fact::Grant => GRANTS,
        }
    }
}

/// A row by its id, as canonical JSON or the reason why it cannot be read.
pub(crate) type Found = (String, Result<Value, String>);

/// `detail` with the digest of the row of `fact` as it stands now in the transaction.
pub(crate) async fn with_row(
    tx: &mut Tx,
    detail: Value,
    fact: Fact,
    id: &str,
) -> Result<Value, RecordsError> {
    let row = read(tx, fact, id).await?;
    let row = row.ok_or_else(|| absent(fact, id))?;
    Ok(vouched_for(fact, &sha256(&row), detail))
}

/// `detail` with the digest of a row of `fact`.
fn vouched_for(fact: Fact, sha256: &Sha256, mut detail: Value) -> Value {
    detail["row"] = json!({ "of": fact.as_str(), "sha256": sha256.to_string() });
    detail
}

/// Digests of rows of a fact as they stand in the database, by the rows' ids.
#[derive(Debug)]
pub(crate) struct Rows {
    fact: Fact,
    sha256: HashMap<String, Sha256>,
}

impl Rows {
    /// Rows that are about to be written, the first column of which is their id.
    pub(crate) fn of_new<'a>(
        db: &Db,
        fact: Fact,
        rows: impl IntoIterator<Item = &'a [(&'static str, Param)]>,
    ) -> Result<Self, RecordsError> {
        let digest = |columns: &[(&'static str, Param)]| {
            let read = |(name, value): &(&'static str, Param)| {
                let value = value.as_read(db);
                let value = value.map_err(|error| RecordsError::nonsense(fact.as_str(), name, error))?;
                Ok((*name, value))
            };
            let row = columns
                .iter()
                .map(read)
                .collect::<Result<Vec<_>, RecordsError>>()?;
            let id = row.first().and_then(|(_, id)| id.as_str()).unwrap_or_default();
            let members = row.iter().filter(|(_, value)| !value.is_null());
            let members = members.map(|(name, value)| (*name, value));
            Ok((id.to_owned(), Sha256::of(&canonical_object(members))))
        };
        let sha256 = rows
            .into_iter()
            .map(digest)
            .collect::<Result<_, RecordsError>>()?;
        Ok(Self { fact, sha256 })
    }

    /// Grants that are about to be written, each by its order. What vouches for one is its token alone.
    pub(crate) fn of_grants<'a>(tokens: impl Iterator<Item = (OrderId, &'a str)>) -> Self {
        let digest =
            |(order, token): (OrderId, &str)| (order.to_string(), sha256(&json!({ "grant_token": token })));
        Self {
            fact: Fact::Grant,
            sha256: tokens.map(digest).collect(),
        }
    }

    /// `details`, each with the digest of the row with its id.
    pub(crate) fn vouched_for_by(
        &self,
        mut details: Vec<(String, Value)>,
    ) -> Result<Vec<(String, Value)>, RecordsError> {
        for (id, detail) in &mut details {
            *detail = self.vouched_for(id, detail.take())?;
        }
        Ok(details)
    }

    /// `detail` with the digest of the row of this id.
    pub(crate) fn vouched_for(&self, id: &str, detail: Value) -> Result<Value, RecordsError> {
        let sha256 = self.sha256.get(id).ok_or_else(|| absent(self.fact, id))?;
        Ok(vouched_for(self.fact, sha256, detail))
    }
}

fn absent(fact: Fact, id: &str) -> RecordsError {
    RecordsError::nonsense(fact.as_str(), id, "it is not there to be logged")
}

/// The digest of a row.
pub fn sha256(row: &Value) -> Sha256 {
    Sha256::of(&canonical(row))
}

/// The row of `fact`, as canonical JSON.
pub(crate) async fn read(tx: &mut Tx, fact: Fact, id: &str) -> Result<Option<Value>, RecordsError> {
    let wanted = many::ids([id]);
    let found: Option<Found> = on!(tx: tx, |c| async {
        let row = sqlx::query(fact.these()).bind(&wanted).fetch_optional(c).await?;
        row.map(|row| row.found()).transpose()
    })?;
    let row = found.map(|(_, row)| row.map_err(|why| RecordsError::nonsense(fact.as_str(), id, why)));
    row.transpose()
}

/// The next rows of `fact` after the id `after`; none are left if it gives none.
pub(crate) async fn after(tx: &mut Tx, fact: Fact, after: &str) -> Result<Vec<Found>, RecordsError> {
    let found: Result<Vec<Found>, sqlx::Error> = on!(tx: tx, |c| async {
        let rows = sqlx::query(fact.many()).bind(after).bind(PORTION).fetch_all(c).await?;
        rows.iter().map(|row| row.found()).collect()
    });
    Ok(found?)
}

/// Reads a row without knowing its columns.
pub(crate) trait AnyRow {
    fn found(&self) -> Result<Found, sqlx::Error>;
}

impl AnyRow for SqliteRow {
    fn found(&self) -> Result<Found, sqlx::Error> {
        let value = |at: usize| -> Result<Value, sqlx::Error> {
            let raw = self.try_get_raw(at)?;
            Ok(match (raw.is_null(), raw.type_info().name()) {
                (true, _) => Value::Null,
                (false, "INTEGER") => self.try_get_unchecked::<i64, _>(at)?.into(),
                (false, _) => self.try_get_unchecked::<String, _>(at)?.into(),
            })
        };
        Ok((self.try_get_unchecked("fact")?, whole(self.columns(), value)))
    }
}

impl AnyRow for PgRow {
    fn found(&self) -> Result<Found, sqlx::Error> {
        let value = |at: usize| -> Result<Value, sqlx::Error> {
            let raw = self.try_get_raw(at)?;
            Ok(match (raw.is_null(), raw.type_info().name()) {
                (true, _) => Value::Null,
                (false, "INT8") => self.try_get::<i64, _>(at)?.into(),
                (false, "JSONB") => self.try_get::<Json<Value>, _>(at)?.0,
                (false, "TIMESTAMPTZ") => {
                    let text = self.try_get::<At, _>(at)?.0.format(&Rfc3339);
                    text.map_err(|error| sqlx::Error::Decode(error.into()))?.into()
                }
                (false, _) => self.try_get::<String, _>(at)?.into(),
            })
        };
        Ok((self.try_get("fact")?, whole(self.columns(), value)))
    }
}

fn whole<C: sqlx::Column>(
    columns: &[C],
    value: impl Fn(usize) -> Result<Value, sqlx::Error>,
) -> Result<Value, String> {
    let mut row = Map::new();
    for column in columns.iter().filter(|column| column.name() != "fact") {
        let read = value(column.ordinal()).map_err(|error| format!("{}: {error}", column.name()))?;
        if !read.is_null() {
            row.insert(column.name().to_owned(), read);
        }
    }
    Ok(Value::Object(row))
}
