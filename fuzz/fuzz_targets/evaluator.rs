//! Any program ends, within limits of steps, depth and memory, in a value or a diagnostic.

#![no_main]

use hpcl_lang::{Interpreter, host::EmptyHost, native::Side, vm::Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let side = if first & 1 == 0 { Side::Evaluation } else { Side::Builder };
    let mut interpreter = Interpreter::new(side, Box::new(EmptyHost));
    interpreter.set_limits(Limits { depth: 20_000, values: 200_000, steps: 100_000, parts: 1_000_000 });
    match interpreter.run_program("fuzz", String::from_utf8_lossy(rest).into_owned()) {
        Ok(value) => drop(hpcl_lang::print::write(&value)),
        Err(errors) => assert!(!hpcl_lang::render::render(&errors, interpreter.sources(), false).is_empty()),
    }
});
