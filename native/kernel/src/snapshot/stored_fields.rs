//! The fields of a stored JSON object, read as kopia's Go decoder reads them: a key matches in any case (exactly first),
//! unknown keys are ignored, absent and null are the zero value, and an integer field takes nothing but an integer
//! literal in range.
//!
//! Source: src/snapshot/stored-fields.ts, down to which of several keys that differ in case counts: the one that came up
//! last for the first time, with the value that it had last.

use std::array;
use std::borrow::Cow;
use std::collections::HashSet;

use super::go_json::{JsonCursor, JsonError, JsonKey, JsonKind, JsonValue};
use super::go_time::{Time, parse_go_time};
use super::snapshot_error::{SnapshotError, StoredThing, Trouble};

/// `N` fields whose keys, of at most 32 ASCII characters, are known.
pub struct StoredFields<'a, const N: usize> {
    keys: &'static [&'static str; N],
    thing: StoredThing,
    values: [Option<JsonValue<'a>>; N],
}

impl<'a, const N: usize> StoredFields<'a, N> {
    /// Reads the value that the cursor is at, to its end.
    pub fn read(
        cursor: &mut JsonCursor<'a>,
        keys: &'static [&'static str; N],
        thing: StoredThing,
    ) -> Result<Self, SnapshotError> {
        if !cursor.is_at_object() {
            cursor.value()?;
            return Err(SnapshotError::NotObject(thing));
        }
        Ok(Self { keys, thing, values: read_values(cursor, keys)? })
    }

    /// In the order of the keys.
    pub fn each(&self) -> [StoredField<'_, 'a>; N] {
        array::from_fn(|field| {
            let value = self.values[field].as_ref().filter(|value| !value.is_null());
            StoredField { key: self.keys[field], thing: self.thing, value }
        })
    }
}

#[derive(Clone, Copy)]
pub struct StoredField<'f, 'a> {
    key: &'static str,
    thing: StoredThing,
    /// None when absent or null.
    pub value: Option<&'f JsonValue<'a>>,
}

impl<'a> StoredField<'_, 'a> {
    /// Well-formed Unicode; "" when absent.
    pub fn text(&self) -> Result<Cow<'a, str>, SnapshotError> {
        let Some(value) = self.value else { return Ok(Cow::Borrowed("")) };
        value.text().ok_or_else(|| self.invalid(Trouble::NotString))
    }

    /// An integer from 0 to `max`; 0 when absent.
    pub fn count(&self, max: u64) -> Result<u64, SnapshotError> {
        let Some(value) = self.value else { return Ok(0) };
        value.count(max).ok_or_else(|| self.invalid(Trouble::NotCount { max }))
    }

    /// The epoch when absent.
    pub fn time(&self) -> Result<Time, SnapshotError> {
        let Some(value) = self.value else { return Ok(Time::EPOCH) };
        let text = value.text().ok_or_else(|| self.invalid(Trouble::NotTime))?;
        parse_go_time(text.as_bytes()).ok_or_else(|| self.invalid(Trouble::NotTime))
    }

    /// None when absent.
    pub fn list(&self) -> Result<Option<&JsonValue<'a>>, SnapshotError> {
        match self.value {
            Some(value) if value.kind != JsonKind::Array => Err(self.invalid(Trouble::NotList)),
            list_or_none => Ok(list_or_none),
        }
    }

    pub fn invalid(&self, trouble: Trouble) -> SnapshotError {
        SnapshotError::Field { key: self.key, thing: self.thing, trouble }
    }
}

fn read_values<'a, const N: usize>(
    cursor: &mut JsonCursor<'a>,
    keys: &[&str; N],
) -> Result<[Option<JsonValue<'a>>; N], JsonError> {
    let mut values = [None; N];
    // Of the keys that the values have; 0 is the key itself.
    let mut spellings = [0; N];
    let mut seen = HashSet::new();
    let mut expected = 0;
    cursor.enter_object()?;
    while let Some(key) = cursor.next_key()? {
        let value = cursor.value()?;
        let Some((field, spelling)) = find_field(&key, keys, expected) else { continue };
        expected = field + 1;
        let is_spelled_so = values[field].is_some() && spellings[field] == spelling;
        let is_exact_there = values[field].is_some() && spellings[field] == 0;
        if spelling == 0 || is_spelled_so || (!is_exact_there && seen.insert((field, spelling))) {
            (values[field], spellings[field]) = (Some(value), spelling);
        }
    }
    Ok(values)
}

/// Keys nearly always come in the order in which they are written, so `expected` is likely.
fn find_field<const N: usize>(key: &JsonKey<'_>, keys: &[&str; N], expected: usize) -> Option<(usize, u64)> {
    if let Some(text) = key.plain_text() {
        for field in (expected..N).chain(0..expected) {
            if is_same(keys[field].as_bytes(), text) {
                return Some((field, 0));
            }
        }
    }
    let text = key.text();
    (0..N).find_map(|field| Some((field, spelling_of(keys[field], &text)?)))
}

/// For a few bytes quicker than a call.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

/// How `text` differs in case from `key`, two bits a character; 0 where it is the key. None where it is another key.
fn spelling_of(key: &str, text: &str) -> Option<u64> {
    const KELVIN_SIGN: char = '\u{212a}';
    let mut characters = text.chars();
    let mut spelling = 0;
    for (at, letter) in key.chars().enumerate() {
        let other = match characters.next()? {
            same if same == letter => 0,
            cased if cased.eq_ignore_ascii_case(&letter) => 1,
            KELVIN_SIGN if letter.eq_ignore_ascii_case(&'k') => 2,
            _ => return None,
        };
        spelling |= other << (2 * at);
    }
    characters.next().is_none().then_some(spelling)
}
