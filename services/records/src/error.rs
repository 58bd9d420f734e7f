//! What can go wrong in the records.

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
}

impl RecordsError {
    /// A row of `table` that cannot be read back.
    pub fn nonsense(table: &'static str, id: impl ToString, why: impl ToString) -> Self {
        Self::Nonsense {
            table,
            id: id.to_string(),
            why: why.to_string(),
        }
    }
}
