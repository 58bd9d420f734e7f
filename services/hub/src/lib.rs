//! The HTTP API and the loops that move batches along.

pub mod acceptance_changes;
pub mod acceptance_settings;
pub mod access_token;
pub mod api;
pub mod app;
pub mod archive;
pub mod audit_settings;
pub mod caller;
pub mod gate;
pub mod loops;
pub mod multipart;
pub mod outgoing;
pub mod policy_folder;
pub mod policy_settings;
pub mod problem;
pub mod proving;
pub mod randomness;
pub mod reload;
pub mod request_log;
pub mod signals;
pub mod simulating;
pub mod splitting;
pub mod terms_diff;
pub mod uploads;
pub mod webhook_settings;
pub mod work_settings;
