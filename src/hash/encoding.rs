//! The texts of a digest.
//!
//! Nix's base-32 has the alphabet `0123456789abcdfghijklmnpqrsvwxyz` (no `e o u t`), takes bits from the least
//! significant end and writes the last group first. SRI is `ALGORITHM-BASE64`. Nix also writes `ALGORITHM:DIGITS` with
//! digits of any base. A text without an algorithm is told apart by its length, which no two encodings share.

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64_NOPAD, BitOrder, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE, Specification};

use super::{Algorithm, Digest, HashError};

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789abcdfghijklmnpqrsvwxyz");
    specification.bit_order = BitOrder::LeastSignificantFirst;
    specification.encoding().expect("the alphabet has 32 different symbols")
});

/// Bytes in Nix's base-32.
pub fn base32_encode(bytes: &[u8]) -> String {
    let mut digits = BASE32.encode(bytes).into_bytes();
    digits.reverse();
    String::from_utf8(digits).expect("the alphabet is ASCII")
}

/// The bytes of a text in Nix's base-32; nothing when it is not one.
pub fn base32_decode(text: &str) -> Option<Vec<u8>> {
    let mut digits = text.as_bytes().to_vec();
    digits.reverse();
    BASE32.decode(&digits).ok()
}

/// Whether a byte is a digit of Nix's base-32.
pub const fn is_base32(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'd' | b'f'..=b'n' | b'p'..=b's' | b'v'..=b'z')
}

impl Digest {
    /// The digits in base 16, lower case.
    pub fn to_base16(&self) -> String {
        HEXLOWER.encode(self.bytes())
    }

    /// The digits in Nix's base 32.
    pub fn to_base32(&self) -> String {
        base32_encode(self.bytes())
    }

    /// `sha256-BASE64`, as in SRI.
    pub fn to_sri(&self) -> String {
        format!("{}-{}", self.algorithm(), BASE64.encode(self.bytes()))
    }

    /// Reads a digest that names its algorithm (`sha256:…`, `sha256-…`) or whose length tells it.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let text = text.trim();
        if let Some((name, digits)) = text.split_once([':', '-']) {
            return Self::parse_digits(Algorithm::parse(name)?, digits, text);
        }
        [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Sha1]
            .into_iter()
            .find_map(|algorithm| Self::parse_digits(algorithm, text, text).ok())
            .ok_or_else(|| HashError::UnknownLength { text: text.to_owned() })
    }

    /// Reads a digest of a known algorithm, with or without the algorithm's name before the digits.
    pub fn parse_as(algorithm: Algorithm, text: &str) -> Result<Self, HashError> {
        let text = text.trim();
        match text.split_once([':', '-']) {
            Some((name, digits)) if Algorithm::parse(name)? == algorithm => {
                Self::parse_digits(algorithm, digits, text)
            }
            Some(_) => Err(HashError::BadDigits { text: text.to_owned(), algorithm }),
            None => Self::parse_digits(algorithm, text, text),
        }
    }

    fn parse_digits(algorithm: Algorithm, digits: &str, whole: &str) -> Result<Self, HashError> {
        let size = algorithm.size();
        let bytes = match digits.len() {
            n if n == size * 2 => HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok(),
            n if n == (size * 8).div_ceil(5) => base32_decode(digits),
            n if n == size.div_ceil(3) * 4 => BASE64.decode(digits.as_bytes()).ok(),
            n if n == (size * 8).div_ceil(6) => BASE64_NOPAD.decode(digits.as_bytes()).ok(),
            _ => None,
        };
        bytes
            .and_then(|bytes| Self::new(algorithm, &bytes).ok())
            .ok_or_else(|| HashError::BadDigits { text: whole.to_owned(), algorithm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_a_digest_reads_back() {
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
            let digest = Digest::of(algorithm, b"hpcl");
            let texts = [digest.to_base16(), digest.to_base32(), digest.to_base16().to_uppercase()];
            for text in texts {
                assert_eq!(Digest::parse(&text), Ok(digest), "{text}");
                assert_eq!(Digest::parse(&format!("{algorithm}:{text}")), Ok(digest));
                assert_eq!(Digest::parse_as(algorithm, &text), Ok(digest));
            }
            assert_eq!(Digest::parse(&digest.to_sri()), Ok(digest));
            assert_eq!(Digest::parse(digest.to_sri().trim_end_matches('=')), Ok(digest));
        }
    }

    #[test]
    fn base32_is_nix_s() {
        // `nix-hash --flat --base32 --type sha256 /dev/null`
        let empty = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        assert_eq!(Digest::sha256(b"").to_base32(), empty);
        assert!(empty.bytes().all(is_base32));
        assert_eq!((0..=255).filter(|byte| is_base32(*byte)).count(), 32);
    }

    #[test]
    fn wrong_texts_are_refused() {
        let digest = Digest::sha256(b"");
        assert!(matches!(Digest::parse("md5:00"), Err(HashError::UnknownAlgorithm { .. })));
        assert!(matches!(Digest::parse("abc"), Err(HashError::UnknownLength { .. })));
        assert!(matches!(Digest::parse("sha256:abc"), Err(HashError::BadDigits { .. })));
        assert!(Digest::parse_as(Algorithm::Sha1, &digest.to_sri()).is_err());
        // The first digit of 52 carries one bit only; `z` would need four more.
        assert!(Digest::parse(&format!("z{}", &digest.to_base32()[1..])).is_err());
        assert!(matches!(Digest::new(Algorithm::Sha1, &[0; 32]), Err(HashError::BadSize { .. })));
    }
}
