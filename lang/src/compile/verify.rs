//! Whether code keeps what the machine relies on without looking.
//!
//! The run loop works with pointers, so that a mistake of the compiler would be undefined behaviour. Each procedure's code is
//! therefore checked when it is finished, in one pass, against the number of values that the compiler believed to be in the frame
//! before each instruction. What holds then:
//!
//! - every place, and every entry of a table, that an instruction names is there;
//! - both ways on from an instruction lead to one that expects as many values as there are, and the last one leads nowhere;
//! - no instruction takes more values than there are, and the frame never holds more than its height;
//! - what does the work of the next two instructions stands before just these.

use std::rc::Rc;

use crate::{
    code::{GexpTemplate, Op, Proto, RecordTemplate},
    native::Native,
};

use super::function::effect;

/// The code of a procedure, before jumps became distances, with the sizes of its tables.
pub(super) struct Code<'c> {
    /// The instructions.
    pub code: &'c [Op],
    /// The number of values before each.
    pub depths: &'c [u32],
    /// The number of arguments' places.
    pub places: u32,
    /// The most values.
    pub height: u32,
    /// How many constants there are.
    pub constants: usize,
    /// How many definitions.
    pub globals: usize,
    /// The procedures in Rust.
    pub natives: &'c [&'static Native],
    /// The procedures inside.
    pub protos: &'c [Rc<Proto>],
    /// Staged code.
    pub gexps: &'c [GexpTemplate],
    /// Records.
    pub records: &'c [RecordTemplate],
}

impl Code<'_> {
    /// Returns the place of the first instruction that breaks the rules.
    pub fn flaw(&self) -> Option<usize> {
        if self.depths.first() != Some(&self.places) || self.depths.len() != self.code.len() {
            return Some(0);
        }
        (0..self.code.len()).find(|at| self.is_fine(*at).is_none())
    }

    /// Returns nothing where an instruction breaks the rules.
    fn is_fine(&self, at: usize) -> Option<()> {
        let (op, depth) = (*self.code.get(at)?, *self.depths.get(at)?);
        let needs = self.takes(op)?;
        let after = i64::from(depth) + i64::from(self.effect(op)?);
        let after = u32::try_from(after).ok()?;
        let fits = depth >= needs && depth <= self.height && after <= self.height;
        let fits = fits && slot(op).is_none_or(|slot| slot < depth) && self.has_next_two(op, at);
        let expects = |target: u32, depth: u32| self.depths.get(target as usize) == Some(&depth);
        let leads = match op {
            Op::Return
            | Op::ReturnLocal(_)
            | Op::TailCall(_)
            | Op::TailCallGlobal(..)
            | Op::TailCallThis(_) => true,
            Op::Jump(target) => expects(target, depth),
            Op::Loop(count, slot, target) => {
                slot + u32::from(count) <= depth && expects(target, slot + u32::from(count))
            }
            op => {
                self.depths.get(at + 1) == Some(&after)
                    && op.target().is_none_or(|target| expects(target, after))
            }
        };
        (fits && leads).then_some(())
    }

    /// Returns how many of the topmost values an instruction takes or looks at, if what it names is there.
    fn takes(&self, op: Op) -> Option<u32> {
        let known = |index: u32, length: usize| ((index as usize) < length).then_some(());
        Some(match op {
            Op::Const(index) => known(index, self.constants).map(|()| 0)?,
            Op::Global(index) => known(index, self.globals).map(|()| 0)?,
            Op::SetGlobal(index) => known(index, self.globals).map(|()| 1)?,
            Op::CallGlobal(index, count) | Op::TailCallGlobal(index, count) => {
                known(index, self.globals).map(|()| count)?
            }
            Op::CallNative(index, count) => {
                let (least, most) = self.natives.get(index as usize)?.arity;
                let count = count as usize;
                (count >= least && most.is_none_or(|most| count <= most)).then_some(op_count(op))?
            }
            Op::Closure(index, captures) => {
                (self.protos.get(index as usize)?.captures <= captures).then_some(captures)?
            }
            Op::Group(first, count, captures) => {
                let members = self.protos.get(first as usize..)?.get(..usize::from(count))?;
                members.iter().all(|member| member.captures <= captures).then_some(captures)?
            }
            Op::Gexp(_) | Op::Record(_) => u32::try_from(1 - self.effect(op)?).ok()?,
            Op::Call(count) | Op::TailCall(count) => count.checked_add(1)?,
            Op::Slide(count) => count.checked_add(1)?,
            op => op_count(op),
        })
    }

    /// Returns by how much an instruction changes the number of values.
    fn effect(&self, op: Op) -> Option<i32> {
        let used = match op {
            Op::Gexp(index) => {
                self.gexps.get(index as usize)?.parts.iter().filter(|part| part.has_value).count() + 2
            }
            Op::Record(index) => {
                let template = self.records.get(index as usize)?;
                template.given.iter().filter(|given| **given).count() + usize::from(template.inherits)
            }
            op => return Some(effect(op)),
        };
        Some(1 - i32::try_from(used).ok()?)
    }

    /// Whether the instructions are there whose work this one does.
    fn has_next_two(&self, op: Op, at: usize) -> bool {
        let next = (self.code.get(at + 1), self.code.get(at + 2));
        match op {
            Op::CallThisPlus(slot, n, count) => {
                matches!(next, (Some(Op::LocalAddInt(other, sum)), Some(Op::CallThis(arguments)))
                    if *other == u32::from(slot) && *sum == n && *arguments == count)
            }
            Op::ReturnSum => matches!(next, (Some(Op::Add), Some(Op::Return))),
            _ => true,
        }
    }
}

/// Returns how many of the topmost values an instruction takes or looks at.
fn op_count(op: Op) -> u32 {
    match op {
        Op::CaseClosure(count)
        | Op::CallLocal(_, count)
        | Op::CallThis(count)
        | Op::TailCallThis(count)
        | Op::CallNative(_, count) => count,
        Op::Loop(count, ..) => count.into(),
        Op::SetLocalCell(_)
        | Op::SetCaptureCell(_)
        | Op::SetLocal(_)
        | Op::Pop
        | Op::JumpIfFalse(_)
        | Op::JumpIfTrue(_)
        | Op::JumpUnlessNull(_)
        | Op::JumpUnlessPair(_)
        | Op::Return
        | Op::Promise
        | Op::Reverse
        | Op::Car
        | Op::Cdr
        | Op::Not
        | Op::IsNull
        | Op::IsPair
        | Op::AddInt(_) => 1,
        Op::Cons
        | Op::Append
        | Op::IsEq
        | Op::Add
        | Op::ReturnSum
        | Op::Sub
        | Op::Mul
        | Op::Less
        | Op::LessEq
        | Op::Greater
        | Op::GreaterEq
        | Op::NumEq
        | Op::JumpUnlessLess(_)
        | Op::JumpUnlessLessEq(_)
        | Op::JumpUnlessGreater(_)
        | Op::JumpUnlessGreaterEq(_)
        | Op::JumpUnlessNumEq(_)
        | Op::JumpUnlessEq(_) => 2,
        _ => 0,
    }
}

/// Returns the variable of the frame that an instruction names.
fn slot(op: Op) -> Option<u32> {
    match op {
        Op::Loop(..) => None,
        op => super::last_use::read(op),
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Op};

    /// Returns where code that takes one argument breaks the rules, given the number of values before each instruction.
    fn flaw(code: &[Op], depths: &[u32], height: u32) -> Option<usize> {
        let (constants, globals) = (1, 1);
        let (natives, protos, gexps, records) = (&[], &[], &[], &[]);
        Code { code, depths, places: 1, height, constants, globals, natives, protos, gexps, records }.flaw()
    }

    #[test]
    fn code_that_keeps_the_rules_passes() {
        let fib = [
            Op::JumpUnlessLocalLessInt(0, 2, 2),
            Op::ReturnLocal(0),
            Op::CallThisPlus(0, -1, 1),
            Op::LocalAddInt(0, -1),
            Op::CallThis(1),
            Op::Local(0),
            Op::ReturnSum,
            Op::Add,
            Op::Return,
        ];
        assert_eq!(flaw(&fib, &[1, 1, 1, 1, 2, 2, 3, 3, 2], 3), None);
        let turn = [Op::LocalCdr(0), Op::Loop(1, 0, 0)];
        assert_eq!(flaw(&turn, &[1, 2], 2), None);
    }

    #[test]
    fn variables_constants_and_captures_must_be_there() {
        assert_eq!(flaw(&[Op::ReturnLocal(1)], &[1], 1), Some(0));
        assert_eq!(flaw(&[Op::Const(1), Op::Return], &[1, 2], 2), Some(0));
        assert_eq!(flaw(&[Op::Local(0), Op::CallGlobal(1, 1), Op::Return], &[1, 2, 2], 2), Some(1));
        assert_eq!(flaw(&[Op::CallNative(0, 0), Op::Return], &[1, 2], 2), Some(0));
        assert_eq!(flaw(&[Op::Closure(0, 0), Op::Return], &[1, 2], 2), Some(0));
    }

    #[test]
    fn values_must_be_there_and_fit() {
        assert_eq!(flaw(&[Op::Add, Op::Return], &[1, 0], 1), Some(0));
        assert_eq!(flaw(&[Op::Nil, Op::Return], &[1, 2], 1), Some(0));
        assert_eq!(flaw(&[Op::Pop, Op::Return], &[1, 0], 1), Some(1));
        assert_eq!(flaw(&[Op::Nil, Op::Return], &[1, 1], 2), Some(0));
    }

    #[test]
    fn ways_on_must_lead_to_the_same_number_of_values() {
        assert_eq!(flaw(&[Op::Nil], &[1], 2), Some(0));
        assert_eq!(flaw(&[Op::Jump(1)], &[1], 1), Some(0));
        assert_eq!(flaw(&[Op::Nil, Op::Jump(0)], &[1, 2], 2), Some(1));
        assert_eq!(flaw(&[Op::Nil, Op::Loop(1, 1, 0)], &[1, 2], 2), Some(1));
        assert_eq!(flaw(&[Op::JumpUnlessLocalNull(0, 2), Op::Nil, Op::Return], &[1, 1, 2], 2), Some(0));
    }

    #[test]
    fn a_shortcut_stands_before_what_it_does() {
        let code = [Op::CallThisPlus(0, -1, 1), Op::LocalAddInt(0, -2), Op::CallThis(1), Op::Return];
        assert_eq!(flaw(&code, &[1, 1, 2, 2], 2), Some(0));
        let code = [Op::Local(0), Op::ReturnSum, Op::Sub, Op::Return];
        assert_eq!(flaw(&code, &[1, 2, 2, 1], 2), Some(1));
    }
}
