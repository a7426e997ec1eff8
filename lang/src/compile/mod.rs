//! Compilation: core form → code.
//!
//! One pass over the core form with a model of the value stack: the place of every variable is known when code is
//! emitted. Closures are flat (they copy what they capture); variables that `set!` changes live in cells. A
//! local procedure that is only called in tail position becomes a jump; see [`letrec`](self).

mod call;
mod function;
mod last_use;
mod letrec;
mod test;
mod uses;
mod verify;

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    code::{GexpSlot, GexpTemplate, Op, Proto, RecordTemplate},
    core_form::{Core, GexpForm, Lambda, RecordField, RecordForm, Var, VarInfo},
    expand::{ExpandError, stack::StackGuard},
    module::Global,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use function::{Function, Place};

/// The result of emitting code: only nesting that is too deep can go wrong.
type Emitted = Result<(), ExpandError>;

/// Compiles an expression to a procedure without arguments.
pub(crate) fn compile(
    core: &Core,
    vars: &[VarInfo],
    name: Option<Symbol>,
    span: Span,
) -> Result<Rc<Proto>, ExpandError> {
    compile_definition(core, vars, name, span, None)
}

/// The same for the expression of a definition that nothing changes afterwards: if it is a procedure, it calls itself
/// without asking what the definition's value is.
pub(crate) fn compile_definition(
    core: &Core,
    vars: &[VarInfo],
    name: Option<Symbol>,
    span: Span,
    own: Option<&Global>,
) -> Result<Rc<Proto>, ExpandError> {
    let mut compiler = Compiler {
        vars,
        cells: FxHashSet::default(),
        labels: FxHashMap::default(),
        functions: vec![Function::new(name, span)],
        stack: StackGuard::new(),
        span,
    };
    match core {
        Core::Lambda(lambda) => {
            compiler.emit_closure(lambda, own)?;
            compiler.emit_op(Op::Return);
        }
        core => compiler.emit_tail(core)?,
    }
    let function = compiler.functions.pop().expect("the outermost function is there");
    Ok(Rc::new(function.finish(crate::code::Arity::default())))
}

struct Compiler<'a> {
    vars: &'a [VarInfo],
    /// Variables of `letrec` that are used before they may have a value.
    cells: FxHashSet<Var>,
    /// Which local procedures become jumps, once known.
    labels: FxHashMap<Var, bool>,
    functions: Vec<Function>,
    stack: StackGuard,
    span: Span,
}

impl Compiler<'_> {
    fn function(&mut self) -> &mut Function {
        self.functions.last_mut().expect("a function is being compiled")
    }

    fn emit_op(&mut self, op: Op) -> usize {
        self.function().emit(op)
    }

    fn in_cell(&self, var: Var) -> bool {
        self.cells.contains(&var) || self.vars.get(var.0 as usize).is_some_and(|info| info.mutated)
    }

    /// Emits an expression whose value is pushed.
    fn emit_value(&mut self, core: &Core) -> Emitted {
        self.emit(core, false)
    }

    /// Emits an expression whose value is returned.
    fn emit_tail(&mut self, core: &Core) -> Emitted {
        self.emit(core, true)
    }

    fn emit(&mut self, core: &Core, tail: bool) -> Emitted {
        if !self.stack.has_room() {
            return Err(ExpandError::TooDeep { span: self.span });
        }
        match core {
            Core::Const(value) => self.emit_const(value),
            Core::Local(var) => match self.slot(core) {
                Some(slot) if tail => {
                    self.emit_op(Op::ReturnLocal(slot));
                    self.function().depth += 1;
                    return Ok(());
                }
                _ => self.emit_variable(*var),
            },
            Core::Global(global, span) => {
                let index = self.function().global(global);
                let at = self.emit_op(Op::Global(index));
                self.function().mark(at, *span);
            }
            Core::SetLocal(var, value) => {
                self.emit_value(value)?;
                self.emit_set(*var);
                self.emit_op(Op::Unspecified);
            }
            Core::SetGlobal(global, value) => {
                self.emit_value(value)?;
                let index = self.function().global(global);
                self.emit_op(Op::SetGlobal(index));
                self.emit_op(Op::Unspecified);
            }
            Core::If(..) => return self.emit_if(core, tail),
            Core::Lambda(lambda) => self.emit_closure(lambda, None)?,
            Core::CaseLambda(lambdas) => {
                for lambda in lambdas {
                    self.emit_closure(lambda, None)?;
                }
                let count = u32::try_from(lambdas.len()).unwrap_or(u32::MAX);
                self.emit_op(Op::CaseClosure(count));
            }
            Core::Call(procedure, arguments, span) => {
                return self.emit_call(procedure, arguments, *span, tail);
            }
            Core::Let(bindings, body) => return self.emit_let(bindings, body, tail),
            Core::Letrec(bindings, body) => return self.emit_letrec(bindings, body, tail),
            Core::Seq(forms) => {
                let Some((last, before)) = forms.split_last() else { return Ok(()) };
                for form in before {
                    self.emit_value(form)?;
                    self.emit_op(Op::Pop);
                }
                return self.emit(last, tail);
            }
            Core::Delay(lambda) => {
                self.emit_closure(lambda, None)?;
                self.emit_op(Op::Promise);
            }
            Core::Gexp(form) => self.emit_gexp(form)?,
            Core::Record(form) => self.emit_record(form)?,
        }
        if tail {
            self.emit_op(Op::Return);
        }
        Ok(())
    }

    fn emit_const(&mut self, value: &Value) {
        let op = match value {
            Value::Nil => Op::Nil,
            Value::Unspecified => Op::Unspecified,
            Value::Bool(b) => Op::Bool(*b),
            Value::Int(n) => match i32::try_from(*n) {
                Ok(n) => Op::Int(n),
                Err(_) => Op::Const(self.function().constant(value.clone())),
            },
            other => Op::Const(self.function().constant(other.clone())),
        };
        self.emit_op(op);
    }

    fn emit_variable(&mut self, var: Var) {
        let cell = self.in_cell(var);
        let op = match (self.place(var), cell) {
            (Place::Slot(slot), false) => Op::Local(slot),
            (Place::Slot(slot), true) => Op::LocalCell(slot),
            (Place::Capture(index), false) => Op::Capture(index),
            (Place::Capture(index), true) => Op::CaptureCell(index),
            (Place::This, _) => Op::This,
            (Place::Sibling(index), _) => Op::Sibling(index),
            (Place::Label(_), _) => Op::Unspecified,
        };
        let at = self.emit_op(op);
        if cell {
            let (span, name) = (self.span, self.vars.get(var.0 as usize).map(|info| info.name));
            self.function().mark(at, span);
            name.into_iter().for_each(|name| self.function().mark_early(at, name));
        }
    }

    /// Pushes a variable as a closure captures it: cells as cells.
    fn emit_raw(&mut self, var: Var) {
        let op = match self.place(var) {
            Place::Slot(slot) => Op::Local(slot),
            Place::Capture(index) => Op::Capture(index),
            Place::This => Op::This,
            Place::Sibling(index) => Op::Sibling(index),
            Place::Label(_) => Op::Unspecified,
        };
        self.emit_op(op);
    }

    /// Pops into a variable in a cell.
    fn emit_set(&mut self, var: Var) {
        let op = match self.place(var) {
            Place::Capture(index) => Op::SetCaptureCell(index),
            Place::Slot(slot) => Op::SetLocalCell(slot),
            _ => Op::Pop,
        };
        self.emit_op(op);
    }

    fn place(&mut self, var: Var) -> Place {
        self.function().place(var)
    }

    /// Binds variables to expressions, one after the other, around a body.
    fn emit_let(&mut self, bindings: &[(Var, Core)], body: &Core, tail: bool) -> Emitted {
        let base = self.function().depth;
        for (var, value) in bindings {
            self.emit_value(value)?;
            let slot = self.function().depth - 1;
            if self.in_cell(*var) {
                self.emit_op(Op::Box(slot));
            }
            self.function().bind(*var, slot);
        }
        self.emit(body, tail)?;
        self.leave(base, tail);
        Ok(())
    }

    /// Drops what is between a depth and the value above it.
    fn leave(&mut self, base: u32, tail: bool) {
        let depth = self.function().depth;
        if !tail && depth > base + 1 {
            self.emit_op(Op::Slide(depth - base - 1));
        }
        self.function().depth = base + 1;
    }

    fn emit_if(&mut self, core: &Core, tail: bool) -> Emitted {
        let mut ends = Vec::new();
        let mut current = core;
        let base = self.function().depth;
        while let Core::If(test, then, otherwise) = current {
            let to_else = self.emit_test(test)?;
            self.emit(then, tail)?;
            if !tail {
                ends.push(self.emit_op(Op::Jump(0)));
            }
            self.function().patch_here(&to_else);
            self.function().depth = base;
            current = otherwise;
        }
        self.emit(current, tail)?;
        self.function().patch_here(&ends);
        self.function().depth = base + 1;
        Ok(())
    }

    /// Emits a procedure; it may be the value of a definition.
    fn emit_closure(&mut self, lambda: &Lambda, own: Option<&Global>) -> Emitted {
        let mut function = Function::new(lambda.name, lambda.span);
        function.own = own.map(std::ptr::from_ref);
        let (proto, captures) = self.compile_lambda(lambda, function)?;
        self.push_captures(&captures);
        let index = self.function().proto(proto);
        let count = u32::try_from(captures.len()).unwrap_or(u32::MAX);
        self.emit_op(Op::Closure(index, count));
        Ok(())
    }

    fn push_captures(&mut self, captures: &[Var]) {
        for var in captures {
            self.emit_raw(*var);
        }
    }

    /// Compiles a procedure in its own function; returns its code and what it captures.
    fn compile_lambda(
        &mut self,
        lambda: &Lambda,
        function: Function,
    ) -> Result<(Proto, Vec<Var>), ExpandError> {
        self.functions.push(function);
        let outer = std::mem::replace(&mut self.span, lambda.span);
        let result = self.emit_lambda_body(lambda);
        self.span = outer;
        let mut function = self.functions.pop().expect("it was pushed above");
        result?;
        let captures = std::mem::take(&mut function.captures);
        let arity = crate::code::Arity {
            required: lambda.required.len(),
            optional: lambda.optional.len(),
            keys: lambda.keys.iter().map(|(keyword, ..)| *keyword).collect(),
            rest: lambda.rest.is_some(),
            allow_other_keys: lambda.allow_other_keys,
        };
        Ok((function.finish(arity), captures))
    }

    fn emit_lambda_body(&mut self, lambda: &Lambda) -> Emitted {
        let defaults = lambda.optional.iter().map(|(var, core)| (var, core));
        let defaults: Vec<(&Var, &Core)> =
            defaults.chain(lambda.keys.iter().map(|(_, var, core)| (var, core))).collect();
        let arguments =
            lambda.required.iter().chain(defaults.iter().map(|(var, _)| *var)).chain(lambda.rest.iter());
        let mut boxed = Vec::new();
        for (slot, var) in arguments.enumerate() {
            let slot = u32::try_from(slot).unwrap_or(u32::MAX);
            self.function().bind(*var, slot);
            self.function().depth = slot + 1;
            if self.in_cell(*var) && (lambda.required.contains(var) || lambda.rest == Some(*var)) {
                boxed.push(slot);
            }
        }
        for slot in boxed {
            self.emit_op(Op::Box(slot));
        }
        for (index, (var, default)) in defaults.iter().enumerate() {
            let slot = u32::try_from(lambda.required.len() + index).unwrap_or(u32::MAX);
            let given = self.emit_op(Op::JumpUnlessAbsent(slot, 0));
            self.emit_value(default)?;
            self.emit_op(Op::SetLocal(slot));
            self.function().patch_here(&[given]);
            if self.in_cell(**var) {
                self.emit_op(Op::Box(slot));
            }
        }
        self.emit_tail(&lambda.body)
    }

    fn emit_gexp(&mut self, form: &GexpForm) -> Emitted {
        for part in &form.references {
            if let Some(value) = &part.value {
                self.emit_value(value)?;
            }
        }
        for attached in [form.modules, form.extensions] {
            match attached {
                Some(var) => self.emit_variable(var),
                None => {
                    self.emit_op(Op::Nil);
                }
            }
        }
        let parts = form.references.iter().map(GexpSlot::from).collect();
        let template = GexpTemplate { template: form.template.clone(), parts, span: form.span };
        self.function().gexp(template);
        Ok(())
    }

    fn emit_record(&mut self, form: &RecordForm) -> Emitted {
        let mut given = Vec::with_capacity(form.fields.len());
        for field in &form.fields {
            match field {
                RecordField::Value(value) => {
                    self.emit_value(value)?;
                    given.push(true);
                }
                RecordField::Inherited => given.push(false),
            }
        }
        if let Some(parent) = form.parent {
            self.emit_variable(parent);
        }
        let template = RecordTemplate {
            record_type: form.record_type.clone(),
            given: given.into(),
            inherits: form.parent.is_some(),
            span: form.span,
        };
        self.function().record(template);
        Ok(())
    }
}
