//! Signatures by SSH keys, as `ssh-keygen -Y sign -n git` makes them.
//!
//! ```text
//! "SSHSIG" version:u32 key namespace reserved hash signature      (each but the version a string with its length before it)
//! signed = "SSHSIG" namespace reserved hash H(message)
//! ```
//!
//! OpenSSH's `PROTOCOL.sshsig`. The namespace must be `git`, or a signature of something else could be shown as a commit's. Keys on
//! security tokens (`sk-ssh-ed25519@openssh.com`) sign hashes of the application and of what is signed.

use data_encoding::BASE64;

use super::signature::{Hash, Material, SignatureError, Signer, dearmoured, is_good, padded};

const MAGIC: &[u8] = b"SSHSIG";

/// Checks a signature.
pub(super) fn verify(signature: &[u8], message: &[u8]) -> Result<Signer, SignatureError> {
    let text = std::str::from_utf8(signature).map_err(|_| SignatureError::Malformed("it is no text"))?;
    let blob = dearmoured(text, "SSH SIGNATURE").pop().ok_or(SignatureError::Malformed("its armour"))?;
    let cut = || SignatureError::Malformed("it ends too early");
    let rest = blob.strip_prefix(MAGIC).ok_or(SignatureError::Malformed("it does not begin as one"))?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    if u32::from_be_bytes(*version) != 1 {
        return Err(SignatureError::Unsupported("another version of SSH signatures".to_owned()));
    }
    let mut reader = Reader(rest);
    let key = reader.string().ok_or_else(cut)?;
    let namespace = reader.string().ok_or_else(cut)?;
    let reserved = reader.string().ok_or_else(cut)?;
    let hash_name = reader.string().ok_or_else(cut)?;
    let signature = reader.string().ok_or_else(cut)?;
    if namespace != b"git" {
        return Err(SignatureError::Unsupported(format!(
            "namespace `{}`",
            String::from_utf8_lossy(namespace)
        )));
    }
    let hash = match hash_name {
        b"sha256" => Hash::Sha256,
        b"sha512" => Hash::Sha512,
        other => return Err(SignatureError::Unsupported(String::from_utf8_lossy(other).into_owned())),
    };
    let mut signed = MAGIC.to_vec();
    for part in [namespace, reserved, hash_name, &hash.of(message)] {
        push(&mut signed, part);
    }
    check(key, signature, signed)?;
    let kind = Reader(key).string().ok_or_else(cut)?;
    Ok(Signer::Ssh { key: format!("{} {}", String::from_utf8_lossy(kind), BASE64.encode(key)) })
}

fn check(key: &[u8], signature: &[u8], mut signed: Vec<u8>) -> Result<(), SignatureError> {
    let cut = || SignatureError::Malformed("its key or its numbers");
    let (mut key, mut signature) = (Reader(key), Reader(signature));
    let kind = key.string().ok_or_else(cut)?;
    let made = signature.string().ok_or_else(cut)?;
    let numbers = signature.string().ok_or_else(cut)?;
    let (material, hash, numbers) = match (kind, made) {
        (b"ssh-ed25519", b"ssh-ed25519") => {
            (Material::Ed25519(key.string().ok_or_else(cut)?.to_vec()), Hash::Sha512, numbers.to_vec())
        }
        (b"sk-ssh-ed25519@openssh.com", b"sk-ssh-ed25519@openssh.com") => {
            let point = key.string().ok_or_else(cut)?;
            let application = key.string().ok_or_else(cut)?;
            let mut whole = Hash::Sha256.of(application);
            // Flags and a counter.
            whole.extend_from_slice(signature.0.get(..5).ok_or_else(cut)?);
            whole.extend_from_slice(&Hash::Sha256.of(&signed));
            signed = whole;
            (Material::Ed25519(point.to_vec()), Hash::Sha512, numbers.to_vec())
        }
        (b"ssh-rsa", b"rsa-sha2-256" | b"rsa-sha2-512") => {
            let e = key.string().and_then(without_zeros).ok_or_else(cut)?;
            let n = key.string().and_then(without_zeros).ok_or_else(cut)?;
            let hash = if made == b"rsa-sha2-256" { Hash::Sha256 } else { Hash::Sha512 };
            (Material::Rsa(n, e), hash, numbers.to_vec())
        }
        (b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384", made) if made == kind => {
            key.string().ok_or_else(cut)?;
            let point = key.string().ok_or_else(cut)?.to_vec();
            let (material, hash, size) = match kind {
                b"ecdsa-sha2-nistp256" => (Material::P256(point), Hash::Sha256, 32),
                _ => (Material::P384(point), Hash::Sha384, 48),
            };
            let mut pair = Reader(numbers);
            let mut both = Vec::with_capacity(2 * size);
            for _ in 0..2 {
                both.extend(pair.string().and_then(|number| padded(number, size)).ok_or_else(cut)?);
            }
            (material, hash, both)
        }
        (kind, _) => {
            return Err(SignatureError::Unsupported(format!("keys `{}`", String::from_utf8_lossy(kind))));
        }
    };
    if is_good(&material, hash, &signed, &numbers) { Ok(()) } else { Err(SignatureError::Wrong) }
}

fn without_zeros(number: &[u8]) -> Option<Vec<u8>> {
    let start = number.iter().position(|byte| *byte != 0)?;
    number.get(start..).map(<[u8]>::to_vec)
}

fn push(to: &mut Vec<u8>, part: &[u8]) {
    to.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(part);
}

/// Reads strings with their lengths before them.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn string(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (string, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }
}
