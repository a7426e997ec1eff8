//! The `hpcl` program: hands over to the command line.
//!
//! The allocator is mimalloc: evaluation makes many small values, and musl's own allocator halves its speed.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hpcl::cli::main()
}
