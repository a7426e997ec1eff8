//! Names of store items and how they are computed.
