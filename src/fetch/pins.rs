//! Refreshes the list of pinned Debian packages from a mirror's package index.
//!
//! The list is a file of our language with one row per package, `("name" "version" "pool/…" "sha256" size)`; only rows are
//! rewritten, all else stays to the letter. The index is `Packages` as in the Debian repository format: stanzas of
//! `Field: value`, separated by empty lines.
//!
//! An index is as trustworthy as the way it came. So it is fetched by the digest that the suite's `InRelease` file lists, and
//! the signature of that file is checked where the host has `gpgv` and the archive's keys, as every Debian has.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Cursor, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;

use super::{FetchError, Fetcher};
use crate::archive::decompress;
use crate::hash::{Algorithm, Digest, HashError};

/// Why pins could not be refreshed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The index could not be decompressed.
    #[error("cannot read the package index")]
    Index {
        /// The decompressor's reason.
        source: io::Error,
    },
    /// A stanza of the index lacks a field, or has a bad one.
    #[error("package `{package}` of the index has no valid field `{field}`")]
    Field {
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
    },
    /// A digest of the index is none.
    #[error("package `{package}` of the index has a bad digest")]
    Digest {
        /// The package.
        package: String,
        /// What is wrong with it.
        source: HashError,
    },
    /// The list to refresh has no row of the known form.
    #[error("the list of pins has no row `(\"NAME\" \"VERSION\" \"FILE\" \"SHA256\" SIZE)`")]
    NoRows,
    /// The release file does not list the index.
    #[error("the release file of `{suite}` does not list the package index of `{architecture}`")]
    NotInRelease {
        /// The suite.
        suite: String,
        /// The architecture.
        architecture: String,
    },
    /// The release file is not signed by the archive's keys.
    #[error("the release file of `{suite}` has no valid signature: {reason}")]
    Signature {
        /// The suite.
        suite: String,
        /// What `gpgv` says.
        reason: String,
    },
}

/// One package of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecord {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its file, relative to the mirror: `pool/…`.
    pub file: String,
    /// The file's SHA-256 digest.
    pub digest: Digest,
    /// The file's size in bytes.
    pub size: u64,
}

/// The packages of an index, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageIndex {
    packages: BTreeMap<String, PackageRecord>,
    signed: bool,
}

impl PackageIndex {
    /// Fetches the index of a suite's component `main` from the Debian mirrors, for example of `bookworm` and `amd64`.
    pub fn fetch(fetcher: &Fetcher, suite: &str, architecture: &str) -> Result<PackageIndex, FetchError> {
        let base = format!("mirror://debian/dists/{suite}");
        let release = fetcher.fetch_bytes("InRelease", &format!("{base}/InRelease"), None)?;
        let (release, signed) = match verify(&release, suite)? {
            Some(content) => (content, true),
            None => (release, false),
        };
        let file = format!("main/binary-{architecture}/Packages.xz");
        let digest = release_digest(&String::from_utf8_lossy(&release), &file).ok_or_else(|| {
            PinError::NotInRelease { suite: suite.to_owned(), architecture: architecture.to_owned() }
        })?;
        let content = fetcher.fetch_bytes(&file, &format!("{base}/{file}"), Some(digest))?;
        Ok(PackageIndex { signed, ..PackageIndex::parse(&content)? })
    }

    /// Reads an index, compressed or not. Of several versions of a package the first stands.
    pub fn parse(content: &[u8]) -> Result<PackageIndex, PinError> {
        let index = |source| PinError::Index { source };
        let reader = BufReader::new(decompress(Cursor::new(content)).map_err(index)?);
        let mut packages = BTreeMap::new();
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let mut finish = |fields: &mut BTreeMap<String, String>| {
            if let Some(name) = fields.remove("Package") {
                let record = record(name.clone(), fields)?;
                packages.entry(name).or_insert(record);
            }
            fields.clear();
            Ok(())
        };
        for line in reader.lines() {
            let line = line.map_err(index)?;
            if line.is_empty() {
                finish(&mut fields)?;
            } else if let Some((field, value)) = line.split_once(": ")
                && ["Package", "Version", "Filename", "SHA256", "Size"].contains(&field)
            {
                fields.insert(field.to_owned(), value.trim().to_owned());
            }
        }
        finish(&mut fields)?;
        Ok(PackageIndex { packages, signed: false })
    }

    /// The package with this name.
    pub fn get(&self, name: &str) -> Option<&PackageRecord> {
        self.packages.get(name)
    }

    /// Whether a signature by the archive's keys was checked on the way; if not, a warning is due.
    pub fn is_signed(&self) -> bool {
        self.signed
    }

    /// The number of packages.
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }
}

fn record(package: String, fields: &mut BTreeMap<String, String>) -> Result<PackageRecord, PinError> {
    let missing = |field| PinError::Field { package: package.clone(), field };
    let mut take = |field: &'static str| fields.remove(field).ok_or(missing(field));
    let (version, file, hex, size) = (take("Version")?, take("Filename")?, take("SHA256")?, take("Size")?);
    let digest = Digest::parse_as(Algorithm::Sha256, &hex)
        .map_err(|source| PinError::Digest { package: package.clone(), source })?;
    let size = size.parse().map_err(|_| missing("Size"))?;
    // Both end up inside string quotes of the list.
    for (field, text) in [("Version", &version), ("Filename", &file)] {
        if text.contains(['"', '\\']) {
            return Err(missing(field));
        }
    }
    Ok(PackageRecord { name: package, version, file, digest, size })
}

/// The signed content of a release file; `None` where the host lacks the means to check the signature.
fn verify(release: &[u8], suite: &str) -> Result<Option<Vec<u8>>, PinError> {
    let keys = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
    if !keys.exists() {
        return Ok(None);
    }
    let mut command = Command::new("gpgv");
    command.arg("--keyring").arg(keys).args(["--output", "-", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else { return Ok(None) };
    let refused = |reason: String| PinError::Signature { suite: suite.to_owned(), reason };
    let mut input = child.stdin.take().expect("the pipe was asked for");
    let output = std::thread::scope(|scope| {
        // That `gpgv` stops reading shows in its status.
        scope.spawn(move || input.write_all(release).ok());
        child.wait_with_output()
    });
    let output = output.map_err(|error| refused(error.to_string()))?;
    if output.status.success() {
        return Ok(Some(output.stdout));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(refused(said.lines().last().unwrap_or("gpgv failed").trim().to_owned()))
}

/// The digest that a release file lists for a file: lines ` DIGEST SIZE PATH` under `SHA256:`.
fn release_digest(release: &str, file: &str) -> Option<Digest> {
    let section = release.split("\nSHA256:").nth(1)?;
    let lines = section.lines().skip(1).take_while(|line| line.starts_with(' '));
    let mut digests = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (hex, _, path) = (words.next()?, words.next()?, words.next()?);
        (path == file).then(|| Digest::parse_as(Algorithm::Sha256, hex).ok()).flatten()
    });
    digests.next()
}

/// A refreshed list and what changed in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// The new text of the list.
    pub text: String,
    /// The rows that changed, in their order.
    pub changes: Vec<PinChange>,
    /// Packages of the list that the index does not have; their rows stay.
    pub missing: Vec<String>,
}

/// A row that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinChange {
    /// The package.
    pub name: String,
    /// The version pinned before; the same as the new one when only the file changed.
    pub old_version: String,
    /// The version pinned now.
    pub new_version: String,
}

/// Rewrites the rows of a list of pins from an index: those of `names`, all when there are none.
pub fn refresh_pins(text: &str, names: &[String], index: &PackageIndex) -> Result<Refreshed, PinError> {
    let row = Regex::new(r#"\("([^"]+)"(\s+)"([^"]*)"(\s+)"([^"]*)"(\s+)"([0-9a-z]*)"(\s+)([0-9]+)\)"#)
        .expect("the pattern is constant");
    if !row.is_match(text) {
        return Err(PinError::NoRows);
    }
    let (mut changes, mut missing) = (Vec::new(), Vec::new());
    let new = row.replace_all(text, |found: &regex::Captures<'_>| {
        let part = |index| found.get(index).map_or("", |part| part.as_str());
        let (name, version) = (part(1), part(3));
        let wanted = names.is_empty() || names.iter().any(|wanted| wanted == name);
        let Some(package) = index.get(name).filter(|_| wanted) else {
            if wanted {
                missing.push(name.to_owned());
            }
            return part(0).to_owned();
        };
        let new = format!(
            "(\"{name}\"{}\"{}\"{}\"{}\"{}\"{}\"{}{})",
            part(2),
            package.version,
            part(4),
            package.file,
            part(6),
            package.digest.to_base16(),
            part(8),
            package.size
        );
        if new != part(0) {
            let (old_version, new_version) = (version.to_owned(), package.version.clone());
            changes.push(PinChange { name: name.to_owned(), old_version, new_version });
        }
        new
    });
    Ok(Refreshed { text: new.into_owned(), changes, missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "Package: bash\nVersion: 5.2.15-2+b14\nDescription: a shell\n Version: not this\n\
        Filename: pool/main/b/bash/bash_5.2.15-2+b14_amd64.deb\nSize: 12\n\
        SHA256: 82130bb6a560cd2a7234d8018baf73f188f5dd56413d5aa0accc987b2197a6a1\n\nPackage: sed\nVersion: 4.9-1\n\
        Filename: pool/main/s/sed/sed_4.9-1_amd64.deb\nSize: 7\n\
        SHA256: fd557efeee8aae4619c2cb7f68aadccb804322ad4a99ab048aaae5901d253885\n";

    const PINS: &str = ";;; a comment (\"bash\" stays)\n(define %seed-debs\n  \
        '((\"bash\" \"5.2.15-2+b13\" \"pool/old.deb\" \"00ff\" 1490652)\n    \
        (\"gone\" \"1\" \"pool/gone.deb\" \"00ff\" 1)\n    (\"sed\" \"4.9-1\" \"pool/main/s/sed/sed_4.9-1_amd64.deb\" \
        \"fd557efeee8aae4619c2cb7f68aadccb804322ad4a99ab048aaae5901d253885\" 7)))\n";

    #[test]
    fn reads_an_index_of_any_compression() {
        let plain = PackageIndex::parse(INDEX.as_bytes()).unwrap();
        let bash = plain.get("bash").unwrap();
        assert_eq!((plain.len(), bash.version.as_str(), bash.size), (2, "5.2.15-2+b14", 12));
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        std::io::Write::write_all(&mut xz, INDEX.as_bytes()).unwrap();
        assert_eq!(PackageIndex::parse(&xz.finish().unwrap()).unwrap(), plain);
    }

    #[test]
    fn bad_indexes_are_refused() {
        for (from, to, wanted) in [
            ("Size: 12", "Size: many", "package `bash` of the index has no valid field `Size`"),
            (
                "Filename: pool/main/b",
                "Name: pool/main/b",
                "package `bash` of the index has no valid field `Filename`",
            ),
            ("Version: 5", "Version: \"5", "package `bash` of the index has no valid field `Version`"),
            ("SHA256: 82", "SHA256: ", "package `bash` of the index has a bad digest"),
        ] {
            let error = PackageIndex::parse(INDEX.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), wanted);
        }
    }

    #[test]
    fn only_rows_that_differ_change() {
        let index = PackageIndex::parse(INDEX.as_bytes()).unwrap();
        let refreshed = refresh_pins(PINS, &[], &index).unwrap();
        let change = PinChange {
            name: "bash".into(),
            old_version: "5.2.15-2+b13".into(),
            new_version: "5.2.15-2+b14".into(),
        };
        assert_eq!((refreshed.changes, refreshed.missing), (vec![change], vec!["gone".to_owned()]));
        let expected = PINS.replace(
            "\"5.2.15-2+b13\" \"pool/old.deb\" \"00ff\" 1490652",
            "\"5.2.15-2+b14\" \"pool/main/b/bash/bash_5.2.15-2+b14_amd64.deb\" \
             \"82130bb6a560cd2a7234d8018baf73f188f5dd56413d5aa0accc987b2197a6a1\" 12",
        );
        assert_eq!(refreshed.text, expected);
        let again = refresh_pins(&refreshed.text, &[], &index).unwrap();
        assert_eq!((again.text, again.changes), (expected, vec![]));
    }

    #[test]
    fn named_rows_alone_are_refreshed() {
        let index = PackageIndex::parse(INDEX.as_bytes()).unwrap();
        let refreshed = refresh_pins(PINS, &["sed".into()], &index).unwrap();
        assert_eq!((refreshed.text.as_str(), refreshed.missing.len()), (PINS, 0));
        assert!(matches!(refresh_pins("(define x 1)", &[], &index), Err(PinError::NoRows)));
    }

    #[test]
    fn finds_the_index_in_a_release_file() {
        let hex = "82130bb6a560cd2a7234d8018baf73f188f5dd56413d5aa0accc987b2197a6a1";
        let release = format!(
            "Suite: x\nMD5Sum:\n 00 1 main/binary-amd64/Packages.xz\nSHA256:\n {} 9 main/binary-arm64/Packages.xz\n \
             {hex} 9 main/binary-amd64/Packages.xz\nSHA512:\n 11 1 main/binary-amd64/Packages.xz\n",
            hex.replace('8', "9")
        );
        assert_eq!(release_digest(&release, "main/binary-amd64/Packages.xz").unwrap().to_base16(), hex);
        assert_eq!(release_digest(&release, "main/binary-s390x/Packages.xz"), None);
    }

    #[test]
    fn an_unsigned_release_is_never_taken_for_a_signed_one() {
        // Without `gpgv` and keys it is `None`, with them an error.
        let verified = verify(b"Suite: bookworm\n", "bookworm");
        assert!(matches!(verified, Ok(None) | Err(PinError::Signature { .. })), "{verified:?}");
    }
}
