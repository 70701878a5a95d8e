//! What clients ask for: an account's next value, under a number that is used once.

use hotstuff_rs::types::crypto_primitives::{CryptoHasher, Digest};
use hotstuff_rs::types::data_types::CryptoHash;
use hotstuff_rs::types::data_types::{Data, Datum};

use crate::clock::Stamp;

/// What an account holds.
pub type Value = [u8; 16];

/// Sets `account` to `value`. Of two transactions of an account the one with the higher `nonce` comes later; one that
/// comes again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub account: u64,
    pub nonce: u64,
    pub value: Value,
    /// When its client asked for it first; [`Stamp::NONE`] when nothing is measured.
    pub submitted_at: Stamp,
}

/// Bytes of a transaction without the checksum that follows.
const BODY: usize = 40;

/// Bytes of a transaction.
pub const TRANSACTION_BYTES: usize = BODY + 4;

impl Transaction {
    /// As it stands in a block.
    pub fn encode(&self) -> [u8; TRANSACTION_BYTES] {
        let mut bytes = [0; TRANSACTION_BYTES];
        bytes[..8].copy_from_slice(&self.account.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.nonce.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.value);
        bytes[32..BODY].copy_from_slice(&self.submitted_at.to_bits().to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..BODY]);
        bytes[BODY..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The inverse of [`Transaction::encode`]; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_at_checked(BODY)?;
        if checksum != crc32fast::hash(body).to_le_bytes() {
            return None;
        }
        let number = |at: usize| Some(u64::from_le_bytes(body[at..at + 8].try_into().ok()?));
        Some(Self {
            account: number(0)?,
            nonce: number(8)?,
            value: body[16..32].try_into().ok()?,
            submitted_at: Stamp::from_bits(number(32)?),
        })
    }
}

/// An account's key in the state.
pub fn account_key(account: u64) -> [u8; 8] {
    account.to_le_bytes()
}

/// What an account's state holds: the last nonce and the value.
pub fn account_state(transaction: &Transaction) -> Vec<u8> {
    [transaction.nonce.to_le_bytes().as_slice(), &transaction.value].concat()
}

/// The nonce and the value of a state that [`account_state`] made.
pub fn read_account(state: &[u8]) -> Option<(u64, Value)> {
    let (nonce, value) = state.split_first_chunk()?;
    Some((u64::from_le_bytes(*nonce), value.try_into().ok()?))
}

/// A block's transactions as hotstuff_rs carries them, and their hash.
pub fn block_data(transactions: &[Transaction]) -> (Data, CryptoHash) {
    let data = Data::new(
        transactions.iter().map(|transaction| Datum::new(transaction.encode().to_vec())).collect(),
    );
    let hash = data_hash(&data);
    (data, hash)
}

/// The hash that a block with `data` must have.
pub fn data_hash(data: &Data) -> CryptoHash {
    let mut hasher = CryptoHasher::new();
    for datum in data.iter() {
        hasher.update((datum.bytes().len() as u64).to_le_bytes());
        hasher.update(datum.bytes());
    }
    CryptoHash::new(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_survives_the_block_and_nothing_else_is_one() {
        let transaction = Transaction {
            account: 7,
            nonce: 9,
            value: [3; 16],
            submitted_at: Stamp::from_bits(11),
        };
        let bytes = transaction.encode();
        assert_eq!(Transaction::decode(&bytes), Some(transaction));
        for at in 0..bytes.len() {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert_eq!(Transaction::decode(&damaged), None, "byte {at}");
        }
        assert_eq!(Transaction::decode(&bytes[1..]), None);
        assert_eq!(Transaction::decode(&[]), None);
        assert_eq!(read_account(&account_state(&transaction)), Some((9, [3; 16])));
        assert_eq!(read_account(&[1, 2]), None);
    }

    #[test]
    fn the_hash_tells_how_bytes_are_divided() {
        let data = |parts: &[&[u8]]| {
            Data::new(parts.iter().map(|part| Datum::new(part.to_vec())).collect())
        };
        assert_eq!(data_hash(&data(&[b"ab", b"c"])), data_hash(&data(&[b"ab", b"c"])));
        assert_ne!(data_hash(&data(&[b"ab", b"c"])), data_hash(&data(&[b"a", b"bc"])));
    }
}
