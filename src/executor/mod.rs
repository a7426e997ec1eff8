//! Realises derivations: plan, schedule, build or fetch, log, register.
//!
//! [`realise`] takes a hashed graph and the outputs that are wanted. It plans what is not there yet ([`Plan`]), runs it
//! through ready queues, builds on one side, fetches on the other ([`schedule`]), and reports each step as an [`Event`].
//! Where a build runs is an [`Executor`]'s business: [`LocalExecutor`] runs it in a sandbox on this machine, in a
//! process forked from the [`zygote`], with one GNU make [`jobserver`] for all.
//!
//! Invariants: an output is registered whole or not at all; one failed branch does not stop the others, unless asked; when
//! `realise` returns, no process that it started is alive.

mod cancel;
mod check;
mod collect;
mod error;
mod event;
mod fetchurl;
mod graft;
mod graft_plan;
pub mod job;
mod jobserver;
mod kept;
mod local;
mod log;
mod options;
mod plan;
mod prepare;
mod result;
mod schedule;
mod scratch;
mod serve;
mod zygote;

pub use cancel::Cancel;
pub use error::{BuildError, ExecutorError, chain};
pub use event::{Action, Event, Observer, Unobserved};
pub use graft_plan::{GraftError, Place, Replacements, plan_grafts};
pub use job::BuilderJob;
pub use jobserver::Jobserver;
pub use kept::{Kept, enter_kept};
pub use local::LocalExecutor;
pub use log::{log_path, read_log};
pub use options::Options;
pub use plan::{Plan, Wanted, plan, plan_after};
pub use result::{BuildResult, Done, Failed, Summary};
pub use schedule::{Executor, Task, realise};
pub use serve::serve;
