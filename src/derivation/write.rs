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
//! modulo, output paths are left empty (masked) and input paths give way to the inputs' own hashes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Derivation, OutputName};
use crate::store_path::{StoreDir, StorePath};

/// How the inputs are written.
pub(super) enum Inputs<'a> {
    /// As the paths of their derivations.
    Paths,
    /// As their hashes modulo, base 16.
    Hashes(&'a BTreeMap<String, BTreeSet<OutputName>>),
}

impl Derivation {
    /// The derivation's text in the canonical store.
    pub fn to_aterm(&self) -> Vec<u8> {
        self.to_aterm_in(&StoreDir::CANONICAL)
    }

    /// The derivation's text in any store directory. What stands in `args` and `env` is written as it is.
    pub fn to_aterm_in(&self, directory: &StoreDir) -> Vec<u8> {
        self.write(directory, false, &Inputs::Paths)
    }

    /// The text, with the outputs' paths masked or not and the inputs as asked.
    pub(super) fn write(&self, directory: &StoreDir, masked: bool, inputs: &Inputs<'_>) -> Vec<u8> {
        let env_size: usize = self.env.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        let args_size: usize = self.args.iter().map(|arg| arg.len() + 4).sum();
        let mut writer = Writer {
            text: Vec::with_capacity(env_size + args_size + 512 + 160 * self.input_drvs.len()),
            directory,
        };
        writer.raw("Derive(");
        writer.list(&self.outputs, |writer, (name, output)| {
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
        match inputs {
            Inputs::Paths => writer.list(&self.input_drvs, |writer, (path, outputs)| {
                writer.raw("(");
                writer.path(path);
                writer.raw(",");
                writer.list(outputs, |writer, output| writer.string(output.as_str().as_bytes()));
                writer.raw(")");
            }),
            Inputs::Hashes(hashes) => writer.list(*hashes, |writer, (hash, outputs)| {
                writer.raw("(\"");
                writer.raw(hash);
                writer.raw("\",");
                writer.list(outputs, |writer, output| writer.string(output.as_str().as_bytes()));
                writer.raw(")");
            }),
        }
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
            let is_output = || std::str::from_utf8(name).is_ok_and(|name| self.outputs.contains_key(name));
            writer.string(if masked && is_output() { b"" } else { value });
            writer.raw(")");
        });
        writer.raw(")");
        writer.text
    }
}

struct Writer<'a> {
    text: Vec<u8>,
    directory: &'a StoreDir,
}

impl Writer<'_> {
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

    fn list<I: IntoIterator>(&mut self, items: I, each: impl Fn(&mut Self, I::Item)) {
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
