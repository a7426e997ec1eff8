//! How fast programs run: calls, lists, starting, and a module of which one definition is used.
//!
//! `cargo bench -p hpcl-lang --bench vm`

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hpcl_lang::{
    Interpreter,
    host::{EmptyHost, Host, ModuleName, ModuleSource},
    native::Side,
    symbol::Symbol,
    value::Value,
};

const FIB: &str = "(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) fib";

const LISTS: &str = "
(define (range n) (let loop ((i (- n 1)) (acc '())) (if (< i 0) acc (loop (- i 1) (cons i acc)))))
(define (work n)
  (fold + 0 (map (lambda (x) (* x 2)) (filter even? (append (range n) (reverse (range n)))))))
work";

const CLOSURES: &str = "
(define (tak x y z) (if (not (< y x)) z (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y))))
(define (compose-n f n) (if (= n 0) (lambda (x) x) (let ((rest (compose-n f (- n 1)))) (lambda (x) (f (rest x))))))
(define (work) (list (tak 14 8 3) ((compose-n (lambda (x) (+ x 1)) 1000) 0)))
work";

struct Large(String);

impl Host for Large {
    fn module_source(&mut self, name: &ModuleName) -> Result<Option<ModuleSource>, String> {
        let large = name.to_string() == "(large)";
        Ok(large.then(|| ModuleSource { file: "large.hpcl".into(), text: self.0.as_str().into() }))
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

fn large_module() -> String {
    let mut text = String::from("(define-module (large))\n");
    for n in 0..30_000 {
        text.push_str(&format!(
            "(define-public package-{n}\n  (list (cons 'name \"package-{n}\") (cons 'inputs (list package-{}))))\n",
            n / 2
        ));
    }
    text.replace("(list package-0)", "'()")
}

fn procedure(interpreter: &mut Interpreter, text: &str) -> Value {
    interpreter.run_program("bench.hpcl", text).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn benches(c: &mut Criterion) {
    let mut interpreter = Interpreter::new(Side::Evaluation, Box::new(EmptyHost));
    let fib = procedure(&mut interpreter, FIB);
    c.bench_function("fib 30", |b| b.iter(|| interpreter.call(&fib, vec![Value::Int(30)]).unwrap()));
    let lists = procedure(&mut interpreter, LISTS);
    c.bench_function("lists of 200,000", |b| {
        b.iter(|| interpreter.call(&lists, vec![Value::Int(100_000)]).unwrap());
    });
    let closures = procedure(&mut interpreter, CLOSURES);
    c.bench_function("tak and closures", |b| b.iter(|| interpreter.call(&closures, Vec::new()).unwrap()));
    c.bench_function("start, and add two numbers", |b| {
        b.iter(|| {
            let mut interpreter = Interpreter::new(Side::Builder, Box::new(EmptyHost));
            black_box(interpreter.run_program("bench.hpcl", "(+ 1 2)").unwrap())
        });
    });
    c.bench_function("start, and map over a list", |b| {
        b.iter(|| {
            let mut interpreter = Interpreter::new(Side::Builder, Box::new(EmptyHost));
            black_box(interpreter.run_program("bench.hpcl", "(map car '((1) (2)))").unwrap())
        });
    });
    let text = large_module();
    let module = ModuleName::parse("(large)").unwrap();
    let mut group = c.benchmark_group("large");
    group.sample_size(10);
    group.bench_function("one of 30,000 definitions", |b| {
        b.iter_batched(
            || Interpreter::new(Side::Evaluation, Box::new(Large(text.clone()))),
            |mut interpreter| {
                black_box(interpreter.module_value(&module, Symbol::new("package-1000")).unwrap());
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(vm, benches);
criterion_main!(vm);
