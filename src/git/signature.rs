//! Signatures of commits: OpenPGP's and those of SSH keys.
//!
//! A signed commit has a header `gpgsig` with an armoured signature of all the rest of it. Keys are Ed25519, RSA of at least 2048 bits,
//! and ECDSA over P-256 and P-384; hashes are SHA-256, SHA-384 and SHA-512. All else is refused, SHA-1 with it. Whether a key
//! may sign is the caller's affair; expiry is not looked at, since a commit's time is a mere claim.

use std::fmt;

use ring::{digest, signature as ring_signature};

use super::{
    openpgp::{self, PublicKey},
    ssh_signature,
};

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// An OpenPGP key.
    OpenPgp {
        /// The fingerprint of the certificate's main key, in capital hexadecimal digits.
        primary: String,
        /// The fingerprint of the key that made the signature, which may be the same.
        signing: String,
    },
    /// An SSH key, as in `ssh-ed25519 AAAA…`.
    Ssh {
        /// The key.
        key: String,
    },
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signer::OpenPgp { primary, .. } => write!(f, "the OpenPGP key {primary}"),
            Signer::Ssh { key } => write!(f, "the SSH key `{key}`"),
        }
    }
}

/// Why a signature is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is neither an OpenPGP nor an SSH signature, or damaged.
    #[error("it is damaged: {0}")]
    Malformed(&'static str),
    /// It is of a kind that is not used here.
    #[error("it uses {0}, which is not accepted")]
    Unsupported(String),
    /// The key that made it is not there.
    #[error("its OpenPGP key {0} is not among the channel's keys")]
    NoKey(String),
    /// The key was revoked.
    #[error("its OpenPGP key {0} was revoked")]
    Revoked(String),
    /// It is not of this commit, or was not made by that key.
    #[error("it does not fit the commit")]
    Wrong,
}

/// Takes a commit's bytes apart: the signature, and what it is of.
pub(super) fn split(data: &[u8]) -> (Option<Vec<u8>>, Vec<u8>) {
    let mut signature: Option<Vec<u8>> = None;
    let mut signed = Vec::with_capacity(data.len());
    let mut lines = data.split_inclusive(|byte| *byte == b'\n');
    let mut within = false;
    for line in lines.by_ref() {
        if line == b"\n" {
            signed.extend_from_slice(line);
            break;
        }
        if let Some(first) = line.strip_prefix(b"gpgsig ") {
            signature.get_or_insert_default().extend_from_slice(first);
            within = true;
        } else if let Some(rest) = line.strip_prefix(b" ").filter(|_| within) {
            signature.get_or_insert_default().extend_from_slice(rest);
        } else {
            within = false;
            signed.extend_from_slice(line);
        }
    }
    lines.for_each(|line| signed.extend_from_slice(line));
    (signature, signed)
}

/// Checks a signature; OpenPGP keys are looked for among those.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(signature: &[u8], signed: &[u8], keys: &[PublicKey]) -> Result<Signer, SignatureError> {
    if signature.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
        ssh_signature::verify(signature, signed)
    } else {
        openpgp::verify(signature, signed, keys)
    }
}

/// A public key's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    /// Thirty-two bytes.
    Ed25519(Vec<u8>),
    /// Modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
}

/// The hashes that signatures may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn of(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data).as_ref().to_vec()
    }
}

/// Whether a signature of a message was made by a key. Of Ed25519, the message is what is signed itself; else its hash is.
pub(super) fn is_good(key: &Material, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let point = |algorithm: &'static dyn ring_signature::VerificationAlgorithm, point: &[u8]| {
        ring_signature::UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
    };
    match (key, hash) {
        (Material::Ed25519(bytes), _) => point(&ring_signature::ED25519, bytes),
        (Material::Rsa(n, e), hash) => {
            let parameters = match hash {
                Hash::Sha256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
                Hash::Sha384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
                Hash::Sha512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
            };
            ring_signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
        }
        (Material::P256(bytes), Hash::Sha256) => point(&ring_signature::ECDSA_P256_SHA256_FIXED, bytes),
        (Material::P384(bytes), Hash::Sha384) => point(&ring_signature::ECDSA_P384_SHA384_FIXED, bytes),
        _ => false,
    }
}

/// A number's bytes without leading zeros, or with as many as make it that long.
pub(super) fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let digits = number.get(start..)?;
    let mut all = vec![0; length.checked_sub(digits.len())?];
    all.extend_from_slice(digits);
    Some(all)
}

/// Reads base-64 between lines that begin and end it, without headers and check sums.
pub(super) fn dearmoured(text: &str, what: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = text;
    let (begin, end) = (format!("-----BEGIN {what}-----"), format!("-----END {what}-----"));
    while let Some((_, after)) = rest.split_once(&begin) {
        let Some((inside, after)) = after.split_once(&end) else { break };
        let lines = inside.lines().map(str::trim_end);
        let is_data = |line: &&str| !line.contains(": ") && !line.is_empty() && !line.starts_with('=');
        let digits: String = lines.filter(is_data).collect();
        if let Ok(bytes) = data_encoding::BASE64.decode(digits.as_bytes()) {
            found.push(bytes);
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_taken_out_of_a_commit() {
        let commit =
            b"tree 1\nauthor a\ngpgsig -----BEGIN\n a\n \n -----END\nencoding x\n\ngpgsig not one\n kept\n";
        let (signature, signed) = split(commit);
        assert_eq!(signature.unwrap(), b"-----BEGIN\na\n\n-----END\n");
        assert_eq!(signed, b"tree 1\nauthor a\nencoding x\n\ngpgsig not one\n kept\n");
        assert_eq!(split(b"tree 1\n\nno\n"), (None, b"tree 1\n\nno\n".to_vec()));
    }
}
