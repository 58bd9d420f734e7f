//! What of a schema is looked at before anything compiles it.

use crate::{BadShape, MOST_LEVELS};
use serde_json::Value;

const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// Whether a schema is small and refers to nothing elsewhere.
pub(crate) fn check(schema: &Value, most: usize) -> Result<(), BadShape> {
    if !schema.is_object() {
        return Err(BadShape::NoObject);
    }
    let mut level = vec![schema];
    for _ in 0..MOST_LEVELS {
        level = inside(&level)?;
        if level.is_empty() {
            // Writing it out goes as deep as it does.
            let bytes = schema.to_string().len();
            return match bytes > most {
                true => Err(BadShape::TooLong { bytes, most }),
                false => Ok(()),
            };
        }
    }
    Err(BadShape::TooDeep { most: MOST_LEVELS })
}

/// What stands directly in `level`.
fn inside<'v>(level: &[&'v Value]) -> Result<Vec<&'v Value>, BadShape> {
    let mut next = Vec::new();
    for value in level {
        match value {
            Value::Array(values) => next.extend(values),
            Value::Object(members) => {
                for name in REFERENCES {
                    if let Some(Value::String(target)) = members.get(name)
                        && !target.starts_with('#')
                    {
                        return Err(BadShape::Elsewhere(target.clone()));
                    }
                }
                next.extend(members.values());
            }
            _ => {}
        }
    }
    Ok(next)
}
