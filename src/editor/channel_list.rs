//! Where the forms of a list of channels begin and end, so that a user's file can be edited and keeps its comments.

use std::ops::Range;

use hpcl_lang::datum::{Datum, DatumKind};

use super::syntax::{data, field, head, items, symbol};

/// The forms of a list of channels.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ChannelForms {
    /// Where another form can be put, and what goes before it; nothing if the file is written in another way.
    pub insert: Option<(usize, &'static str)>,
    /// The channels that are written out: name and place.
    pub channels: Vec<(String, Range<usize>)>,
}

/// Looks through the text of a file like `channels.hpcl`.
pub fn channel_forms(text: &str) -> ChannelForms {
    let data = data(text);
    let mut found = ChannelForms::default();
    data.iter().for_each(|form| collect(form, &mut found.channels));
    found.insert = data.last().and_then(insertion);
    found
}

fn insertion(form: &Datum) -> Option<(usize, &'static str)> {
    let parts = items(form)?;
    let after_head = |extra| Some((parts.first()?.span.end as usize, extra));
    match head(form)? {
        "list" | "cons*" => after_head(""),
        // With one more there are several before the rest.
        "cons" => after_head("*"),
        "append" => parts.iter().skip(1).find(|part| head(part) == Some("list")).and_then(insertion),
        _ => None,
    }
}

fn collect(form: &Datum, found: &mut Vec<(String, Range<usize>)>) {
    if head(form) == Some("channel")
        && let Some(name) = field(form, "name").and_then(name_of)
    {
        found.push((name, form.span.start as usize..form.span.end as usize));
        return;
    }
    items(form).unwrap_or_default().iter().for_each(|inner| collect(inner, found));
}

/// The name in `'physics`.
fn name_of(datum: &Datum) -> Option<String> {
    match &datum.kind {
        DatumKind::Symbol(name) => Some(name.to_string()),
        _ => items(datum)?.get(1).and_then(symbol).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_the_place_for_another_are_found() {
        let text = "; mine\n(append (list (channel (name 'a) (url \"u\"))) %default-channels)";
        let forms = channel_forms(text);
        assert_eq!(forms.insert, Some((text.find("(list").unwrap() + 5, "")));
        assert_eq!(forms.channels[0].0, "a");
        assert_eq!(&text[forms.channels[0].1.clone()], "(channel (name 'a) (url \"u\"))");
        assert_eq!(channel_forms("(cons x y)").insert, Some((5, "*")));
        assert_eq!(channel_forms("%default-channels").insert, None);
    }
}
