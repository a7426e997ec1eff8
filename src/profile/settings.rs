//! The variables of profiles as text for shells and programs.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use super::{SearchPath, value_of};

/// The shells that variables are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// sh, bash, zsh, dash, ksh.
    Posix,
    /// fish.
    Fish,
    /// csh and tcsh.
    Csh,
}

/// How variables relate to what they held before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// They replace it.
    Exact,
    /// They come before it.
    #[default]
    Prefix,
    /// They come after it.
    Suffix,
}

/// A variable that profiles set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub variable: String,
    /// Its value.
    pub value: String,
    /// What stands between it and what was there before, if both can be.
    pub separator: Option<String>,
}

impl Shell {
    /// Returns the shell of a program's name or path: `/usr/bin/fish`.
    pub fn of_program(program: &str) -> Shell {
        match program.rsplit('/').next() {
            Some("fish") => Shell::Fish,
            Some("csh" | "tcsh") => Shell::Csh,
            _ => Shell::Posix,
        }
    }
}

/// Returns the variables for which one of the profiles, each with the search paths of what is in it, has something.
pub fn settings(profiles: &[(PathBuf, Vec<SearchPath>)]) -> Vec<Setting> {
    let mut order: Vec<String> = Vec::new();
    let mut values: BTreeMap<String, (Vec<String>, Option<String>)> = BTreeMap::new();
    for (profile, paths) in profiles {
        for path in paths {
            let Some(value) = value_of(profile, path) else { continue };
            let (parts, separator) = values.entry(path.variable.clone()).or_insert_with(|| {
                order.push(path.variable.clone());
                (Vec::new(), path.separator.clone())
            });
            let value = value.to_string_lossy().into_owned();
            // A variable that holds one entry has the first.
            if !parts.contains(&value) && (separator.is_some() || parts.is_empty()) {
                parts.push(value);
            }
        }
    }
    let setting = |variable: String| {
        let (parts, separator) = values.get(&variable).cloned().unwrap_or_default();
        Setting { value: parts.join(separator.as_deref().unwrap_or("")), variable, separator }
    };
    order.into_iter().map(setting).collect()
}

/// Returns the text that sets variables in a shell.
pub fn script(settings: &[Setting], shell: Shell, kind: Kind) -> String {
    let mut text = String::new();
    for Setting { variable, value, separator } in settings {
        let separator = separator.as_deref().filter(|_| kind != Kind::Exact);
        let _ = match (shell, separator) {
            (Shell::Posix, None) => writeln!(text, "export {variable}={}", quoted(value)),
            (Shell::Posix, Some(separator)) if kind == Kind::Prefix => {
                writeln!(
                    text,
                    "export {variable}={}${{{variable}:+{separator}}}\"${variable}\"",
                    quoted(value)
                )
            }
            (Shell::Posix, Some(separator)) => {
                writeln!(
                    text,
                    "export {variable}=\"${variable}\"${{{variable}:+{separator}}}{}",
                    quoted(value)
                )
            }
            (Shell::Fish, None) => writeln!(text, "set -gx {variable} {}", quoted(value)),
            (Shell::Fish, Some(separator)) => {
                let joined = match kind {
                    Kind::Suffix => format!("\"${variable}\"'{separator}'{}", quoted(value)),
                    _ => format!("{}'{separator}'\"${variable}\"", quoted(value)),
                };
                writeln!(
                    text,
                    "if test -n \"${variable}\"; set -gx {variable} {joined}; else; set -gx {variable} {}; end",
                    quoted(value)
                )
            }
            (Shell::Csh, None) => writeln!(text, "setenv {variable} {};", quoted(value)),
            (Shell::Csh, Some(separator)) => {
                let joined = match kind {
                    Kind::Suffix => format!("\"${{{variable}}}{separator}\"{}", quoted(value)),
                    _ => format!("{}\"{separator}${{{variable}}}\"", quoted(value)),
                };
                // One line would have the variable read even where it is not set.
                writeln!(
                    text,
                    "if ( ! $?{variable} ) setenv {variable} \"\"\nif ( \"${{{variable}}}\" != \"\" ) then\n  setenv {variable} {joined}\n\
                     else\n  setenv {variable} {}\nendif",
                    quoted(value)
                )
            }
        };
    }
    text
}

/// Puts a text between quotes in which no shell changes anything.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(variable: &str, separator: Option<&str>) -> Setting {
        Setting { variable: variable.into(), value: "/a b/x".into(), separator: separator.map(str::to_owned) }
    }

    /// Runs a shell with variables and returns what they are afterwards.
    fn outcome(kind: Kind, before: &str) -> String {
        let script = script(&[setting("LIST", Some(";")), setting("ONE", None)], Shell::Posix, kind);
        let mut command = std::process::Command::new("/bin/sh");
        command.arg("-c").arg(format!("{script}echo \"$LIST|$ONE\"")).env_clear().env("ONE", "old");
        if !before.is_empty() {
            command.env("LIST", before);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim_end().to_owned()
    }

    #[test]
    fn a_shell_gets_the_variables_before_after_or_instead_of_what_was_there() {
        assert_eq!(outcome(Kind::Prefix, "was"), "/a b/x;was|/a b/x");
        assert_eq!(outcome(Kind::Suffix, "was"), "was;/a b/x|/a b/x");
        assert_eq!(outcome(Kind::Exact, "was"), "/a b/x|/a b/x");
        assert_eq!(outcome(Kind::Prefix, ""), "/a b/x|/a b/x");
    }

    #[test]
    fn other_shells_have_words_of_their_own() {
        let list = [setting("LIST", Some(":"))];
        assert_eq!(
            script(&list, Shell::Fish, Kind::Prefix),
            "if test -n \"$LIST\"; set -gx LIST '/a b/x'':'\"$LIST\"; else; set -gx LIST '/a b/x'; end\n"
        );
        assert_eq!(script(&list, Shell::Fish, Kind::Exact), "set -gx LIST '/a b/x'\n");
        let csh = script(&list, Shell::Csh, Kind::Prefix);
        assert!(
            csh.contains("  setenv LIST '/a b/x'\":${LIST}\"\nelse\n  setenv LIST '/a b/x'\nendif"),
            "{csh}"
        );
        assert_eq!(Shell::of_program("/usr/bin/tcsh"), Shell::Csh);
        assert_eq!(Shell::of_program("zsh"), Shell::Posix);
    }
}
