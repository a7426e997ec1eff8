//! Procedures on ports: open, read, write, close.
//!
//! Those that take an optional port in the language are defined there (`stdlib/prelude/builder/ports.hpcl`) on
//! these, which always take one; so the current ports are ordinary parameters.

use std::{fs, io};

use hpcl_lang::{
    native::{Context, Native, Raise, expect_int, expect_string},
    print, reader,
    span::FileId,
    value::Value,
};

use super::{
    bytes,
    condition::{SystemError, row},
    port::{Input, Output, Port, State, expect_port},
    world::expect_path,
};

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row("%standard-port", 1, Some(1), "The standard stream of that number: 0, 1 or 2.", standard_port),
    row(
        "open-file",
        2,
        None,
        "Opens a file: `r` reads, `w` overwrites, `a` appends; `r+` and `w+` write too.",
        open_file,
    ),
    row("open-input-file", 1, None, "Opens a file for reading.", open_input_file),
    row("open-output-file", 1, None, "Opens a file for writing; what it held is gone.", open_output_file),
    row("open-input-string", 1, Some(1), "A port that reads a string.", open_input_string),
    row(
        "open-output-string",
        0,
        Some(0),
        "A port that keeps what is written as a string.",
        open_output_string,
    ),
    row("get-output-string", 1, Some(1), "What was written to a string port.", get_output_string),
    row("%make-void-port", 1, Some(1), "A port that forgets what is written.", void_port),
    row("close-port", 1, Some(1), "Closes a port.", close_port),
    row("port?", 1, Some(1), "Whether it is a port.", is_port),
    row("input-port?", 1, Some(1), "Whether it can be read from.", is_input_port),
    row("output-port?", 1, Some(1), "Whether it can be written to.", is_output_port),
    row("port-closed?", 1, Some(1), "Whether it was closed.", is_closed),
    row("port-filename", 1, Some(1), "The name of the file that the port was opened on.", port_filename),
    row("%display", 2, Some(2), "Writes a value for people: strings without quotes.", display),
    row("%write", 2, Some(2), "Writes a value so that it can be read again.", write),
    row("%write-bytes", 2, Some(2), "Writes a bytevector.", write_bytes),
    row("%force-output", 1, Some(1), "Writes out what a port holds back.", force_output),
    row("%read-char", 1, Some(1), "The next character.", read_char),
    row("%peek-char", 1, Some(1), "The next character, left in place.", peek_char),
    row("%read-line", 1, Some(1), "The next line with its end.", read_line),
    row("%read", 1, Some(1), "The next datum.", read_datum),
    row("%get-string-all", 1, Some(1), "All the rest as a string.", get_string_all),
    row("%get-string-n", 2, Some(2), "Up to that many characters.", get_string_n),
    row("%get-u8", 1, Some(1), "The next byte.", get_u8),
    row("%peek-u8", 1, Some(1), "The next byte, left in place.", peek_u8),
    row("%get-bytevector-n", 2, Some(2), "Up to that many bytes.", get_bytevector_n),
    row("%get-bytevector-all", 1, Some(1), "All the rest as a bytevector.", get_bytevector_all),
];

/// Turns an error of a port into what to raise.
fn failed(procedure: &'static str, port: &Port, error: &io::Error) -> Raise {
    SystemError::raise_named(procedure, &port.name, error)
}

fn standard_port(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match expect_int("%standard-port", arguments, 0)? {
        0 => Ok(Port::input("standard input", Input::new(io::stdin()))),
        1 => Ok(Port::output("standard output", Output::Standard)),
        _ => Ok(Port::output("standard error", Output::Error)),
    }
}

fn open(
    context: &mut Context<'_>,
    procedure: &'static str,
    arguments: &[Value],
    mode: &str,
) -> Result<Value, Raise> {
    let path = expect_path(context, procedure, arguments, 0)?;
    let raise = |error: io::Error| SystemError::raise(procedure, &path, &error);
    let name = bytes::path_text(&path);
    let mut options = fs::OpenOptions::new();
    match mode.trim_end_matches(['b', 'l', '0']) {
        "r" => {
            let file = fs::File::open(&path).map_err(raise)?;
            if file.metadata().is_ok_and(|status| status.is_dir()) {
                return Err(raise(io::Error::from_raw_os_error(nix::errno::Errno::EISDIR as i32)));
            }
            let mut input = Input::new(file.try_clone().map_err(raise)?);
            input.file = Some(file);
            return Ok(Port::input(name, input));
        }
        "r+" => options.read(true).write(true),
        "w" | "w+" => options.write(true).create(true).truncate(true),
        "a" | "a+" => options.append(true).create(true),
        _ => {
            return Err(Raise::message(format!(
                "`{procedure}`: `{mode}` is not a mode; they are r, w, a, r+"
            )));
        }
    };
    Ok(Port::output(name, Output::File(io::BufWriter::new(options.open(&path).map_err(raise)?))))
}

fn open_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mode = expect_string("open-file", arguments, 1)?;
    open(context, "open-file", arguments, mode)
}

fn open_input_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    open(context, "open-input-file", arguments, "r")
}

fn open_output_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    open(context, "open-output-file", arguments, "w")
}

fn open_input_string(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let text = bytes::encode(expect_string("open-input-string", arguments, 0)?).into_owned();
    Ok(Port::input("string", Input::new(io::Cursor::new(text))))
}

fn open_output_string(_: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Port::output("string", Output::Text(Vec::new())))
}

fn get_output_string(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let port = expect_port("get-output-string", arguments, 0)?;
    match &*port.state.borrow() {
        State::Output(Output::Text(text)) => Ok(Value::string(&*bytes::decode(text))),
        _ => Err(Raise::message(format!("`get-output-string`: `{}` does not keep a string", port.name))),
    }
}

fn void_port(_: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Port::output("void", Output::Void))
}

fn close_port(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let port = expect_port("close-port", arguments, 0)?;
    port.close().map_err(|error| failed("close-port", port, &error))?;
    Ok(Value::Unspecified)
}

fn port_of(arguments: &[Value]) -> Option<&Port> {
    arguments.first().and_then(Value::as_foreign)
}

fn is_port(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(port_of(arguments).is_some()))
}

fn is_input_port(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(port_of(arguments).is_some_and(|port| matches!(&*port.state.borrow(), State::Input(_)))))
}

fn is_output_port(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(port_of(arguments).is_some_and(|port| matches!(&*port.state.borrow(), State::Output(_)))))
}

fn is_closed(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let port = expect_port("port-closed?", arguments, 0)?;
    Ok(Value::Bool(matches!(&*port.state.borrow(), State::Closed)))
}

fn port_filename(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::string(expect_port("port-filename", arguments, 0)?.name.as_str()))
}

fn put(procedure: &'static str, arguments: &[Value], bytes: &[u8]) -> Result<Value, Raise> {
    let port = expect_port(procedure, arguments, 1)?;
    port.write(bytes).map_err(|error| failed(procedure, port, &error))?;
    Ok(Value::Unspecified)
}

fn display(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match arguments.first() {
        Some(Value::String(text)) => put("display", arguments, &bytes::encode(text)),
        Some(value) => put("display", arguments, &bytes::encode(&print::display(value))),
        None => Ok(Value::Unspecified),
    }
}

fn write(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let text = arguments.first().map(print::write).unwrap_or_default();
    put("write", arguments, &bytes::encode(&text))
}

fn write_bytes(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match arguments.first() {
        Some(Value::Bytes(bytes)) => put("put-bytevector", arguments, bytes),
        other => Err(hpcl_lang::native::wrong_type(
            "put-bytevector",
            1,
            "a bytevector",
            other.unwrap_or(&Value::Absent),
        )),
    }
}

fn force_output(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let port = expect_port("force-output", arguments, 0)?;
    port.flush().map_err(|error| failed("force-output", port, &error))?;
    Ok(Value::Unspecified)
}

fn get<T>(
    procedure: &'static str,
    arguments: &[Value],
    read: impl FnOnce(&mut Input) -> io::Result<T>,
) -> Result<T, Raise> {
    let port = expect_port(procedure, arguments, 0)?;
    port.read(read).map_err(|error| failed(procedure, port, &error))
}

fn character(bytes: &[u8]) -> Value {
    bytes::decode(bytes).chars().next().map_or(Value::Eof, Value::Char)
}

fn text_or_eof(bytes: &[u8]) -> Value {
    if bytes.is_empty() { Value::Eof } else { Value::string(&*bytes::decode(bytes)) }
}

fn read_char(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let bytes = get("read-char", arguments, |input| {
        let bytes = input.peek_character()?;
        input.skip(bytes.len());
        Ok(bytes)
    })?;
    Ok(character(&bytes))
}

fn peek_char(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(character(&get("peek-char", arguments, Input::peek_character)?))
}

fn read_line(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(text_or_eof(&get("read-line", arguments, Input::take_line)?.unwrap_or_default()))
}

fn read_datum(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let text = bytes::decode(&get("read", arguments, Input::take_all)?).into_owned();
    let (data, errors) = reader::read(FileId(0), &text);
    let Some(datum) = data.first() else {
        return match errors.first() {
            Some(error) => Err(Raise::message(format!("`read`: {}", error.message))),
            None => Ok(Value::Eof),
        };
    };
    let rest = text.get(datum.span.end as usize..).unwrap_or_default();
    get("read", arguments, |input| {
        input.put_back(&bytes::encode(rest));
        Ok(())
    })?;
    Ok(Value::from_datum(datum))
}

fn get_string_all(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::string(&*bytes::decode(&get("get-string-all", arguments, Input::take_all)?)))
}

fn get_string_n(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let count = expect_int("get-string-n", arguments, 1)?;
    let bytes = get("get-string-n", arguments, |input| {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let next = input.peek_character()?;
            if next.is_empty() {
                break;
            }
            input.skip(next.len());
            bytes.extend_from_slice(&next);
        }
        Ok(bytes)
    })?;
    Ok(text_or_eof(&bytes))
}

fn get_u8(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let byte = get("get-u8", arguments, |input| input.take(1))?;
    Ok(byte.first().map_or(Value::Eof, |&byte| Value::Int(i64::from(byte))))
}

fn peek_u8(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let byte = get("lookahead-u8", arguments, Input::peek_byte)?;
    Ok(byte.map_or(Value::Eof, |byte| Value::Int(i64::from(byte))))
}

fn bytes_or_eof(bytes: Vec<u8>) -> Value {
    if bytes.is_empty() { Value::Eof } else { Value::Bytes(std::rc::Rc::new(bytes)) }
}

fn get_bytevector_n(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let count = usize::try_from(expect_int("get-bytevector-n", arguments, 1)?).unwrap_or(0);
    get("get-bytevector-n", arguments, |input| input.take(count)).map(bytes_or_eof)
}

fn get_bytevector_all(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    get("get-bytevector-all", arguments, Input::take_all).map(bytes_or_eof)
}
