//! A look-up in tables of any bytes gives something or nothing; in tables that are sorted, what is there.

#![no_main]

use fsb_kernel::content_table::{KEY_BYTES, Key, KnownTable, PackTableBuilder, find_in_tables};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(usize, Vec<u8>)>, Vec<(u8, u32, bool)>, Key)| {
    let (made_up, records, key) = input;
    let tables: Vec<_> =
        made_up.into_iter().map(|(key_bytes, bytes)| KnownTable::new(KEY_BYTES + key_bytes % 2, bytes)).collect();
    let _ = find_in_tables(&tables, &key);

    let mut builder = PackTableBuilder::default();
    let mut added = std::collections::HashMap::new();
    for (number, timestamp, deleted) in records {
        let key: Key = [number; KEY_BYTES];
        if added.insert(key, (timestamp, deleted)).is_none() {
            builder.add(&key, timestamp, if deleted { 1 << 31 } else { 0 }, 33, 5);
        } else {
            return;
        }
    }
    let tables = [KnownTable::new(KEY_BYTES, builder.build())];
    for number in 0..=255 {
        let key: Key = [number; KEY_BYTES];
        let found = find_in_tables(&tables, &key).map(|found| (found.timestamp_seconds, found.deleted));
        assert_eq!(found, added.get(&key).copied());
    }
});
