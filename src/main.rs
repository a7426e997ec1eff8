//! The `hpcl` program: hands over to the command line.
//!
//! The allocator is mimalloc: evaluation makes many small values, and musl's own allocator halves its speed.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's `purge_delay`, which its crate has no name for.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> std::process::ExitCode {
    // What is free goes back to the system after 10 s instead of 10 ms: evaluation wants it again at once, and clearing pages was a
    // third of its time. What builds for hours gives it back.
    //
    // SAFETY: setting an option by its number has no preconditions.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 10_000) };
    hpcl::cli::main()
}
