//! How PostgreSQL would carry statements out that it planned while their tables were empty: it keeps such plans.

use super::statements;
use crate::{Db, databases::empty_postgres};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::time::Duration;

/// Indexes that a statement may walk along: what is in them is bounded, however much there is in their tables.
const BOUNDED: [&str; 3] = ["attempts_open", "attempts_open_of_tenant", "workers_pkey"];

/// The highest number of a parameter.
fn parameters(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).filter_map(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    });
    numbers.max().unwrap_or(0)
}

async fn generic_plan(connection: &mut PgConnection, sql: &str) -> Value {
    let parameters = match parameters(sql) {
        0 => String::new(),
        count => format!("({})", vec!["NULL"; count].join(", ")),
    };
    let prepare = format!("PREPARE one AS {sql}");
    sqlx::raw_sql(AssertSqlSafe(prepare))
        .execute(&mut *connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE one {parameters}");
    let plan = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    sqlx::raw_sql("DEALLOCATE one").execute(connection).await.unwrap();
    plan
}

/// Nodes that go through a table or an index from end to end.
fn whole_scans(plan: &Value, found: &mut Vec<String>) {
    let scans = plan["Node Type"]
        .as_str()
        .is_some_and(|node| node.ends_with("Scan"));
    let reads = plan
        .get("Relation Name")
        .or(plan.get("Index Name"))
        .and_then(Value::as_str);
    let by_key = plan.get("Index Cond").is_some() || plan["Node Type"] == "Bitmap Heap Scan";
    if let Some(reads) = reads.filter(|_| scans && !by_key) {
        let index = plan["Index Name"].as_str().unwrap_or_default();
        if !BOUNDED.contains(&index) {
            found.push(format!("{reads} {index}"));
        }
    }
    for below in plan["Plans"].as_array().into_iter().flatten() {
        whole_scans(below, found);
    }
}

/// Arrays that are read for each row of something else.
fn arrays_read_again(plan: &Value, found: &mut Vec<String>) {
    if plan["Node Type"] == "Function Scan" && plan["Parent Relationship"] == "Inner" {
        found.push(plan["Alias"].to_string());
    }
    for below in plan["Plans"].as_array().into_iter().flatten() {
        arrays_read_again(below, found);
    }
}

/// Nodes that read other rows than the one whose key is given, and leave them out.
fn keys_not_used(plan: &Value, found: &mut Vec<String>) {
    let filter = plan["Filter"].as_str().unwrap_or_default();
    let index = plan["Index Name"].as_str().unwrap_or_default();
    let names_a_key = ["(id = $", "(order_id = $"]
        .iter()
        .any(|key| filter.contains(key));
    if names_a_key && !BOUNDED.contains(&index) {
        found.push(format!("{index} {filter}"));
    }
    for below in plan["Plans"].as_array().into_iter().flatten() {
        keys_not_used(below, found);
    }
}

/// What `fault` finds in the plans of statements that were planned on empty tables.
async fn found_in_plans(
    of: impl Fn(&str) -> bool,
    fault: impl Fn(&Value, &mut Vec<String>),
) -> Option<Vec<String>> {
    let db = empty_postgres(Duration::from_secs(60)).await?;
    db.migrate().await.unwrap();
    let Db::Postgres(pool) = &db else { unreachable!() };
    let mut connection = pool.acquire().await.unwrap().detach();
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut faults = Vec::new();
    for sql in statements().into_iter().filter(|sql| of(sql)) {
        let mut found = Vec::new();
        fault(&generic_plan(&mut connection, sql).await[0]["Plan"], &mut found);
        if !found.is_empty() {
            faults.push(format!("{found:?}: {sql}"));
        }
    }
    connection.close().await.unwrap();
    Some(faults)
}

#[tokio::test]
async fn many_rows_are_found_one_by_one_however_large_a_table_becomes_after_it_was_planned() {
    let found = found_in_plans(|sql| sql.contains("json_each"), whole_scans).await;
    let faults = found.unwrap_or_default();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn an_array_of_rows_is_read_once() {
    let found = found_in_plans(|sql| sql.contains("json_each"), arrays_read_again).await;
    let faults = found.unwrap_or_default();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn a_row_whose_key_is_given_is_found_by_it_however_large_a_table_becomes() {
    let found = found_in_plans(|_| true, keys_not_used).await;
    let faults = found.unwrap_or_default();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
