//! Fonts for text whose own font is not in the document.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use hayro::hayro_interpret::FontResolverFn;
use hayro::hayro_interpret::font::{FontData, FontQuery};
use hayro::hayro_interpret::hayro_cmap::CidFamily;

/// Where systems keep fonts.
const FOLDERS: [&str; 3] = ["/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts"];
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

/// The first of [`CJK_FILES`] that this machine has.
static CJK: LazyLock<Option<FontData>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(Path::new(folder), DEPTH, &mut found);
    }
    let path = CJK_FILES
        .iter()
        .find_map(|name| found.iter().find(|path| path.ends_with(name)))?;
    Some(Arc::new(fs::read(path).ok()?))
});

/// Finds a font for whatever a document asks for.
pub(super) fn resolver() -> FontResolverFn {
    Arc::new(|query| match query {
        FontQuery::Standard(standard) => Some(standard.get_font_data()),
        FontQuery::Fallback(wanted) => {
            let family = wanted
                .character_collection
                .as_ref()
                .map(|letters| &letters.family);
            let found = match family {
                Some(
                    CidFamily::AdobeGB1
                    | CidFamily::AdobeCNS1
                    | CidFamily::AdobeJapan1
                    | CidFamily::AdobeKorea1,
                ) => CJK.clone().map(|font| (font, 0)),
                _ => None,
            };
            found.or_else(|| Some(wanted.pick_standard_font().get_font_data()))
        }
    })
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
