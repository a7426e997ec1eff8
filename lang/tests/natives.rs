//! Runs the example of every procedure in Rust.

use hpcl_lang::{Interpreter, host::EmptyHost, native::Side, natives::TABLES, print, render::render};

#[test]
fn every_example_gives_what_it_says() {
    let mut wrong = Vec::new();
    let mut evaluation = Interpreter::new(Side::Evaluation, Box::new(EmptyHost));
    let mut builder = Interpreter::new(Side::Builder, Box::new(EmptyHost));
    for native in TABLES.iter().copied().flatten() {
        let sides = match native.side {
            Side::Both => vec![&mut evaluation, &mut builder],
            Side::Evaluation => vec![&mut evaluation],
            Side::Builder => vec![&mut builder],
        };
        for interpreter in sides {
            let (program, expected) = native.example;
            let actual = match interpreter.run_program(native.name, program) {
                Ok(value) => print::write(&value),
                Err(errors) => render(&errors, interpreter.sources(), false),
            };
            if actual != expected {
                wrong.push(format!("{program}\n  gives {actual}\n  not   {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
