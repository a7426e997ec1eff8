//! From ATerm to a derivation; the grammar is in `write.rs`.
//!
//! Strict: only the text that `write.rs` would give is accepted, so that parsing and writing give back the same bytes and
//! a path computed from the parsed derivation is the path of the text.

use std::collections::BTreeSet;

use litemap::LiteMap;

use super::{Bytes, Derivation, DerivationError, FixedHash, Output, OutputName};
use crate::{
    hash::{Algorithm, Digest},
    store_path::{ContentMethod, StoreDir, StorePath},
};

impl Derivation {
    /// Reads the text of the derivation called `name` (without `.drv`), of the canonical store.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self, DerivationError> {
        Self::parse_in(&StoreDir::CANONICAL, name, text)
    }

    /// Reads the text of the derivation called `name`, of any store directory.
    pub fn parse_in(directory: &StoreDir, name: &str, text: &[u8]) -> Result<Self, DerivationError> {
        let mut parser = Parser { name, directory, text, at: 0 };
        let drv = parser.derivation()?;
        drv.validate_in(directory)?;
        Ok(drv)
    }
}

struct Parser<'a> {
    name: &'a str,
    directory: &'a StoreDir,
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn derivation(&mut self) -> Result<Derivation, DerivationError> {
        self.expect(b"Derive(", "`Derive(`")?;
        let outputs = self.list(Self::output)?;
        let outputs = self.sorted("outputs", outputs)?;
        self.comma()?;
        let input_drvs = self.list(Self::input)?;
        let input_drvs = self.sorted("input derivations", input_drvs)?;
        self.comma()?;
        let input_srcs = self.list(|parser| Ok((parser.path()?, ())))?;
        let input_srcs =
            self.sorted("input sources", input_srcs)?.into_iter().map(|(name, ())| name).collect();
        self.comma()?;
        let system = self.string()?;
        self.comma()?;
        let builder = self.string()?;
        self.comma()?;
        let args = self.list(Self::string)?;
        self.comma()?;
        let env = self.list(|parser| {
            parser.expect(b"(", "`(`")?;
            let name = parser.string()?;
            parser.comma()?;
            let value = parser.string()?;
            parser.expect(b")", "`)`")?;
            Ok((name, value))
        })?;
        let env = self.sorted("environment", env)?;
        self.expect(b")", "`)`")?;
        if self.at != self.text.len() {
            return Err(self.syntax("the end"));
        }
        Ok(Derivation { name: self.name.into(), outputs, input_drvs, input_srcs, system, builder, args, env })
    }

    fn output(&mut self) -> Result<(OutputName, Output), DerivationError> {
        self.expect(b"(", "`(`")?;
        let name = self.output_name()?;
        self.comma()?;
        let path = self.path()?;
        self.comma()?;
        let algorithm = self.utf8()?;
        self.comma()?;
        let digits = self.utf8()?;
        self.expect(b")", "`)`")?;
        if algorithm.is_empty() && digits.is_empty() {
            return Ok((name, Output { path, fixed: None }));
        }
        let hash_error = |source| DerivationError::Hash { name: self.name.to_owned(), source };
        let (method, algorithm) = match algorithm.strip_prefix("r:") {
            Some(rest) => (ContentMethod::Recursive, rest),
            None => (ContentMethod::Flat, algorithm.as_str()),
        };
        let algorithm = Algorithm::parse(algorithm).map_err(hash_error)?;
        let digest = Digest::parse_as(algorithm, &digits).map_err(hash_error)?;
        if digest.to_base16() != digits {
            return Err(self.syntax("a hash in base-16"));
        }
        Ok((name, Output { path, fixed: Some(FixedHash { method, digest }) }))
    }

    fn input(&mut self) -> Result<(StorePath, BTreeSet<OutputName>), DerivationError> {
        self.expect(b"(", "`(`")?;
        let path = self.path()?;
        self.comma()?;
        let outputs = self.list(|parser| Ok((parser.output_name()?, ())))?;
        let outputs = self.sorted("used outputs", outputs)?.into_iter().map(|(name, ())| name).collect();
        self.expect(b")", "`)`")?;
        Ok((path, outputs))
    }

    fn output_name(&mut self) -> Result<OutputName, DerivationError> {
        OutputName::new(&self.utf8()?)
    }

    fn path(&mut self) -> Result<StorePath, DerivationError> {
        let text = self.utf8()?;
        StorePath::parse_in(self.directory, &text)
            .map_err(|source| DerivationError::Path { name: self.name.to_owned(), source })
    }

    fn utf8(&mut self) -> Result<String, DerivationError> {
        let bytes = self.string()?;
        bytes.as_utf8().map(str::to_owned).ok_or_else(|| self.syntax("text in UTF-8"))
    }

    fn sorted<K: Ord + std::fmt::Display, V>(
        &self,
        list: &'static str,
        items: Vec<(K, V)>,
    ) -> Result<LiteMap<K, V>, DerivationError> {
        let wrong = items.windows(2).find_map(|pair| match pair {
            [before, after] if before.0 >= after.0 => Some(&after.0),
            _ => None,
        });
        match wrong {
            Some(item) => {
                Err(DerivationError::Unsorted { name: self.name.to_owned(), list, item: item.to_string() })
            }
            None => Ok(LiteMap::from_sorted_store_unchecked(items)),
        }
    }

    fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<T, DerivationError>,
    ) -> Result<Vec<T>, DerivationError> {
        self.expect(b"[", "`[`")?;
        let mut items = Vec::new();
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(each(self)?);
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(items);
                }
                _ => return Err(self.syntax("`,` or `]`")),
            }
        }
    }

    fn string(&mut self) -> Result<Bytes, DerivationError> {
        self.expect(b"\"", "a string")?;
        let mut bytes = Vec::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.text.len();
                return Err(self.syntax("`\"` at the end of a string"));
            };
            let plain = rest.get(..length).expect("memchr gives a position inside");
            if let Some(raw) = memchr::memchr3(b'\n', b'\r', b'\t', plain) {
                self.at += raw;
                return Err(self.syntax("`\\n`, `\\r` or `\\t` instead of the byte itself"));
            }
            bytes.extend_from_slice(plain);
            self.at += length;
            if rest.get(length) == Some(&b'"') {
                self.at += 1;
                return Ok(bytes.into());
            }
            bytes.push(match rest.get(length + 1) {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(byte @ (b'"' | b'\\')) => *byte,
                _ => return Err(self.syntax("one of `\\\\ \\\" \\n \\r \\t`")),
            });
            self.at += 2;
        }
    }

    fn comma(&mut self) -> Result<(), DerivationError> {
        self.expect(b",", "`,`")
    }

    fn expect(&mut self, token: &[u8], expected: &'static str) -> Result<(), DerivationError> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(token)) {
            return Err(self.syntax(expected));
        }
        self.at += token.len();
        Ok(())
    }

    fn syntax(&self, expected: &'static str) -> DerivationError {
        DerivationError::Syntax { name: self.name.to_owned(), offset: self.at, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let drv = super::super::tests::sample();
        let text = drv.to_aterm();
        assert_eq!(Derivation::parse("sample", &text), Ok(drv));
    }

    #[test]
    fn no_truncated_text_is_accepted() {
        let text = super::super::tests::sample().to_aterm();
        for length in 0..text.len() {
            assert!(Derivation::parse("sample", &text[..length]).is_err(), "{length} bytes");
        }
        assert!(Derivation::parse("sample", &[text, b"\n".to_vec()].concat()).is_err());
    }

    #[test]
    fn other_texts_for_the_same_derivation_are_refused() {
        let text = String::from_utf8_lossy(&super::super::tests::sample().to_aterm()).into_owned();
        let refused = |from: &str, to: &str| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "`{from}` is in the text");
            Derivation::parse("sample", changed.as_bytes()).unwrap_err()
        };
        assert!(matches!(
            refused("[\"lib\",\"out\"]", "[\"out\",\"lib\"]"),
            DerivationError::Unsorted { .. }
        ));
        assert!(matches!(
            refused("[\"lib\",\"out\"]", "[\"out\",\"out\"]"),
            DerivationError::Unsorted { .. }
        ));
        assert!(matches!(refused("Derive([", "Derive( ["), DerivationError::Syntax { offset: 7, .. }));
        assert!(matches!(refused("say", "\\s"), DerivationError::Syntax { .. }));
        for (escaped, raw) in [("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r")] {
            assert!(matches!(refused(escaped, raw), DerivationError::Syntax { .. }), "{escaped}");
        }
        assert!(matches!(refused("/hpcl/", "/nix/"), DerivationError::Path { .. }));
    }
}
