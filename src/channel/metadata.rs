//! What a channel says of itself, in `channel.hpcl` at its root.
//!
//! ```text
//! (channel
//!  (version 0)
//!  (name "physics")                       ; what it should be called
//!  (directory "packages")                 ; where its modules are; the root unless said
//!  (edition 1)                            ; the edition of the language that it is written for
//!  (dependencies (channel (name tools) (url "…") (branch "…") (introduction (version 0) (commit "…") (signer "…"))) …)
//!  (news-file "news.hpcl")
//!  (url "…") (mirrors "…" …)              ; where else it is
//!  (authorized-keys "ssh-ed25519 AAAA… Name" "FINGERPRINT" …)
//!  (keyring-reference "keyring"))         ; the branch that has OpenPGP keys
//! ```
//!
//! It is data and not evaluated. A channel that was made for Guix has `.guix-channel` and `.guix-authorizations` instead, with the
//! same meaning.

use hpcl_lang::{
    datum::{Datum, DatumKind, list, named},
    reader, render,
    source::SourceMap,
};

use super::declared::{Declared, Introduction};

/// The latest edition of the language that this program evaluates.
pub const EDITION: u32 = 1;

/// The file at a channel's root.
pub const FILE: &str = "channel.hpcl";
/// The same in a channel that was made for Guix.
pub const GUIX_FILE: &str = ".guix-channel";
/// Who may sign a channel that was made for Guix.
pub const GUIX_KEYS: &str = ".guix-authorizations";

/// What a channel says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it should be called.
    pub name: Option<String>,
    /// Where its modules are, below its root.
    pub directory: String,
    /// The edition of the language that it is written for.
    pub edition: u32,
    /// The channels that it needs.
    pub dependencies: Vec<Declared>,
    /// The file that has its news.
    pub news: Option<String>,
    /// Other addresses of it.
    pub mirrors: Vec<String>,
    /// The keys that may sign its commits: fingerprints and SSH keys. Nothing if it does not say.
    pub authorized: Option<Vec<String>>,
    /// The branch that has OpenPGP keys.
    pub keyring: String,
}

impl Default for Metadata {
    fn default() -> Self {
        Metadata {
            name: None,
            directory: String::new(),
            edition: EDITION,
            dependencies: Vec::new(),
            news: None,
            mirrors: Vec::new(),
            authorized: None,
            keyring: "keyring".to_owned(),
        }
    }
}

/// Reads `channel.hpcl` or `.guix-channel`; `file` is what messages call it.
///
/// # Errors
/// What is wrong with it, to be printed as it stands or behind the file's name.
pub fn parse(file: &str, text: &str) -> Result<Metadata, String> {
    let form = first_form(file, text)?;
    let fields = form_named(&form, "channel").ok_or("it has no form `(channel …)`")?;
    let mut metadata = Metadata::default();
    for field in fields {
        let Some((name, values)) = named(field) else {
            return Err(format!("`{}` is no field", shown(field)));
        };
        let text = || values.first().and_then(word).ok_or(format!("the field `{name}` has no text"));
        match name {
            "version" => {
                if !matches!(text()?.as_str(), "0" | "1") {
                    return Err("its `version` is none that this hpcl knows: 0".to_owned());
                }
            }
            "name" => metadata.name = Some(checked_name(&text()?)?),
            "directory" => metadata.directory = inside("directory", &text()?)?,
            "edition" => {
                metadata.edition = text()?
                    .parse()
                    .ok()
                    .filter(|edition| *edition >= 1)
                    .ok_or("its `edition` is no number")?;
                if metadata.edition > EDITION {
                    return Err(format!(
                        "it is written for edition {} of the language, and this hpcl has editions up to {EDITION}: a newer hpcl \
                         evaluates it",
                        metadata.edition
                    ));
                }
            }
            "dependencies" => {
                for dependency in values {
                    metadata.dependencies.push(dependency_of(dependency)?);
                }
            }
            "news-file" => metadata.news = Some(inside("news-file", &text()?)?),
            "keyring-reference" => metadata.keyring = text()?,
            "url" | "mirrors" => metadata.mirrors.extend(values.iter().filter_map(word)),
            "authorized-keys" => {
                let keys = values.iter().map(|key| word(key).ok_or("an authorised key is no text"));
                metadata.authorized = Some(keys.collect::<Result<_, _>>()?);
            }
            // What later versions of Guix may say does not keep a channel from being used.
            _ if file.ends_with(GUIX_FILE) => {}
            _ => return Err(format!("it has a field `{name}`, which is none of a channel's")),
        }
    }
    Ok(metadata)
}

/// Reads `.guix-authorizations`: the fingerprints of those who may sign.
///
/// # Errors
/// What is wrong with it.
pub fn parse_authorizations(file: &str, text: &str) -> Result<Vec<String>, String> {
    let form = first_form(file, text)?;
    let fields = form_named(&form, "authorizations").ok_or("it has no form `(authorizations …)`")?;
    let keys = fields.iter().find(|field| named(field).is_none()).and_then(list).unwrap_or_default();
    keys.iter()
        .map(|key| match list(key).and_then(|parts| parts.first()).map(|first| &first.kind) {
            Some(DatumKind::String(fingerprint)) => Ok(fingerprint.to_string()),
            _ => Err(format!("`{}` does not begin with a fingerprint", shown(key))),
        })
        .collect()
}

/// Checks the name of a channel: a file is called after it.
///
/// # Errors
/// When it cannot be one.
pub fn checked_name(name: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '+');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(format!(
            "`{name}` cannot be the name of a channel: use letters, digits, `-`, `_`, `.`, `+`"
        ));
    }
    Ok(name.to_owned())
}

fn inside(field: &str, path: &str) -> Result<String, String> {
    let path = path.trim_start_matches("./").trim_matches('/');
    if path.split('/').any(|part| part == "..") {
        return Err(format!("its `{field}` leads out of the channel"));
    }
    Ok(if path == "." { String::new() } else { path.to_owned() })
}

fn dependency_of(form: &Datum) -> Result<Declared, String> {
    let fields = form_named(form, "channel").ok_or("a dependency is no form `(channel …)`")?;
    let mut declared = Declared::default();
    for (name, values) in fields.iter().filter_map(named) {
        let text =
            || values.first().and_then(word).ok_or(format!("the field `{name}` of a dependency has no text"));
        match name {
            "name" => declared.name = checked_name(&text()?)?,
            "url" => declared.url = text()?,
            "branch" => declared.branch = Some(text()?),
            "commit" => declared.commit = Some(text()?),
            "mirrors" => declared.mirrors.extend(values.iter().filter_map(word)),
            "introduction" => declared.introduction = Some(introduction_of(values)?),
            _ => return Err(format!("a dependency has a field `{name}`, which is none of a channel's")),
        }
    }
    if declared.name.is_empty() || declared.url.is_empty() {
        return Err("a dependency has no `name` or no `url`".to_owned());
    }
    Ok(declared)
}

fn introduction_of(fields: &[Datum]) -> Result<Introduction, String> {
    let field = |wanted: &str| {
        fields
            .iter()
            .filter_map(named)
            .find(|(name, _)| *name == wanted)
            .and_then(|(_, values)| word(values.first()?))
    };
    match (field("commit"), field("signer")) {
        (Some(commit), Some(signer)) => Ok(Introduction { commit, signer: plain_signer(&signer) }),
        _ => Err("the introduction of a dependency has no `commit` or no `signer`".to_owned()),
    }
}

/// Returns a fingerprint without its spaces, in capitals; an SSH key without its comment.
pub fn plain_signer(signer: &str) -> String {
    let parts: Vec<&str> = signer.split_whitespace().collect();
    match parts.as_slice() {
        [kind, key, ..] if kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.contains("@") => {
            format!("{kind} {key}")
        }
        parts => parts.concat().to_uppercase(),
    }
}

fn first_form(file: &str, text: &str) -> Result<Datum, String> {
    let mut sources = SourceMap::default();
    let id = sources.add(file, text);
    let (forms, errors) = reader::read(id, text);
    if !errors.is_empty() {
        return Err(format!("it cannot be read:\n{}", render::render(&errors, &sources, false)));
    }
    forms.into_iter().next().ok_or_else(|| "it is empty".to_owned())
}

fn form_named<'a>(form: &'a Datum, name: &str) -> Option<&'a [Datum]> {
    named(form).filter(|(head, _)| *head == name).map(|(_, rest)| rest)
}

/// A text, a symbol or a number as text; a quoted symbol too.
fn word(datum: &Datum) -> Option<String> {
    match &datum.kind {
        DatumKind::String(text) => Some(text.to_string()),
        DatumKind::Symbol(name) => Some(name.to_string()),
        DatumKind::List(items) => match items.as_slice() {
            [Datum { kind: DatumKind::Symbol(quote), .. }, symbol] if quote.as_str() == "quote" => {
                word(symbol)
            }
            _ => None,
        },
        _ => Some(shown(datum)),
    }
}

fn shown(datum: &Datum) -> String {
    hpcl_lang::print::write_datum(datum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_are_read() {
        let text = "(channel (version 0) (name \"a\") (directory \"./x/y\") (edition 1) (news-file \"n.hpcl\")
          (url \"u\") (mirrors \"m\") (keyring-reference \"k\") (authorized-keys \"ssh-ed25519 AA b\" \"1234 abcd\")
          (dependencies (channel (name b) (url \"v\") (branch \"w\") (introduction (commit \"c\") (signer \"12 ab\")))))";
        let found = parse("channel.hpcl", text).unwrap();
        assert_eq!((found.directory.as_str(), found.mirrors.join(",").as_str()), ("x/y", "u,m"));
        assert_eq!(found.authorized.unwrap().len(), 2);
        let dependency = &found.dependencies[0];
        assert_eq!(
            (dependency.name.as_str(), dependency.introduction.as_ref().unwrap().signer.as_str()),
            ("b", "12AB")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("(channel (version 0)", "cannot be read"),
            ("(package)", "no form `(channel …)`"),
            ("", "empty"),
            ("(channel (version 9))", "version"),
            ("(channel (edition 99))", "edition 99"),
            ("(channel (directory \"../x\"))", "leads out"),
            ("(channel (name \"a/b\"))", "cannot be the name"),
            ("(channel (colour red))", "`colour`"),
            ("(channel (dependencies (channel (name x))))", "no `url`"),
        ] {
            let message = parse("channel.hpcl", text).unwrap_err();
            assert!(message.contains(said), "{text}: {message}");
        }
        assert!(parse(".guix-channel", "(channel (version 0) (colour red))").is_ok());
    }

    #[test]
    fn authorizations_of_guix_are_read() {
        let text = "(authorizations (version 0) ((\"AD17 A21E\" (name \"a\")) (\"2A39\")))";
        assert_eq!(parse_authorizations(".guix-authorizations", text).unwrap(), ["AD17 A21E", "2A39"]);
    }
}
