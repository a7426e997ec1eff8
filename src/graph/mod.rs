//! The graph of derivations, hashed in parallel.
