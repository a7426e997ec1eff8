//! Errors of the builder side: what natives raise, and how it reads.
//!
//! A failing system call raises a [`SystemError`] and a failing program an [`InvokeError`]: values that programs can
//! catch and look into. Uncaught, their description is the message.

use std::{any::Any, io, path::Path};

use hpcl_lang::{
    native::{Context, Native, Raise, Side},
    value::{Foreign, Value},
};

use super::bytes;

/// A system call that failed.
#[derive(Clone, Debug)]
pub struct SystemError {
    /// The procedure that was called.
    pub procedure: &'static str,
    /// The file or the like concerned.
    pub subject: String,
    /// The error's number, 0 when the system gave none.
    pub errno: i32,
    /// What the system says.
    pub reason: String,
}

/// A program that ended with an error.
#[derive(Clone, Debug)]
pub struct InvokeError {
    /// The program as it was named.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How it ended, as `wait` reports it.
    pub status: i32,
}

/// A file that is in none of the places where it was looked for.
#[derive(Clone, Debug)]
pub struct SearchError {
    /// The file, relative to each place.
    pub file: String,
    /// The places.
    pub path: Vec<String>,
}

impl SystemError {
    /// Returns what to raise for an error of the system.
    pub fn raise(procedure: &'static str, subject: &Path, error: &io::Error) -> Raise {
        Self::raise_named(procedure, &bytes::path_text(subject), error)
    }

    /// The same for a subject that is no file.
    pub fn raise_named(procedure: &'static str, subject: &str, error: &io::Error) -> Raise {
        let errno = error.raw_os_error().unwrap_or(0);
        let reason = match error.raw_os_error() {
            Some(number) => lower_first(nix::errno::Errno::from_raw(number).desc()),
            None => error.to_string(),
        };
        Raise::Thrown(Value::foreign(SystemError { procedure, subject: subject.to_owned(), errno, reason }))
    }
}

impl Foreign for SystemError {
    fn describe(&self) -> String {
        format!("`{}`: `{}`: {}", self.procedure, self.subject, self.reason)
    }

    fn key(&self) -> &'static str {
        "system-error"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Foreign for InvokeError {
    fn describe(&self) -> String {
        let mut command = self.program.clone();
        for argument in &self.arguments {
            command.push(' ');
            command.push_str(argument);
        }
        match (libc_exit_code(self.status), libc_signal(self.status)) {
            (Some(127), _) => format!("the program `{}` was not found or could not be started", self.program),
            (Some(code), _) => format!("`{command}` exited with status {code}"),
            (None, Some(signal)) => format!("`{command}` was killed by signal {signal}"),
            (None, None) => format!("`{command}` stopped with status {}", self.status),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Foreign for SearchError {
    fn describe(&self) -> String {
        if self.path.is_empty() {
            return format!("`{}` was looked for in an empty list of directories", self.file);
        }
        format!("`{}` is in none of {}", self.file, self.path.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Returns the exit code in a status of `wait`.
pub fn libc_exit_code(status: i32) -> Option<i32> {
    (status & 0x7f == 0).then_some((status >> 8) & 0xff)
}

/// Returns the signal that killed a process, from a status of `wait`.
pub fn libc_signal(status: i32) -> Option<i32> {
    let signal = status & 0x7f;
    (signal != 0 && signal != 0x7f).then_some(signal)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + chars.as_str())
}

/// Returns one row of a table of natives with effects.
pub(super) const fn row(
    name: &'static str,
    least: usize,
    most: Option<usize>,
    doc: &'static str,
    function: hpcl_lang::native::NativeFn,
) -> Native {
    Native { name, arity: (least, most), side: Side::Builder, doc, example: ("", ""), function }
}

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row("invoke-error?", 1, Some(1), "Whether it is the error of a program that failed.", is_invoke_error),
    row("invoke-error-program", 1, Some(1), "The program of an invoke error.", invoke_program),
    row("invoke-error-arguments", 1, Some(1), "The arguments of an invoke error.", invoke_arguments),
    row("invoke-error-exit-status", 1, Some(1), "The exit code, or `#f` after a signal.", invoke_exit_status),
    row(
        "invoke-error-term-signal",
        1,
        Some(1),
        "The signal that killed the program, or `#f`.",
        invoke_signal,
    ),
    row(
        "search-error?",
        1,
        Some(1),
        "Whether it is the error of a file that was not found.",
        is_search_error,
    ),
    row("search-error-file", 1, Some(1), "The file that was not found.", search_file),
    row("search-error-path", 1, Some(1), "Where it was looked for.", search_path),
    row("system-error?", 1, Some(1), "Whether it is the error of a system call.", is_system_error),
    row("%system-error-errno", 1, Some(1), "The number of a system error.", system_errno),
    row("%condition-text", 1, Some(1), "What a condition of the builder side says, or `#f`.", condition_text),
];

fn of<T: Foreign>(arguments: &[Value]) -> Option<&T> {
    arguments.first().and_then(Value::as_foreign)
}

fn demand<'a, T: Foreign>(
    procedure: &'static str,
    expected: &'static str,
    arguments: &'a [Value],
) -> Result<&'a T, Raise> {
    of(arguments).ok_or_else(|| {
        hpcl_lang::native::wrong_type(procedure, 0, expected, arguments.first().unwrap_or(&Value::Absent))
    })
}

fn is_invoke_error(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(of::<InvokeError>(arguments).is_some()))
}

fn invoke_program(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let error: &InvokeError = demand("invoke-error-program", "an invoke error", arguments)?;
    Ok(Value::string(error.program.as_str()))
}

fn invoke_arguments(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let error: &InvokeError = demand("invoke-error-arguments", "an invoke error", arguments)?;
    Ok(Value::list(error.arguments.iter().map(|text| Value::string(text.as_str()))))
}

fn optional_int(number: Option<i32>) -> Value {
    number.map_or(Value::Bool(false), |number| Value::Int(i64::from(number)))
}

fn invoke_exit_status(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let error: &InvokeError = demand("invoke-error-exit-status", "an invoke error", arguments)?;
    Ok(optional_int(libc_exit_code(error.status)))
}

fn invoke_signal(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let error: &InvokeError = demand("invoke-error-term-signal", "an invoke error", arguments)?;
    Ok(optional_int(libc_signal(error.status)))
}

fn is_search_error(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(of::<SearchError>(arguments).is_some()))
}

fn search_file(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let error: &SearchError = demand("search-error-file", "a search error", arguments)?;
    Ok(Value::string(error.file.as_str()))
}

fn search_path(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let error: &SearchError = demand("search-error-path", "a search error", arguments)?;
    Ok(Value::list(error.path.iter().map(|text| Value::string(text.as_str()))))
}

fn is_system_error(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(of::<SystemError>(arguments).is_some()))
}

fn system_errno(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let error: &SystemError = demand("system-error-errno", "a system error", arguments)?;
    Ok(Value::Int(i64::from(error.errno)))
}

fn condition_text(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let text = of::<InvokeError>(arguments)
        .map(Foreign::describe)
        .or_else(|| of::<SearchError>(arguments).map(Foreign::describe))
        .or_else(|| of::<SystemError>(arguments).map(Foreign::describe));
    Ok(text.map_or(Value::Bool(false), Value::string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_program_status_and_file() {
        let error = InvokeError { program: "make".into(), arguments: vec!["check".into()], status: 2 << 8 };
        assert_eq!(error.describe(), "`make check` exited with status 2");
        let killed = InvokeError { status: 9, ..error };
        assert_eq!(killed.describe(), "`make check` was killed by signal 9");
        let raise = SystemError::raise("open", Path::new("/nowhere"), &io::Error::from_raw_os_error(2));
        let Raise::Thrown(value) = raise else { panic!("not thrown") };
        let error: &SystemError = value.as_foreign().unwrap();
        assert_eq!(error.describe(), "`open`: `/nowhere`: no such file or directory");
    }
}
