//! The `hpcl` program.

fn main() {}
