//! Variables that refer to one another.
//!
//! Procedures that refer to one another become one group (a strongly connected component), whose members share their
//! captured values and reach each other by number: nothing refers to itself, so that reference counts suffice.
//! Other values are bound in order, each after the procedures it needs. Only a variable that may be used
//! before it has its value is kept in a cell (Waddell, Sarkar and Dybvig, "Fixing Letrec").

use rustc_hash::FxHashSet;

use crate::{
    code::Op,
    core_form::{Core, Lambda, Var},
    expand::ExpandError,
    value::Value,
};

use super::{
    Compiler, Emitted,
    function::Function,
    uses::{is_label, mentions},
};

/// A procedure among the bindings.
struct Member<'c> {
    var: Var,
    lambda: &'c Lambda,
    /// The variables of the same `letrec` that it mentions.
    mentions: FxHashSet<Var>,
}

impl Compiler<'_> {
    pub(super) fn emit_letrec(&mut self, bindings: &[(Var, Core)], body: &Core, tail: bool) -> Emitted {
        if let [(var, Core::Lambda(lambda))] = bindings
            && !self.in_cell(*var)
            && is_label(*var, lambda, body, &mut self.labels)
        {
            return self.emit_label(*var, lambda, body, tail);
        }
        let base = self.function().depth;
        let all: FxHashSet<Var> = bindings.iter().map(|(var, _)| *var).collect();
        let mut members = Vec::new();
        for (var, value) in bindings {
            if let Core::Lambda(lambda) = value
                && !self.in_cell(*var)
            {
                let mut found = FxHashSet::default();
                mentions(value, &all, &mut found);
                members.push(Member { var: *var, lambda, mentions: found });
            }
        }
        let is_member = |var: Var| members.iter().any(|member| member.var == var);
        // What each value needs, directly or through procedures.
        let mut order: Vec<(usize, FxHashSet<Var>)> = Vec::new();
        for (index, (var, value)) in bindings.iter().enumerate() {
            if !is_member(*var) {
                let mut needs = FxHashSet::default();
                mentions(value, &all, &mut needs);
                close(&mut needs, &members);
                order.push((index, needs));
            }
        }
        let position = |var: Var| bindings.iter().position(|(other, _)| *other == var).unwrap_or(usize::MAX);
        let mut cells: Vec<Var> = Vec::new();
        for (index, needs) in &order {
            cells.extend(needs.iter().filter(|var| !is_member(**var) && position(**var) >= *index));
        }
        cells.extend(
            bindings.iter().map(|(var, _)| *var).filter(|var| !is_member(*var) && self.in_cell(*var)),
        );
        cells.sort_by_key(|var| var.0);
        cells.dedup();
        for var in &cells {
            self.cells.insert(*var);
            self.emit_const(&Value::Absent);
            let slot = self.function().depth - 1;
            self.emit_op(Op::Box(slot));
            self.function().bind(*var, slot);
        }
        let mut emitted: FxHashSet<Var> = FxHashSet::default();
        for (index, needs) in order {
            let Some((var, value)) = bindings.get(index) else { continue };
            self.emit_groups(&members, &needs, &mut emitted)?;
            self.emit_value(value)?;
            if cells.contains(var) {
                self.emit_set(*var);
            } else {
                let slot = self.function().depth - 1;
                self.function().bind(*var, slot);
            }
        }
        self.emit_groups(&members, &all, &mut emitted)?;
        self.emit(body, tail)?;
        self.leave(base, tail);
        Ok(())
    }

    /// Emits a local procedure that is a place in the code.
    fn emit_label(&mut self, var: Var, lambda: &Lambda, body: &Core, tail: bool) -> Emitted {
        let base = self.function().depth;
        let label = self.function().bind_label(var, base);
        self.emit(body, tail)?;
        let Some(jumps) = self.function().labels.get_mut(label).map(|label| std::mem::take(&mut label.jumps))
        else {
            return Ok(());
        };
        if jumps.is_empty() {
            return Ok(());
        }
        let end = if tail { None } else { Some(self.emit_op(Op::Jump(0))) };
        self.function().patch_here(&jumps);
        let start = self.function().here();
        if let Some(label) = self.function().labels.get_mut(label) {
            label.start = Some(start);
        }
        self.function().depth = base;
        let mut boxes = Vec::new();
        for var in &lambda.required {
            let slot = self.function().depth;
            self.function().bind(*var, slot);
            self.function().depth = slot + 1;
            if self.in_cell(*var) {
                boxes.push(slot);
            }
        }
        for slot in boxes {
            self.emit_op(Op::Box(slot));
        }
        self.emit(&lambda.body, tail)?;
        self.leave(base, tail);
        self.function().patch_here(&end.into_iter().collect::<Vec<_>>());
        self.function().depth = base + 1;
        Ok(())
    }

    /// Emits the groups of the wanted procedures, each after those that it needs.
    fn emit_groups(
        &mut self,
        members: &[Member<'_>],
        wanted: &FxHashSet<Var>,
        emitted: &mut FxHashSet<Var>,
    ) -> Emitted {
        let reach: Vec<FxHashSet<Var>> = members
            .iter()
            .map(|member| {
                let mut reach = member.mentions.clone();
                close(&mut reach, members);
                reach
            })
            .collect();
        let mut todo: Vec<usize> = (0..members.len())
            .filter(|index| {
                members.get(*index).is_some_and(|m| wanted.contains(&m.var) && !emitted.contains(&m.var))
            })
            .collect();
        // A procedure that reaches fewer others outside of its own group comes first.
        let together = |a: usize, b: usize| {
            let reaches = |from: usize, to: usize| {
                reach.get(from).zip(members.get(to)).is_some_and(|(set, member)| set.contains(&member.var))
            };
            reaches(a, b) && reaches(b, a)
        };
        todo.sort_by_key(|index| {
            let reached = reach.get(*index);
            (0..members.len())
                .filter(|other| !together(*index, *other))
                .filter(|other| {
                    let var = members.get(*other).map(|member| member.var);
                    reached.zip(var).is_some_and(|(set, var)| set.contains(&var))
                })
                .count()
        });
        for index in todo {
            let (Some(member), Some(reached)) = (members.get(index), reach.get(index)) else { continue };
            if emitted.contains(&member.var) {
                continue;
            }
            let group: Vec<&Member<'_>> = members
                .iter()
                .zip(&reach)
                .filter(|(other, others)| {
                    other.var == member.var || (reached.contains(&other.var) && others.contains(&member.var))
                })
                .map(|(other, _)| other)
                .collect();
            emitted.extend(group.iter().map(|member| member.var));
            self.emit_group(&group, reached.contains(&member.var))?;
        }
        Ok(())
    }

    fn emit_group(&mut self, group: &[&Member<'_>], recursive: bool) -> Emitted {
        if let [only] = group {
            let mut function = Function::new(only.lambda.name, only.lambda.span);
            function.this = recursive.then_some(only.var);
            let (proto, captures) = self.compile_lambda(only.lambda, function)?;
            self.push_captures(&captures);
            let index = self.function().proto(proto);
            let count = u32::try_from(captures.len()).unwrap_or(u32::MAX);
            self.emit_op(Op::Closure(index, count));
            let slot = self.function().depth - 1;
            self.function().bind(only.var, slot);
            return Ok(());
        }
        let count = u16::try_from(group.len()).map_err(|_| ExpandError::Other {
            message: format!("{} procedures refer to one another, more than {}", group.len(), u16::MAX),
            span: self.span,
            hint: None,
        })?;
        let names: Vec<Var> = group.iter().map(|member| member.var).collect();
        let mut captures = Vec::new();
        let mut first = None;
        for member in group {
            let mut function = Function::new(member.lambda.name, member.lambda.span);
            function.siblings.clone_from(&names);
            function.captures = captures;
            let (proto, after) = self.compile_lambda(member.lambda, function)?;
            captures = after;
            let index = self.function().proto(proto);
            first.get_or_insert(index);
        }
        self.push_captures(&captures);
        let captured = u32::try_from(captures.len()).unwrap_or(u32::MAX);
        self.emit_op(Op::Group(first.unwrap_or(0), count, captured));
        let depth = self.function().depth;
        for (slot, var) in (depth - u32::from(count)..).zip(names) {
            self.function().bind(var, slot);
        }
        Ok(())
    }
}

/// Adds what the procedures in a set mention.
fn close(set: &mut FxHashSet<Var>, members: &[Member<'_>]) {
    loop {
        let before = set.len();
        for member in members {
            if set.contains(&member.var) {
                set.extend(&member.mentions);
            }
        }
        if set.len() == before {
            return;
        }
    }
}
