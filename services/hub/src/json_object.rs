//! Bodies that are JSON objects. Where a struct is read, serde takes an array of its fields too, which nobody documents.

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::{Map, Value};

/// What an object says, and nothing else does.
pub struct Object<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let fields = Map::<String, Value>::deserialize(reader)?;
        serde_json::from_value(Value::Object(fields))
            .map(Self)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Days {
        days: Option<u32>,
    }

    #[test]
    fn an_array_is_no_object_whatever_it_holds() {
        let read = |text| serde_json::from_str::<Object<Days>>(text).map(|Object(read)| read.days);
        assert_eq!(read(r#"{ "days": 7 }"#).unwrap(), Some(7));
        assert_eq!(read("{}").unwrap(), None);
        for text in ["[7]", "[null]", "7", "null", r#"{ "weeks": 1 }"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
