//! Rootless isolation for builds.
