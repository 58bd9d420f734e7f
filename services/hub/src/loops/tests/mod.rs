//! The loops over real records and a real queue; the tests are the worker.

mod at_once;
mod combining;
mod crew;
mod deleted_files;
mod desk;
mod expiry;
mod following;
mod full;
mod grants;
mod holds;
mod interleavings;
mod model;
mod orders;
mod retention;
mod revocations;
mod room;
mod same_pages;
mod verdicts;
mod waking;
