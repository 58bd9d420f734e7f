//! API keys: secrets for programs that know of nothing else, each for one member with some of its roles.

use crate::{
    access::{Caller, Role},
    digest::Sha256,
    id::ApiKeyId,
    limits::Limits,
    names::MemberName,
    purpose::Purpose,
};
use std::{collections::BTreeSet, fmt, str::FromStr};
use time::OffsetDateTime;

/// What every key begins with, so that programs that look for leaked secrets find it.
pub const PREFIX: &str = "glmhub_";
/// How many random bytes a key holds.
pub const SECRET_BYTES: usize = 32;
/// The longest name of a key, in characters.
pub const MOST_NAME_CHARS: usize = 100;

/// A key as its holder sends it: which one it is, and a secret. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: ApiKeyId,
    text: String,
}

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an API key is `glmhub_`, 26 characters, `_` and 64 hexadecimal digits")]
pub struct BadApiKey;

impl ApiKey {
    /// The key `id` of random bytes that nobody else knows.
    pub fn of(id: ApiKeyId, random: [u8; SECRET_BYTES]) -> Self {
        let name = id.to_string();
        let name = name.trim_start_matches(ApiKeyId::PREFIX).trim_start_matches('_');
        let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            id,
            text: format!("{PREFIX}{name}_{secret}"),
        }
    }

    /// Which one it is.
    pub fn id(&self) -> ApiKeyId {
        self.id
    }

    /// As its holder sends it.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What the records keep of it. Nobody finds 32 random bytes by trying.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.text.as_bytes())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, …)", self.id)
    }
}

impl FromStr for ApiKey {
    type Err = BadApiKey;

    fn from_str(text: &str) -> Result<Self, BadApiKey> {
        let rest = text.strip_prefix(PREFIX).ok_or(BadApiKey)?;
        let (name, secret) = rest.split_once('_').ok_or(BadApiKey)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if secret.len() != 2 * SECRET_BYTES || !secret.bytes().all(is_digit) {
            return Err(BadApiKey);
        }
        let id = format!("{}_{name}", ApiKeyId::PREFIX)
            .parse()
            .map_err(|_| BadApiKey)?;
        Ok(Self {
            id,
            text: text.to_owned(),
        })
    }
}

/// What is true of a key that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPhase {
    /// It is good.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody revoked it.
    Revoked,
}

impl KeyPhase {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyPhase::Active => "active",
            KeyPhase::Expired => "expired",
            KeyPhase::Revoked => "revoked",
        }
    }
}

/// What a key is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What it is called, for people.
    pub name: String,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// What requests are for that cannot say it.
    pub purpose: Option<Purpose>,
    /// How much may be asked for with it, where that differs from what holds for all.
    pub limits: Limits,
    /// From when it is good for nothing.
    pub ends_at: OffsetDateTime,
}

/// Why no key is made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWish {
    /// It has no name, or one that is too long.
    #[error("a key has a name of 1 to {MOST_NAME_CHARS} characters, without control characters")]
    Name,
    /// It would be good for nothing.
    #[error("a key has at least one role")]
    NoRole,
    /// It would do more than who makes it.
    #[error("{0} cannot give a key the role {1}, which it does not hold itself")]
    Role(MemberName, Role),
}

impl Wish {
    /// Whether `caller` may have such a key for itself: never more than its own roles.
    pub fn check(&self, caller: &Caller) -> Result<(), BadWish> {
        let name = self.name.trim();
        if name.is_empty()
            || name.chars().count() > MOST_NAME_CHARS
            || self.name.chars().any(char::is_control)
        {
            return Err(BadWish::Name);
        }
        if self.roles.is_empty() {
            return Err(BadWish::NoRole);
        }
        match self.roles.difference(&caller.roles).next() {
            Some(role) => Err(BadWish::Role(caller.member.clone(), *role)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::HandClock, id::IdMaker};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn id() -> ApiKeyId {
        IdMaker::new(Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH))).make()
    }

    #[test]
    fn a_key_reads_back_and_neither_prints_nor_equals_another() {
        let (id, other) = (id(), id());
        let key = ApiKey::of(id, [7; 32]);
        assert!(key.reveal().starts_with("glmhub_0"), "{}", key.reveal());
        let read: ApiKey = key.reveal().parse().unwrap();
        assert_eq!((read.id(), read.sha256()), (id, key.sha256()));
        assert_eq!(format!("{key:?}"), format!("ApiKey({id}, …)"));
        assert_ne!(key.sha256(), ApiKey::of(id, [8; 32]).sha256());
        assert_ne!(key.sha256(), ApiKey::of(other, [7; 32]).sha256());
    }

    #[test]
    fn what_is_none_is_refused() {
        let key = ApiKey::of(id(), [0xab; 32]);
        let text = key.reveal();
        for bad in [
            "",
            "glmhub_",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}0"),
            &text.to_uppercase(),
            &text.replace("ab", "zz"),
        ] {
            assert_eq!(bad.parse::<ApiKey>(), Err(BadApiKey), "{bad}");
        }
    }

    #[test]
    fn nobody_gives_a_key_more_than_it_has() {
        let caller = Caller {
            tenant: "acme".parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: [Role::Submitter, Role::Signatory].into(),
        };
        let wish = |name: &str, roles: &[Role]| Wish {
            name: name.into(),
            roles: roles.iter().copied().collect(),
            purpose: None,
            limits: Limits::default(),
            ends_at: OffsetDateTime::UNIX_EPOCH,
        };
        let most = "名".repeat(MOST_NAME_CHARS);
        assert_eq!(wish(&most, &[Role::Submitter]).check(&caller), Ok(()));
        for name in ["", " ", "a\nb", &format!("{most}名")] {
            assert_eq!(wish(name, &[Role::Submitter]).check(&caller), Err(BadWish::Name));
        }
        assert_eq!(wish("scan", &[]).check(&caller), Err(BadWish::NoRole));
        let refused = wish("scan", &[Role::Submitter, Role::Reviewer]).check(&caller);
        assert_eq!(refused, Err(BadWish::Role("li".parse().unwrap(), Role::Reviewer)));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(glmhub_)?\\PC*") {
            let _ = text.parse::<ApiKey>();
        }
    }
}
