//! OpenPGP keys and signatures, as far as commits of channels need them (RFC 4880, RFC 9580).
//!
//! ```text
//! key    = public-key, then user ids with signatures, then per subkey: subkey, binding signature
//! digest = H(what is signed, the signature's hashed part, 4, 255, length of that part)
//! ```
//!
//! Keys and signatures of version 4. A subkey counts if the main key says so in a signature, and the subkey says so in turn: else
//! one could take another's key for one's own. A key that its owner revoked is refused.

use sha1::{Digest as _, Sha1};

use super::{
    packet::{Fields, packets, subpacket},
    signature::{Hash, Material, SignatureError, Signer, dearmoured, is_good, padded},
};

const SIGNATURE: u8 = 2;
const PUBLIC_KEY: u8 = 6;
const SUBKEY: u8 = 14;

/// A key with its subkeys.
#[derive(Clone, Debug)]
pub struct PublicKey {
    main: Key,
    revoked: bool,
    /// Those that may sign.
    subkeys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    fingerprint: String,
    material: Material,
    body: Vec<u8>,
}

struct Signature {
    kind: u8,
    hash: Hash,
    /// What of the signature itself is signed.
    hashed: Vec<u8>,
    unhashed: Vec<u8>,
    numbers: Vec<Vec<u8>>,
    algorithm: u8,
}

/// Returns the keys that a file holds, armoured or not. What cannot be read is left out.
pub fn public_keys(bytes: &[u8]) -> Vec<PublicKey> {
    let blocks = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN PGP") => dearmoured(text, "PGP PUBLIC KEY BLOCK"),
        _ => vec![bytes.to_vec()],
    };
    blocks.iter().flat_map(|block| keys_of(block)).collect()
}

fn keys_of(block: &[u8]) -> Vec<PublicKey> {
    let mut keys: Vec<PublicKey> = Vec::new();
    // The subkey whose signatures come next; nothing while those of the main key come.
    let mut subkey: Option<Key> = None;
    // Whether what comes belongs to a key that cannot be read.
    let mut skip = true;
    for (tag, body) in packets(block) {
        match tag {
            PUBLIC_KEY => {
                subkey = None;
                skip = true;
                if let Some(main) = Key::read(body) {
                    keys.push(PublicKey { main, revoked: false, subkeys: Vec::new() });
                    skip = false;
                }
            }
            SUBKEY => subkey = Key::read(body),
            SIGNATURE if !skip => {
                let Some((owner, signature)) = keys.last_mut().zip(Signature::read(body)) else { continue };
                let whole = |owner: &PublicKey, subkey: &Key| [owner.main.framed(), subkey.framed()].concat();
                match (&subkey, signature.kind) {
                    (None, 0x20) if signature.is_by(&owner.main, &owner.main.framed()) => {
                        owner.revoked = true
                    }
                    (Some(key), 0x18) if signature.binds(owner, key) => owner.subkeys.push(key.clone()),
                    (Some(key), 0x28) if signature.is_by(&owner.main, &whole(owner, key)) => {
                        owner.subkeys.retain(|other| other.fingerprint != key.fingerprint);
                        subkey = None;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    keys
}

/// Checks a signature by one of those keys.
pub(super) fn verify(signature: &[u8], message: &[u8], keys: &[PublicKey]) -> Result<Signer, SignatureError> {
    let text = std::str::from_utf8(signature).map_err(|_| SignatureError::Malformed("it is no text"))?;
    let block = dearmoured(text, "PGP SIGNATURE").pop().ok_or(SignatureError::Malformed("its armour"))?;
    let (_, body) = packets(&block)
        .into_iter()
        .find(|(tag, _)| *tag == SIGNATURE)
        .ok_or(SignatureError::Malformed("no signature is in it"))?;
    let signature = Signature::read(body).ok_or_else(|| {
        SignatureError::Unsupported("another version, algorithm or hash of OpenPGP".to_owned())
    })?;
    if signature.kind != 0 {
        return Err(SignatureError::Unsupported("a signature that is none of a file".to_owned()));
    }
    let issuer = signature.issuer().ok_or(SignatureError::Malformed("it does not say by which key it is"))?;
    let mut known = false;
    let mut found = None;
    for owner in keys {
        let all = std::iter::once(&owner.main).chain(&owner.subkeys);
        let mut candidates = all.filter(|key| key.fingerprint.ends_with(&issuer)).peekable();
        if candidates.peek().is_some() {
            known = true;
            // It may be there twice, with the revocation and without.
            if owner.revoked {
                return Err(SignatureError::Revoked(owner.main.fingerprint.clone()));
            }
        }
        let signing = candidates.find(|key| signature.is_by(key, message));
        found = found.or(signing.map(|key| (owner, key)));
    }
    match found {
        Some((owner, key)) => {
            Ok(Signer::OpenPgp { primary: owner.main.fingerprint.clone(), signing: key.fingerprint.clone() })
        }
        None if known => Err(SignatureError::Wrong),
        None => Err(SignatureError::NoKey(issuer)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(bytes)
}

impl Key {
    fn read(body: &[u8]) -> Option<Key> {
        let mut fields = Fields(body);
        if fields.byte()? != 4 {
            return None;
        }
        fields.take(4)?;
        let material = match fields.byte()? {
            1..=3 => {
                let n = fields.number()?;
                Material::Rsa(n, fields.number()?)
            }
            27 => Material::Ed25519(fields.take(32)?.to_vec()),
            algorithm @ (19 | 22) => {
                let length = usize::from(fields.byte()?);
                let curve = fields.take(length)?;
                let point = fields.number()?;
                match (algorithm, curve) {
                    // The point has a byte 64 before it.
                    (22, [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01]) => {
                        Material::Ed25519(point.strip_prefix(&[0x40])?.to_vec())
                    }
                    (19, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]) => Material::P256(point),
                    (19, [0x2b, 0x81, 0x04, 0x00, 0x22]) => Material::P384(point),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let mut key = Key { fingerprint: String::new(), material, body: body.to_vec() };
        key.fingerprint = hexadecimal(&Sha1::digest(key.framed()));
        Some(key)
    }

    /// The key as it is hashed: 153, the length, the body.
    fn framed(&self) -> Vec<u8> {
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[0x99][..], &length, &self.body].concat()
    }
}

impl Signature {
    fn read(body: &[u8]) -> Option<Signature> {
        let mut fields = Fields(body);
        if fields.byte()? != 4 {
            return None;
        }
        let (kind, algorithm) = (fields.byte()?, fields.byte()?);
        let hash = match fields.byte()? {
            8 => Hash::Sha256,
            9 => Hash::Sha384,
            10 => Hash::Sha512,
            _ => return None,
        };
        let length = fields.short()?;
        fields.take(length)?;
        let hashed = body.get(..6 + length)?.to_vec();
        let length = fields.short()?;
        let unhashed = fields.take(length)?.to_vec();
        fields.take(2)?;
        let numbers = match algorithm {
            27 => vec![fields.take(64)?.to_vec()],
            1 | 3 => vec![fields.number()?],
            19 | 22 => vec![fields.number()?, fields.number()?],
            _ => return None,
        };
        Some(Signature { kind, hash, hashed, unhashed, numbers, algorithm })
    }

    /// The end of the fingerprint of the key that made it, as it says.
    fn issuer(&self) -> Option<String> {
        let hashed = self.hashed.get(6..)?;
        for part in [hashed, &self.unhashed] {
            if let Some(fingerprint) = subpacket(part, 33).and_then(|value| value.strip_prefix(&[4])) {
                return Some(hexadecimal(fingerprint));
            }
        }
        [hashed, &self.unhashed].into_iter().find_map(|part| subpacket(part, 16)).map(hexadecimal)
    }

    /// Whether that key made it of that.
    fn is_by(&self, key: &Key, data: &[u8]) -> bool {
        let length = u32::try_from(self.hashed.len()).unwrap_or(u32::MAX).to_be_bytes();
        let message = [data, &self.hashed, &[4, 0xff], &length].concat();
        let joined = |size: usize| -> Option<Vec<u8>> {
            let numbers =
                self.numbers.iter().map(|number| padded(number, size)).collect::<Option<Vec<_>>>()?;
            Some(numbers.concat())
        };
        let (message, numbers) = match (&key.material, self.algorithm) {
            // Here the hash is what is signed.
            (Material::Ed25519(_), 22) => (self.hash.of(&message), joined(32)),
            (Material::Ed25519(_), 27) => (self.hash.of(&message), self.numbers.first().cloned()),
            (Material::Rsa(n, _), 1 | 3) => {
                let number = self.numbers.first();
                (message, number.and_then(|number| padded(number, n.len())))
            }
            (Material::P256(_), 19) => (message, joined(32)),
            (Material::P384(_), 19) => (message, joined(48)),
            _ => return false,
        };
        numbers.is_some_and(|numbers| is_good(&key.material, self.hash, &message, &numbers))
    }

    /// Whether it says that a subkey belongs to a key and may sign, and the subkey agrees.
    fn binds(&self, owner: &PublicKey, subkey: &Key) -> bool {
        let hashed = self.hashed.get(6..).unwrap_or_default();
        let may_sign =
            subpacket(hashed, 27).and_then(|flags| flags.first()).is_some_and(|flags| flags & 2 != 0);
        let both = [owner.main.framed(), subkey.framed()].concat();
        let agrees = || {
            let embedded = subpacket(hashed, 32).or_else(|| subpacket(&self.unhashed, 32));
            let back = embedded.and_then(Signature::read);
            back.is_some_and(|back| back.kind == 0x19 && back.is_by(subkey, &both))
        };
        may_sign && self.is_by(&owner.main, &both) && agrees()
    }
}
