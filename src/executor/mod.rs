//! Realises derivations: plan, schedule, build, log.

pub mod job;

pub use job::BuilderJob;
