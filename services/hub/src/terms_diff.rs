//! How two texts of terms differ. The texts come from outside, so the work is bounded in time: a pair that takes longer
//! is told less finely, never wrongly.

use domain::digest::Sha256;
use serde::Serialize;
use similar::{ChangeTag, DiffOp, TextDiff};
use std::time::Duration;

/// How long lines are matched before what is left counts as replaced.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many lines are shown around a change.
const CONTEXT: usize = 3;

/// A text with its digest.
pub struct Version {
    /// The digest.
    pub sha256: Sha256,
    /// The text.
    pub text: String,
}

fn lines<'a>(old: &'a Version, new: &'a Version) -> TextDiff<'a, 'a, str> {
    TextDiff::configure()
        .timeout(PATIENCE)
        .diff_lines(old.text.as_str(), new.text.as_str())
}

/// A unified diff; empty if the texts are the same.
pub fn unified(old: &Version, new: &Version) -> String {
    lines(old, new)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&old.sha256.to_string(), &new.sha256.to_string())
        .to_string()
}

/// Lines that belong together: changes with what is around them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Hunk {
    /// The first line in the old text, counted from 1; the line before, if there is none of it.
    old_start: usize,
    /// How many lines of the old text there are.
    old_lines: usize,
    /// As `old_start`, in the new text.
    new_start: usize,
    /// How many lines of the new text there are.
    new_lines: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line with what became of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `kept`, `removed` or `added`.
    pub change: &'static str,
    /// The line with its end.
    pub text: String,
}

/// The same as objects; none if the texts are the same.
pub fn hunks(old: &Version, new: &Version) -> Vec<Hunk> {
    let diff = lines(old, new);
    let groups = diff.grouped_ops(CONTEXT).into_iter();
    groups
        .filter(|group| !group.is_empty())
        .map(|group| hunk(&diff, &group))
        .collect()
}

fn hunk(diff: &TextDiff<'_, '_, str>, group: &[DiffOp]) -> Hunk {
    let old = group.iter().map(|op| op.old_range().len()).sum();
    let new = group.iter().map(|op| op.new_range().len()).sum();
    let first = group.first();
    let start = |begin: Option<usize>, count: usize| begin.unwrap_or(0) + usize::from(count > 0);
    let changes = group.iter().flat_map(|op| diff.iter_changes(op));
    let lines = changes.map(|change| Line {
        change: match change.tag() {
            ChangeTag::Equal => "kept",
            ChangeTag::Delete => "removed",
            ChangeTag::Insert => "added",
        },
        text: change.value().to_owned(),
    });
    Hunk {
        old_start: start(first.map(|op| op.old_range().start), old),
        old_lines: old,
        new_start: start(first.map(|op| op.new_range().start), new),
        new_lines: new,
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version {
            sha256: Sha256::of(text.as_bytes()),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_diff_names_both_texts_and_shows_what_changed() {
        let (old, new) = (version("one\ntwo\nthree\n"), version("one\n2\nthree"));
        let shown = unified(&old, &new);
        assert!(shown.starts_with(&format!(
            "--- {}\n+++ {}\n@@ -1,3 +1,3 @@\n",
            old.sha256, new.sha256
        )));
        assert!(shown.contains("-two\n") && shown.contains("+2\n"), "{shown}");
        let hunks = hunks(&old, &new);
        assert_eq!(hunks.len(), 1);
        assert_eq!((hunks[0].old_start, hunks[0].new_lines), (1, 3));
        let removed = hunks[0].lines.iter().filter(|line| line.change == "removed");
        assert_eq!(
            removed.map(|line| line.text.as_str()).collect::<Vec<_>>(),
            ["two\n", "three\n"]
        );
    }

    #[test]
    fn the_same_text_has_no_diff() {
        let one = version("one\n");
        assert_eq!(
            (unified(&one, &one), hunks(&one, &one)),
            (String::new(), Vec::new())
        );
    }

    #[test]
    fn texts_made_to_be_slow_are_told_apart_all_the_same() {
        // No line is in both, and every line differs: the worst that line matching can be given.
        let many = |seed: usize| {
            (0..100_000)
                .map(|n| format!("{}\n", n * 2 + seed))
                .collect::<String>()
        };
        let (old, new) = (version(&many(0)), version(&many(1)));
        let shown = unified(&old, &new);
        assert_eq!(
            shown.lines().filter(|line| line.starts_with('+')).count(),
            100_001
        );
    }
}
