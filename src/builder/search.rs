//! `find-files`: what lies below a directory.

use std::{os::unix::ffi::OsStrExt, path::Path};

use hpcl_lang::{
    native::{Context, Native, Raise, expect_string},
    natives::regexps::Regexp,
    value::Value,
};

use super::{bytes, condition::row, port::complain, world::world};

/// The table of this topic.
pub static NATIVES: &[Native] = &[row(
    "%find-files",
    4,
    Some(4),
    "The sorted names of the files below a directory whose last part matches a pattern (`#f`: all); with directories \
     when the third, through links when the fourth argument is true.",
    find_files,
)];

fn find_files(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("find-files", arguments, 0)?;
    let pattern: Option<&Regexp> = arguments.get(1).and_then(Value::as_foreign);
    let flag = |index: usize| arguments.get(index).is_some_and(Value::is_true);
    let (directories, links) = (flag(2), flag(3));
    let root = world(context)?.resolve(name);
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(&root).follow_links(links).follow_root_links(links) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                complain(&format!("find-files: {error}\n"));
                continue;
            }
        };
        if entry.file_type().is_dir() && !directories {
            continue;
        }
        let base = bytes::decode(entry.file_name().as_bytes());
        if pattern.is_none_or(|Regexp(regex)| regex.is_match(&base)) {
            found.push(shown(name, &root, entry.path()));
        }
    }
    found.sort_unstable_by(|a, b| bytes::encode(a).cmp(&bytes::encode(b)));
    Ok(Value::list(found.into_iter().map(Value::string)))
}

/// Returns a file's name as the caller sees it: below the directory as it was named.
fn shown(name: &str, root: &Path, path: &Path) -> String {
    match path.strip_prefix(root) {
        Ok(rest) if !rest.as_os_str().is_empty() => {
            let separator = if name.ends_with('/') { "" } else { "/" };
            format!("{name}{separator}{}", bytes::path_text(rest))
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_the_caller_wrote_them() {
        let root = Path::new("/build/x/.");
        assert_eq!(shown(".", root, &root.join("a/b")), "./a/b");
        assert_eq!(shown("x/", Path::new("/build/x/"), Path::new("/build/x/a")), "x/a");
        assert_eq!(shown("x", Path::new("/build/x"), Path::new("/build/x")), "x");
    }
}
