//! Every statement of this crate in one list, so that all can be prepared on both databases.

use crate::{
    acceptances, answers, api_keys, attempts, audit, backlog, batches, card_changes, claims, combining,
    counts, decisions, deleting, dispatching, documents, epochs, expiring, facts, holding, jobs, lineage,
    model_uploads, models, openai_batches, openai_files, policies, proofs, retention, rows, sessions, terms,
    turns, usage, webhooks, workers,
};

/// All SQL that this crate ever sends, apart from migrations and transaction control.
pub fn statements() -> Vec<&'static str> {
    let files = [
        acceptances::STATEMENTS,
        answers::STATEMENTS,
        api_keys::STATEMENTS,
        attempts::STATEMENTS,
        audit::STATEMENTS,
        backlog::STATEMENTS,
        batches::STATEMENTS,
        card_changes::STATEMENTS,
        claims::STATEMENTS,
        combining::STATEMENTS,
        counts::STATEMENTS,
        decisions::STATEMENTS,
        deleting::STATEMENTS,
        dispatching::STATEMENTS,
        documents::STATEMENTS,
        epochs::STATEMENTS,
        expiring::STATEMENTS,
        facts::STATEMENTS,
        holding::STATEMENTS,
        jobs::STATEMENTS,
        lineage::STATEMENTS,
        model_uploads::STATEMENTS,
        models::STATEMENTS,
        openai_batches::STATEMENTS,
        openai_files::STATEMENTS,
        policies::STATEMENTS,
        proofs::STATEMENTS,
        retention::STATEMENTS,
        rows::STATEMENTS,
        sessions::STATEMENTS,
        terms::STATEMENTS,
        turns::STATEMENTS,
        usage::STATEMENTS,
        webhooks::STATEMENTS,
        workers::STATEMENTS,
    ];
    let more = models::MORE_STATEMENTS
        .iter()
        .chain(model_uploads::MORE_STATEMENTS)
        .chain(openai_batches::MORE_STATEMENTS)
        .chain(webhooks::MORE_STATEMENTS)
        .chain(decisions::MORE_STATEMENTS)
        .chain(deleting::MORE_STATEMENTS)
        .chain(dispatching::MORE_STATEMENTS)
        .chain(acceptances::MORE_STATEMENTS);
    files
        .iter()
        .chain(more)
        .chain(&audit::MORE_STATEMENTS)
        .flat_map(|statements| statements.iter().copied())
        .collect()
}

#[cfg(test)]
mod plans;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{databases::on_each, on};
    use sqlx::{Executor as _, SqlSafeStr as _};
    use std::{fs, path::Path};

    #[tokio::test]
    async fn every_statement_can_be_prepared_on_both_databases() {
        on_each(async |db| {
            for sql in statements() {
                let prepared = on!(db, |c| async { c.prepare(sql.into_sql_str()).await.map(drop) });
                prepared.unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
        })
        .await;
    }

    const VERBS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];

    /// A constant that was forgotten in its file's list would go untested.
    #[test]
    fn every_constant_that_holds_sql_is_listed() {
        let known = statements().len();
        let mut found = 0;
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let values = text
                    .split(": &str =")
                    .skip(1)
                    .map(|rest| rest.trim_start().trim_start_matches("concat!("))
                    .map(|rest| rest.trim_start().trim_start_matches('"'));
                found += values
                    .filter(|value| VERBS.iter().any(|verb| value.starts_with(verb)))
                    .count();
            }
        }
        assert_eq!(
            found, known,
            "constants that hold SQL, and statements that are listed"
        );
    }
}
