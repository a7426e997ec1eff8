//! hpcl: a functional package manager for high-performance computing.
//!
//! Four layers, arrows go down only: interface (`cli`, `report`) → domain (`host`, `lower`, …) → mechanism (`store`,
//! `fetch`, `sandbox`, `executor`) → model (`hash`, `store_path`, `derivation`, `nar`, `graph`). Only the domain layer
//! uses the language. `tests/tidy.rs` holds these arrows.

// interface
pub mod cli;
pub mod report;
// domain
pub mod builder;
pub mod channel;
pub mod editor;
pub mod host;
pub mod import;
pub mod lint;
pub mod lower;
pub mod profile;
pub mod upstream;
// mechanism
pub mod archive;
pub mod cache;
pub mod crates;
pub mod elf;
pub mod executor;
pub mod fetch;
pub mod git;
pub mod pypi;
pub mod sandbox;
pub mod store;
// model
pub mod derivation;
pub mod graph;
pub mod hash;
pub mod nar;
pub mod store_path;
