//! What can go wrong in the records.

use domain::digest::Sha256;

/// A fault of the records. A thing that is simply not there is an `Option`, not an error.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database refused, or did not answer.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row holds what no code writes.
    #[error("table {table}, row {id}: {why}")]
    Nonsense {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// The request's key is another request's by now. Nothing was stored.
    #[error("another request holds the key")]
    ClaimLost,
    /// Files whose bytes were to be had by something were removed a moment ago. Nothing was stored.
    #[error("{} files were removed meanwhile", .0.len())]
    Removed(Vec<Sha256>),
    /// What was to be stored could not be signed.
    #[error("a grant cannot be signed: {0}")]
    Signature(String),
}

impl RecordsError {
    /// Whether the same may well go through a moment later: the database is away, or too busy.
    pub fn may_pass(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Io(_)
            // A server that dies in the middle of a sentence.
            | sqlx::Error::Protocol(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        }
    }

    /// A row of `table` that cannot be read back.
    pub fn nonsense(table: &'static str, id: impl ToString, why: impl ToString) -> Self {
        Self::Nonsense {
            table,
            id: id.to_string(),
            why: why.to_string(),
        }
    }
}

/// PostgreSQL: lost connections (class 08), too few resources (53), given up or shut down (57), deadlocks and failed
/// serialisations (40). SQLite: busy, locked, its disk is full or refuses (5, 6, 13, 10, with their extended codes).
fn is_passing(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6 | 10 | 13),
        _ => ["08", "40", "53", "57"]
            .iter()
            .any(|class| code.starts_with(class)),
    }
}

#[cfg(test)]
mod tests {
    use super::{RecordsError, is_passing};

    #[test]
    fn what_may_pass_is_told_by_its_code() {
        for code in [
            "57014", "57P01", "53300", "40P01", "08006", "5", "517", "13", "778",
        ] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["23505", "42P01", "1", "19", "2067"] {
            assert!(!is_passing(code), "{code}");
        }
    }
    #[test]
    fn a_server_that_dies_in_the_middle_of_a_sentence_may_come_back() {
        for error in [
            sqlx::Error::Protocol("unexpected response: 0x00".into()),
            sqlx::Error::BeginFailed,
        ] {
            assert!(RecordsError::from(error).may_pass());
        }
        assert!(!RecordsError::from(sqlx::Error::RowNotFound).may_pass());
    }
}
