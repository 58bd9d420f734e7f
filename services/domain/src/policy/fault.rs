//! What is wrong with a policy file, and where.

use std::fmt;

/// A place in a policy file where something cannot be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyFault {
    /// The file, as it was named when it was read.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to write instead where that is known.
    pub why: String,
}

impl PolicyFault {
    /// A fault at byte `offset` of `text`, which is the content of `file`.
    pub fn at(file: &str, text: &str, offset: usize, why: impl ToString) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            why: why.to_string(),
        }
    }

    /// What TOML has to say about `text`.
    pub fn of_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        Self::at(file, text, offset, error.message())
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.why)
    }
}

impl std::error::Error for PolicyFault {}

/// Policy files that cannot be put in force: everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct BadPolicies(pub Vec<PolicyFault>);

impl From<PolicyFault> for BadPolicies {
    fn from(fault: PolicyFault) -> Self {
        Self(vec![fault])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_line_and_column() {
        let fault = PolicyFault::at("a.toml", "one\nzwei ü here", 11, "no");
        assert_eq!(fault.to_string(), "a.toml:2:7: no");
        assert_eq!(PolicyFault::at("a", "x", 99, "no").to_string(), "a:1:2: no");
    }
}
