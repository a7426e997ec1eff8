//! Tests: conditions that jump instead of making a boolean.

use crate::{code::Op, core_form::Core, value::Value};

use super::{Compiler, call::small_int};

impl Compiler<'_> {
    /// Emits a test; returns the jumps that are taken where it is false.
    pub(super) fn emit_test(&mut self, test: &Core) -> Result<Vec<usize>, crate::expand::ExpandError> {
        if let Core::Call(procedure, arguments, span) = test
            && let Core::Const(Value::Native(native)) = &**procedure
        {
            let jump = match (native.name, arguments.as_slice()) {
                ("not", [argument]) => {
                    self.emit_value(argument)?;
                    Some(Op::JumpIfTrue(0))
                }
                ("null?" | "pair?", [argument]) => {
                    let null = native.name == "null?";
                    Some(match self.slot(argument) {
                        Some(slot) if null => Op::JumpUnlessLocalNull(slot, 0),
                        Some(slot) => Op::JumpUnlessLocalPair(slot, 0),
                        None => {
                            self.emit_value(argument)?;
                            if null { Op::JumpUnlessNull(0) } else { Op::JumpUnlessPair(0) }
                        }
                    })
                }
                ("<=" | ">" | ">=", [first, second]) => {
                    self.emit_value(first)?;
                    self.emit_value(second)?;
                    Some(match native.name {
                        "<=" => Op::JumpUnlessLessEq(0),
                        ">" => Op::JumpUnlessGreater(0),
                        _ => Op::JumpUnlessGreaterEq(0),
                    })
                }
                ("<" | "=", [first, second]) => {
                    let less = native.name == "<";
                    let slot = self.slot(first).and_then(|slot| u16::try_from(slot).ok());
                    Some(match (slot, small_int(second)) {
                        (Some(slot), Some(n)) if less => Op::JumpUnlessLocalLessInt(slot, n, 0),
                        (Some(slot), Some(n)) => Op::JumpUnlessLocalNumEqInt(slot, n, 0),
                        _ => {
                            self.emit_value(first)?;
                            self.emit_value(second)?;
                            if less { Op::JumpUnlessLess(0) } else { Op::JumpUnlessNumEq(0) }
                        }
                    })
                }
                ("eq?" | "eqv?", [first, second]) => {
                    self.emit_value(first)?;
                    self.emit_value(second)?;
                    Some(Op::JumpUnlessEq(0))
                }
                _ => None,
            };
            if let Some(jump) = jump {
                let at = self.emit_op(jump);
                self.function().mark(at, *span);
                return Ok(vec![at]);
            }
        }
        // `(if (and a b) …)` jumps from both.
        if let Core::If(first, second, otherwise) = test
            && matches!(**otherwise, Core::Const(Value::Bool(false)))
        {
            let mut jumps = self.emit_test(first)?;
            jumps.extend(self.emit_test(second)?);
            return Ok(jumps);
        }
        self.emit_value(test)?;
        Ok(vec![self.emit_op(Op::JumpIfFalse(0))])
    }
}
