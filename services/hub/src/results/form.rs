//! In which form rows are told.

use super::csv;
use crate::api::row_view::ResultView;
use actix_web::http::header::Accept;
use serde::Deserialize;
use std::io;

/// A byte order mark, for programs that take CSV for something else without one.
const BOM: &str = "\u{feff}";

/// In which form rows are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Pages of a list.
    Json,
    /// An object of JSON on each line. `application/x-ndjson` is another name of `application/jsonl`.
    Lines {
        /// Whether it was asked for by that other name.
        as_ndjson: bool,
    },
    /// RFC 4180.
    Csv {
        /// Whether it begins with a byte order mark.
        with_bom: bool,
    },
}

/// The word for a form in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Pages of a list.
    Json,
    /// An object of JSON on each line.
    Jsonl,
    /// RFC 4180.
    Csv,
}

impl From<Word> for Form {
    fn from(word: Word) -> Self {
        match word {
            Word::Json => Form::Json,
            Word::Jsonl => Form::Lines { as_ndjson: false },
            Word::Csv => Form::Csv { with_bom: false },
        }
    }
}

impl Form {
    /// The form that a client likes best. `None`: it takes none of them.
    pub fn accepted(accept: &Accept) -> Option<Self> {
        let ranked = accept.ranked();
        ranked.iter().find_map(|range| match range.essence_str() {
            "*/*" | "application/*" | "application/json" => Some(Form::Json),
            "application/jsonl" => Some(Form::Lines { as_ndjson: false }),
            "application/x-ndjson" => Some(Form::Lines { as_ndjson: true }),
            "text/*" | "text/csv" => Some(Form::Csv { with_bom: false }),
            _ => None,
        })
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Lines { as_ndjson: false } => "application/jsonl",
            Form::Lines { as_ndjson: true } => "application/x-ndjson",
            Form::Csv { .. } => "text/csv; charset=utf-8; header=present",
        }
    }

    /// How the name of a file in it ends.
    pub fn extension(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Lines { .. } => "jsonl",
            Form::Csv { .. } => "csv",
        }
    }

    /// What stands before the first row.
    pub(super) fn head(self) -> String {
        match self {
            Form::Csv { with_bom: true } => format!("{BOM}{}", csv::HEAD),
            Form::Csv { with_bom: false } => csv::HEAD.to_owned(),
            Form::Json | Form::Lines { .. } => String::new(),
        }
    }

    /// Rows as they stand one after the other.
    pub(super) fn write(self, rows: &[ResultView]) -> io::Result<Vec<u8>> {
        if let Form::Csv { .. } = self {
            return csv::write(rows);
        }
        let mut out = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut out, row)?;
            out.push(b'\n');
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{http::header::Header as _, test::TestRequest};

    fn accepted(text: &str) -> Option<Form> {
        let request = TestRequest::default()
            .insert_header(("accept", text))
            .to_http_request();
        Form::accepted(&Accept::parse(&request).unwrap())
    }

    #[test]
    fn a_client_gets_what_it_likes_best_of_what_there_is() {
        assert_eq!(accepted("*/*"), Some(Form::Json));
        assert_eq!(
            accepted("text/csv;q=0.5, application/json;q=0.4"),
            Some(Form::Csv { with_bom: false })
        );
        assert_eq!(
            accepted("application/x-ndjson"),
            Some(Form::Lines { as_ndjson: true })
        );
        assert_eq!(
            accepted("text/html, application/jsonl;q=0.1"),
            Some(Form::Lines { as_ndjson: false })
        );
        assert_eq!(
            accepted("text/csv; charset=utf-8"),
            Some(Form::Csv { with_bom: false })
        );
        assert_eq!(accepted("text/html, image/*"), None);
    }
}
