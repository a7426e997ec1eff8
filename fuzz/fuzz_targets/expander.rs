//! Any text between macros expands or is refused: the program is wrapped so that nothing of it runs.

#![no_main]

use hpcl_lang::{Interpreter, host::EmptyHost, native::Side, vm::Limits};
use libfuzzer_sys::fuzz_target;

const MACROS: &str = "(define-syntax my-or (syntax-rules () ((_) #f) ((_ e) e) ((_ e r ...) (let ((t e)) (if t t (my-or r ...))))))
(define-syntax swap (syntax-rules () ((_ (a b) ...) (list (list b a) ...))))
(define-syntax-rule (twice x ...) (begin x ... x ...))\n";

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut interpreter = Interpreter::new(Side::Evaluation, Box::new(EmptyHost));
    interpreter.set_limits(Limits { depth: 20_000, values: 200_000, steps: 100_000, parts: 1_000_000 });
    let program = format!("{MACROS}(lambda ()\n#t\n{text}\n)");
    if let Err(errors) = interpreter.run_program("fuzz", program) {
        assert!(!hpcl_lang::render::render(&errors, interpreter.sources(), false).is_empty());
    }
});
