//! Programs: start them, wait for them, read what they say.
//!
//! A program gets the environment and the directory of [`World`], nothing on its standard input unless a file port is
//! current, and the current output and error ports as its streams. Programs are found as `execvp` does, and files
//! without a `#!` line are handed to `/bin/sh` as it does.

use std::{
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use hpcl_lang::{
    native::{Context, Native, Raise, expect_int, expect_string, expect_strings},
    value::Value,
};

use super::{
    bytes,
    condition::{InvokeError, SystemError, libc_exit_code, libc_signal, row},
    port::{Input, Output, Port, State, announce, complain, expect_port},
    world::{World, world},
};

/// The status of a program that could not be started, as the shell has it.
const NOT_FOUND: i32 = 127 << 8;

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row(
        "%run",
        5,
        Some(5),
        "Runs a program with arguments (a list) and three ports; returns its status.",
        run,
    ),
    row("%invoke", 5, Some(5), "The same; any status but 0 is an error.", invoke),
    row(
        "%invoke/quiet",
        2,
        Some(2),
        "Runs a program; its output is shown only when it fails, which is an error.",
        invoke_quiet,
    ),
    row(
        "%run-capture",
        2,
        Some(2),
        "Runs a program and returns its standard output; failure is an error.",
        run_capture,
    ),
    row(
        "%open-pipe",
        3,
        Some(3),
        "Starts a program with arguments (a list); `r` gives a port to read its output, `w` one to its input.",
        open_pipe,
    ),
    row(
        "close-pipe",
        1,
        Some(1),
        "Closes the port of a program and returns the program's status.",
        close_pipe,
    ),
    row("status:exit-val", 1, Some(1), "The exit code in a status, or `#f`.", status_exit),
    row("status:term-sig", 1, Some(1), "The signal in a status, or `#f`.", status_signal),
    row("status:stop-sig", 1, Some(1), "`#f`: a program that was waited for is not stopped.", status_stop),
];

/// Where a stream of a program goes.
enum Sink {
    /// Straight there.
    Direct,
    /// Through us, for a port that has no descriptor.
    Reader(JoinHandle<Vec<u8>>),
}

fn command(world: &World, program: &Path, name: &str, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command
        .arg0(bytes::text_os(name))
        .args(arguments.iter().map(|argument| bytes::text_os(argument)))
        .env_clear()
        .envs(&world.environment)
        .current_dir(&world.directory)
        .stdin(Stdio::null());
    command
}

/// Starts a program; `prepare` sets its streams. A file without a `#!` line is given to `/bin/sh`.
fn spawn(
    world: &World,
    name: &str,
    arguments: &[String],
    prepare: &mut dyn FnMut(&mut Command) -> io::Result<()>,
) -> io::Result<Child> {
    let program = world
        .find_program(name)
        .ok_or_else(|| io::Error::from_raw_os_error(nix::errno::Errno::ENOENT as i32))?;
    let mut first = command(world, &program, name, arguments);
    prepare(&mut first)?;
    match first.spawn() {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ENOEXEC as i32) => {
            let script = std::iter::once(bytes::path_text(&program)).chain(arguments.iter().cloned());
            let mut second = command(world, &PathBuf::from("/bin/sh"), "sh", &script.collect::<Vec<_>>());
            prepare(&mut second)?;
            second.spawn()
        }
        result => result,
    }
}

/// Returns where a program writes when `port` is the current one.
fn stream(port: &Port) -> io::Result<(Stdio, Sink)> {
    match &mut *port.state.borrow_mut() {
        State::Output(Output::Standard) => Ok((io::stdout().into(), Sink::Direct)),
        State::Output(Output::Error) => Ok((io::stderr().into(), Sink::Direct)),
        State::Output(Output::File(file)) => {
            io::Write::flush(file)?;
            Ok((file.get_ref().try_clone()?.into(), Sink::Direct))
        }
        State::Output(Output::Void) => Ok((Stdio::null(), Sink::Direct)),
        State::Output(Output::Text(_) | Output::Pipe(_)) => {
            let (mut reader, writer) = io::pipe()?;
            let collect = move || {
                let mut text = Vec::new();
                // what was read before an error is still worth having
                let _ = reader.read_to_end(&mut text);
                text
            };
            Ok((writer.into(), Sink::Reader(std::thread::spawn(collect))))
        }
        State::Input(_) => Err(io::Error::other("the port is for reading")),
        State::Closed => Err(io::Error::other("the port is closed")),
    }
}

fn source(port: &Port) -> io::Result<Stdio> {
    port.read(|input| {
        input.file.as_ref().map_or_else(|| Ok(Stdio::null()), |file| file.try_clone().map(Stdio::from))
    })
}

/// Runs a program to its end and returns its status.
fn run_with_ports(world: &World, procedure: &'static str, arguments: &[Value]) -> Result<i32, Raise> {
    let name = expect_string(procedure, arguments, 0)?;
    let words = expect_strings(procedure, arguments, 1)?;
    let (input, output, error) = (
        expect_port(procedure, arguments, 2)?,
        expect_port(procedure, arguments, 3)?,
        expect_port(procedure, arguments, 4)?,
    );
    let same = std::ptr::eq(output, error);
    let mut sinks = Vec::new();
    let mut prepare = |command: &mut Command| {
        sinks.clear();
        let (stdout, sink) = stream(output)?;
        sinks.push((sink, output));
        if same && matches!(sinks.first(), Some((Sink::Direct, _))) {
            command.stderr(stream(error)?.0);
        } else {
            let (stderr, sink) = stream(error)?;
            sinks.push((sink, error));
            command.stderr(stderr);
        }
        command.stdin(source(input)?).stdout(stdout);
        Ok(())
    };
    let child = spawn(world, name, &words, &mut prepare);
    // the command, and with it our ends of the pipes, is gone by now: readers end when the program does
    let status = match child {
        Ok(mut child) => child.wait().map(ExitStatusExt::into_raw),
        Err(error) => Err(error),
    };
    for (sink, port) in sinks {
        if let Sink::Reader(thread) = sink {
            let text = thread.join().unwrap_or_default();
            port.write(&text).map_err(|error| SystemError::raise_named(procedure, &port.name, &error))?;
        }
    }
    match status {
        Ok(status) => Ok(status),
        Err(error) => {
            complain(&format!("{procedure}: {name}: {error}\n"));
            Ok(NOT_FOUND)
        }
    }
}

fn run(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    run_with_ports(world(context)?, "system*", arguments).map(|status| Value::Int(i64::from(status)))
}

fn invoke(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match run_with_ports(world(context)?, "invoke", arguments)? {
        0 => Ok(Value::Bool(true)),
        status => Err(invoke_error("invoke", arguments, status)),
    }
}

fn invoke_error(procedure: &'static str, arguments: &[Value], status: i32) -> Raise {
    let program = expect_string(procedure, arguments, 0).unwrap_or_default().to_owned();
    let arguments = expect_strings(procedure, arguments, 1).unwrap_or_default();
    Raise::Thrown(Value::foreign(InvokeError { program, arguments, status }))
}

fn invoke_quiet(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("invoke/quiet", arguments, 0)?;
    let words = expect_strings("invoke/quiet", arguments, 1)?;
    let (mut reader, writer) =
        io::pipe().map_err(|error| SystemError::raise_named("invoke/quiet", name, &error))?;
    let mut prepare = |command: &mut Command| {
        command.stdout(writer.try_clone()?).stderr(writer.try_clone()?);
        Ok(())
    };
    let child = spawn(world(context)?, name, &words, &mut prepare);
    drop(writer);
    let mut said = Vec::new();
    let status = child.and_then(|mut child| {
        reader.read_to_end(&mut said)?;
        child.wait().map(ExitStatusExt::into_raw)
    });
    match status {
        Ok(0) => Ok(Value::Unspecified),
        Ok(status) => {
            announce(&format!("`{name}` failed; it said:\n{}\n", String::from_utf8_lossy(&said)));
            Err(invoke_error("invoke/quiet", arguments, status))
        }
        Err(_) => Err(invoke_error("invoke/quiet", arguments, NOT_FOUND)),
    }
}

fn run_capture(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("%run-capture", arguments, 0)?;
    let words = expect_strings("%run-capture", arguments, 1)?;
    let mut prepare = |command: &mut Command| {
        command.stdout(Stdio::piped());
        Ok(())
    };
    match spawn(world(context)?, name, &words, &mut prepare).and_then(Child::wait_with_output) {
        Ok(done) if done.status.success() => Ok(Value::string(&*bytes::decode(&done.stdout))),
        Ok(done) => Err(invoke_error("%run-capture", arguments, done.status.into_raw())),
        Err(_) => Err(invoke_error("%run-capture", arguments, NOT_FOUND)),
    }
}

fn open_pipe(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mode = expect_string("open-pipe*", arguments, 0)?;
    let name = expect_string("open-pipe*", arguments, 1)?;
    let words = expect_strings("open-pipe*", arguments, 2)?;
    let reading = match mode {
        "r" => true,
        "w" => false,
        _ => {
            return Err(Raise::message(format!(
                "`open-pipe*`: `{mode}` is not a mode; they are OPEN_READ and OPEN_WRITE"
            )));
        }
    };
    let mut prepare = |command: &mut Command| {
        if reading {
            command.stdout(Stdio::piped())
        } else {
            command.stdin(Stdio::piped())
        };
        Ok(())
    };
    let mut child = spawn(world(context)?, name, &words, &mut prepare)
        .map_err(|error| SystemError::raise_named("open-pipe*", name, &error))?;
    if !reading {
        return Ok(Port::output(name, Output::Pipe(child)));
    }
    let mut input = match child.stdout.take() {
        Some(stdout) => Input::new(stdout),
        None => Input::new(io::empty()),
    };
    input.child = Some(child);
    Ok(Port::input(name, input))
}

fn close_pipe(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let port = expect_port("close-pipe", arguments, 0)?;
    match port.close() {
        Ok(status) => Ok(Value::Int(i64::from(status.unwrap_or(0)))),
        Err(error) => Err(SystemError::raise_named("close-pipe", &port.name, &error)),
    }
}

fn part(procedure: &'static str, arguments: &[Value], read: fn(i32) -> Option<i32>) -> Result<Value, Raise> {
    let status = i32::try_from(expect_int(procedure, arguments, 0)?).unwrap_or(NOT_FOUND);
    Ok(read(status).map_or(Value::Bool(false), |number| Value::Int(i64::from(number))))
}

fn status_exit(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    part("status:exit-val", arguments, libc_exit_code)
}

fn status_signal(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    part("status:term-sig", arguments, libc_signal)
}

fn status_stop(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    part("status:stop-sig", arguments, |_| None)
}
