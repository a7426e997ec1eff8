//! What a cache says of an item: Nix's `.narinfo` files.
//!
//! ```text
//! StorePath: /hpcl/…/store/HASH-NAME
//! URL: nar/FILEHASH.nar.zst
//! Compression: zstd
//! FileHash: sha256:BASE32      (may be missing, with FileSize)
//! FileSize: 1234
//! NarHash: sha256:BASE32
//! NarSize: 5678
//! References: HASH-NAME HASH-NAME …
//! Deriver: HASH-NAME.drv       (may be missing)
//! Sig: KEYNAME:BASE64          (any number)
//! CA: fixed:r:sha256:BASE32    (may be missing)
//! ```
//!
//! Unknown fields are ignored, as Nix does. A signature is over [`NarInfo::fingerprint`], which has all that decides what the item
//! is, and not where or how compressed it lies. Invariant: writing what was read gives the same fields.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{NarInfoError, key::Signature};
use crate::{
    hash::Digest,
    store_path::{StoreDir, StorePath},
};

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
    /// bzip2, as old caches have it; read only.
    Bzip2,
}

impl Compression {
    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
        }
    }

    /// The compression with this name.
    pub fn parse(name: &str) -> Option<Compression> {
        [Compression::None, Compression::Xz, Compression::Zstd, Compression::Bzip2]
            .into_iter()
            .find(|one| one.name() == name)
    }

    /// The ending of a file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Xz => ".xz",
            Compression::Zstd => ".zst",
            Compression::Bzip2 => ".bz2",
        }
    }
}

/// One item as a cache has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarInfo {
    /// The item.
    pub path: StorePath,
    /// Where the archive lies, relative to the cache.
    pub url: String,
    /// How it is compressed.
    pub compression: Compression,
    /// The hash of the file as it lies there.
    pub file_hash: Option<Digest>,
    /// Its size in bytes.
    pub file_size: Option<u64>,
    /// The hash of the canonical archive.
    pub nar_hash: Digest,
    /// Its size in bytes.
    pub nar_size: u64,
    /// What the item refers to, itself included when it does.
    pub references: BTreeSet<StorePath>,
    /// The derivation that it was made by.
    pub deriver: Option<StorePath>,
    /// Who vouches for it.
    pub signatures: Vec<Signature>,
    /// How the path follows from the content.
    pub content: Option<String>,
}

impl NarInfo {
    /// Reads a file's text. `directory` is the store directory that the cache is for.
    pub fn parse(directory: &StoreDir, text: &str) -> Result<NarInfo, NarInfoError> {
        let mut fields = Fields::default();
        for (number, line) in text.lines().enumerate() {
            let bad_line = || NarInfoError::Line { line: number + 1 };
            if line.is_empty() {
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(bad_line)?;
            fields.add(name, value.trim())?;
        }
        let path = |field: &'static str, text: &str| {
            StorePath::parse(text).map_err(|_| NarInfoError::Value { field, value: text.into() })
        };
        let full = fields.required("StorePath")?;
        let item = StorePath::parse_in(directory, full)
            .map_err(|_| NarInfoError::Value { field: "StorePath", value: full.into() })?;
        let compression = fields.required("Compression")?;
        let url = fields.required("URL")?;
        // A cache names files below itself; anything else could make us ask other servers.
        let inside =
            !url.starts_with('/') && !url.contains("://") && !url.split('/').any(|part| part == "..");
        if !inside || url.is_empty() {
            return Err(NarInfoError::Value { field: "URL", value: url.into() });
        }
        let words = |text: &str| text.split_whitespace().map(|word| path("References", word)).collect();
        Ok(NarInfo {
            path: item,
            url: url.to_owned(),
            compression: Compression::parse(compression)
                .ok_or_else(|| NarInfoError::Value { field: "Compression", value: compression.into() })?,
            file_hash: fields.optional("FileHash").map(|text| digest("FileHash", text)).transpose()?,
            file_size: fields.optional("FileSize").map(|text| size("FileSize", text)).transpose()?,
            nar_hash: digest("NarHash", fields.required("NarHash")?)?,
            nar_size: size("NarSize", fields.required("NarSize")?)?,
            references: fields.optional("References").map_or(Ok(BTreeSet::new()), words)?,
            deriver: match fields.optional("Deriver") {
                None | Some("unknown-deriver") => None,
                Some(text) => Some(path("Deriver", text)?),
            },
            signatures: fields
                .signatures
                .iter()
                .map(|text| {
                    Signature::parse(text)
                        .ok_or_else(|| NarInfoError::Value { field: "Sig", value: text.clone() })
                })
                .collect::<Result<_, _>>()?,
            content: fields.optional("CA").map(str::to_owned),
        })
    }

    /// The file's text.
    pub fn to_text(&self, directory: &StoreDir) -> String {
        let mut text = String::new();
        let mut field = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        };
        field("StorePath", &directory.join(&self.path));
        field("URL", &self.url);
        field("Compression", self.compression.name());
        if let Some(digest) = &self.file_hash {
            field("FileHash", &prefixed(digest));
        }
        if let Some(size) = self.file_size {
            field("FileSize", &size.to_string());
        }
        field("NarHash", &prefixed(&self.nar_hash));
        field("NarSize", &self.nar_size.to_string());
        let references: Vec<&str> = self.references.iter().map(StorePath::as_str).collect();
        field("References", &references.join(" "));
        if let Some(deriver) = &self.deriver {
            field("Deriver", deriver.as_str());
        }
        for signature in &self.signatures {
            field("Sig", &signature.to_string());
        }
        if let Some(content) = &self.content {
            field("CA", content);
        }
        text
    }

    /// What is signed: `1;PATH;NARHASH;NARSIZE;REFERENCE,…`.
    pub fn fingerprint(&self, directory: &StoreDir) -> String {
        let references: Vec<String> = self.references.iter().map(|path| directory.join(path)).collect();
        format!(
            "1;{};{};{};{}",
            directory.join(&self.path),
            prefixed(&self.nar_hash),
            self.nar_size,
            references.join(",")
        )
    }
}

/// `sha256:BASE32`.
fn prefixed(digest: &Digest) -> String {
    format!("{}:{}", digest.algorithm(), digest.to_base32())
}

fn digest(field: &'static str, text: &str) -> Result<Digest, NarInfoError> {
    Digest::parse(text).map_err(|_| NarInfoError::Value { field, value: text.into() })
}

fn size(field: &'static str, text: &str) -> Result<u64, NarInfoError> {
    // Neither a sign nor 2^63 and more, which no file can have.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|size: &u64| digits && i64::try_from(*size).is_ok());
    number.ok_or_else(|| NarInfoError::Value { field, value: text.into() })
}

/// The fields that count, each at most once but `Sig`.
#[derive(Default)]
struct Fields<'a> {
    single: Vec<(&'static str, &'a str)>,
    signatures: Vec<String>,
}

const SINGLE: [&str; 10] = [
    "StorePath",
    "URL",
    "Compression",
    "FileHash",
    "FileSize",
    "NarHash",
    "NarSize",
    "References",
    "Deriver",
    "CA",
];

impl<'a> Fields<'a> {
    fn add(&mut self, name: &str, value: &'a str) -> Result<(), NarInfoError> {
        if name == "Sig" {
            self.signatures.push(value.to_owned());
        } else if let Some(field) = SINGLE.into_iter().find(|field| *field == name) {
            if self.optional(field).is_some() {
                return Err(NarInfoError::Twice { field });
            }
            self.single.push((field, value));
        }
        Ok(())
    }

    fn optional(&self, field: &str) -> Option<&'a str> {
        self.single.iter().find(|(name, _)| *name == field).map(|(_, value)| *value)
    }

    fn required(&self, field: &'static str) -> Result<&'a str, NarInfoError> {
        self.optional(field).ok_or(NarInfoError::Missing { field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "StorePath: /nix/store/0c6kzph7l0dcbfmjap64f0czdafn3b7x-hello-2.10\n\
        URL: nar/1mkcwyw9jjd9gdpb5p6c1pjk9c5nmkhpsyl92knvyqwjrvq3zs2h.nar.zst\nCompression: zstd\n\
        FileHash: sha256:1mkcwyw9jjd9gdpb5p6c1pjk9c5nmkhpsyl92knvyqwjrvq3zs2h\nFileSize: 41104\n\
        NarHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73\nNarSize: 205968\n\
        References: 0c6kzph7l0dcbfmjap64f0czdafn3b7x-hello-2.10 8mxkdgv83x2wg0h5cpjmmvpncxr2v8k1-glibc-2.31\n\
        Deriver: vr0vprjh4b61w6y9cqwbjf1jydwvn6wg-hello-2.10.drv\n\
        Sig: cache.example.org-1:WzhkqDdkgPz2qU/0QyEA6wUIm7EMR5MY8nTb5jAmmoh5b80ACIp/+Zpgi5t1KvmO8uG8GVrkPejCxbyQ2gNXDQ==\n";

    fn nix() -> StoreDir {
        StoreDir::other("/nix/store")
    }

    #[test]
    fn what_is_read_is_written_again() {
        let info = NarInfo::parse(&nix(), TEXT).unwrap();
        assert_eq!(info.to_text(&nix()), TEXT);
        assert_eq!(NarInfo::parse(&nix(), &info.to_text(&nix())).unwrap(), info);
        let more = NarInfo::parse(&nix(), &format!("{TEXT}System: x86_64-linux\n")).unwrap();
        assert_eq!(more, info, "unknown fields are ignored");
    }

    #[test]
    fn the_fingerprint_has_what_decides() {
        let info = NarInfo::parse(&nix(), TEXT).unwrap();
        assert_eq!(
            info.fingerprint(&nix()),
            "1;/nix/store/0c6kzph7l0dcbfmjap64f0czdafn3b7x-hello-2.10;\
             sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73;205968;\
             /nix/store/0c6kzph7l0dcbfmjap64f0czdafn3b7x-hello-2.10,/nix/store/8mxkdgv83x2wg0h5cpjmmvpncxr2v8k1-glibc-2.31"
        );
    }

    #[test]
    fn bad_files_are_refused_by_field() {
        let refused = |from: &str, to: &str| {
            assert!(TEXT.contains(from), "{from}");
            NarInfo::parse(&nix(), &TEXT.replace(from, to)).unwrap_err().to_string()
        };
        assert_eq!(refused("NarSize: 205968\n", ""), "field `NarSize` is missing");
        assert_eq!(
            refused("NarSize: 205968", "NarSize: 9223372036854775808"),
            "field `NarSize` cannot be `9223372036854775808`"
        );
        assert_eq!(refused("NarSize: 205968", "NarSize: +5"), "field `NarSize` cannot be `+5`");
        assert_eq!(refused("FileSize", "NarSize"), "field `NarSize` stands there twice");
        assert_eq!(refused("zstd\n", "lzip\n"), "field `Compression` cannot be `lzip`");
        assert!(refused("URL: nar/", "URL: ../").starts_with("field `URL` cannot be `../"));
        assert!(refused("URL: nar/", "URL: https://other.example.org/").starts_with("field `URL` cannot be"));
        assert!(refused("/nix/store/0c", "/other/store/0c").starts_with("field `StorePath` cannot be"));
        assert!(refused("Sig: cache.example.org-1:", "Sig: ").starts_with("field `Sig` cannot be"));
        assert_eq!(refused("Compression: zstd", "Compression zstd"), "line 3 is no field");
    }
}
