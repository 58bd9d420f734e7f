//! Dates, spans, decimals and addresses that stand in rules: read once, not at every question.
//!
//! Cedar calls `datetime("2027-01-01")` whenever it comes to it. In a fused rule the call is replaced by an attribute
//! of one entity, which has the value ready.

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

/// No kind of the schema, so no rule can name it.
const KIND: &str = "FusedConstants";

/// The values that were found, by the call that gives them.
#[derive(Default)]
pub(super) struct Constants(BTreeMap<(String, String), String>);

impl Constants {
    /// `expression` with every call of a constant replaced.
    pub(super) fn replace(&mut self, expression: Value) -> Value {
        if let Some((name, text)) = constant(&expression) {
            let next = format!("c{}", self.0.len());
            let attribute = self.0.entry((name, text)).or_insert(next);
            let entity = json!({ "Value": { "__entity": { "type": KIND, "id": "" } } });
            return json!({ ".": { "left": entity, "attr": attribute } });
        }
        match expression {
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (name, self.replace(value)))
                .collect(),
            Value::Array(values) => values.into_iter().map(|value| self.replace(value)).collect(),
            plain => plain,
        }
    }

    /// The entity that has the values; none, if there are none.
    pub(super) fn entity(&self) -> Result<Option<Entity>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let uid: EntityUid = format!("{KIND}::\"\"")
            .parse()
            .map_err(|error| format!("{error}"))?;
        let attributes = self
            .0
            .iter()
            .filter_map(|((name, text), attribute)| Some((attribute.clone(), value(name, text)?)));
        let attributes: HashMap<String, RestrictedExpression> = attributes.collect();
        let entity = Entity::new(uid, attributes, HashSet::new());
        entity.map(Some).map_err(|error| error.to_string())
    }
}

/// The name and argument of a call whose value never changes.
fn constant(expression: &Value) -> Option<(String, String)> {
    let members = expression.as_object().filter(|members| members.len() == 1)?;
    let (name, arguments) = members.iter().next()?;
    let [argument] = arguments.as_array()?.as_slice() else {
        return None;
    };
    let text = argument.get("Value")?.as_str()?;
    value(name, text).map(|_| (name.clone(), text.to_owned()))
}

fn value(name: &str, text: &str) -> Option<RestrictedExpression> {
    match name {
        "datetime" => Some(RestrictedExpression::new_datetime(text)),
        "duration" => Some(RestrictedExpression::new_duration(text)),
        "decimal" => Some(RestrictedExpression::new_decimal(text)),
        "ip" => Some(RestrictedExpression::new_ip(text)),
        _ => None,
    }
}
