//! Paths as they are told to people and stored beside failures: `joinRelativePath` of src/volume/entry-name.ts, letter for
//! letter, for what it gives becomes part of stored folders.

use std::fmt::Write;

const NAME_BYTES_MAX: usize = 255;
/// A folder nested thousands deep has a path of megabytes; a message keeps its two ends. In UTF-16 units.
const PATH_UNITS_MAX: usize = 1024;
const HEAD_UNITS: usize = 256;
const TAIL_UNITS: usize = 512;

/// Relative to a root whose own path is "". What is not UTF-8 becomes U+FFFD; what would steer a terminal or break a line
/// is escaped.
pub fn join_display_path(parent: &str, name: &[u8]) -> String {
    let mut path = String::with_capacity(parent.len() + 1 + name.len());
    if !parent.is_empty() {
        path.push_str(parent);
        path.push('/');
    }
    for character in String::from_utf8_lossy(&name[..name.len().min(NAME_BYTES_MAX)]).chars() {
        if steers(character) {
            write!(path, "\\u{{{:x}}}", u32::from(character)).expect("a string takes what is written");
        } else {
            path.push(character);
        }
    }
    shortened(path)
}

fn shortened(path: String) -> String {
    // A character has at most as many UTF-16 units as bytes.
    if path.len() <= PATH_UNITS_MAX {
        return path;
    }
    let units: Vec<u16> = path.encode_utf16().collect();
    if units.len() <= PATH_UNITS_MAX {
        return path;
    }
    // Half of a character that two units make reads as U+FFFD, as where the other program writes it.
    let [head, tail] = [&units[..HEAD_UNITS], &units[units.len() - TAIL_UNITS..]].map(String::from_utf16_lossy);
    format!("{head}…{tail}")
}

/// Of the categories Cc, Cf, Zl and Zp of Unicode 17.
fn steers(character: char) -> bool {
    matches!(
        u32::from(character),
        0..=0x1f
            | 0x7f..=0x9f
            | 0xad
            | 0x600..=0x605
            | 0x61c
            | 0x6dd
            | 0x70f
            | 0x890..=0x891
            | 0x8e2
            | 0x180e
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x2064
            | 0x2066..=0x206f
            | 0xfeff
            | 0xfff9..=0xfffb
            | 0x110bd
            | 0x110cd
            | 0x13430..=0x1343f
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0001
            | 0xe0020..=0xe007f
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_so_that_it_steers_nothing() {
        assert_eq!(join_display_path("", b"a"), "a");
        assert_eq!(join_display_path("a/b", b"c d"), "a/b/c d");
        assert_eq!(
            join_display_path("", "\u{1b}[2J\u{200b}é\u{e0001}\u{2029}".as_bytes()),
            "\\u{1b}[2J\\u{200b}é\\u{e0001}\\u{2029}"
        );
        assert_eq!(join_display_path("", b"bad\xff\xc3\x28"), "bad\u{fffd}\u{fffd}(");
    }

    #[test]
    fn a_long_path_keeps_its_two_ends() {
        let mut path = String::new();
        for _ in 0..100 {
            path = join_display_path(&path, "é".repeat(100).as_bytes());
            assert!(path.encode_utf16().count() <= PATH_UNITS_MAX);
        }
        path = join_display_path(&path, b"end");
        assert!(path.starts_with("éé") && path.contains('…') && path.ends_with("é/end"), "{path}");
    }
}
