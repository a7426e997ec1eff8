//! The last use of a variable takes its value out of the frame.
//!
//! A value that only one place refers to needs no counting when it moves on, is destroyed as soon as nobody wants it,
//! and a list that nobody else holds can be reversed or extended in place. Code is looked at backwards: a variable is
//! live where some way from there reads it. Only the first 64 places of a frame are followed.

use crate::code::Op;

/// Places of the frame that are live; the first is the lowest bit.
type Places = u64;

fn bit(slot: u32) -> Places {
    1u64.checked_shl(slot).unwrap_or(0)
}

fn below(depth: u32) -> Places {
    bit(depth).checked_sub(1).unwrap_or(Places::MAX)
}

/// Replaces reads of variables by [`Op::Take`] where they are the last ones. `depths` has the number of values in the frame
/// before each instruction.
pub(super) fn take_last_uses(code: &mut [Op], depths: &[u32]) {
    if !code.iter().any(|op| matches!(op, Op::Local(slot) if *slot < 64)) {
        return;
    }
    let mut live: Vec<Places> = vec![0; code.len() + 1];
    // Loops jump back: what is live there is known after another turn.
    while follow(code, depths, &mut live) {}
    for (at, op) in code.iter_mut().enumerate() {
        if let Op::Local(slot) = *op
            && slot < 64
            && after(Op::Local(slot), at, &live) & bit(slot) == 0
        {
            *op = Op::Take(slot);
        }
    }
}

/// Goes once through the code, backwards; says whether a jump back leads to where more turned out to be live.
fn follow(code: &[Op], depths: &[u32], live: &mut [Places]) -> bool {
    let mut again = false;
    let mut jumps_back = false;
    for (at, (op, depth)) in code.iter().zip(depths).enumerate().rev() {
        let places = (after(*op, at, live) | read(*op).map_or(0, bit)) & below(*depth);
        if let Some(known) = live.get_mut(at)
            && *known != places
        {
            *known = places;
            again = true;
        }
        jumps_back |= matches!(op, Op::Loop(_, _, target) if *target as usize <= at);
    }
    again && jumps_back
}

/// Returns what is live after an instruction.
fn after(op: Op, at: usize, live: &[Places]) -> Places {
    let known = |at: usize| live.get(at).copied().unwrap_or(Places::MAX);
    match op {
        Op::Return | Op::ReturnLocal(_) | Op::TailCall(_) | Op::TailCallGlobal(..) | Op::TailCallThis(_) => 0,
        Op::Jump(target) => known(target as usize),
        Op::Loop(_, slot, target) => known(target as usize) & below(slot),
        _ => known(at + 1) | op.target().map_or(0, |target| known(target as usize)),
    }
}

/// Returns the variable that an instruction reads, besides the temporaries on top.
pub(super) fn read(op: Op) -> Option<u32> {
    match op {
        Op::Local(slot)
        | Op::Take(slot)
        | Op::LocalCell(slot)
        | Op::SetLocalCell(slot)
        | Op::SetLocal(slot)
        | Op::Box(slot)
        | Op::ReturnLocal(slot)
        | Op::LocalAddInt(slot, _)
        | Op::LocalCar(slot)
        | Op::LocalCdr(slot)
        | Op::CallLocal(slot, _)
        | Op::JumpUnlessAbsent(slot, _)
        | Op::JumpUnlessLocalNull(slot, _)
        | Op::JumpUnlessLocalPair(slot, _) => Some(slot),
        Op::CallThisPlus(slot, ..)
        | Op::JumpUnlessLocalLessInt(slot, ..)
        | Op::JumpUnlessLocalNumEqInt(slot, ..) => Some(slot.into()),
        _ => None,
    }
}
