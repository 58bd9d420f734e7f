//! From what a row holds to what it means.

use crate::RecordsError;
use domain::trace::Trace;
use std::{fmt::Display, str::FromStr};

/// A row on its way out of `table`.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// The table.
    pub table: &'static str,
    /// The row's id.
    pub id: &'a str,
}

impl Reading<'_> {
    /// What `text` means.
    pub fn parsed<T: FromStr<Err: Display>>(&self, text: &str) -> Result<T, RecordsError> {
        text.parse().map_err(|error: T::Err| self.nonsense(error))
    }

    /// What `text` means, where there is one.
    pub fn parsed_if<T: FromStr<Err: Display>>(&self, text: Option<&str>) -> Result<Option<T>, RecordsError> {
        text.map(|text| self.parsed(text)).transpose()
    }

    /// A number that is no less than zero and fits.
    pub fn whole<T: TryFrom<i64>>(&self, number: i64) -> Result<T, RecordsError> {
        T::try_from(number).map_err(|_| self.nonsense(format!("{number} is out of range")))
    }

    /// A value that the row's state requires.
    pub fn required<T>(&self, value: Option<T>, column: &str) -> Result<T, RecordsError> {
        value.ok_or_else(|| self.nonsense(format!("its state requires {column}")))
    }

    /// The row cannot be.
    pub fn nonsense(&self, why: impl ToString) -> RecordsError {
        RecordsError::nonsense(self.table, self.id, why)
    }
}

/// The trace that two columns say. It is only told, so that one that cannot be read is none.
pub(crate) fn trace(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<Trace> {
    Trace::read(traceparent?, tracestate)
}

/// As the databases count.
pub(crate) fn number(count: impl TryInto<i64>) -> i64 {
    // No table of ours will hold 2^63 of anything; the check constraints would refuse the sum.
    count.try_into().unwrap_or(i64::MAX)
}

/// What the ids of a list that goes down are below: the last id that was seen, or all of them.
pub(crate) fn below(after: Option<impl Display>) -> String {
    // `~` sorts after every character of an id.
    after.map_or_else(|| "~".to_owned(), |id| id.to_string())
}
