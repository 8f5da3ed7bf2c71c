//! Plain bytes of contents out of one fetched part of a pack, each checked against its hash and length.

use crate::compression::expand_as;
use crate::error::{ErrorCode, KernelError};
use crate::hashing::{ContentHasher, Hash};
use crate::sealing::Sealer;

/// One sealed content within the fetched bytes.
pub struct SealedContent {
    pub offset: usize,
    pub length: usize,
    pub hash: Hash,
    /// 0 where the content is stored as it is.
    pub compression_id: u32,
    pub original_length: usize,
}

/// The plain bytes of all items, one behind the other in the order of the items, each of its `original_length`.
/// An error is of the first item that has one.
pub fn open_contents(
    hasher: &ContentHasher,
    sealer: &Sealer,
    fetched: &[u8],
    items: &[SealedContent],
) -> Result<Vec<u8>, KernelError> {
    let mut plain = Vec::with_capacity(fetched.len());
    let mut ends = Vec::with_capacity(items.len());
    let mut outcome = Ok(());
    for (number, item) in items.iter().enumerate() {
        outcome = open_onto(&mut plain, sealer, fetched, item).map_err(|error| error.of_item(number));
        if outcome.is_err() {
            break;
        }
        ends.push(plain.len());
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let opened: Vec<&[u8]> = starts.zip(&ends).map(|(start, &end)| &plain[start..end]).collect();
    let hashes = hasher.hash_each(&opened);
    let is_another = |((bytes, hash), item): ((&&[u8], Hash), &SealedContent)| {
        bytes.len() != item.original_length || hash != item.hash
    };
    if let Some(number) = opened.iter().zip(hashes).zip(items).position(is_another) {
        let message = "opened bytes do not have the content's hash and length";
        return Err(KernelError::new(ErrorCode::ContentMismatch, message).of_item(number));
    }
    outcome.map(|()| plain)
}

fn open_onto(target: &mut Vec<u8>, sealer: &Sealer, fetched: &[u8], item: &SealedContent) -> Result<(), KernelError> {
    let start = target.len();
    let end = item.offset.saturating_add(item.length);
    sealer.open_onto(target, fetched.get(item.offset..end).unwrap_or_default(), &item.hash)?;
    if item.compression_id != 0 {
        let plain = expand_as(item.compression_id, &target[start..], item.original_length)?;
        target.truncate(start);
        target.extend_from_slice(&plain);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(fetched: &[u8], items: Vec<SealedContent>) -> Result<Vec<u8>, KernelError> {
        open_contents(&ContentHasher::new(b"hash"), &Sealer::new(b"seal"), fetched, &items)
    }

    fn stored(plain: &[u8]) -> (Vec<u8>, SealedContent) {
        let hash = ContentHasher::new(b"hash").hash(plain);
        let mut sealed = vec![];
        Sealer::new(b"seal").seal_onto(&mut sealed, plain, &hash, [3; 12]);
        let length = sealed.len();
        (sealed, SealedContent { offset: 0, length, hash, compression_id: 0, original_length: plain.len() })
    }

    #[test]
    fn contents_come_in_the_order_that_was_asked_for() {
        let ((a, of_a), (b, of_b)) = (stored(b"one"), stored(b"three"));
        let fetched = [a.clone(), b].concat();
        let items = vec![SealedContent { offset: a.len(), ..of_b }, of_a];
        assert_eq!(open(&fetched, items).unwrap(), b"threeone");
    }

    #[test]
    fn an_error_tells_which_item_it_is_about() {
        let (sealed, _) = stored(b"content");
        let item = || stored(b"content").1;
        for (bad, code) in [
            (SealedContent { hash: stored(b"another").1.hash, ..item() }, ErrorCode::SealBroken),
            (SealedContent { length: item().length - 1, ..item() }, ErrorCode::SealBroken),
            (SealedContent { length: usize::MAX, ..item() }, ErrorCode::SealBroken),
            (SealedContent { offset: usize::MAX, ..item() }, ErrorCode::SealBroken),
            (SealedContent { original_length: 8, ..item() }, ErrorCode::ContentMismatch),
            (SealedContent { compression_id: 0x1100, ..item() }, ErrorCode::ContentMismatch),
        ] {
            let error = open(&sealed, vec![item(), bad]).unwrap_err();
            assert_eq!((error.code, error.item), (code, Some(1)));
        }
    }

    #[test]
    fn of_several_errors_the_first_items_is_told() {
        let (sealed, item) = stored(b"content");
        let broken = || SealedContent { length: 3, ..stored(b"content").1 };
        let of_another_length = || SealedContent { original_length: 8, ..stored(b"content").1 };
        for (items, code) in [
            (vec![item, of_another_length(), broken()], ErrorCode::ContentMismatch),
            (vec![stored(b"content").1, broken(), of_another_length()], ErrorCode::SealBroken),
        ] {
            let error = open(&sealed, items).unwrap_err();
            assert_eq!((error.code, error.item), (code, Some(1)));
        }
    }
}
