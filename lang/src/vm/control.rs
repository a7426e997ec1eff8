//! The machine's own procedures.

use std::rc::Rc;

use crate::{
    equal::Equality,
    expand::ExpandError,
    module::{Binding, ModuleName},
    native::{Raise, wrong_type},
    procedure::{Escape, Memo, Parameter, Primitive, Procedure},
    symbol::Symbol,
    table::Table,
    value::Value,
};

use super::{
    Machine, error,
    frame::{Catch, Converting, Fault, Flow, Frame, Mark},
    short,
};

/// The fewest and the most arguments.
pub(super) fn arity(primitive: Primitive) -> (usize, Option<usize>) {
    let limits = match primitive {
        Primitive::Apply => return (1, None),
        Primitive::Values => return (0, None),
        Primitive::CallWithValues | Primitive::Guard | Primitive::ModuleRef => (2, 2),
        Primitive::Force
        | Primitive::RaiseContinuable
        | Primitive::Reraise
        | Primitive::CallEscape
        | Primitive::Memoize
        | Primitive::MemoizeIdentity => (1, 1),
        Primitive::DynamicWind | Primitive::WithParameters => (3, 3),
        Primitive::WithExceptionHandler => (2, 6),
        Primitive::Catch => (3, 4),
        Primitive::MakeParameter => (1, 2),
        Primitive::Raise => (1, 3),
    };
    (limits.0, Some(limits.1))
}

impl Machine {
    /// Carries out a procedure of the machine's own; the level that waits was pushed before.
    pub(super) fn primitive(
        &mut self,
        primitive: Primitive,
        mut arguments: Vec<Value>,
    ) -> Result<Flow, Fault> {
        let (least, most) = arity(primitive);
        if arguments.len() < least || most.is_some_and(|most| arguments.len() > most) {
            return Err(error::wrong_arity(&Value::Primitive(primitive), arguments.len()).into());
        }
        let mut take = || if arguments.is_empty() { Value::Absent } else { arguments.remove(0) };
        match primitive {
            Primitive::Apply => {
                let procedure = take();
                let Some(last) = arguments.pop() else { return self.apply(procedure, 0) };
                let position = arguments.len() + 1;
                match last.list_to_vec() {
                    Some(rest) => arguments.extend(rest),
                    None => return Err(wrong_type("apply", position, "a list", &last).into()),
                }
                self.apply_to(procedure, arguments)
            }
            Primitive::Values => Ok(Flow::Return(Value::values(arguments))),
            Primitive::CallWithValues => {
                let producer = take();
                self.frames.push(Frame::Mark(Mark::Consumer(take())));
                self.apply(producer, 0)
            }
            Primitive::Force => match take() {
                Value::Promise(promise) => self.force_promise(promise),
                value => Ok(Flow::Return(value)),
            },
            Primitive::DynamicWind => {
                let before = take();
                let rest = (take(), take());
                self.frames.push(Frame::Mark(Mark::WindStart(Box::new(rest))));
                self.apply(before, 0)
            }
            Primitive::WithExceptionHandler => {
                let handler = take();
                let thunk = take();
                let option = |wanted: &str| {
                    let named =
                        |pair: &&[Value]| matches!(pair, [Value::Keyword(key), _] if key.as_str() == wanted);
                    arguments.chunks(2).find(named).and_then(<[Value]>::last)
                };
                let unwind = option("unwind?").is_some_and(Value::is_true);
                let height = short(self.stack.len());
                let mark = match option("unwind-for-type") {
                    _ if !unwind => Mark::Handler(handler),
                    None | Some(Value::Bool(true)) => Mark::Guard { handler, height },
                    // A handler for a type only is the pair of the type and the handler.
                    Some(of) => Mark::Guard { handler: Value::cons(of.clone(), handler), height },
                };
                self.frames.push(Frame::Mark(mark));
                self.apply(thunk, 0)
            }
            Primitive::Guard => {
                let handler = take();
                let height = short(self.stack.len());
                self.frames.push(Frame::Mark(Mark::Guard { handler, height }));
                let thunk = take();
                self.apply(thunk, 0)
            }
            Primitive::Catch => {
                let (key, thunk, handler) = (take(), take(), take());
                let height = short(self.stack.len());
                self.frames.push(Frame::Mark(Mark::Catch(Box::new(Catch { key, handler, height }))));
                self.apply(thunk, 0)
            }
            Primitive::Raise => {
                let value = take();
                match arguments.as_slice() {
                    [] => Err(Raise::Thrown(value).into()),
                    [Value::Keyword(key), continuable] if key.as_str() == "continuable?" => {
                        match continuable.is_true() {
                            true => self.raise_continuable(value),
                            false => Err(Raise::Thrown(value).into()),
                        }
                    }
                    others => Err(error::wrong_arity(&Value::Primitive(primitive), others.len() + 1).into()),
                }
            }
            Primitive::RaiseContinuable => {
                let value = take();
                self.raise_continuable(value)
            }
            Primitive::Reraise => {
                let value = take();
                match &self.caught {
                    Some((caught, diagnostic)) if crate::equal::eqv(caught, &value) => {
                        Err(Fault::Again(value, Box::new(diagnostic.clone())))
                    }
                    _ => Err(Raise::Thrown(value).into()),
                }
            }
            Primitive::CallEscape => {
                let receiver = take();
                self.escapes += 1;
                let escape =
                    Rc::new(Procedure::Escape(Escape { id: self.escapes, live: std::cell::Cell::new(true) }));
                let height = short(self.stack.len());
                self.frames.push(Frame::Mark(Mark::Escape { escape: escape.clone(), height }));
                self.apply_to(receiver, vec![Value::Procedure(escape)])
            }
            Primitive::WithParameters => {
                let (parameters, values, thunk) = (take(), take(), take());
                self.with_parameters(&parameters, &values, thunk)
            }
            Primitive::MakeParameter => {
                let value = take();
                match take() {
                    Value::Absent => {
                        let parameter = Parameter { value: value.into(), converter: None };
                        Ok(Flow::Return(Value::Parameter(Rc::new(parameter))))
                    }
                    converter => {
                        self.frames.push(Frame::Mark(Mark::NewParameter(converter.clone())));
                        self.apply_to(converter, vec![value])
                    }
                }
            }
            Primitive::Memoize => Ok(Flow::Return(memo(take(), Equality::Equal))),
            Primitive::MemoizeIdentity => Ok(Flow::Return(memo(take(), Equality::Eq))),
            Primitive::ModuleRef => {
                let (module, name) = (take(), take());
                self.module_ref(&module, &name)
            }
        }
    }

    fn with_parameters(&mut self, parameters: &Value, values: &Value, thunk: Value) -> Result<Flow, Fault> {
        let (parameters, values) =
            (parameters.list_to_vec().unwrap_or_default(), values.list_to_vec().unwrap_or_default());
        let mut todo = Vec::new();
        for (index, (parameter, value)) in parameters.into_iter().zip(values).enumerate() {
            match parameter {
                Value::Parameter(parameter) => todo.push((parameter, value)),
                other => return Err(wrong_type("parameterize", index, "a parameter", &other).into()),
            }
        }
        todo.reverse();
        self.convert(Vec::new(), todo, thunk)
    }

    /// Goes on giving values to parameters, then calls the thunk.
    fn convert(
        &mut self,
        mut done: Vec<(Rc<Parameter>, Value)>,
        mut todo: Vec<(Rc<Parameter>, Value)>,
        thunk: Value,
    ) -> Result<Flow, Fault> {
        while let Some((parameter, value)) = todo.pop() {
            match parameter.converter.clone() {
                None => done.push((parameter, value)),
                Some(converter) => {
                    let state = Converting { done, current: parameter, todo, thunk };
                    self.frames.push(Frame::Mark(Mark::Converting(Box::new(state))));
                    return self.apply_to(converter, vec![value]);
                }
            }
        }
        self.frames.push(Frame::Mark(Mark::Parameters(done.len())));
        self.dynamics.extend(done);
        self.apply(thunk, 0)
    }

    pub(super) fn converted(&mut self, state: Converting, value: Value) -> Result<Flow, Fault> {
        let Converting { mut done, current, todo, thunk } = state;
        done.push((current, value));
        self.convert(done, todo, thunk)
    }

    fn module_ref(&mut self, module: &Value, name: &Value) -> Result<Flow, Fault> {
        // What `resolve-module` returns begins with `#t`.
        let (private, module) = match module {
            Value::Pair(pair) if matches!(pair.car, Value::Bool(true)) => (true, &pair.cdr),
            module => (false, module),
        };
        let parts = module.list_to_vec().and_then(|parts| {
            parts
                .into_iter()
                .map(|part| match part {
                    Value::Symbol(part) => Some(part),
                    Value::Int(number) => Some(Symbol::new(&number.to_string())),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
        });
        let Some(module_name) = parts.and_then(ModuleName::new) else {
            return Err(wrong_type("module-ref", 0, "the name of a module", module).into());
        };
        let Value::Symbol(name) = name else {
            return Err(wrong_type("module-ref", 1, "a symbol", name).into());
        };
        let place = self.place();
        let id = self.world.find_module(&module_name, place)?;
        let found = match private {
            true => self.world.lookup(id, *name)?,
            false => self.world.exported(id, *name)?,
        };
        match found {
            Some(Binding::Variable(global)) => self.need(&global, false),
            Some(Binding::Constant(value)) => Ok(Flow::Return(value)),
            found => {
                let span = place.unwrap_or(self.registers.closure.proto.span);
                let error = match found {
                    Some(_) => ExpandError::NotAValue { name: *name, span, what: "a macro" },
                    None => self.world.not_exported(id, *name, span),
                };
                Err(error.diagnostic().into())
            }
        }
    }
}

fn memo(procedure: Value, equality: Equality) -> Value {
    let table = match equality {
        Equality::Equal => Table::new(Equality::Equal),
        other => Table::for_lists(other),
    };
    Value::Procedure(Rc::new(Procedure::Memo(Memo { procedure, equality, results: table.into() })))
}
