//! The rules of the hub.
//!
//! Invariant: nothing in this crate does input or output, waits, or reads a clock.
//! Everything is a plain value or a function of its arguments.

pub mod acceptance;
pub mod access;
pub mod api_key;
pub mod audit;
pub mod batch;
pub mod bom;
pub mod bundle;
pub mod card;
pub mod card_change;
pub mod clock;
pub mod combining;
pub mod comparison;
pub mod deadline;
pub mod deletion;
pub mod digest;
pub mod document;
pub mod effective;
pub mod estimate;
pub mod family_tree;
pub mod faq;
pub mod gate;
pub mod grant;
pub mod hardware;
pub mod id;
pub mod job;
pub mod language;
pub mod license;
pub mod limits;
pub mod lineage;
pub mod model;
pub mod model_upload;
pub mod names;
pub mod openai_batch;
pub mod order;
pub mod policy;
pub mod proof;
pub mod provenance;
pub mod purpose;
pub mod question;
pub mod registration;
pub mod rows;
pub mod terms;
pub mod territory;
pub mod trace;
pub mod turn;
pub mod webhook;
pub mod worker;
