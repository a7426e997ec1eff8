//! A running hash of any of our algorithms, as a `Write` sink.

use std::io;

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::{Algorithm, Digest};

/// A hash under way.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// A hash of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Sha1(state) => state.update(data),
            State::Sha256(state) => state.update(data),
            State::Sha512(state) => state.update(data),
        }
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest {
        let made = match self.0 {
            State::Sha1(state) => Digest::new(Algorithm::Sha1, &state.finalize()),
            State::Sha256(state) => Digest::new(Algorithm::Sha256, &state.finalize()),
            State::Sha512(state) => Digest::new(Algorithm::Sha512, &state.finalize()),
        };
        made.expect("the hash function gives its own number of bytes")
    }
}

impl io::Write for Hasher {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
