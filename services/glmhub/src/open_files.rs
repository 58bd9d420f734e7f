//! How many files this process may have open.

/// Each connection takes two, and an upload one more; what machines allow by default is often 1,024. Takes all that this
/// process may have.
pub fn raise() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(most) => tracing::debug!(most, "open files"),
        Err(error) => tracing::warn!(cause = %error, "the limit of open files stays as it is"),
    }
}
