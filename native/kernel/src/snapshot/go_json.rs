//! JSON as Go's encoding/json writes and reads it, because stored objects are named by the hash of their bytes: two
//! programs find each other's folders only when both spell them alike.
//!
//! Writing: no white space; `< > &` and U+2028, U+2029 are escaped; each byte that is not part of valid UTF-8 becomes the
//! six characters `\ufffd`, while a real U+FFFD is written as it is. Reading: over bytes, without recursion and with a
//! bounded depth, and without a copy where none is needed; strict JSON (RFC 8259), but strings may hold bytes that are not
//! UTF-8, as Go allows.
//!
//! Source: Go 1.22 encoding/json (encode.go appendString, decode.go unquote), unicode/utf8; src/base/go-json.ts.

use std::borrow::Cow;
use std::fmt;

/// Deeper nesting is refused. Kopia's own documents are at most six deep.
pub const JSON_DEPTH_MAX: usize = 512;
/// The largest integer that JavaScript keeps whole; larger counts are refused.
pub const COUNT_MAX: u64 = (1 << 53) - 1;

const REPLACEMENT: &str = "\u{fffd}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// In bytes from the first that was given.
    pub offset: usize,
    pub expected: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "malformed JSON at byte {}: expected {}", self.offset, self.expected)
    }
}

// Writing

/// The string literal, quotes included, of text that may not be UTF-8, such as a file's name.
pub fn push_go_string(target: &mut Vec<u8>, text: &[u8]) {
    target.push(b'"');
    push_escaped(target, text);
    target.push(b'"');
}

/// What stands between the quotes.
pub fn push_escaped(target: &mut Vec<u8>, text: &[u8]) {
    if text.iter().all(|&byte| BYTE_CLASSES[usize::from(byte)] == RAW) {
        return target.extend_from_slice(text);
    }
    for chunk in text.utf8_chunks() {
        push_valid(target, chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            target.extend_from_slice(b"\\ufffd");
        }
    }
}

pub fn push_decimal(target: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return target.extend_from_slice(&digits[at..]);
        }
    }
}

/// What a Go reader makes of the bytes: each that is not part of valid UTF-8 is one U+FFFD.
pub fn go_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    push_go_text(&mut text, bytes);
    Cow::Owned(text)
}

fn push_go_text(target: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        target.push_str(chunk.valid());
        for _ in chunk.invalid() {
            target.push_str(REPLACEMENT);
        }
    }
}

const RAW: u8 = 0;
const ESCAPED: u8 = 1;
/// Of a character beyond ASCII.
const WIDE: u8 = 2;

static BYTE_CLASSES: [u8; 256] = byte_classes();

const fn byte_classes() -> [u8; 256] {
    let mut classes = [RAW; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte < 0x20 || matches!(byte as u8, b'"' | b'\\' | b'<' | b'>' | b'&') {
            classes[byte] = ESCAPED;
        }
        if byte >= 0x80 {
            classes[byte] = WIDE;
        }
        byte += 1;
    }
    classes
}

/// Of valid UTF-8.
fn push_valid(target: &mut Vec<u8>, text: &[u8]) {
    let mut raw_from = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let width = match (BYTE_CLASSES[usize::from(byte)], &text[at..]) {
            (ESCAPED, _) => 1,
            (WIDE, [0xe2, 0x80, 0xa8 | 0xa9, ..]) => 3,
            _ => 0,
        };
        if width == 0 {
            at += 1;
            continue;
        }
        target.extend_from_slice(&text[raw_from..at]);
        match byte {
            b'"' => target.extend_from_slice(b"\\\""),
            b'\\' => target.extend_from_slice(b"\\\\"),
            0x08 => target.extend_from_slice(b"\\b"),
            0x0c => target.extend_from_slice(b"\\f"),
            b'\n' => target.extend_from_slice(b"\\n"),
            b'\r' => target.extend_from_slice(b"\\r"),
            b'\t' => target.extend_from_slice(b"\\t"),
            0xe2 => target.extend_from_slice(if text[at + 2] == 0xa8 { b"\\u2028" } else { b"\\u2029" }),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                target.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        at += width;
        raw_from = at;
    }
    target.extend_from_slice(&text[raw_from..]);
}

// Reading

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    Object,
    Array,
    String,
    Number,
    Literal,
    Null,
}

/// Well-formed.
#[derive(Clone, Copy, Debug)]
pub struct JsonValue<'a> {
    pub kind: JsonKind,
    /// As it is written, with its quotes or brackets.
    pub literal: &'a [u8],
    /// A string of ASCII without an escape, which is what stands between the quotes.
    is_plain: bool,
}

impl<'a> JsonValue<'a> {
    pub fn is_null(&self) -> bool {
        self.kind == JsonKind::Null
    }

    /// Of a string, as well-formed Unicode; None of another value.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        (self.kind == JsonKind::String).then(|| text_of_literal(self.literal, self.is_plain))
    }

    /// Of a number that is written as an integer from 0 to `max`, itself at most `COUNT_MAX`.
    pub fn count(&self, max: u64) -> Option<u64> {
        if self.kind != JsonKind::Number {
            return None;
        }
        let digits = self.literal.strip_prefix(b"-").unwrap_or(self.literal);
        // Twenty digits could overflow; sixteen hold every count.
        if digits.len() > 16 {
            return None;
        }
        let value = digits
            .iter()
            .try_fold(0, |value: u64, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))?;
        let is_negative = value != 0 && digits.len() < self.literal.len();
        (value <= max && !is_negative).then_some(value)
    }
}

fn between_quotes(literal: &[u8]) -> &[u8] {
    literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default()
}

fn text_of_literal(literal: &[u8], is_plain: bool) -> Cow<'_, str> {
    let inner = between_quotes(literal);
    if is_plain || !inner.contains(&b'\\') { go_text(inner) } else { Cow::Owned(unescape(inner)) }
}

/// Of a string that a cursor found well-formed.
fn unescape(inner: &[u8]) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(backslash) = rest.iter().position(|&byte| byte == b'\\') {
        push_go_text(&mut text, &rest[..backslash]);
        let (letter, behind) = rest[backslash + 1..].split_first().unwrap_or((&0, &[]));
        rest = behind;
        match letter {
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b't' => text.push('\t'),
            b'u' => rest = unescape_units(&mut text, rest),
            &other => text.push(char::from(other)),
        }
    }
    push_go_text(&mut text, rest);
    text
}

/// From the digits of one `\u` on, and over another where both make one character; gives what follows.
fn unescape_units<'a>(text: &mut String, digits: &'a [u8]) -> &'a [u8] {
    let (unit, rest) = take_unit(digits);
    let low = match (unit, rest) {
        (0xd800..=0xdbff, [b'\\', b'u', low @ ..]) => Some(take_unit(low)).filter(|(low, _)| low & 0xfc00 == 0xdc00),
        _ => None,
    };
    let (code, rest) = match low {
        Some((low, rest)) => (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), rest),
        None => (unit, rest),
    };
    text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn take_unit(digits: &[u8]) -> (u32, &[u8]) {
    let (unit, rest) = digits.split_at(digits.len().min(4));
    (unit.iter().fold(0, |value, &byte| value << 4 | char::from(byte).to_digit(16).unwrap_or(0)), rest)
}

/// A member's key, as it is written.
#[derive(Clone, Copy)]
pub struct JsonKey<'a> {
    literal: &'a [u8],
    is_plain: bool,
}

impl<'a> JsonKey<'a> {
    /// The key where it is ASCII without an escape.
    pub fn plain_text(&self) -> Option<&'a [u8]> {
        self.is_plain.then(|| between_quotes(self.literal))
    }

    pub fn text(&self) -> Cow<'a, str> {
        text_of_literal(self.literal, self.is_plain)
    }
}

/// Walks JSON, through nested objects and arrays as well if they are walked to their ends. After an error it is of no more
/// use.
#[derive(Clone, Debug)]
pub struct JsonCursor<'a> {
    bytes: &'a [u8],
    at: usize,
    is_first: bool,
}

impl<'a> JsonCursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::within(bytes, 0, false)
    }

    /// As it stands behind an opening bracket, or behind a member or an element.
    pub(super) fn within(bytes: &'a [u8], at: usize, is_first: bool) -> Self {
        Self { bytes, at, is_first }
    }

    /// How many bytes it has passed.
    pub(super) fn passed(&self) -> usize {
        self.at
    }

    pub fn enter_object(&mut self) -> Result<(), JsonError> {
        self.enter(b'{', "{")
    }

    pub fn enter_array(&mut self) -> Result<(), JsonError> {
        self.enter(b'[', "[")
    }

    fn enter(&mut self, bracket: u8, expected: &'static str) -> Result<(), JsonError> {
        self.skip_space();
        self.expect(bracket, expected)?;
        self.is_first = true;
        Ok(())
    }

    /// Steps over the comma to the next member and over its key and colon, or over the closing brace.
    pub fn next_key(&mut self) -> Result<Option<JsonKey<'a>>, JsonError> {
        if !self.more(b'}', "\",\" or \"}\"")? {
            return Ok(None);
        }
        self.skip_space();
        let start = self.at;
        let is_plain = self.string()?;
        let key = JsonKey { literal: &self.bytes[start..self.at], is_plain };
        self.skip_space();
        self.expect(b':', "\":\"")?;
        Ok(Some(key))
    }

    /// Steps over the comma to the next element, or over the closing bracket; true where there is an element.
    pub fn next_element(&mut self) -> Result<bool, JsonError> {
        self.more(b']', "\",\" or \"]\"")
    }

    fn more(&mut self, close: u8, expected: &'static str) -> Result<bool, JsonError> {
        let is_first = std::mem::take(&mut self.is_first);
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if !is_first {
            self.expect(b',', expected)?;
        }
        Ok(true)
    }

    /// Whether the next value is an object, of which not more than the first byte was looked at.
    pub fn is_at_object(&mut self) -> bool {
        self.skip_space();
        self.peek() == Some(b'{')
    }

    /// Over the next value, which may nest as deep as `JSON_DEPTH_MAX`.
    pub fn value(&mut self) -> Result<JsonValue<'a>, JsonError> {
        self.skip_space();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b'n') => JsonKind::Null,
            Some(b't' | b'f') => JsonKind::Literal,
            _ => JsonKind::Number,
        };
        let is_plain = match kind {
            JsonKind::Object | JsonKind::Array => {
                self.skip_nested()?;
                false
            }
            _ => self.scalar()?,
        };
        Ok(JsonValue { kind, literal: &self.bytes[start..self.at], is_plain })
    }

    /// White space, and nothing else.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.at < self.bytes.len() { Err(self.malformed("the end")) } else { Ok(()) }
    }

    /// Of a string, whether it is plain.
    fn scalar(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => self.number()?,
        }
        Ok(false)
    }

    fn skip_nested(&mut self) -> Result<(), JsonError> {
        let mut open = OpenBrackets::default();
        loop {
            self.skip_space();
            if let Some(first @ (b'{' | b'[')) = self.peek() {
                if open.depth == JSON_DEPTH_MAX {
                    return Err(self.malformed("at most 512 levels"));
                }
                let is_object = first == b'{';
                open.push(is_object);
                self.at += 1;
                self.skip_space();
                if self.peek() != Some(if is_object { b'}' } else { b']' }) {
                    if is_object {
                        self.skip_key()?;
                    }
                    continue;
                }
            } else {
                self.scalar()?;
            }
            if !self.leave_closed(&mut open)? {
                return Ok(());
            }
        }
    }

    /// After a value: over every bracket that closes here, and over the comma to the next value if there is one.
    fn leave_closed(&mut self, open: &mut OpenBrackets) -> Result<bool, JsonError> {
        while let Some(is_object) = open.innermost() {
            self.skip_space();
            if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                self.at += 1;
                open.depth -= 1;
                continue;
            }
            self.expect(b',', "\",\" or a closing bracket")?;
            if is_object {
                self.skip_key()?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn skip_key(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        self.string()?;
        self.skip_space();
        self.expect(b':', "\":\"")
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        word.bytes().try_for_each(|byte| self.expect(byte, word))
    }

    /// Whether it is ASCII without an escape.
    fn string(&mut self) -> Result<bool, JsonError> {
        self.expect(b'"', "a string")?;
        let mut is_plain = true;
        loop {
            is_plain &= self.skip_ordinary();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_plain);
                }
                Some(b'\\') => {
                    self.at += 1;
                    is_plain = false;
                    self.escape()?;
                }
                _ => return Err(self.malformed("the rest of a string")),
            }
        }
    }

    /// To the next quote, backslash, control character or the end; whether all that is ASCII (or no, where the bytes just
    /// behind are not).
    fn skip_ordinary(&mut self) -> bool {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let mut is_ascii = true;
        while let Some(eight) = self.bytes[self.at..].first_chunk::<8>() {
            let word = u64::from_le_bytes(*eight);
            let quotes = word ^ (ONES * b'"' as u64);
            let backslashes = word ^ (ONES * b'\\' as u64);
            // The lowest bit set is right in each; those above it may come of a borrow.
            let special = (word.wrapping_sub(ONES * 0x20) & !word
                | quotes.wrapping_sub(ONES) & !quotes
                | backslashes.wrapping_sub(ONES) & !backslashes)
                & HIGHS;
            is_ascii &= word & HIGHS == 0;
            if special != 0 {
                self.at += (special.trailing_zeros() / 8) as usize;
                return is_ascii;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek().filter(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            is_ascii &= byte.is_ascii();
            self.at += 1;
        }
        is_ascii
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.malformed("a hex digit"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.malformed("an escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let start = self.at;
        self.digits("a value")?;
        if self.at - start > 1 && self.bytes[start] == b'0' {
            return Err(self.malformed("no digit after a leading zero"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("digits")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits("digits")?;
        }
        Ok(())
    }

    fn digits(&mut self, expected: &'static str) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.malformed(expected)) } else { Ok(()) }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.malformed(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn malformed(&self, expected: &'static str) -> JsonError {
        JsonError { offset: self.at, expected }
    }
}

/// A bit for each open bracket: 1 is a brace.
#[derive(Default)]
struct OpenBrackets {
    bits: [u64; JSON_DEPTH_MAX / 64],
    depth: usize,
}

impl OpenBrackets {
    fn push(&mut self, is_object: bool) {
        let (word, bit) = (&mut self.bits[self.depth / 64], 1 << (self.depth % 64));
        *word = if is_object { *word | bit } else { *word & !bit };
        self.depth += 1;
    }

    fn innermost(&self) -> Option<bool> {
        let index = self.depth.checked_sub(1)?;
        Some(self.bits[index / 64] >> (index % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &[u8]) -> Vec<u8> {
        let mut literal = vec![];
        push_go_string(&mut literal, text);
        literal
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        for (text, expected) in [
            ("a.txt", r#""a.txt""#),
            ("q\"b\\", r#""q\"b\\""#),
            ("<b>&", r#""\u003cb\u003e\u0026""#),
            ("\u{8}\u{c}\n\r\t", r#""\b\f\n\r\t""#),
            ("\0\u{1}\u{1f}", r#""\u0000\u0001\u001f""#),
            ("a\u{2028}b\u{2029}", r#""a\u2028b\u2029""#),
            ("\u{7f}\u{80}\u{9f}", "\"\u{7f}\u{80}\u{9f}\""),
            (
                "\u{2027}\u{202a}ünïcödé-日本語-🚀\u{feff}\u{fffd}",
                "\"\u{2027}\u{202a}ünïcödé-日本語-🚀\u{feff}\u{fffd}\"",
            ),
        ] {
            assert_eq!(str::from_utf8(&literal(text.as_bytes())).unwrap(), expected);
        }
    }

    #[test]
    fn each_byte_that_is_not_utf8_is_replaced() {
        for (bytes, expected) in [
            (&b"a\xffb"[..], "a?b"),
            (b"\xe2\x82", "??"),
            (b"\xf0\x9f\x9aa", "???a"),
            (b"\xed\xa0\x80", "???"),
            (b"\xc0\xaf\xe0\x80\xaf", "?????"),
            (b"\xf4\x90\x80\x80\xf5", "?????"),
            (b"\xc3\xa9\xa9", "é?"),
        ] {
            assert_eq!(go_text(bytes), expected.replace('?', "\u{fffd}"));
            assert_eq!(literal(bytes), format!("\"{}\"", expected.replace('?', "\\ufffd")).as_bytes());
        }
        assert_eq!(literal(b"\xef\xbf\xbd\xff"), "\"\u{fffd}\\ufffd\"".as_bytes());
    }

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 7, 10, 1_234_567_890, COUNT_MAX, u64::MAX] {
            let mut digits = vec![];
            push_decimal(&mut digits, number);
            assert_eq!(digits, number.to_string().as_bytes());
        }
    }

    fn whole(json: &[u8]) -> Result<JsonValue<'_>, JsonError> {
        let mut cursor = JsonCursor::new(json);
        let value = cursor.value()?;
        cursor.end()?;
        Ok(value)
    }

    #[test]
    fn strings_read_as_the_text_that_they_are_written_for() {
        for (json, text) in [
            (&br#""plain""#[..], "plain"),
            (br#""\u0061\/\b\f\n\r\t\"\\""#, "a/\u{8}\u{c}\n\r\t\"\\"),
            (br#""\ud83d\ude80""#, "🚀"),
            (br#""\ud83d \ude80""#, "\u{fffd} \u{fffd}"),
            (br#""\ud83d\ud83d\ude80\ud83d""#, "\u{fffd}🚀\u{fffd}"),
            (br#""\ud83d\n""#, "\u{fffd}\n"),
            (b"\"\xff\\u0041\xe2\x82\"", "\u{fffd}A\u{fffd}\u{fffd}"),
            ("\"日本語 and so on, beyond eight bytes\"".as_bytes(), "日本語 and so on, beyond eight bytes"),
            (b"\"\"", ""),
        ] {
            assert_eq!(whole(json).unwrap().text().as_deref(), Some(text));
        }
        assert_eq!(whole(b"5").unwrap().text(), None);
    }

    #[test]
    fn counts_are_integer_literals_in_range() {
        let count = |json: &'static str| whole(json.as_bytes()).unwrap().count(COUNT_MAX);
        assert_eq!(count("9007199254740991"), Some(COUNT_MAX));
        assert_eq!(count("0"), Some(0));
        assert_eq!(count("-0"), Some(0));
        for json in ["9007199254740992", "18446744073709551617", "1.0", "1e3", "-1", "\"1\"", "true", "null", "[]"] {
            assert_eq!(count(json), None, "{json}");
        }
        assert_eq!(whole(b"256").unwrap().count(255), None);
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_ends_to_be() {
        for (json, offset) in [
            ("", 0),
            (" ", 1),
            ("{", 1),
            ("{\"a\"}", 4),
            ("{\"a\":1,}", 7),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("\"\n\"", 1),
            ("\"long enough for eight\u{1}\"", 22),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 5),
            ("01", 2),
            ("1.", 2),
            ("-", 1),
            ("1e", 2),
            ("nul", 3),
            ("{} {}", 3),
            ("\u{feff}{}", 0),
            ("{'a':1}", 1),
            ("\"abc", 4),
        ] {
            assert_eq!(whole(json.as_bytes()).unwrap_err().offset, offset, "{json}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |open: &str, close: &str, depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[", "]}]")] {
            let levels = open.matches(['[', '{']).count();
            assert!(whole(nested(open, close, JSON_DEPTH_MAX / levels).as_bytes()).is_ok());
            assert!(whole(nested(open, close, JSON_DEPTH_MAX / levels + 1).as_bytes()).is_err());
            assert!(whole(nested(open, close, 1_000_000).as_bytes()).is_err());
        }
    }

    #[test]
    fn a_cursor_walks_through_what_is_nested() {
        let json = br#" { "a" : [ {} , [] , {"b":1} ] , "c" : null } more"#;
        let mut cursor = JsonCursor::new(json);
        cursor.enter_object().unwrap();
        assert_eq!(cursor.next_key().unwrap().unwrap().text(), "a");
        cursor.enter_array().unwrap();
        assert!(cursor.next_element().unwrap());
        cursor.enter_object().unwrap();
        assert!(cursor.next_key().unwrap().is_none());
        assert!(cursor.next_element().unwrap());
        cursor.enter_array().unwrap();
        assert!(!cursor.next_element().unwrap());
        assert!(cursor.next_element().unwrap());
        assert_eq!(cursor.value().unwrap().literal, br#"{"b":1}"#);
        assert!(!cursor.next_element().unwrap());
        assert_eq!(cursor.next_key().unwrap().unwrap().text(), "c");
        assert!(cursor.value().unwrap().is_null());
        assert!(cursor.next_key().unwrap().is_none());
        assert!(cursor.end().is_err());
    }
}
