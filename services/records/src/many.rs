//! Many rows as one parameter: a JSON array, which statements read with `json_each` on both databases.
//!
//! `FROM json_each($1) AS r` gives a row for each element; `r.value ->> 'name'` is a text (`CAST(… AS BIGINT)` makes a
//! number of it), `r.value -> 'name'` is JSON. Moments are parameters of their own: all rows share them.

use serde::{Serialize, Serializer};
use std::fmt::Display;

/// The parameter that stands for `rows`, which are objects.
pub(crate) fn rows(rows: impl IntoIterator<Item = impl Serialize>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    // Plain structs of texts and numbers can always be written; a statement would refuse what is no JSON.
    serde_json::to_string(&rows).unwrap_or_default()
}

/// The parameter for rows that are an `id` each.
pub(crate) fn ids(ids: impl IntoIterator<Item = impl Display>) -> String {
    #[derive(Serialize)]
    struct Row<I: Display> {
        #[serde(serialize_with = "as_text")]
        id: I,
    }
    rows(ids.into_iter().map(|id| Row { id }))
}

fn as_text<S: Serializer>(shown: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(shown)
}

#[cfg(test)]
mod tests {
    use crate::{databases::on_each, on};
    use serde_json::{Value, json};
    use sqlx::types::Json;

    #[tokio::test]
    async fn both_databases_read_the_same_rows_out_of_it() {
        on_each(async |db| {
            let sql = "SELECT r.value ->> 'text', CAST(r.value ->> 'number' AS BIGINT), r.value -> 'detail' \
                FROM json_each($1) AS r WHERE r.value ->> 'text' <> 'left out' ORDER BY r.key";
            let given = [
                json!({ "text": "it's \"ünïcode\"", "number": 7, "detail": { "deep": [1, null] } }),
                json!({ "text": "left out" }),
                json!({ "text": "bare", "number": null, "detail": {} }),
            ];
            let read: Vec<(String, Option<i64>, Json<Value>)> = on!(db, |c| sqlx::query_as(sql)
                .bind(super::rows(given.clone()))
                .fetch_all(c))
            .unwrap();
            let [(first, Some(7), Json(deep)), (second, None, Json(empty))] = &read[..] else {
                panic!("{read:?}")
            };
            assert_eq!((first.as_str(), second.as_str()), ("it's \"ünïcode\"", "bare"));
            assert_eq!((deep, empty), (&given[0]["detail"], &given[2]["detail"]));
        })
        .await;
    }
}
