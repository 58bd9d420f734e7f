//! Checks a log against the checkpoints that were signed for it, entry by entry.

use super::tree::{Tree, TreeError};
use crate::digest::Sha256;
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// Something that is not as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The entry's place in the log, if it is about one.
    pub place: Option<u64>,
    /// What kind of thing it is about, such as `entry` or `decision`.
    pub of: String,
    /// Its id.
    pub id: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, id, why, .. } = self;
        match self.place {
            Some(place) => write!(f, "{of} {id} (place {place}): {why}"),
            None => write!(f, "{of} {id}: {why}"),
        }
    }
}

/// A root that was signed for the first `size` entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRoot {
    /// How many entries.
    pub size: u64,
    /// The root.
    pub root: Sha256,
    /// Where the checkpoint was found, for the reader.
    pub whence: String,
}

/// Takes the entries of a log in order and compares the tree with every signed root on the way. That each root fits
/// the same growing tree is what makes the checkpoints consistent with each other.
#[derive(Debug)]
pub struct Checker {
    tree: Tree,
    roots: BTreeMap<u64, Vec<SignedRoot>>,
    proven: u64,
    broken: bool,
    findings: Vec<Finding>,
}

impl Checker {
    /// A checker of a log that `roots` were signed for.
    pub fn new(roots: Vec<SignedRoot>) -> Self {
        let mut by_size: BTreeMap<u64, Vec<SignedRoot>> = BTreeMap::new();
        for root in roots {
            by_size.entry(root.size).or_default().push(root);
        }
        Self {
            tree: Tree::default(),
            roots: by_size,
            proven: 0,
            broken: false,
            findings: Vec::new(),
        }
    }

    /// How many entries were taken.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Takes the next entry. Gives the hashes that came to be, with their numbers.
    pub fn entry(&mut self, place: u64, id: &str, leaf: &[u8]) -> Result<Vec<(u64, Sha256)>, TreeError> {
        let expected = self.tree.size();
        if place != expected {
            self.report(
                Some(expected),
                "entry",
                id,
                format!("it is at place {place}, not after the one before it"),
            );
        }
        let hashes = self.tree.push(leaf)?;
        let size = self.tree.size();
        if let Some(signed) = self.roots.remove(&size) {
            let root = self.tree.root()?;
            for one in signed {
                self.compare(&root, &one, id);
            }
        }
        Ok(hashes)
    }

    fn compare(&mut self, root: &Sha256, signed: &SignedRoot, id: &str) {
        if *root == signed.root {
            // Everything up to here is as signed, whatever was thought of it before.
            self.proven = signed.size;
            return;
        }
        // One change spoils every later root; the first one tells where it is.
        if !self.broken {
            let why = format!(
                "{} signed other entries: one of the places {} to {} was changed",
                signed.whence,
                self.proven,
                signed.size.saturating_sub(1)
            );
            self.report(Some(signed.size.saturating_sub(1)), "entry", id, why);
        }
    }

    /// Adds a finding of whoever reads the log. Later roots that do not fit are its consequence.
    pub fn report(&mut self, place: Option<u64>, of: &str, id: &str, why: impl Into<String>) {
        self.broken |= of == "entry";
        self.findings.push(Finding {
            place,
            of: of.to_owned(),
            id: id.to_owned(),
            why: why.into(),
        });
    }

    /// What was found, when there are no more entries.
    pub fn finish(mut self) -> Vec<Finding> {
        let size = self.tree.size();
        let beyond = self
            .roots
            .range(size + 1..)
            .next()
            .map(|(at, signed)| (*at, signed.clone()));
        if let Some((at, signed)) = beyond {
            let whence = signed.first().map_or("a checkpoint", |one| one.whence.as_str());
            let why = format!("{whence} signed {at} entries, and {size} are left: the others were cut off");
            self.report(None, "log", "end", why);
        } else if self.proven < size && !self.broken {
            let why = format!(
                "the entries from place {} on are under no checkpoint",
                self.proven
            );
            self.report(None, "log", "end", why);
        }
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(leaves: &[&str], sizes: &[u64]) -> Vec<SignedRoot> {
        let mut tree = Tree::default();
        let mut roots = Vec::new();
        for leaf in leaves {
            tree.push(leaf.as_bytes()).unwrap();
            if sizes.contains(&tree.size()) {
                let (size, root) = (tree.size(), tree.root().unwrap());
                roots.push(SignedRoot {
                    size,
                    root,
                    whence: format!("the checkpoint of {size}"),
                });
            }
        }
        roots
    }

    fn findings(leaves: &[&str], roots: Vec<SignedRoot>) -> Vec<Finding> {
        let mut checker = Checker::new(roots);
        for (place, leaf) in (0..).zip(leaves) {
            checker.entry(place, leaf, leaf.as_bytes()).unwrap();
        }
        checker.finish()
    }

    #[test]
    fn a_log_as_it_was_signed_gives_no_findings() {
        let leaves = ["a", "b", "c", "d", "e"];
        assert_eq!(findings(&leaves, signed(&leaves, &[1, 3, 5])), []);
    }

    #[test]
    fn a_changed_a_missing_a_swapped_and_an_added_entry_are_found_between_two_checkpoints() {
        let roots = signed(&["a", "b", "c", "d", "e"], &[1, 3, 5]);
        for leaves in [
            &["a", "x", "c", "d", "e"][..],
            &["a", "c", "b", "d", "e"],
            &["a", "c", "d", "e"],
            &["a", "x", "b", "c", "d", "e"],
        ] {
            let found = findings(leaves, roots.clone());
            assert!(found[0].why.contains("places 1 to 2"), "{leaves:?}: {found:?}");
        }
    }

    #[test]
    fn a_log_that_was_cut_off_and_one_that_goes_on_unsigned_are_found() {
        let roots = signed(&["a", "b", "c"], &[1, 3]);
        let cut = findings(&["a", "b"], roots.clone());
        assert!(cut[0].why.contains("signed 3 entries, and 2 are left"), "{cut:?}");
        let more = findings(&["a", "b", "c", "d"], roots);
        assert!(
            more[0].why.contains("from place 3 on are under no checkpoint"),
            "{more:?}"
        );
    }
}
