//! What the user sees: progress, tables, hints, exit codes.
