//! Names that people choose: tenants, members, models, licenses.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// The text cannot be a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub &'static str);

fn plain(text: &str, most: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !text.is_empty()
        && text.len() <= most
        && text.bytes().all(allowed)
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && !text.contains("..")
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $check:expr, $rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(BadName($rule)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// A legal entity that uses the hub.
    TenantName, |text| plain(text, 64),
        "a tenant's name has 1 to 64 letters, digits, dots, dashes or underscores and begins with a letter or digit";
    /// A person or service of a tenant.
    MemberName, |text| plain(text, 64),
        "a member's name has 1 to 64 letters, digits, dots, dashes or underscores and begins with a letter or digit";
    /// A model: `OWNER/NAME`.
    ModelName, |text| text.split_once('/').is_some_and(|(owner, name)| plain(owner, 96) && plain(name, 96)),
        "a model's name is OWNER/NAME, each of 1 to 96 letters, digits, dots, dashes or underscores";
    /// A license by its id, such as `glm-4`.
    LicenseName, |text| plain(text, 64) && !text.bytes().any(|b| b.is_ascii_uppercase()),
        "a license id has 1 to 64 lower-case letters, digits, dots, dashes or underscores";
}

impl MemberName {
    /// A name that stands in the code; whoever writes it there answers for its form.
    pub(crate) fn fixed(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

impl TenantName {
    /// A name that stands in the code; whoever writes it there answers for its form.
    pub(crate) fn fixed(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// The tenant under which acts at the machine itself are written down, a model import for instance.
    pub fn of_operator() -> Self {
        Self("glmhub".to_owned())
    }
}

impl ModelName {
    /// A name that stands for any.
    pub fn placeholder() -> Self {
        Self("OWNER/NAME".to_owned())
    }

    /// Who publishes the model: the part before the slash.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The model's own name: the part after the slash.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_has_an_owner_and_a_name() {
        let model: ModelName = "THUDM/glm-4v-9b".parse().unwrap();
        assert_eq!((model.owner(), model.name()), ("THUDM", "glm-4v-9b"));
    }

    #[test]
    fn names_that_could_be_paths_are_refused() {
        for bad in [
            "", "/", "a", "a/", "/b", "a/b/c", "../b", "a/..", "a/.b", "a/b c", "a/b\n",
        ] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad:?}");
        }
        assert!("acme..x".parse::<TenantName>().is_err());
        assert!("GLM".parse::<LicenseName>().is_err());
    }
}
