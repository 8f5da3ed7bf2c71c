//! From bytes and chunks to object ids: one chunk is its own object, several are named by a list, which is an object again.
//!
//! Source: docs/format/objects.md; src/repository/object/object-writer.ts.

use crate::buzhash::DYNAMIC_4M;
use crate::chunk::Chunk;
use crate::indirect_list::push_indirect_list;
use crate::object_id::{ContentId, ObjectId};
use crate::packer::{FullPack, Packer};

/// Lists of objects without a prefix have this one.
const LIST_PREFIX: u8 = b'x';

pub struct ObjectWriter<'a> {
    pub packer: &'a mut Packer,
    pub now_seconds: u32,
    /// Those that become full.
    pub packs: &'a mut Vec<FullPack>,
}

impl ObjectWriter<'_> {
    pub fn write(&mut self, prefix: u8, bytes: &[u8]) -> ObjectId {
        let chunks = self.packer.store_bytes(prefix, bytes, self.now_seconds, self.packs);
        self.object_of_chunks(prefix, &chunks)
    }

    /// Of an object that may be long, such as a folder of many entries.
    pub fn write_pieces<E>(
        &mut self,
        prefix: u8,
        pieces: impl Iterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<ObjectId, E> {
        let (mut chunks, mut rest): (Vec<Chunk>, Vec<u8>) = (vec![], vec![]);
        for piece in pieces {
            let piece = piece?;
            if rest.is_empty() {
                rest = piece;
            } else {
                rest.extend_from_slice(&piece);
            }
            // Below the largest chunk a cut may yet come with the next piece.
            let mut stored = 0;
            while rest.len() - stored >= DYNAMIC_4M.maximum {
                let chunk = self.packer.store_first(prefix, &rest[stored..], self.now_seconds, self.packs);
                stored += chunk.length as usize;
                chunks.push(chunk);
            }
            rest.drain(..stored);
        }
        if chunks.is_empty() || !rest.is_empty() {
            chunks.extend(self.packer.store_bytes(prefix, &rest, self.now_seconds, self.packs));
        }
        Ok(self.object_of_chunks(prefix, &chunks))
    }

    /// The object made of chunks that are stored already; there is at least one, if an empty one.
    pub fn object_of_chunks(&mut self, prefix: u8, chunks: &[Chunk]) -> ObjectId {
        if let [only] = chunks {
            return direct(prefix, only);
        }
        let mut list = vec![];
        push_indirect_list(&mut list, chunks.iter().map(|chunk| (u64::from(chunk.length), direct(prefix, chunk))));
        let list_prefix = if prefix == 0 { LIST_PREFIX } else { prefix };
        let listed = self.write(list_prefix, &list);
        listed.indirect().expect("sixteen lists above each other would name more bytes than there are")
    }

    /// One chunk whose hash is known.
    pub fn store(&mut self, prefix: u8, hash: &[u8; 16], plain: &[u8]) {
        self.packs.extend(self.packer.store(prefix, hash, plain, self.now_seconds));
    }
}

fn direct(prefix: u8, chunk: &Chunk) -> ObjectId {
    ObjectId::direct(ContentId::new(prefix, &chunk.hash))
}
