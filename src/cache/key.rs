//! Keys and signatures, in Nix's form: `NAME:BASE64`.
//!
//! A secret key is 64 bytes (the seed and the public key), a public one 32, a signature 64. The name says which key is
//! meant; it is chosen by whoever makes the key, by custom `HOST-NUMBER`. Whom a user trusts is one public key a line in
//! `trusted-keys` beside the user's settings.

use std::{
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey, Verifier, VerifyingKey};

use super::KeyError;

/// A signature and the name of the key that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key's name.
    pub key: String,
    bytes: [u8; 64],
}

impl Signature {
    /// Reads `NAME:BASE64`.
    pub fn parse(text: &str) -> Option<Signature> {
        let (key, bytes) = named(text)?;
        Some(Signature { key, bytes: bytes.try_into().ok()? })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, BASE64.encode(&self.bytes))
    }
}

/// A key that signs.
#[derive(Debug)]
pub struct SecretKey {
    name: String,
    key: SigningKey,
}

impl SecretKey {
    /// A new key from the kernel's random numbers.
    pub fn generate(name: &str) -> Result<SecretKey, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name { name: name.into() });
        }
        let mut seed = [0; 32];
        fs::File::open("/dev/urandom")
            .and_then(|mut random| io::Read::read_exact(&mut random, &mut seed))
            .map_err(|source| KeyError::File { action: "read", path: "/dev/urandom".into(), source })?;
        Ok(SecretKey { name: name.to_owned(), key: SigningKey::from_bytes(&seed) })
    }

    /// Reads a key file. What is wrong with it is said without showing it.
    pub fn read(path: &Path) -> Result<SecretKey, KeyError> {
        let text = fs::read_to_string(path).map_err(|source| KeyError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let key = named(text.trim()).and_then(|(name, bytes)| {
            let key = SigningKey::from_keypair_bytes(&bytes.try_into().ok()?).ok()?;
            Some(SecretKey { name, key })
        });
        key.ok_or_else(|| KeyError::NotSecret { path: path.to_owned() })
    }

    /// Writes a key file that only its owner can read. One that is there already stays, with an error.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let text = format!("{}:{}\n", self.name, BASE64.encode(&self.key.to_keypair_bytes()));
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())
        };
        write().map_err(|source| KeyError::File { action: "write", path: path.to_owned(), source })
    }

    /// The key to give away.
    pub fn public(&self) -> PublicKey {
        PublicKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// Signs a text.
    pub fn sign(&self, text: &str) -> Signature {
        Signature { key: self.name.clone(), bytes: self.key.sign(text.as_bytes()).to_bytes() }
    }
}

/// A key that signatures are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads `NAME:BASE64`.
    pub fn parse(text: &str) -> Option<PublicKey> {
        let (name, bytes) = named(text)?;
        Some(PublicKey { name, key: VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok()? })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, BASE64.encode(self.key.as_bytes()))
    }
}

/// The public keys that a user trusts.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys {
    keys: Vec<PublicKey>,
    anyone: bool,
}

impl TrustedKeys {
    /// The keys in a file, one a line; `#` begins a comment. None when there is no file.
    pub fn read(path: &Path) -> Result<TrustedKeys, KeyError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(TrustedKeys::default()),
            Err(source) => return Err(KeyError::File { action: "read", path: path.to_owned(), source }),
        };
        let lines = text.lines().enumerate().map(|(number, line)| (number, line.trim()));
        let keys =
            lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| {
                PublicKey::parse(line)
                    .ok_or_else(|| KeyError::NotPublic { path: path.to_owned(), line: number + 1 })
            });
        Ok(TrustedKeys { keys: keys.collect::<Result<_, _>>()?, anyone: false })
    }

    /// Adds a key to a file, by rename; says whether it is new.
    pub fn add(path: &Path, key: &PublicKey) -> Result<bool, KeyError> {
        if Self::read(path)?.keys.contains(key) {
            return Ok(false);
        }
        let error = |source| KeyError::File { action: "write", path: path.to_owned(), source };
        let mut text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(error(source)),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("{key}\n"));
        let parent = path.parent().unwrap_or(Path::new("."));
        let write = || {
            fs::create_dir_all(parent)?;
            let mut draft = tempfile::NamedTempFile::new_in(parent)?;
            draft.write_all(text.as_bytes())?;
            draft.persist(path).map_err(|error| error.error).map(drop)
        };
        write().map_err(error)?;
        Ok(true)
    }

    /// The keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Trust without a signature, for what the user vouches for by naming it.
    pub fn anyone() -> TrustedKeys {
        TrustedKeys { keys: Vec::new(), anyone: true }
    }

    /// Whether one of these keys made one of the signatures of a text.
    pub fn vouch(&self, text: &str, signatures: &[Signature]) -> bool {
        self.anyone
            || signatures.iter().any(|signature| {
                let bytes = ed25519_dalek::Signature::from_bytes(&signature.bytes);
                let mut named = self.keys.iter().filter(|key| key.name == signature.key);
                named.any(|key| key.key.verify(text.as_bytes(), &bytes).is_ok())
            })
    }
}

/// Where a user's trusted keys are, beside the settings.
pub fn trusted_keys_path() -> Option<PathBuf> {
    crate::fetch::Settings::path().map(|settings| settings.with_file_name("trusted-keys"))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != ':')
}

fn named(text: &str) -> Option<(String, Vec<u8>)> {
    let (name, digits) = text.split_once(':')?;
    let bytes = BASE64.decode(digits.as_bytes()).ok()?;
    is_name(name).then(|| (name.to_owned(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_checked_by_the_key_of_its_name() {
        let place = tempfile::tempdir().unwrap();
        let secret = SecretKey::generate("site-1").unwrap();
        let file = place.path().join("site-1.secret");
        secret.write(&file).unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().unwrap());
        assert_eq!(mode & 0o777, 0o600);
        assert!(secret.write(&file).is_err(), "no key is overwritten");
        let again = SecretKey::read(&file).unwrap();
        let trusted = place.path().join("conf/trusted-keys");
        assert!(TrustedKeys::add(&trusted, &again.public()).unwrap());
        assert!(!TrustedKeys::add(&trusted, &again.public()).unwrap());
        let keys = TrustedKeys::read(&trusted).unwrap();
        let signature = Signature::parse(&secret.sign("text").to_string()).unwrap();
        assert!(keys.vouch("text", std::slice::from_ref(&signature)));
        assert!(!keys.vouch("other text", std::slice::from_ref(&signature)));
        let renamed = Signature { key: "site-2".into(), ..signature };
        assert!(!keys.vouch("text", &[renamed]));
        let foreign = SecretKey::generate("site-1").unwrap().sign("text");
        assert!(!keys.vouch("text", &[foreign]));
    }

    #[test]
    fn keys_that_are_none_are_refused_by_place() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("keys");
        fs::write(&file, "# mine\n\nsite-1:AAAA\n").unwrap();
        assert!(TrustedKeys::read(&file).unwrap_err().to_string().ends_with("line 3 is not a public key"));
        let error = SecretKey::read(&file).unwrap_err().to_string();
        assert!(error.contains("is not a secret key") && !error.contains("AAAA"), "{error}");
        assert!(SecretKey::generate("with:colon").is_err());
    }
}
