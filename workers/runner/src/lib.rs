//! A worker: takes an order, verifies its grant, fetches the page, answers, reports.
//!
//! It believes nothing that the queue hands it. An order without a good grant costs a signature check and
//! nothing else; the page, the manifest and every artifact are fetched by the digests that the grant names and
//! hashed on arrival. It holds no database and no key that could sign.
//!
//! It reports nothing after its lease has ended, after the hub has withdrawn the order, or after the tenant's
//! epoch has risen: the hold is confirmed before every report ([`hold`]). What a worker leaves undone is never
//! lost, because an order leaves the queue only when it is settled, and it is settled only when everything about
//! it was reported.

mod announcing;
mod answering;
mod fault;
mod hold;
mod kept_pages;
mod materialise;
mod memory;
mod models;
mod models_folder;
mod noop;
mod outcome;
mod parameters;
mod relaying;
mod seal;
mod seat;
mod settings;
mod spent;
mod telling;
mod told;
mod turns;
mod worker;

#[cfg(test)]
mod fixtures;

pub use announcing::About;
pub use models_folder::ModelsFolder;
pub use noop::Computing;
pub use outcome::Outcome;
pub use settings::{MOST_ORDERS, Settings};
pub use worker::{Worker, WorkerParts};
