//! The news of channels, in Guix's form: what their authors want users to know of commits.
//!
//! ```text
//! (channel-news (version 0)
//!  (entry (commit "…") (title (en "…") (de "…")) (body (en "…"))))
//! ```
//!
//! An entry is news to those whose channel came to its commit since. Texts are shown in English, else in the first language that is there.

use std::collections::HashSet;

use hpcl_lang::{
    datum::{Datum, named, string},
    reader,
    span::FileId,
};

use super::generation::Instance;
use crate::git::CommitId;

/// A piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The channel.
    pub channel: String,
    /// The commit that it is about.
    pub commit: String,
    /// One line.
    pub title: String,
    /// The text, as it is written.
    pub body: String,
}

/// Returns the news of channels since they were as before; those of channels that are new are left out. What cannot be read has
/// none.
pub fn between(before: &[Instance], now: &[Instance]) -> Vec<News> {
    let of = |instance: &Instance| {
        let old = before.iter().find(|other| other.declared.name == instance.declared.name)?;
        let old = CommitId::parse(old.declared.commit.as_deref()?)?;
        let new = CommitId::parse(instance.declared.commit.as_deref()?)?;
        let repository = instance.repository().ok()??;
        let text = repository.file(new, instance.news.as_deref()?).ok()??;
        let commits: HashSet<String> =
            repository.between(&[old], new).ok()?.iter().map(|commit| commit.id.to_string()).collect();
        let mut entries = parse(&String::from_utf8_lossy(&text));
        entries.retain(|entry| commits.contains(&entry.commit));
        entries.iter_mut().for_each(|entry| entry.channel.clone_from(&instance.declared.name));
        Some(entries)
    };
    now.iter().filter_map(of).flatten().collect()
}

fn parse(text: &str) -> Vec<News> {
    let (forms, _) = reader::read(FileId(0), text);
    let Some((name, entries)) = forms.first().and_then(named) else { return Vec::new() };
    if name != "channel-news" {
        return Vec::new();
    }
    let entry = |form: &Datum| {
        let (_, fields) = named(form).filter(|(name, _)| *name == "entry")?;
        let field = |wanted: &str| fields.iter().filter_map(named).find(|(name, _)| *name == wanted);
        let commit = string(field("commit")?.1.first()?)?;
        let text = |name: &str| field(name).and_then(|(_, texts)| translated(texts)).unwrap_or_default();
        Some(News { channel: String::new(), commit, title: text("title"), body: text("body") })
    };
    entries.iter().filter_map(entry).collect()
}

fn translated(texts: &[Datum]) -> Option<String> {
    let all: Vec<(&str, String)> = texts
        .iter()
        .filter_map(|text| {
            let (language, text) = named(text)?;
            Some((language, string(text.first()?)?))
        })
        .collect();
    all.iter().find(|(language, _)| *language == "en").or(all.first()).map(|(_, text)| text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_in_english_if_they_are() {
        let text = "(channel-news (version 0) (entry (commit \"1\") (title (de \"Neu\") (en \"New\")) (body (de \"Text\")))
          (entry (title (en \"no commit\"))))";
        let news = parse(text);
        assert_eq!(news.len(), 1);
        assert_eq!((news[0].title.as_str(), news[0].body.as_str()), ("New", "Text"));
        assert!(parse("(").is_empty());
    }
}
