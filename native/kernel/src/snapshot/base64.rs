//! Base64 with padding (RFC 4648), of names that are not UTF-8.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn push_base64(target: &mut Vec<u8>, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for digit in 0..4 {
            let is_padding = digit > group.len();
            target.push(if is_padding { b'=' } else { ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize] });
        }
    }
}

/// None unless it is just what `push_base64` writes.
pub fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (number, group) in groups.iter().enumerate() {
        let padding =
            if number + 1 == groups.len() { group.iter().rev().take_while(|&&byte| byte == b'=').count() } else { 0 };
        if padding > 2 {
            return None;
        }
        let mut bits = 0;
        for &byte in &group[..4 - padding] {
            bits = bits << 6 | digit_of(byte)?;
        }
        bits <<= 6 * padding;
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (kept, dropped) = decoded.split_at(3 - padding);
        if dropped.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

fn digit_of(byte: u8) -> Option<u32> {
    let digit = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_back_and_other_spellings_do_not() {
        for (bytes, text) in
            [(&b""[..], ""), (b"a\xffb", "Yf9i"), (b"\xff", "/w=="), (b"\xfb\xf0", "+/A="), (b"abcd", "YWJjZA==")]
        {
            let mut written = vec![];
            push_base64(&mut written, bytes);
            assert_eq!(written, text.as_bytes());
            assert_eq!(from_base64(text.as_bytes()).as_deref(), Some(bytes));
        }
        for text in ["Y", "Yf9", "Yf9i!", "/x==", "/w=", "-w==", "====", "Y===", "Yf==9iaa", "Yf9i\n", "Y Q=", "+/B="] {
            assert_eq!(from_base64(text.as_bytes()), None, "{text}");
        }
    }
}
