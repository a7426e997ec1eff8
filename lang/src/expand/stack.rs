//! How much of the machine's stack the expander and the compiler may use.
//!
//! Both recurse over forms. Instead of counting levels, which says nothing about bytes, the address of a local is compared
//! with that at the start.

use std::cell::Cell;

/// Bytes that a recursion may use; test threads have two megabytes.
const BUDGET: usize = 1_300_000;

thread_local! {
    /// Where the recursion began inside of which the procedure of a macro runs.
    static OUTER: Cell<Option<usize>> = const { Cell::new(None) };
    /// Where the latest recursion began that is inside of no other.
    static LATEST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Remembers where a recursion began.
#[derive(Clone, Copy)]
pub(crate) struct StackGuard {
    start: usize,
}

impl StackGuard {
    /// Remembers this place.
    pub fn new() -> Self {
        let start = OUTER.get().unwrap_or_else(|| {
            let start = here();
            LATEST.set(Some(start));
            start
        });
        StackGuard { start }
    }

    /// Whether a further level fits.
    pub fn has_room(self) -> bool {
        self.start.abs_diff(here()) < BUDGET
    }
}

/// While it lives, recursions count from where the outermost one began: the procedure of a macro runs inside of an expansion.
pub(crate) struct Nesting {
    before: Option<usize>,
}

impl Nesting {
    /// Begins here, unless an outer one began before.
    pub fn begin() -> Self {
        let before = OUTER.get();
        OUTER.set(Some(before.or(LATEST.get()).unwrap_or_else(here)));
        Nesting { before }
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        OUTER.set(self.before);
    }
}

#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    std::hint::black_box(&raw const local).addr()
}
