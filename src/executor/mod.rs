//! Realises derivations: plan, schedule, build, log.
