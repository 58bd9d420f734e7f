//! Bodies that are JSON objects. Where a struct is read, serde takes an array of its fields too, which nobody documents.

mod strict;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{fmt, marker::PhantomData};
use strict::Strict;

/// What an object says, and nothing else does; whatever is a struct within it is an object too. Within what serde keeps
/// before it knows what it is, as for an untagged enum, it takes another `Object`.
#[derive(Debug)]
pub struct Object<T>(pub T);

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Object<T>, A::Error> {
        T::deserialize(Strict(MapAccessDeserializer::new(entries))).map(Object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, value::RawValue};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Days {
        days: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    struct All<'a> {
        days: Option<Days>,
        several: Vec<Days>,
        one_of: Option<OneOf>,
        either: Option<Either>,
        #[serde(borrow)]
        raw: Option<&'a RawValue>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum OneOf {
        None,
        Days(Days),
        Named { days: u32 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Days(Object<Days>),
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

    #[test]
    fn what_lies_within_is_an_object_too_and_all_else_is_read_as_ever() {
        let text = r#"{ "days": { "days": 1 }, "several": [{ "days": 2 }, {}], "one_of": { "days": { "days": 3 } },
            "either": "any", "raw": [4, "5" ] }"#;
        let Object(all) = serde_json::from_str::<Object<All<'_>>>(text).unwrap();
        assert_eq!(all.days.unwrap().days, Some(1));
        assert_eq!(
            all.several.iter().map(|one| one.days).collect::<Vec<_>>(),
            [Some(2), None]
        );
        assert!(matches!(all.one_of, Some(OneOf::Days(Days { days: Some(3) }))));
        assert!(matches!(all.either, Some(Either::Text(text)) if text == "any"));
        assert_eq!(all.raw.unwrap().get(), r#"[4, "5" ]"#);
        let text = r#"{ "several": [], "one_of": { "named": { "days": 6 } }, "either": { "days": 7 } }"#;
        let Object(all) = serde_json::from_str::<Object<All<'_>>>(text).unwrap();
        assert!(matches!(all.one_of, Some(OneOf::Named { days: 6 })));
        assert!(matches!(
            all.either,
            Some(Either::Days(Object(Days { days: Some(7) })))
        ));
        let read = |name: &str, value: serde_json::Value| {
            let mut all = json!({ "several": [] });
            all[name] = value;
            let text = all.to_string();
            serde_json::from_str::<Object<All<'_>>>(&text)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        for (name, good, bad) in [
            ("days", json!({ "days": 1 }), json!([1])),
            ("several", json!([{ "days": 1 }]), json!([[1]])),
            ("one_of", json!({ "days": { "days": 1 } }), json!({ "days": [1] })),
            (
                "one_of",
                json!({ "named": { "days": 1 } }),
                json!({ "named": [1] }),
            ),
            ("one_of", json!("none"), json!(["none"])),
            ("either", json!({ "days": 1 }), json!([1])),
        ] {
            assert_eq!(read(name, good), Ok(()), "{name}");
            assert!(read(name, bad.clone()).is_err(), "{name}: {bad}");
        }
    }
}
