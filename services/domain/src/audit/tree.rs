//! The audit log as a Merkle tree (RFC 6962): what its leaves are hashed to, what proves that an entry is in it,
//! and that a later tree goes on where an earlier one ended.
//!
//! Hashes of complete subtrees are kept under numbers, in the order in which they come to be. What is asked of the
//! tree says first which of them it needs ([`Question::places`]); whoever keeps them hands these in.

use crate::digest::Sha256;
use std::{cell::RefCell, collections::BTreeMap};
use tlog_tiles::tlog::{self, Hash, HashReader};

/// Above so many hashes at hand, those that are no longer needed are let go.
const AT_HAND: usize = 4096;

/// The tree does not hold what was asked, or a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tree: {0}")]
pub struct TreeError(String);

impl From<tlog::Error> for TreeError {
    fn from(error: tlog::Error) -> Self {
        Self(error.to_string())
    }
}

/// What is asked of the tree of the first `size` entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Its root.
    Root {
        /// How many entries.
        size: u64,
    },
    /// The proof that the entry at `place` is in it.
    Inclusion {
        /// How many entries.
        size: u64,
        /// Which entry, from 0.
        place: u64,
    },
    /// The proof that it begins with the tree of the first `from` entries.
    Consistency {
        /// How many entries.
        size: u64,
        /// How many entries the earlier tree had, at least 1.
        from: u64,
    },
}

/// Hashes of complete subtrees by their numbers.
#[derive(Debug, Clone, Default)]
pub struct Hashes(BTreeMap<u64, Hash>);

impl FromIterator<(u64, Sha256)> for Hashes {
    fn from_iter<I: IntoIterator<Item = (u64, Sha256)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(place, sha256)| (place, Hash(*sha256.as_bytes())))
                .collect(),
        )
    }
}

impl HashReader for Hashes {
    fn read_hashes(&self, places: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        let read = |place| self.0.get(place).copied();
        let found: Option<Vec<Hash>> = places.iter().map(read).collect();
        found.ok_or(tlog::Error::IndexesNotInTree)
    }
}

/// Reads nothing and notes what would be read.
struct Wanted(RefCell<Vec<u64>>);

impl HashReader for Wanted {
    fn read_hashes(&self, places: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        self.0.borrow_mut().extend(places);
        Ok(vec![Hash::default(); places.len()])
    }
}

impl Question {
    /// The numbers of the hashes that the answer needs.
    pub fn places(self) -> Result<Vec<u64>, TreeError> {
        let wanted = Wanted(RefCell::default());
        self.ask(&wanted)?;
        let mut places = wanted.0.into_inner();
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// The answer: a proof's hashes in order, or the root alone.
    pub fn answer(self, hashes: &Hashes) -> Result<Vec<Sha256>, TreeError> {
        Ok(self
            .ask(hashes)?
            .into_iter()
            .map(|hash| Sha256::from_bytes(hash.0))
            .collect())
    }

    fn ask(self, reader: &impl HashReader) -> Result<Vec<Hash>, TreeError> {
        Ok(match self {
            Question::Root { size } => vec![tlog::tree_hash(size, reader)?],
            Question::Inclusion { size, place } => tlog::prove_record(size, place, reader)?,
            Question::Consistency { size, from } => {
                if from == 0 || from > size {
                    return Err(TreeError(format!("{from} is not from 1 to {size}")));
                }
                tlog::prove_tree(size, from, reader)?
            }
        })
    }
}

/// The hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Sha256 {
    Sha256::from_bytes(tlog::record_hash(leaf).0)
}

fn hashes(proof: &[Sha256]) -> Vec<Hash> {
    proof.iter().map(|sha256| Hash(*sha256.as_bytes())).collect()
}

/// Whether `proof` proves that the tree of `size` entries with `root` has `leaf` at `place`.
pub fn includes(
    root: &Sha256,
    size: u64,
    place: u64,
    leaf: &[u8],
    proof: &[Sha256],
) -> Result<(), TreeError> {
    let root = Hash(*root.as_bytes());
    Ok(tlog::check_record(
        &hashes(proof),
        size,
        root,
        place,
        tlog::record_hash(leaf),
    )?)
}

/// Whether `proof` proves that the tree `later` begins with the tree `earlier`; each is a size and a root.
pub fn continues(later: (u64, Sha256), earlier: (u64, Sha256), proof: &[Sha256]) -> Result<(), TreeError> {
    let root = |tree: (u64, Sha256)| Hash(*tree.1.as_bytes());
    Ok(tlog::check_tree(
        &hashes(proof),
        later.0,
        root(later),
        earlier.0,
        root(earlier),
    )?)
}

/// A tree that grows. It keeps no more hashes than it needs for that.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    hashes: Hashes,
}

impl Tree {
    /// A tree of `size` entries, from the hashes that its root needs.
    pub fn resume(size: u64, hashes: Hashes) -> Self {
        Self { size, hashes }
    }

    /// How many entries it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. Gives the hashes that came to be, with their numbers.
    pub fn push(&mut self, leaf: &[u8]) -> Result<Vec<(u64, Sha256)>, TreeError> {
        let first = tlog::stored_hash_index(0, self.size);
        let new = tlog::stored_hashes(self.size, leaf, &self.hashes)?;
        let new: Vec<(u64, Hash)> = (first..).zip(new).collect();
        self.hashes.0.extend(new.iter().copied());
        self.size += 1;
        if self.hashes.0.len() > AT_HAND {
            let edge = Question::Root { size: self.size }.places()?;
            self.hashes.0.retain(|place, _| edge.binary_search(place).is_ok());
        }
        Ok(new
            .into_iter()
            .map(|(place, hash)| (place, Sha256::from_bytes(hash.0)))
            .collect())
    }

    /// The root.
    pub fn root(&self) -> Result<Sha256, TreeError> {
        Ok(Sha256::from_bytes(tlog::tree_hash(self.size, &self.hashes)?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(size: u64) -> (Vec<(u64, Sha256)>, Vec<Sha256>) {
        let (mut tree, mut kept, mut roots) = (Tree::default(), Vec::new(), vec![]);
        roots.push(tree.root().unwrap());
        for leaf in 0..size {
            kept.extend(tree.push(&leaf.to_be_bytes()).unwrap());
            roots.push(tree.root().unwrap());
        }
        (kept, roots)
    }

    #[test]
    fn every_entry_of_every_tree_is_proven_and_no_other() {
        let (kept, roots) = grown(20);
        for size in 1..=20 {
            let root = &roots[size as usize];
            for place in 0..size {
                let question = Question::Inclusion { size, place };
                let places = question.places().unwrap();
                let hashes = kept
                    .iter()
                    .filter(|(at, _)| places.contains(at))
                    .copied()
                    .collect();
                let proof = question.answer(&hashes).unwrap();
                assert_eq!(includes(root, size, place, &place.to_be_bytes(), &proof), Ok(()));
                assert!(includes(root, size, place, b"another", &proof).is_err());
                assert!(
                    includes(root, size, (place + 1) % size, &place.to_be_bytes(), &proof).is_err()
                        || size == 1
                );
            }
        }
    }

    #[test]
    fn every_tree_continues_every_earlier_one_and_no_other() {
        let (kept, roots) = grown(20);
        let hashes: Hashes = kept.into_iter().collect();
        for size in 1..=20_u64 {
            for from in 1..=size {
                let proof = Question::Consistency { size, from }.answer(&hashes).unwrap();
                let (later, earlier) = ((size, roots[size as usize]), (from, roots[from as usize]));
                assert_eq!(continues(later, earlier, &proof), Ok(()));
                assert!(continues(later, (from, leaf_hash(b"another")), &proof).is_err());
            }
        }
    }

    #[test]
    fn a_tree_that_was_put_down_grows_on_as_if_it_had_not_been() {
        let (kept, roots) = grown(300);
        let at = Question::Root { size: 173 }.places().unwrap();
        let edge = kept
            .iter()
            .filter(|(place, _)| at.contains(place))
            .copied()
            .collect();
        let mut tree = Tree::resume(173, edge);
        for leaf in 173..300_u64 {
            tree.push(&leaf.to_be_bytes()).unwrap();
        }
        assert_eq!(tree.root().unwrap(), roots[300]);
    }

    #[test]
    fn a_long_tree_keeps_few_hashes() {
        let mut tree = Tree::default();
        for leaf in 0..20_000_u64 {
            tree.push(&leaf.to_be_bytes()).unwrap();
        }
        assert!(tree.hashes.0.len() <= AT_HAND);
        assert!(tree.root().is_ok());
    }
}
