//! A rule's head and conditions as one expression, in Cedar's JSON.

use serde_json::{Value, json};

/// When a rule applies: its head, but for the action, and its conditions.
pub(super) fn of(policy: &Value) -> Result<Value, String> {
    let mut parts = Vec::new();
    for variable in ["principal", "resource"] {
        parts.extend(head(variable, &policy[variable])?);
    }
    for condition in policy["conditions"].as_array().into_iter().flatten() {
        let body = condition["body"].clone();
        parts.push(match condition["kind"].as_str() {
            Some("when") => body,
            Some("unless") => json!({ "!": { "arg": body } }),
            other => return Err(format!("a condition of kind {other:?}")),
        });
    }
    if parts.is_empty() {
        return Ok(json!({ "Value": true }));
    }
    // Left before right, as Cedar goes through them: what comes later may rely on what came before.
    let first = parts.remove(0);
    Ok(parts
        .into_iter()
        .fold(first, |left, right| pair("&&", left, right)))
}

/// What a rule's head asks of a variable, if anything.
fn head(variable: &str, scope: &Value) -> Result<Option<Value>, String> {
    let subject = json!({ "Var": variable });
    let entity = |scope: &Value| json!({ "Value": { "__entity": scope["entity"] } });
    Ok(match scope["op"].as_str() {
        Some("All") => None,
        Some(op @ ("==" | "in")) => Some(pair(op, subject, entity(scope))),
        Some("is") => {
            let kind = &scope["entity_type"];
            Some(match &scope["in"] {
                Value::Null => json!({ "is": { "left": subject, "entity_type": kind } }),
                within => json!({ "is": { "left": subject, "entity_type": kind, "in": entity(within) } }),
            })
        }
        other => return Err(format!("a head with {other:?}")),
    })
}

fn pair(op: &str, left: Value, right: Value) -> Value {
    json!({ op: { "left": left, "right": right } })
}

/// All of them under one operator, as a tree that is no deeper than it must be.
pub(super) fn joined(op: &str, mut parts: Vec<Value>) -> Value {
    match parts.len() {
        0 => json!({ "Value": false }),
        1 => parts.remove(0),
        count => {
            let right = parts.split_off(count / 2);
            pair(op, joined(op, parts), joined(op, right))
        }
    }
}
