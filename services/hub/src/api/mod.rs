//! The resources of `/v1`, one file each. Every file offers `routes`, which names its paths and handlers.

pub mod acceptance_acts;
pub mod acceptance_comments;
pub mod acceptance_evidence;
mod acceptance_problems;
mod acceptance_view;
pub mod acceptances;
pub mod archives;
pub mod audit;
pub mod batches;
pub mod bom;
pub mod decisions;
pub mod deliveries;
pub mod document_content;
pub mod documents;
pub mod explanation;
pub mod health;
mod job_view;
pub mod jobs;
pub mod licenses;
pub mod models;
pub mod one_call;
pub mod paging;
pub mod policies;
pub mod proofs;
pub mod simulation;
pub mod terms;
pub mod webhook_endpoints;
