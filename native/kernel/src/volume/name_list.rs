//! Many names of one folder in one block of memory, about 9 bytes each and the name itself.

const LENGTH_MAX: usize = u8::MAX as usize;

/// Names of 1 to 255 bytes, in the order in which they came until they are sorted.
#[derive(Default)]
pub struct NameList {
    /// Of each name its length, then its bytes.
    bytes: Vec<u8>,
    /// Where the names begin.
    starts: Vec<usize>,
}

impl NameList {
    /// Panics where the name is longer than any file system has them.
    pub fn push(&mut self, name: &[u8]) {
        assert!(name.len() <= LENGTH_MAX, "a name has at most 255 bytes");
        self.starts.push(self.bytes.len());
        self.bytes.push(name.len() as u8);
        self.bytes.extend_from_slice(name);
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub fn get(&self, number: usize) -> &[u8] {
        name_at(&self.bytes, self.starts[number])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.starts.iter().map(|&start| name_at(&self.bytes, start))
    }

    /// In the order of the bytes, each name once.
    pub fn sort_once(&mut self) {
        let bytes = &self.bytes;
        self.starts.sort_unstable_by(|&a, &b| name_at(bytes, a).cmp(name_at(bytes, b)));
        self.starts.dedup_by(|a, b| name_at(bytes, *a) == name_at(bytes, *b));
    }

    /// Takes away what is in `other` too. Both are sorted.
    pub fn remove_all_of(&mut self, other: &Self) {
        let bytes = &self.bytes;
        let mut theirs = other.iter().peekable();
        self.starts.retain(|&start| {
            let name = name_at(bytes, start);
            while theirs.peek().is_some_and(|their| *their < name) {
                theirs.next();
            }
            theirs.peek().is_none_or(|their| *their != name)
        });
    }
}

fn name_at(bytes: &[u8], start: usize) -> &[u8] {
    &bytes[start + 1..][..bytes[start] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> NameList {
        let mut list = NameList::default();
        names.iter().for_each(|name| list.push(name.as_bytes()));
        list
    }

    fn texts(list: &NameList) -> Vec<&str> {
        list.iter().map(|name| std::str::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn names_are_sorted_by_their_bytes_and_come_once() {
        let mut names = list(&["b", "a", "é", "aa", "b", "a", "Z"]);
        names.sort_once();
        assert_eq!(texts(&names), ["Z", "a", "aa", "b", "é"]);
        assert_eq!((names.len(), names.get(2)), (5, &b"aa"[..]));
    }

    #[test]
    fn what_another_list_has_is_taken_away() {
        let mut names = list(&["a", "b", "c", "d", "f"]);
        names.remove_all_of(&list(&["0", "b", "d", "e", "z"]));
        assert_eq!(texts(&names), ["a", "c", "f"]);
        names.remove_all_of(&list(&[]));
        assert_eq!(names.len(), 3);
        names.remove_all_of(&list(&["a", "c", "f"]));
        assert!(names.is_empty());
    }
}
