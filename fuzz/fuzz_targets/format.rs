//! What is formatted has the same data, and formatting it again changes nothing.

#![no_main]

use hpcl_lang::{format, print, reader, source::SourceMap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut sources = SourceMap::default();
    let file = sources.add("fuzz", text);
    let (before, errors) = reader::read(file, text);
    if !errors.is_empty() {
        return;
    }
    let Ok(once) = format::format(file, text) else { return };
    let file = sources.add("once", once.as_str());
    let twice = format::format(file, &once).expect("it is well-formed still");
    assert_eq!(twice, once);
    let (after, errors) = reader::read(file, &once);
    assert!(errors.is_empty(), "{once}");
    let shown = |data: &[hpcl_lang::datum::Datum]| data.iter().map(print::write_datum).collect::<Vec<_>>();
    assert_eq!(shown(&before), shown(&after));
});
