//! Mode bits as stored: the nine permission bits where Unix has them, and the other three where Go has them, in octal
//! text with a leading zero. The type of a file is not among them.
//!
//! ```text
//! Unix    Go        stored, alone
//! 04000   1 << 23   "040000000"    set user id
//! 02000   1 << 22   "020000000"    set group id
//! 01000   1 << 20   "04000000"     sticky
//! ```
//!
//! Source: Go os.FileMode; kopia snapshot/manifest.go (Permissions); src/snapshot/mode.ts.

const PERMISSION_BITS: u32 = 0o777;
/// Unix, Go.
const SPECIAL_BITS: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
/// Go keeps the number in 32 signed bits.
const STORED_MODE_MAX: u64 = 0x7fff_ffff;
const TEXT_LENGTH_MAX: usize = 16;

/// `mode` is the twelve Unix bits.
pub fn push_mode(target: &mut Vec<u8>, mode: u32) {
    let stored = SPECIAL_BITS
        .iter()
        .fold(mode & PERMISSION_BITS, |bits, (unix, go)| if mode & unix == 0 { bits } else { bits | go });
    target.push(b'0');
    let digits = (u32::BITS - stored.leading_zeros()).div_ceil(3).max(1);
    for digit in (0..digits).rev() {
        target.push(b'0' + (stored >> (3 * digit) & 7) as u8);
    }
}

/// The twelve Unix bits; other bits are dropped. As in Go, `0` or `0o` means octal, `0x` hex, and no prefix decimal.
pub fn parse_mode(text: &[u8]) -> Option<u32> {
    let stored = parse_stored(text).filter(|&stored| stored <= STORED_MODE_MAX)? as u32;
    Some(
        SPECIAL_BITS
            .iter()
            .fold(stored & PERMISSION_BITS, |bits, (unix, go)| if stored & go == 0 { bits } else { bits | unix }),
    )
}

fn parse_stored(text: &[u8]) -> Option<u64> {
    match text {
        _ if text.len() > TEXT_LENGTH_MAX => None,
        b"0" => Some(0),
        [b'0', b'x' | b'X', digits @ ..] => number(digits, 16),
        [b'0', b'o' | b'O', digits @ ..] | [b'0', digits @ ..] => number(digits, 8),
        _ => number(text, 10),
    }
}

/// Sixteen digits of any of the bases fit.
fn number(digits: &[u8], base: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |value, &byte| Some(value * u64::from(base) + u64::from(char::from(byte).to_digit(base)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_kopia_does_and_read_back() {
        for (mode, text) in [
            (0o644, "0644"),
            (0o1777, "04000777"),
            (0o2775, "020000775"),
            (0o4755, "040000755"),
            (0o7777, "064000777"),
            (0o001, "01"),
            (0, "00"),
        ] {
            let mut written = vec![];
            push_mode(&mut written, mode);
            assert_eq!(written, text.as_bytes());
        }
        for mode in 0..=0o7777 {
            let mut written = vec![];
            push_mode(&mut written, mode);
            assert_eq!(parse_mode(&written), Some(mode));
        }
    }

    #[test]
    fn a_prefix_tells_the_base() {
        for text in ["0o755", "0O755", "0x1ED", "0X1ed", "493"] {
            assert_eq!(parse_mode(text.as_bytes()), Some(0o755), "{text}");
        }
        assert_eq!(parse_mode(b"755"), Some(755 & 0o777));
        assert_eq!(parse_mode(b"0"), Some(0));
        assert_eq!(parse_mode(b"017777777777"), Some(0o7777));
        for text in [
            "",
            "0o",
            "0x",
            "08",
            "rwx",
            "-1",
            "+1",
            " 0644",
            "0644\n",
            "1e3",
            "0_644",
            "020000000000",
            "0xffffffff",
            "00000000000000000",
        ] {
            assert_eq!(parse_mode(text.as_bytes()), None, "{text}");
        }
    }
}
