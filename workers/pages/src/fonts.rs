//! Fonts of this machine, for PDF documents that do not bring their own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How deep fonts are looked for.
const DEPTH: usize = 4;

/// Font files with the letters of Chinese, Japanese and Korean, the best first; a collection's first font has the
/// letters of all, drawn as in one of the countries.
const CJK_FILES: [&str; 9] = [
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "NotoSerifCJK-Regular.ttc",
    "DroidSansFallbackFull.ttf",
    "uming.ttc",
    "Arial Unicode.ttf",
];

/// The folders in which fonts are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fonts(pub Vec<PathBuf>);

impl Default for Fonts {
    /// Where systems keep them.
    fn default() -> Fonts {
        let folders = ["/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts"];
        Fonts(folders.map(PathBuf::from).into())
    }
}

impl Fonts {
    /// The bytes of the first of [`CJK_FILES`] that is there.
    pub(crate) fn cjk(&self) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        for folder in &self.0 {
            collect(folder, DEPTH, &mut found);
        }
        let path = CJK_FILES
            .iter()
            .find_map(|name| found.iter().find(|path| path.ends_with(name)))?;
        fs::read(path).ok()
    }
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if !path.is_dir() {
            found.push(path);
        } else if depth > 0 {
            collect(&path, depth - 1, found);
        }
    }
}
