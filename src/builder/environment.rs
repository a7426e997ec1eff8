//! The environment, the job and the clock: what a build may ask about itself.

use std::time::{Duration, Instant, SystemTime};

use hpcl_lang::{
    native::{Context, Native, Raise, expect_int, expect_string, expect_strings},
    value::Value,
};

use super::{
    bytes,
    condition::{SearchError, row},
    port::announce,
    world::{find_in, world},
};

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row("getenv", 1, Some(1), "The value of a variable of the environment, or `#f`.", getenv),
    row("setenv", 2, Some(2), "Sets a variable of the environment; `#f` removes it.", setenv),
    row("unsetenv", 1, Some(1), "Removes a variable of the environment.", unsetenv),
    row("environ", 0, Some(0), "The environment as a list of `NAME=VALUE`.", environ),
    row("which", 1, Some(1), "The absolute name of a program in `PATH`, or `#f`.", which),
    row(
        "%find-executable",
        2,
        Some(2),
        "The first executable file of that name in a list of directories, or `#f`.",
        find_executable,
    ),
    row(
        "%raise-search-error",
        2,
        Some(2),
        "Raises the error of a file that is in none of the directories.",
        raise_search_error,
    ),
    row("%store-directory", 0, Some(0), "The store directory.", store_directory),
    row("store-directory", 0, Some(0), "The store directory.", store_directory),
    row("%job-outputs", 0, Some(0), "The outputs as a list of pairs of name and path.", job_outputs),
    row("parallel-job-count", 0, Some(0), "How many processors the build may use.", job_count),
    row("current-processor-count", 0, Some(0), "How many processors the build may use.", job_count),
    row("total-processor-count", 0, Some(0), "How many processors the build may use.", job_count),
    row("%phase-start", 1, Some(1), "Says that a phase starts.", phase_start),
    row("%phase-end", 1, Some(1), "Says that a phase ended, and after how many seconds.", phase_end),
    row("exit", 0, Some(1), "Ends the build with an exit code; `#t` is 0 and `#f` is 1.", exit),
    row("primitive-exit", 0, Some(1), "Ends the build with an exit code; `#t` is 0 and `#f` is 1.", exit),
    row("current-time", 0, Some(0), "Seconds since the epoch.", current_time),
    row("sleep", 1, Some(1), "Waits that many seconds.", sleep),
    row("usleep", 1, Some(1), "Waits that many microseconds.", usleep),
    row("getpid", 0, Some(0), "The number of this process.", getpid),
    row("getuid", 0, Some(0), "The number of the user.", getuid),
    row("geteuid", 0, Some(0), "The number of the user.", getuid),
    row("strerror", 1, Some(1), "What the system says to an error's number.", strerror),
    row("getgid", 0, Some(0), "The number of the group.", getgid),
];

fn getenv(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("getenv", arguments, 0)?;
    Ok(world(context)?.variable(name).map_or(Value::Bool(false), Value::string))
}

fn setenv(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("setenv", arguments, 0)?;
    if arguments.get(1).is_some_and(|value| !value.is_true()) {
        return unsetenv(context, arguments);
    }
    let value = expect_string("setenv", arguments, 1)?;
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(Raise::message(format!("`setenv`: `{name}` cannot name or hold that")));
    }
    world(context)?.environment.insert(name.to_owned(), bytes::text_os(value));
    Ok(Value::Unspecified)
}

fn unsetenv(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("unsetenv", arguments, 0)?;
    world(context)?.environment.remove(name);
    Ok(Value::Unspecified)
}

fn environ(context: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    let variables = &world(context)?.environment;
    let entry = |(name, value): (&String, &std::ffi::OsString)| {
        Value::string(format!("{name}={}", bytes::os_text(value)))
    };
    Ok(Value::list(variables.iter().map(entry)))
}

fn path_or_false(path: Option<std::path::PathBuf>) -> Value {
    path.map_or(Value::Bool(false), |path| Value::string(bytes::path_text(&path)))
}

fn which(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("which", arguments, 0)?;
    let found = world(context)?.find_program(name).filter(|file| super::world::is_executable(file));
    Ok(path_or_false(found))
}

fn find_executable(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("%find-executable", arguments, 0)?;
    let directories = expect_strings("%find-executable", arguments, 1)?;
    let world = world(context)?;
    Ok(path_or_false(find_in(directories.iter().map(String::as_str), name, &world.directory)))
}

fn raise_search_error(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_string("search-input-file", arguments, 0)?.to_owned();
    let path = expect_strings("search-input-file", arguments, 1)?;
    Err(Raise::Thrown(Value::foreign(SearchError { file, path })))
}

fn store_directory(context: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Value::string(bytes::path_text(&world(context)?.store)))
}

fn job_outputs(context: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    let outputs = &world(context)?.outputs;
    Ok(Value::list(outputs.iter().map(|(name, path)| {
        Value::cons(Value::string(name.as_str()), Value::string(bytes::path_text(path)))
    })))
}

fn job_count(context: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Int(i64::from(world(context)?.cores.max(1))))
}

fn phase_name(procedure: &'static str, arguments: &[Value]) -> Result<String, Raise> {
    match arguments.first() {
        Some(Value::Symbol(name)) => Ok(name.as_str().to_owned()),
        Some(Value::String(name)) => Ok(name.to_string()),
        other => {
            Err(hpcl_lang::native::wrong_type(procedure, 0, "a symbol", other.unwrap_or(&Value::Absent)))
        }
    }
}

fn phase_start(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = phase_name("%phase-start", arguments)?;
    announce(&format!("@phase {name} start\n"));
    world(context)?.phase = Some((name, Instant::now()));
    Ok(Value::Unspecified)
}

fn phase_end(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = phase_name("%phase-end", arguments)?;
    let seconds = world(context)?.phase.take().map_or(0.0, |(_, start)| start.elapsed().as_secs_f64());
    announce(&format!("@phase {name} end {seconds:.1}\n"));
    Ok(Value::Unspecified)
}

fn exit(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Err(Raise::Exit(match arguments.first() {
        None | Some(Value::Bool(true)) => 0,
        Some(Value::Int(code)) => i32::try_from(*code).unwrap_or(1),
        Some(_) => 1,
    }))
}

fn current_time(_: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Ok(Value::Int(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)))
}

fn sleep(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    std::thread::sleep(Duration::from_secs(u64::try_from(expect_int("sleep", arguments, 0)?).unwrap_or(0)));
    Ok(Value::Int(0))
}

fn usleep(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    std::thread::sleep(Duration::from_micros(
        u64::try_from(expect_int("usleep", arguments, 0)?).unwrap_or(0),
    ));
    Ok(Value::Int(0))
}

fn getpid(_: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Int(i64::from(std::process::id())))
}

fn getuid(_: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Int(i64::from(rustix::process::getuid().as_raw())))
}

fn getgid(_: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Int(i64::from(rustix::process::getgid().as_raw())))
}

fn strerror(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let number = i32::try_from(expect_int("strerror", arguments, 0)?).unwrap_or(0);
    Ok(Value::string(nix::errno::Errno::from_raw(number).desc()))
}
