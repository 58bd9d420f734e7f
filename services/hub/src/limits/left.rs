//! What is left of limits, as responses tell it.

use actix_web::http::header::{HeaderName, HeaderValue};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a limit bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Requests,
    Pages,
    Tokens,
}

impl Of {
    fn as_str(self) -> &'static str {
        match self {
            Of::Requests => "requests",
            Of::Pages => "pages",
            Of::Tokens => "tokens",
        }
    }
}

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub of: Of,
    /// Of a key; else of a tenant.
    pub is_of_key: bool,
    /// Whether what was asked for is within it.
    pub is_within: bool,
    pub most: u64,
    pub remaining: u64,
    /// After how many seconds there is more: all of it, or the next one where nothing is left.
    pub seconds: u64,
    /// In how many seconds `most` may be used.
    pub window: u64,
}

impl Left {
    /// The name of its policy.
    fn name(&self) -> String {
        match self.is_of_key {
            true => format!("key-{}", self.of.as_str()),
            false => self.of.as_str().to_owned(),
        }
    }
}

/// What a response tells.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<Left>);

impl Told {
    /// What was told of the same limit before is forgotten.
    pub(super) fn add(&mut self, left: Left) {
        self.0
            .retain(|one| (one.of, one.is_of_key) != (left.of, left.is_of_key));
        self.0.push(left);
    }

    /// The headers that tell it, with those that OpenAI's clients know where they ask.
    pub(super) fn headers(&self, is_of_openai: bool) -> Vec<(HeaderName, HeaderValue)> {
        let list = |item: fn(&Left) -> String| self.0.iter().map(item).collect::<Vec<_>>().join(", ");
        let limits = list(|left| format!("\"{}\";r={};t={}", left.name(), left.remaining, left.seconds));
        let policies = list(|left| format!("\"{}\";q={};w={}", left.name(), left.most, left.window));
        let mut told = vec![(RATE_LIMIT, limits), (POLICY, policies)];
        if is_of_openai {
            told.extend(self.for_openai(Of::Requests, REQUESTS));
            told.extend(self.for_openai(Of::Tokens, TOKENS));
        }
        let value = |(name, text): (HeaderName, String)| Some((name, HeaderValue::from_str(&text).ok()?));
        told.into_iter().filter_map(value).collect()
    }

    /// What is left of the limit that leaves least.
    fn for_openai(&self, of: Of, names: [&'static str; 3]) -> Vec<(HeaderName, String)> {
        let least = self
            .0
            .iter()
            .filter(|left| left.of == of)
            .min_by_key(|left| left.remaining);
        least.map_or_else(Vec::new, |left| {
            let values = [
                left.most.to_string(),
                left.remaining.to_string(),
                format!("{}s", left.seconds),
            ];
            names
                .map(HeaderName::from_static)
                .into_iter()
                .zip(values)
                .collect()
        })
    }
}

const REQUESTS: [&str; 3] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];
const TOKENS: [&str; 3] = [
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_told_and_openais_clients_are_told_of_the_tightest() {
        let requests = Left {
            of: Of::Requests,
            is_of_key: true,
            is_within: true,
            most: 60,
            remaining: 59,
            seconds: 1,
            window: 60,
        };
        let tighter = Left {
            is_of_key: false,
            remaining: 7,
            seconds: 12,
            ..requests
        };
        let mut told = Told::default();
        told.add(requests);
        told.add(tighter);
        let texts = |is_of_openai| -> Vec<String> {
            let headers = told.headers(is_of_openai);
            let text =
                |(name, value): &(HeaderName, HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
            headers.iter().map(text).collect()
        };
        let standard = [
            "ratelimit: \"key-requests\";r=59;t=1, \"requests\";r=7;t=12",
            "ratelimit-policy: \"key-requests\";q=60;w=60, \"requests\";q=60;w=60",
        ];
        assert_eq!(texts(false), standard);
        assert_eq!(
            texts(true)[2..],
            [
                "x-ratelimit-limit-requests: 60",
                "x-ratelimit-remaining-requests: 7",
                "x-ratelimit-reset-requests: 12s"
            ]
        );
    }
}
