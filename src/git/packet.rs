//! The outer form of OpenPGP: packets, and the parts of signatures.
//!
//! Both forms of headers, and no packets of unknown length: neither keys nor signatures are such. What is cut off or nonsense ends the list.

/// Returns the packets' tags and bodies.
pub(super) fn packets(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((tag, body, rest)) = packet(bytes) {
        found.push((tag, body));
        bytes = rest;
    }
    found
}

fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let mut fields = Fields(bytes);
    let header = fields.byte()?;
    if header & 0x80 == 0 {
        return None;
    }
    let (tag, length) = if header & 0x40 == 0 {
        let length = match header & 3 {
            0 => usize::from(fields.byte()?),
            1 => fields.short()?,
            2 => fields.long()?,
            _ => return None,
        };
        ((header >> 2) & 0x0f, length)
    } else {
        (header & 0x3f, fields.length()?)
    };
    let body = fields.take(length)?;
    Some((tag, body, fields.0))
}

/// Returns the value of the first part of a signature that has that number.
pub(super) fn subpacket(area: &[u8], number: u8) -> Option<&[u8]> {
    let mut fields = Fields(area);
    while !fields.0.is_empty() {
        let length = fields.length()?;
        let (kind, value) = fields.take(length)?.split_first()?;
        // The highest bit says that it must be understood.
        if kind & 0x7f == number {
            return Some(value);
        }
    }
    None
}

/// Reads fields one after the other.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    /// A number of two bytes.
    pub(super) fn short(&mut self) -> Option<usize> {
        let (high, low) = (usize::from(self.byte()?), usize::from(self.byte()?));
        Some(high << 8 | low)
    }

    fn long(&mut self) -> Option<usize> {
        let (high, low) = (self.short()?, self.short()?);
        Some(high << 16 | low)
    }

    /// A length of one, two or five bytes.
    fn length(&mut self) -> Option<usize> {
        match self.byte()? {
            short @ 0..=191 => Some(usize::from(short)),
            first @ 192..=223 => Some((usize::from(first) - 192) * 256 + usize::from(self.byte()?) + 192),
            255 => self.long(),
            _ => None,
        }
    }

    /// A number with its count of bits before it, without leading zeros.
    pub(super) fn number(&mut self) -> Option<Vec<u8>> {
        let bits = self.short()?;
        self.take(bits.div_ceil(8)).map(<[u8]>::to_vec)
    }
}
