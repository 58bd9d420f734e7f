//! `tracestate`: a list of what those who keep a trace say to each other.

use std::collections::HashSet;

/// The most members of a list.
const MOST_MEMBERS: usize = 32;
/// The most bytes that are handed on.
const MOST_BYTES: usize = 512;
/// Longer members go first where there are too many bytes.
const LONG: usize = 128;
/// The most characters of a key, and of a value.
const MOST_CHARACTERS: usize = 256;

/// The list in its plain form, if it is as it must be, and as much of it as is handed on.
pub(super) fn bounded(text: &str) -> Option<String> {
    let ends: &[char] = &[' ', '\t'];
    let members = text.split(',').map(|member| member.trim_matches(ends));
    let mut members: Vec<&str> = members.filter(|member| !member.is_empty()).collect();
    let keys: HashSet<&str> = members.iter().filter_map(|member| key(member)).collect();
    // A member that is not as it must be has no key, and one that repeats another's has none of its own.
    if members.is_empty() || members.len() > MOST_MEMBERS || keys.len() < members.len() {
        return None;
    }
    while bytes(&members) > MOST_BYTES {
        let long = members.iter().rposition(|member| member.len() > LONG);
        members.remove(long.unwrap_or(members.len() - 1));
    }
    Some(members.join(",")).filter(|list| !list.is_empty())
}

fn bytes(members: &[&str]) -> usize {
    let commas = members.len().saturating_sub(1);
    members.iter().map(|member| member.len()).sum::<usize>() + commas
}

/// The key of a member that is as it must be.
fn key(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let in_key =
        |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-' | b'*' | b'/' | b'@');
    let first = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let in_value = |c: u8| matches!(c, b' '..=b'~') && c != b'=';
    let good = key.as_bytes().first().is_some_and(first)
        && key.len() <= MOST_CHARACTERS
        && key.bytes().all(in_key)
        && (1..=MOST_CHARACTERS).contains(&value.len())
        && value.bytes().all(in_value);
    good.then_some(key)
}
