//! How much of the machine's stack the expander and the compiler may use.
//!
//! Both recurse over forms. Instead of counting levels, which says nothing about bytes, the address of a local is compared
//! with that at the start.

/// Bytes that a recursion may use; test threads have two megabytes.
const BUDGET: usize = 1_300_000;

/// Remembers where a recursion began.
#[derive(Clone, Copy)]
pub(crate) struct StackGuard {
    start: usize,
}

impl StackGuard {
    /// Remembers this place.
    pub fn new() -> Self {
        StackGuard { start: here() }
    }

    /// Whether a further level fits.
    pub fn has_room(self) -> bool {
        self.start.abs_diff(here()) < BUDGET
    }
}

#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    std::hint::black_box(&raw const local).addr()
}
