//! The resources of `/v1`, one file each. Every file offers `routes`, which names its paths and handlers.

pub mod batches;
pub mod documents;
mod job_view;
pub mod jobs;
pub mod one_call;
pub mod paging;
