//! The procedures in Rust of the base environment, one table a topic.
//!
//! Each is documented, with an example that `lang/tests/natives.rs` runs. None calls back into the language; those that
//! take a predicate on characters get it as a set of characters from the prelude (`stdlib/prelude/strings.hpcl`).

pub mod alists;
pub mod arguments;
pub mod bytevector_numbers;
pub mod bytevectors;
pub mod char_sets;
pub mod chars;
pub mod codecs;
pub mod format;
pub mod integers;
pub mod list_parts;
pub mod lists;
pub mod numbers;
pub mod predicates;
pub mod regexps;
pub(crate) mod reuse;
pub mod staged;
pub mod string_comparison;
pub mod string_parts;
pub mod string_search;
pub mod strings;
pub mod symbols;
pub mod syntax;
pub mod tables;
pub mod vectors;
pub mod versions;

use crate::native::{Native, NativeFn, Side};

/// All tables.
pub static TABLES: &[&[Native]] = &[
    predicates::TABLE,
    numbers::TABLE,
    integers::TABLE,
    chars::TABLE,
    char_sets::TABLE,
    strings::TABLE,
    string_parts::TABLE,
    string_search::TABLE,
    string_comparison::TABLE,
    symbols::TABLE,
    syntax::TABLE,
    lists::TABLE,
    list_parts::TABLE,
    alists::TABLE,
    vectors::TABLE,
    bytevectors::TABLE,
    bytevector_numbers::TABLE,
    tables::TABLE,
    format::TABLE,
    regexps::TABLE,
    codecs::TABLE,
    versions::TABLE,
    staged::TABLE,
];

/// Returns a row of a procedure for both sides.
const fn row(
    name: &'static str,
    least: usize,
    most: Option<usize>,
    doc: &'static str,
    example: (&'static str, &'static str),
    function: NativeFn,
) -> Native {
    Native { name, arity: (least, most), side: Side::Both, doc, example, function }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::TABLES;

    #[test]
    fn every_native_is_documented_once() {
        let mut names = HashSet::new();
        for native in TABLES.iter().copied().flatten() {
            assert!(names.insert(native.name), "`{}` is in two tables", native.name);
            assert!(native.doc.ends_with('.'), "`{}`", native.name);
            assert!(!native.example.0.is_empty() && !native.example.1.is_empty(), "`{}`", native.name);
        }
        assert!(names.len() > 350, "{}", names.len());
    }
}
