//! Generates the parser from `src/reader/grammar.lalrpop`.
//!
//! The result lies in cargo's output directory and is included by `reader/mod.rs` alone.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    lalrpop::Configuration::new().use_cargo_dir_conventions().emit_rerun_directives(true).process()
}
