//! Digests of rows that the audit log vouches for.
//!
//! A digest is over the canonical JSON of the row as it stands in its database, columns without a value left out:
//! a column that is added later without a default changes no digest.

use crate::{At, Db, RecordsError, Tx, later::Param, many, on};
use domain::{audit::canonical, digest::Sha256, id::OrderId};
use serde_json::{Map, Value, json};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow, sqlite::SqliteRow, types::Json};
use std::{collections::HashMap, fmt::Display};
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
    read_all(tx, fact, &[id]).await?.vouched_for(id, detail)
}

/// Rows of a fact as they stand in the database, by their ids.
#[derive(Debug)]
pub(crate) struct Rows {
    fact: Fact,
    rows: HashMap<String, Value>,
}

impl Rows {
    /// What a statement gave that reads or writes rows of `fact`, with the id of each as the column `fact`.
    pub(crate) fn of<R: AnyRow>(fact: Fact, rows: &[R]) -> Result<Self, RecordsError> {
        let read = |row: &R| {
            let (id, row) = row.found()?;
            let row = row.map_err(|why| RecordsError::nonsense(fact.as_str(), &id, why))?;
            Ok((id, row))
        };
        let rows = rows.iter().map(read).collect::<Result<_, RecordsError>>()?;
        Ok(Self { fact, rows })
    }

    /// Rows that are about to be written, the first column of which is their id.
    pub(crate) fn of_new<'a>(
        db: &Db,
        fact: Fact,
        rows: impl IntoIterator<Item = &'a [(&'static str, Param)]>,
    ) -> Result<Self, RecordsError> {
        let row = |columns: &[(&'static str, Param)]| {
            let mut row = Map::new();
            for (name, value) in columns {
                let value = value.as_read(db);
                let value = value.map_err(|error| RecordsError::nonsense(fact.as_str(), name, error))?;
                if !value.is_null() {
                    row.insert((*name).to_owned(), value);
                }
            }
            let id = columns.first().and_then(|(name, _)| row.get(*name)?.as_str());
            let id = id.unwrap_or_default().to_owned();
            Ok((id, Value::Object(row)))
        };
        let rows = rows.into_iter().map(row).collect::<Result<_, RecordsError>>()?;
        Ok(Self { fact, rows })
    }

    /// Grants that are about to be written, each by its order. What vouches for one is its token alone.
    pub(crate) fn of_grants<'a>(tokens: impl Iterator<Item = (OrderId, &'a str)>) -> Self {
        let row = |(order, token): (OrderId, &str)| (order.to_string(), json!({ "grant_token": token }));
        Self {
            fact: Fact::Grant,
            rows: tokens.map(row).collect(),
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
    pub(crate) fn vouched_for(&self, id: &str, mut detail: Value) -> Result<Value, RecordsError> {
        let row = self.rows.get(id).ok_or_else(|| absent(self.fact, id))?;
        detail["row"] = json!({ "of": self.fact.as_str(), "sha256": sha256(row).to_string() });
        Ok(detail)
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
    Ok(read_all(tx, fact, &[id]).await?.rows.remove(id))
}

/// The rows of `fact` that are there, by their ids.
async fn read_all(tx: &mut Tx, fact: Fact, ids: &[impl Display]) -> Result<Rows, RecordsError> {
    let wanted = many::ids(ids);
    on!(tx: tx, |c| async { Rows::of(fact, &sqlx::query(fact.these()).bind(&wanted).fetch_all(c).await?) })
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
