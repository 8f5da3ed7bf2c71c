//! Content ids and object ids, as text.
//!
//! A content id is an optional prefix letter and the hash in hex. An object id is `I` for each level of lists, `Z` where
//! the bytes are compressed at this level, then a content id.
//!
//! Source: kopia repo/content/index/id.go, repo/object/objectid.go; src/repository/content/content-id.ts,
//! src/repository/object/object-id.ts.

use std::fmt;

pub const HASH_BYTES_MAX: usize = 32;
const INDIRECTIONS_MAX: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId {
    /// The key in every index: the prefix letter or 0, then the hash, then zeros.
    key: [u8; 1 + HASH_BYTES_MAX],
    key_length: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// How many lists stand above the bytes.
    pub indirections: u8,
    pub is_compressed: bool,
    pub content_id: ContentId,
}

impl ContentId {
    /// `prefix` is 0 where there is none. Panics where the hash is longer than `HASH_BYTES_MAX`.
    pub fn new(prefix: u8, hash: &[u8]) -> Self {
        let mut key = [0; 1 + HASH_BYTES_MAX];
        key[0] = prefix;
        key[1..=hash.len()].copy_from_slice(hash);
        Self { key, key_length: 1 + hash.len() as u8 }
    }

    /// Hex in either case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        // The text has odd length exactly when it has a prefix.
        let (prefix, hex) = text.split_at(text.len() % 2);
        let prefix = match prefix {
            [] => 0,
            &[letter @ b'g'..=b'z'] => letter,
            _ => return None,
        };
        if hex.is_empty() || hex.len() > 2 * HASH_BYTES_MAX {
            return None;
        }
        let mut hash = [0; HASH_BYTES_MAX];
        for (byte, &[high, low]) in hash.iter_mut().zip(hex.as_chunks::<2>().0) {
            *byte = hex_digit(high)? << 4 | hex_digit(low)?;
        }
        Some(Self::new(prefix, &hash[..hex.len() / 2]))
    }

    pub fn prefix(&self) -> Option<u8> {
        (self.key[0] != 0).then_some(self.key[0])
    }

    pub fn hash(&self) -> &[u8] {
        &self.key()[1..]
    }

    pub fn key(&self) -> &[u8] {
        &self.key[..usize::from(self.key_length)]
    }
}

impl ObjectId {
    pub fn direct(content_id: ContentId) -> Self {
        Self { indirections: 0, is_compressed: false, content_id }
    }

    /// Of the object whose list this is. None where lists stand above each other too often to be read.
    pub fn indirect(self) -> Option<Self> {
        let is_readable = usize::from(self.indirections) < INDIRECTIONS_MAX && !self.is_compressed;
        is_readable.then_some(Self { indirections: self.indirections + 1, ..self })
    }

    /// A legacy `D` before the content id is read and forgotten.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let indirections = text.iter().take_while(|&&byte| byte == b'I').count();
        let rest = &text[indirections..];
        let (is_compressed, rest) = rest.strip_prefix(b"Z").map_or((false, rest), |rest| (true, rest));
        if indirections > INDIRECTIONS_MAX || (indirections > 0 && is_compressed) {
            return None;
        }
        let content_id = ContentId::parse(rest.strip_prefix(b"D").unwrap_or(rest))?;
        Some(Self { indirections: indirections as u8, is_compressed, content_id })
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

impl fmt::Display for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 1 + 2 * HASH_BYTES_MAX];
        text[0] = self.key[0];
        for (pair, byte) in text[1..].as_chunks_mut::<2>().0.iter_mut().zip(self.hash()) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        let from = usize::from(self.key[0] == 0);
        formatter.write_str(str::from_utf8(&text[from..=2 * self.hash().len()]).unwrap_or_default())
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..self.indirections {
            formatter.write_str("I")?;
        }
        if self.is_compressed {
            formatter.write_str("Z")?;
        }
        self.content_id.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<String> {
        ObjectId::parse(text.as_bytes()).map(|id| id.to_string())
    }

    #[test]
    fn ids_are_read_and_written_whole() {
        for text in ["ab", "k3c0277ab05c1a06a8a846e0dc63b4086", "Ixabcd", "IIab", "Zkab", "IIIIIIIIIIIIIIIIab"] {
            assert_eq!(written(text).as_deref(), Some(text));
        }
        assert_eq!(written("DABCD").as_deref(), Some("abcd"));
        assert_eq!(written("IIDkAb").as_deref(), Some("IIkab"));
        let longest = format!("k{}", "0a".repeat(HASH_BYTES_MAX));
        assert_eq!(written(&longest).as_deref(), Some(&*longest));
    }

    #[test]
    fn what_is_no_id_is_not_read() {
        for text in
            ["", "a", "k", "I", "Z", "D", "Da", "kk00", "K00", "fab", "IZab", "ZIab", "ZZab", "DDab", "00 ", "k0g0"]
        {
            assert_eq!(written(text), None, "{text}");
        }
        assert_eq!(written(&"I".repeat(17)), None);
        assert_eq!(written(&format!("{}ab", "I".repeat(17))), None);
        assert_eq!(written(&"0a".repeat(HASH_BYTES_MAX + 1)), None);
    }

    #[test]
    fn a_content_id_has_the_key_that_indexes_have() {
        let id = ContentId::parse(b"kABcd").unwrap();
        assert_eq!((id.prefix(), id.hash(), id.key()), (Some(b'k'), &b"\xab\xcd"[..], &b"k\xab\xcd"[..]));
        assert_eq!(id, ContentId::new(b'k', b"\xab\xcd"));
        let id = ContentId::new(0, b"\xab\xcd");
        assert_eq!((id.prefix(), id.key(), id.to_string().as_str()), (None, &b"\0\xab\xcd"[..], "abcd"));
    }

    #[test]
    fn a_list_stands_above_an_object_as_often_as_can_be_read() {
        let mut id = ObjectId::direct(ContentId::new(b'x', b"\xab"));
        for levels in 1..=INDIRECTIONS_MAX {
            id = id.indirect().unwrap();
            assert_eq!(id.to_string(), format!("{}xab", "I".repeat(levels)));
        }
        assert_eq!(id.indirect(), None);
    }
}
