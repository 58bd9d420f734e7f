//! The whole product from outside: the real program, real files, real HTTP.
//!
//! [`hub::Hub`] is a running `glmhub up`; its [`client::Client`] holds every response against `openapi.yaml`
//! ([`contract`]) before a test sees it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod api_keys;
mod architecture;
mod archives;
mod ask;
mod audit;
mod bad_input;
mod batch;
mod bom;
mod catalogue;
mod cli;
mod client;
mod combining;
mod contract;
mod crash;
mod dashboard;
mod deploy;
mod doors;
mod ending;
mod expiry;
mod fetching;
mod fleet;
mod full_disk;
mod full_queue;
mod hf;
mod hf_package;
mod hub;
mod idempotency;
mod import;
mod jobs;
mod keys;
mod licence;
mod limits;
mod links;
mod locked_file;
mod oidc;
mod openai;
mod openai_choices;
mod openai_package;
mod openapi;
mod policies;
mod process;
mod proofs;
mod python;
mod reader;
mod readme;
mod receiver;
mod registration;
mod requeueing;
mod revocation;
mod schemas;
mod site;
mod splitting;
mod strangers;
mod streaming;
mod tally;
mod tree;
mod webhooks;
mod weights;
mod workers;
mod writer;
