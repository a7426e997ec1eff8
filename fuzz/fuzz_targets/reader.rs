//! Any bytes are read, or refused with places that lie in the text; what was read is printed and read back the same.

#![no_main]

use hpcl_lang::{print, reader, source::SourceMap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data).into_owned();
    let mut sources = SourceMap::default();
    let file = sources.add("fuzz", text.as_str());
    let (datums, errors) = reader::read(file, &text);
    if !errors.is_empty() {
        assert!(!hpcl_lang::render::render(&errors, &sources, false).is_empty());
        return;
    }
    for datum in datums {
        let printed = print::write_datum(&datum);
        let file = sources.add("again", printed.as_str());
        let (again, errors) = reader::read(file, &printed);
        assert!(errors.is_empty(), "{printed}");
        let [again] = again.as_slice() else { panic!("{printed}") };
        assert_eq!(print::write_datum(again), printed);
    }
});
