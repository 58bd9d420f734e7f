//! Parameters of writes, and what the columns that they are written to are read as afterwards.

use crate::{At, Db};
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};
use time::{error::Format, format_description::well_known::Rfc3339};

/// A parameter.
pub(crate) enum Param {
    Text(Option<String>),
    Number(Option<i64>),
    Moment(Option<At>),
    Json(Option<Value>),
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Param::Text(Some(text))
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Param::Text(Some(text.to_owned()))
    }
}

impl From<Option<String>> for Param {
    fn from(text: Option<String>) -> Self {
        Param::Text(text)
    }
}

impl From<Option<&str>> for Param {
    fn from(text: Option<&str>) -> Self {
        Param::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Param::Number(Some(number))
    }
}

impl From<Option<i64>> for Param {
    fn from(number: Option<i64>) -> Self {
        Param::Number(number)
    }
}

impl From<At> for Param {
    fn from(at: At) -> Self {
        Param::Moment(Some(at))
    }
}

impl From<Option<At>> for Param {
    fn from(at: Option<At>) -> Self {
        Param::Moment(at)
    }
}

impl From<Value> for Param {
    fn from(value: Value) -> Self {
        Param::Json(Some(value))
    }
}

impl From<Option<Value>> for Param {
    fn from(value: Option<Value>) -> Self {
        Param::Json(value)
    }
}

impl Param {
    /// What its column is read as afterwards, as a value of the row's JSON. The log's digests are over that, and so need not
    /// be taken from what was written.
    pub(crate) fn as_read(&self, db: &Db) -> Result<Value, Format> {
        Ok(match (self, db) {
            (Param::Text(text), _) => text.clone().into(),
            (Param::Number(number), _) => (*number).into(),
            (Param::Moment(Some(at)), Db::Postgres(_)) => at.in_micros().format(&Rfc3339)?.into(),
            (Param::Moment(Some(at)), Db::Sqlite(_)) => at.as_text()?.into(),
            (Param::Json(Some(value)), Db::Postgres(_)) => as_jsonb(value),
            (Param::Json(Some(value)), Db::Sqlite(_)) => value.to_string().into(),
            (Param::Moment(None) | Param::Json(None), _) => Value::Null,
        })
    }

    /// What stands for it in JSON that a statement reads its rows from.
    fn member(&self) -> Option<Member<'_>> {
        match self {
            Param::Text(text) => text.as_deref().map(Member::Text),
            Param::Number(number) => number.map(Member::Number),
            Param::Json(value) => value.as_ref().map(Member::Json),
            // They are parameters of their own.
            Param::Moment(_) => None,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Text(&'a str),
    Number(i64),
    Json(&'a Value),
}

/// Columns as the JSON that a statement reads their row from. Where nothing is, there is no member.
pub(crate) struct Members<'a>(pub &'a [(&'static str, Param)]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(
            self.0
                .iter()
                .filter_map(|(name, value)| Some((name, value.member()?))),
        )
    }
}

/// JSON as PostgreSQL's `jsonb` gives it back: numbers are decimal there, without exponents and without a zero below zero.
fn as_jsonb(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(as_jsonb).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), as_jsonb(value));
            Value::Object(members.iter().map(member).collect())
        }
        Value::Number(number) => decimal(number).map_or_else(|| value.clone(), Value::Number),
        plain => plain.clone(),
    }
}

/// A number that is written otherwise in decimal.
fn decimal(number: &Number) -> Option<Number> {
    /// From here on fractions are written with an exponent, and so without a point in decimal.
    const WITH_EXPONENT: f64 = 1e16;
    let fraction = number.as_f64().filter(|_| number.is_f64())?;
    match fraction {
        0.0 => Number::from_f64(0.0),
        large if large.abs() >= WITH_EXPONENT => large.to_string().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::rows::{self, AnyRow as _, Fact, Rows},
        databases::on_each,
        later::Write,
        many, on,
        run::Run as _,
    };
    use serde_json::json;
    use sqlx::AssertSqlSafe;
    use time::{Duration, OffsetDateTime};

    fn row(number: usize, detail: Value) -> Vec<(&'static str, Param)> {
        let at =
            OffsetDateTime::UNIX_EPOCH + Duration::nanoseconds(1_790_000_000_123_456_789 + number as i64);
        vec![
            ("id", number.to_string().into()),
            ("note", (number > 3).then_some("it's \"ünï\ncode\"").into()),
            ("number", (number > 1).then_some(i64::MAX - number as i64).into()),
            ("at", (number != 2).then_some(At(at)).into()),
            ("detail", (number > 0).then_some(detail).into()),
        ]
    }

    #[tokio::test]
    async fn what_is_written_is_read_back_as_it_was_foretold() {
        let details = [
            json!(null),
            json!({}),
            json!([1, -1, u64::MAX, i64::MIN, "ü\n\u{1}\"", { "b": true, "a": [] }]),
            json!([
                0.0,
                -0.0,
                1.0,
                100000.0,
                -1.5,
                0.1,
                1e-7,
                -1.1920929e-7,
                5e-324,
                f64::MIN_POSITIVE
            ]),
            json!([
                1e15,
                123456789012345680.0,
                1e16,
                1e17,
                -1e18,
                1.2345678901234567e19,
                1.8446744073709552e19
            ]),
            json!([
                1e20,
                -1.7976931348623157e308,
                9007199254740993i64,
                f64::from(-0.000123f32)
            ]),
        ];
        on_each(async |db| {
            let columns = match db {
                Db::Postgres(_) => "id TEXT, note TEXT, number BIGINT, at TIMESTAMPTZ, detail JSONB",
                Db::Sqlite(_) => "id TEXT, note TEXT, number INTEGER, at TEXT, detail TEXT",
            };
            let make = AssertSqlSafe(format!("CREATE TABLE things ({columns})"));
            on!(db, |c| sqlx::query(make).run(c)).unwrap();
            let insert = "INSERT INTO things (id, note, number, at, detail) VALUES ($1, $2, $3, $4, $5)";
            let from_json = "INSERT INTO things (id, note, number, at, detail) SELECT r.value ->> 'id', \
                r.value ->> 'note', CAST(r.value ->> 'number' AS BIGINT), $2, r.value -> 'detail' FROM json_each($1) AS r";
            let mut foretold = Vec::new();
            for (number, detail) in details.iter().enumerate() {
                // Once by parameters, and once by JSON.
                let by_parameters = row(2 * number, detail.clone());
                foretold.push(Rows::of_new(db, Fact::Decision, [&by_parameters[..]]).unwrap());
                let by_json = row(2 * number + 1, detail.clone());
                foretold.push(Rows::of_new(db, Fact::Decision, [&by_json[..]]).unwrap());
                let members = many::rows([Members(&by_json)]);
                let at = by_json.into_iter().nth(3).unwrap().1;
                let mut tx = db.begin().await.unwrap();
                let values = by_parameters.into_iter().map(|(_, value)| value);
                tx.later(values.fold(Write::of(insert), Write::bind));
                tx.later(Write::of(from_json).bind(members).bind(at));
                tx.commit().await.unwrap();
            }
            for (number, foretold) in foretold.iter().enumerate() {
                let sql = "SELECT id AS fact, t.* FROM things t WHERE id = $1";
                let read = on!(db, |c| async {
                    let row = sqlx::query(sql).bind(number.to_string()).fetch_one(c).await?;
                    row.found()
                });
                let (id, row) = read.unwrap();
                let row = row.unwrap();
                let digest = json!({ "row": { "of": "decision", "sha256": rows::sha256(&row).to_string() } });
                let foretold = foretold.vouched_for(&id, json!({})).unwrap();
                assert_eq!(foretold, digest, "{number}: {row}");
            }
        })
        .await;
    }
}
