//! A machine inside of an expansion: the procedures of macros run while the forms around them are expanded.
//!
//! The inner machine has stacks of its own and borrows the world from the outer one. What it needs of the machine's
//! stack counts from where the outermost expansion began, so that macros inside of macros end in a diagnostic.

use crate::{
    expand::{Failure, stack::Nesting},
    module::World,
};

use super::Machine;

/// Runs something in a machine of its own with the world.
pub(crate) fn nested<T>(
    world: &mut World,
    work: impl FnOnce(&mut Machine) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let _nesting = Nesting::begin();
    let mut machine = Machine::new(world.take());
    machine.limits = machine.world.limits;
    let noted = machine.world.noted.take();
    let result = work(&mut machine);
    let steps = machine.steps;
    *world = machine.world;
    world.noted = noted;
    if world.limits.steps != u64::MAX {
        world.limits.steps = steps.min(world.limits.steps);
    }
    result
}
