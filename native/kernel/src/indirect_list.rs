//! The list behind an `I…` object: where each chunk starts, how long it is, and its object id.
//!
//! ```text
//! {"stream":"kopia:indirect","entries":[{"l":8388608,"o":"6f5c…"},{"s":8388608,"l":5357122,"o":"f796…"}]}⏎
//! ```
//!
//! The bytes are hashed, so they are exactly Go's: `s` and `l` are left out where they are 0.
//! Source: kopia repo/object/indirect.go; src/repository/object/indirect-list.ts.

use std::fmt;

use crate::object_id::ObjectId;
use crate::snapshot::go_json::{COUNT_MAX, JsonCursor, JsonError, JsonKind, JsonValue, push_decimal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEntry {
    pub start: u64,
    pub length: u64,
    pub object_id: ObjectId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListError {
    NotJson(JsonError),
    BrokenEntry,
    GapOrOverlap {
        at: u64,
    },
    Empty,
    /// What an entry names is no object id: OBJECT_ID_INVALID. All others are OBJECT_CORRUPT.
    ObjectIdInvalid,
}

impl From<JsonError> for ListError {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => write!(formatter, "is not JSON: {error}"),
            Self::BrokenEntry => formatter.write_str("has a broken entry"),
            Self::GapOrOverlap { at } => write!(formatter, "has a gap or an overlap at byte {at}"),
            Self::Empty => formatter.write_str("is empty"),
            Self::ObjectIdInvalid => formatter.write_str("has an entry that names no object"),
        }
    }
}

impl std::error::Error for ListError {}

/// Chunks by length and id, in order.
pub fn push_indirect_list(target: &mut Vec<u8>, chunks: impl IntoIterator<Item = (u64, ObjectId)>) {
    use std::io::Write;
    target.extend_from_slice(b"{\"stream\":\"kopia:indirect\",\"entries\":[");
    let mut start = 0;
    for (number, (length, object_id)) in chunks.into_iter().enumerate() {
        target.extend_from_slice(if number == 0 { b"{" } else { b",{" });
        for (key, value) in [(b"\"s\":", start), (b"\"l\":", length)] {
            if value != 0 {
                target.extend_from_slice(key);
                push_decimal(target, value);
                target.push(b',');
            }
        }
        // Writing to a Vec cannot fail.
        let _ = write!(target, "\"o\":\"{object_id}\"}}");
        start += length;
    }
    target.extend_from_slice(b"]}\n");
}

/// Entries one by one; they follow each other from 0 on, and there is at least one. Nothing follows an error.
pub fn iterate_indirect_list(bytes: &[u8]) -> impl Iterator<Item = Result<ListEntry, ListError>> {
    let mut reader = ListReader { members: JsonCursor::new(bytes), list: None, end: 0, count: 0, state: State::Start };
    std::iter::from_fn(move || {
        let next = reader.next();
        if !matches!(next, Ok(Some(_))) {
            reader.state = State::Ended;
        }
        next.transpose()
    })
}

struct ListReader<'a> {
    members: JsonCursor<'a>,
    /// Of the member that is being read.
    list: Option<JsonCursor<'a>>,
    end: u64,
    count: u64,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Start,
    Within,
    Ended,
}

impl ListReader<'_> {
    fn next(&mut self) -> Result<Option<ListEntry>, ListError> {
        match self.state {
            State::Ended => return Ok(None),
            State::Start => self.members.enter_object()?,
            State::Within => {}
        }
        self.state = State::Within;
        loop {
            if let Some(list) = &mut self.list {
                if list.next_element()? {
                    let value = list.value()?;
                    return self.entry(&value).map(Some);
                }
                self.list = None;
            }
            let Some(key) = self.members.next_key()? else {
                return if self.count == 0 { Err(ListError::Empty) } else { Ok(None) };
            };
            let value = self.members.value()?;
            if key.text() == "entries" && value.kind == JsonKind::Array {
                let mut list = JsonCursor::new(value.literal);
                list.enter_array()?;
                self.list = Some(list);
            }
        }
    }

    fn entry(&mut self, value: &JsonValue<'_>) -> Result<ListEntry, ListError> {
        if value.kind != JsonKind::Object {
            return Err(ListError::BrokenEntry);
        }
        let [mut start, mut length, mut object_id] = [None; 3];
        let mut members = JsonCursor::new(value.literal);
        members.enter_object()?;
        while let Some(key) = members.next_key()? {
            let value = members.value()?;
            match &*key.text() {
                "s" => start = Some(value),
                "l" => length = Some(value),
                "o" => object_id = Some(value),
                _ => {}
            }
        }
        let count = |value: Option<JsonValue<'_>>| match value.filter(|value| !value.is_null()) {
            Some(value) => value.count(COUNT_MAX).ok_or(ListError::BrokenEntry),
            None => Ok(0),
        };
        let (start, length) = (count(start)?, count(length)?);
        let text = object_id.and_then(|value| value.text()).ok_or(ListError::BrokenEntry)?;
        if start != self.end {
            return Err(ListError::GapOrOverlap { at: self.end });
        }
        self.end += length;
        self.count += 1;
        let object_id = ObjectId::parse(text.as_bytes()).ok_or(ListError::ObjectIdInvalid)?;
        Ok(ListEntry { start, length, object_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &[u8] = b"{\"stream\":\"kopia:indirect\",\"entries\":[{\"l\":8388608,\"o\":\"6f5c\"},{\"s\":8388608,\"l\":5357122,\"o\":\"f796\"}]}\n";

    fn id(text: &str) -> ObjectId {
        ObjectId::parse(text.as_bytes()).unwrap()
    }

    fn read(list: &str) -> Result<Vec<(u64, u64, String)>, ListError> {
        iterate_indirect_list(list.as_bytes())
            .map(|entry| entry.map(|entry| (entry.start, entry.length, entry.object_id.to_string())))
            .collect()
    }

    #[test]
    fn a_list_has_the_bytes_that_go_writes() {
        let mut list = vec![];
        push_indirect_list(&mut list, [(8_388_608, id("6f5c")), (5_357_122, id("f796"))]);
        assert_eq!(list, EXAMPLE);
        let chunks: Vec<_> = iterate_indirect_list(&list).map(Result::unwrap).collect();
        assert_eq!((chunks.len(), chunks[1].start, chunks[1].length), (2, 8_388_608, 5_357_122));
        let mut list = vec![];
        push_indirect_list(&mut list, [0, 5, 0].map(|length| (length, id("6f5c"))));
        let expected = r#"{"stream":"kopia:indirect","entries":[{"o":"6f5c"},{"l":5,"o":"6f5c"},{"s":5,"o":"6f5c"}]}"#;
        assert_eq!(str::from_utf8(&list).unwrap().trim_end(), expected);
    }

    #[test]
    fn other_spellings_of_a_list_are_read() {
        for list in [
            r#"{"entries":[{"s":0,"l":5,"o":"abcd"}]}"#,
            r#"{"stream":"another","entries":{},"entries":[{"future":[1],"l":9,"l":5,"o":"abcd"}],"Entries":[1]}"#,
            r#" { "entries" : [ { "\u006f":"ABCD", "l":5, "s":null } ] } trailing"#,
        ] {
            assert_eq!(read(list), Ok(vec![(0, 5, "abcd".to_owned())]), "{list}");
        }
    }

    #[test]
    fn a_broken_list_is_refused_for_what_it_lacks() {
        for (entries, error) in [
            ("[]", ListError::Empty),
            ("null", ListError::Empty),
            ("[null]", ListError::BrokenEntry),
            (r#"[{"l":5}]"#, ListError::BrokenEntry),
            (r#"[{"l":5.0,"o":"ab"}]"#, ListError::BrokenEntry),
            (r#"[{"l":-5,"o":"ab"}]"#, ListError::BrokenEntry),
            (r#"[{"l":9007199254740992,"o":"ab"}]"#, ListError::BrokenEntry),
            (r#"[{"s":1,"l":5,"o":"ab"}]"#, ListError::GapOrOverlap { at: 0 }),
            (r#"[{"l":5,"o":"ab"},{"s":4,"o":"ab"}]"#, ListError::GapOrOverlap { at: 5 }),
            (r#"[{"l":5,"o":"x"}]"#, ListError::ObjectIdInvalid),
        ] {
            assert_eq!(read(&format!("{{\"entries\":{entries}}}")), Err(error), "{entries}");
        }
        assert!(matches!(read(r#"{"entries":[{"o":"ab"}]"#), Err(ListError::NotJson(_))));
        assert_eq!(iterate_indirect_list(b"[]").count(), 1);
    }

    #[test]
    fn lengths_that_add_up_to_more_than_can_be_written_end_the_list() {
        let most = COUNT_MAX;
        let list = format!(
            r#"{{"entries":[{{"l":{most},"o":"ab"}},{{"s":{most},"l":{most},"o":"ab"}},{{"s":{most},"o":"ab"}}]}}"#
        );
        assert_eq!(read(&list), Err(ListError::GapOrOverlap { at: 2 * most }));
    }
}
