//! From a derivation to its ATerm.
//!
//! ```text
//! derivation = "Derive([" output,… "],[" input,… "],[" path,… "]," system "," builder ",[" arg,… "],[" env,… "])"
//! output     = "(" name "," path "," [ "r:" ] algorithm "," base16 ")"      the last two empty unless fixed
//! input      = "(" path ",[" name,… "])"
//! env        = "(" name "," value ")"
//! ```
//!
//! Every item is a string in double quotes with `\" \\ \n \r \t` escaped and all other bytes as they are. For the hash
//! modulo, output paths are left empty (masked) and input paths give way to the inputs' own hashes. Hashing a derivation
//! needs three such texts that differ in little, so the text is made in sections: outputs, inputs, and a [`Tail`] that is
//! escaped once, with holes where the outputs' paths go.

use std::collections::{BTreeMap, BTreeSet};

use litemap::LiteMap;

use super::{Derivation, Output, OutputName};
use crate::store_path::{StoreDir, StorePath};

impl Derivation {
    /// The derivation's text in the canonical store.
    pub fn to_aterm(&self) -> Vec<u8> {
        self.to_aterm_in(&StoreDir::CANONICAL)
    }

    /// The derivation's text in any store directory. What stands in `args` and `env` is written as it is.
    pub fn to_aterm_in(&self, directory: &StoreDir) -> Vec<u8> {
        let mut text = outputs_text(directory, &self.outputs, false);
        text.extend_from_slice(&inputs_text(directory, &self.input_drvs));
        self.tail(directory).each(Some(self), |part| text.extend_from_slice(part));
        text
    }

    /// Everything behind the inputs.
    pub(super) fn tail(&self, directory: &StoreDir) -> Tail {
        let env_size: usize = self.env.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        let args_size: usize = self.args.iter().map(|arg| arg.len() + 4).sum();
        let mut writer = Writer::with_capacity(directory, env_size + args_size + env_size / 8 + 256);
        let mut holes = Vec::new();
        writer.raw(",");
        writer.list(&self.input_srcs, |writer, path: &StorePath| writer.path(path));
        writer.raw(",");
        writer.string(&self.system);
        writer.raw(",");
        writer.string(&self.builder);
        writer.raw(",");
        writer.list(&self.args, |writer, arg| writer.string(arg));
        writer.raw(",");
        writer.list(&self.env, |writer, (name, value)| {
            writer.raw("(");
            writer.string(name);
            writer.raw(",");
            let at = name.as_utf8().and_then(|name| self.outputs.find_index(name).ok());
            match at.and_then(|at| self.outputs.get_indexed(at)) {
                Some((output, _)) => holes.push((writer.text.len(), output.clone())),
                None => writer.string(value),
            }
            writer.raw(")");
        });
        writer.raw(")");
        Tail { text: writer.text, holes }
    }
}

/// The end of a derivation's text, without the outputs' paths.
pub(super) struct Tail {
    text: Vec<u8>,
    /// Where which output's path is missing.
    holes: Vec<(usize, OutputName)>,
}

impl Tail {
    /// Gives the parts in order: with the values that the environment has for the outputs, or with empty ones.
    pub(super) fn each(&self, values: Option<&Derivation>, mut part: impl FnMut(&[u8])) {
        let mut start = 0;
        for (end, output) in &self.holes {
            part(self.text.get(start..*end).unwrap_or_default());
            match values.and_then(|drv| drv.env.get(output.as_str().as_bytes())) {
                Some(value) => {
                    let mut writer = Writer::with_capacity(&StoreDir::CANONICAL, value.len() + 8);
                    writer.string(value);
                    part(&writer.text);
                }
                None => part(b"\"\""),
            }
            start = *end;
        }
        part(self.text.get(start..).unwrap_or_default());
    }
}

/// The beginning of a derivation's text, up to the comma behind the outputs.
pub(super) fn outputs_text(
    directory: &StoreDir,
    outputs: &LiteMap<OutputName, Output>,
    masked: bool,
) -> Vec<u8> {
    let mut writer = Writer::with_capacity(directory, 256 * outputs.len());
    writer.raw("Derive(");
    writer.list(outputs, |writer, (name, output)| {
        writer.raw("(");
        writer.string(name.as_str().as_bytes());
        writer.raw(",");
        if masked {
            writer.raw("\"\"");
        } else {
            writer.path(&output.path);
        }
        match &output.fixed {
            Some(fixed) => {
                writer.raw(",\"");
                writer.raw(&fixed.algorithm_text());
                writer.raw("\",\"");
                writer.raw(&fixed.digest.to_base16());
                writer.raw("\")");
            }
            None => writer.raw(",\"\",\"\")"),
        }
    });
    writer.raw(",");
    writer.text
}

/// The list of inputs, by their derivations' paths.
pub(super) fn inputs_text(
    directory: &StoreDir,
    inputs: &LiteMap<StorePath, BTreeSet<OutputName>>,
) -> Vec<u8> {
    let mut writer = Writer::with_capacity(directory, 200 * inputs.len() + 2);
    writer.list(inputs, |writer, (path, outputs)| {
        writer.raw("(");
        writer.path(path);
        writer.raw(",");
        writer.list(outputs, |writer, output| writer.string(output.as_str().as_bytes()));
        writer.raw(")");
    });
    writer.text
}

/// The list of inputs, by their hashes in base 16; sorted, each once.
pub(super) fn hashed_inputs_text(inputs: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(&StoreDir::CANONICAL, 100 * inputs.len() + 2);
    writer.list(inputs, |writer, (hash, outputs)| {
        writer.raw("(\"");
        writer.raw(hash);
        writer.raw("\",");
        writer.list(outputs, |writer, output| writer.string(output.as_bytes()));
        writer.raw(")");
    });
    writer.text
}

struct Writer<'a> {
    text: Vec<u8>,
    directory: &'a StoreDir,
}

impl<'a> Writer<'a> {
    fn with_capacity(directory: &'a StoreDir, capacity: usize) -> Self {
        Self { text: Vec::with_capacity(capacity), directory }
    }

    fn raw(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn path(&mut self, path: &StorePath) {
        self.raw("\"");
        self.raw(self.directory.as_str());
        self.raw("/");
        self.raw(path.as_str());
        self.raw("\"");
    }

    fn list<I: IntoIterator>(&mut self, items: I, mut each: impl FnMut(&mut Self, I::Item)) {
        self.raw("[");
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            each(self, item);
        }
        self.raw("]");
    }

    fn string(&mut self, bytes: &[u8]) {
        self.raw("\"");
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t');
        let mut rest = bytes;
        while let Some((plain, byte, after)) = rest.iter().position(special).and_then(|at| {
            let (plain, tail) = rest.split_at_checked(at)?;
            let (byte, after) = tail.split_first()?;
            Some((plain, *byte, after))
        }) {
            self.text.extend_from_slice(plain);
            let letter = match byte {
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                other => other,
            };
            self.text.extend_from_slice(&[b'\\', letter]);
            rest = after;
        }
        self.text.extend_from_slice(rest);
        self.raw("\"");
    }
}
