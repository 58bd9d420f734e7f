//! Writes of a transaction that nobody reads the outcome of: they are put off until something of the transaction is asked
//! for, or its commit, and then go to PostgreSQL together, as one statement. A round trip costs more than most of them.
//!
//! What goes together sees the tables as they were before all of it, and PostgreSQL changes no row twice in one
//! statement. So a write goes into the next statement if it names a table that one before it writes to; but for rows
//! that are only added to a table, which may be added to in several ways at once. Each table that a write names has a word
//! before it that says so: lists of tables are joins here.

mod values;

pub(crate) use values::{Members, Param};

use crate::run::Run as _;
use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr as _, SqliteConnection, types::Json};
use std::fmt::Write as _;

/// One write: a statement of this crate with its parameters.
pub(crate) struct Write {
    sql: &'static str,
    values: Vec<Param>,
}

impl Write {
    pub(crate) fn of(sql: &'static str) -> Self {
        let values = Vec::new();
        Self { sql, values }
    }

    pub(crate) fn bind(mut self, value: impl Into<Param>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// What the words of a write say of tables.
struct Tables {
    /// The one that it writes to.
    own: &'static str,
    /// Whether it only adds rows to that.
    adds: bool,
    /// All that it names, the first of which is its own.
    named: Vec<&'static str>,
}

impl Tables {
    fn of(sql: &'static str) -> Self {
        let named: Vec<_> = tables(sql).collect();
        Self {
            own: named.first().copied().unwrap_or_default(),
            adds: words(sql).next() == Some("INSERT") && !sql.contains("ON CONFLICT"),
            named,
        }
    }

    /// Whether who names these must not go together with one that comes before it.
    fn wait_for(&self, before: &Tables) -> bool {
        let named = self.named.iter().filter(|named| **named == before.own);
        let both_add = self.own == before.own && self.adds && before.adds;
        named.count() > usize::from(both_add)
    }
}

/// The tables that a statement names: what stands after the words that name one.
fn tables(sql: &'static str) -> impl Iterator<Item = &'static str> {
    let before = words(sql);
    let named = |before: &str| matches!(before, "INTO" | "UPDATE" | "FROM" | "JOIN");
    before
        .zip(words(sql).skip(1))
        .filter_map(move |(before, word)| named(before).then_some(word))
}

/// The words of a statement.
fn words(sql: &'static str) -> impl Iterator<Item = &'static str> {
    let apart = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    sql.split(apart).filter(|word| !word.is_empty())
}

/// Binds the parameters of writes, one after another, on either database.
macro_rules! bound {
    ($query:expr, $writes:expr) => {
        $writes
            .into_iter()
            .flat_map(|write| write.values)
            .fold($query, |query, value| match value {
                Param::Text(text) => query.bind(text),
                Param::Number(number) => query.bind(number),
                Param::Moment(at) => query.bind(at),
                Param::Json(value) => query.bind(value.map(Json)),
            })
    };
}

/// Writes in their order, in parts that may go together.
pub(crate) fn parts(writes: Vec<Write>) -> Vec<Vec<Write>> {
    let mut parts: Vec<Vec<Write>> = Vec::new();
    // Of the last part.
    let mut known: Vec<Tables> = Vec::new();
    for write in writes {
        let tables = Tables::of(write.sql);
        match parts.last_mut() {
            Some(part) if !known.iter().any(|before| tables.wait_for(before)) => part.push(write),
            _ => {
                parts.push(vec![write]);
                known.clear();
            }
        }
        known.push(tables);
    }
    parts
}

/// One part, as one statement.
pub(crate) async fn send(connection: &mut PgConnection, part: Vec<Write>) -> Result<(), sqlx::Error> {
    let sql = match part.as_slice() {
        [only] => only.sql.into_sql_str(),
        several => AssertSqlSafe(together(several, "1")).into_sql_str(),
    };
    bound!(sqlx::query(sql), part).run(connection).await.map(drop)
}

/// One part as a transaction of its own, whose commit waits for the disk or not.
pub(crate) async fn send_alone(
    pool: &sqlx::PgPool,
    part: Vec<Write>,
    flushed: bool,
) -> Result<(), sqlx::Error> {
    if flushed {
        return send(&mut *pool.acquire().await?, part).await;
    }
    let sql = together(&part, "set_config('synchronous_commit', 'off', true)");
    let query = bound!(sqlx::query(AssertSqlSafe(sql)), part);
    query.run(pool).await.map(drop)
}

/// Every write by itself.
pub(crate) async fn send_each(
    connection: &mut SqliteConnection,
    writes: Vec<Write>,
) -> Result<(), sqlx::Error> {
    for write in writes {
        let query = sqlx::query(write.sql);
        bound!(query, [write]).run(&mut *connection).await?;
    }
    Ok(())
}

/// The statement that does all of `part`. PostgreSQL carries out what stands in it from the last to the first, so they stand
/// there from the last to the first.
fn together(part: &[Write], told: &str) -> String {
    let mut first = 0;
    let firsts: Vec<usize> = part
        .iter()
        .map(|write| {
            let own = first;
            first += write.values.len();
            own
        })
        .collect();
    let mut sql = String::from("WITH ");
    for (place, (write, first)) in part.iter().zip(firsts).enumerate().rev() {
        let _ = write!(sql, "w{place} AS (");
        let mut rest = write.sql.split('$');
        sql.push_str(rest.next().unwrap_or_default());
        for after in rest {
            let digits = after
                .find(|letter: char| !letter.is_ascii_digit())
                .unwrap_or(after.len());
            let (number, after) = after.split_at(digits);
            let number: usize = number.parse().unwrap_or_default();
            let _ = write!(sql, "${}{after}", first + number);
        }
        sql.push_str(if place == 0 { ") SELECT " } else { "), " });
    }
    sql.push_str(told);
    sql
}

#[cfg(test)]
mod tests;
