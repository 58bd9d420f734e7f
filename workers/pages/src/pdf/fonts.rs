//! Fonts for text whose own font is not in the document.

use std::sync::{Arc, OnceLock};

use hayro::hayro_interpret::FontResolverFn;
use hayro::hayro_interpret::font::{FallbackFontQuery, FontData, FontQuery};
use hayro::hayro_interpret::hayro_cmap::CidFamily;

use crate::Fonts;
use crate::warning::{Warning, Warnings};

/// Parts of names of fonts for Chinese, Japanese and Korean, without spaces and strokes in small letters. Documents that
/// do not say of which collection their letters are mostly name one of these.
const CJK_NAMES: [&str; 17] = [
    "simsun", "simhei", "simkai", "simfang", "stsong", "stheiti", "stkaiti", "fangsong", "kaiti", "yahei",
    "mingliu", "mincho", "msgothic", "batang", "gulim", "dotum", "malgun",
];

/// Finds a font for whatever a document asks for, and warns where what it finds may lack the letters.
pub(super) fn resolver(fonts: &Fonts, warnings: &Warnings) -> FontResolverFn {
    let (fonts, warnings) = (fonts.clone(), warnings.clone());
    let found: OnceLock<Option<FontData>> = OnceLock::new();
    let cjk = move || {
        let look = || fonts.cjk().map(|bytes| -> FontData { Arc::new(bytes) });
        found.get_or_init(look).clone()
    };
    Arc::new(move |query| match query {
        FontQuery::Standard(standard) => Some(standard.get_font_data()),
        FontQuery::Fallback(wanted) => match is_cjk(wanted).then(&cjk).flatten() {
            Some(font) => Some((font, 0)),
            None => {
                warnings.add(Warning::FontMissing { font: name(wanted) });
                Some(wanted.pick_standard_font().get_font_data())
            }
        },
    })
}

fn name(wanted: &FallbackFontQuery) -> String {
    let names = [&wanted.post_script_name, &wanted.font_name, &wanted.font_family];
    let name = names.into_iter().flatten().find(|name| !name.is_empty());
    name.cloned().unwrap_or_else(|| "without a name".to_owned())
}

fn is_cjk(wanted: &FallbackFontQuery) -> bool {
    let letters = wanted.character_collection.as_ref();
    match letters.map(|letters| &letters.family) {
        Some(
            CidFamily::AdobeGB1 | CidFamily::AdobeCNS1 | CidFamily::AdobeJapan1 | CidFamily::AdobeKorea1,
        ) => true,
        _ => {
            let name: String = name(wanted).chars().filter(|one| one.is_alphanumeric()).collect();
            let name = name.to_lowercase();
            CJK_NAMES.iter().any(|part| name.contains(part))
        }
    }
}
