//! Who may change a hash table while recipes are evaluated.
//!
//! A table may be filled only while the definition, promise or memoised call that made it is evaluated, by that computation
//! itself; afterwards it is fixed. So a value that others can see never changes, and what is remembered does not depend on
//! who asked first. Each such computation is an *epoch* with a number of its own.

/// The epochs that are going on, innermost last.
#[derive(Default)]
pub(crate) struct Epochs {
    running: Vec<u64>,
    latest: u64,
}

/// The epoch of tables that may always change: those of builds.
pub(crate) const ALWAYS: u64 = 0;
/// The epoch of what belongs to no definition: the expressions of a program.
const PROGRAM: u64 = 1;

impl Epochs {
    /// Begins one inside of the others.
    pub fn begin(&mut self) {
        self.latest += 1;
        self.running.push(PROGRAM + self.latest);
    }

    /// Ends the innermost one.
    pub fn end(&mut self) {
        self.running.pop();
    }

    /// Returns the innermost one.
    pub fn current(&self) -> u64 {
        self.running.last().copied().unwrap_or(PROGRAM)
    }
}
