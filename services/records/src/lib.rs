//! All SQL of the hub: one file per group of tables.
//!
//! One function is one business fact and one transaction. Every read that concerns a tenant takes the tenant.
//! Each statement is written once, as a constant in portable SQL, and runs on both databases with native types;
//! [`on!`] compiles one body per database.

pub mod acceptances;
pub mod answers;
pub mod api_keys;
mod at;
pub mod attempts;
pub mod audit;
pub mod backlog;
pub mod batches;
pub mod card_changes;
pub mod claims;
pub mod combining;
pub mod counts;
#[cfg(test)]
mod databases;
mod db;
pub mod decisions;
pub mod deleting;
pub mod dispatching;
pub mod documents;
pub mod epochs;
mod error;
pub mod expiring;
pub mod facts;
pub mod holding;
pub mod jobs;
mod later;
pub mod lineage;
mod many;
pub mod model_uploads;
pub mod models;
pub mod one_call;
pub mod openai_batches;
pub mod openai_files;
pub mod policies;
mod postgres;
pub mod proofs;
mod read;
pub mod retention;
pub mod rows;
mod run;
pub mod sessions;
mod stamp;
mod statements;
pub mod terms;
pub mod turns;
pub mod usage;
pub mod webhooks;
pub mod workers;

pub use at::At;
pub use db::{Connection, Db, OpenError, Tx};
pub use error::RecordsError;
pub use postgres::PostgresSettings;
pub use stamp::Stamp;
pub use statements::statements;
