//! PDF documents, written by hand.

use std::fmt::Write as _;

use pages::{Fonts, Limits, MOST_NAME_CHARACTERS, MOST_WARNINGS, PageError, RgbPage, Warning};
use tempfile::TempDir;

use crate::documents::{bytes_of, decode, encode, limits, picture};

/// A page of a document under test.
pub struct Sheet {
    width: u32,
    height: u32,
    /// Entries of the page's dictionary, such as `/Rotate 90`.
    more: &'static str,
    /// What is drawn on it.
    content: &'static str,
}

const SQUARE_TOP_LEFT: &str = "0 0 0 rg 0 150 50 50 re f";

pub fn sheet(content: &'static str) -> Sheet {
    Sheet {
        width: 100,
        height: 200,
        more: "",
        content,
    }
}

/// A document of `sheets`, each with the font F1 and the Chinese font F2, neither of which is in it.
pub fn pdf(sheets: &[Sheet], trailer: &str) -> Vec<u8> {
    let first = 6;
    let kids: String = (0..sheets.len()).fold(String::new(), |mut kids, place| {
        write!(kids, "{} 0 R ", first + 2 * place).unwrap();
        kids
    });
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [ {kids}] /Count {} >>", sheets.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H \
            /DescendantFonts [5 0 R] >>"
            .to_owned(),
        "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light \
            /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> /DW 1000 \
            /FontDescriptor << /Type /FontDescriptor /FontName /STSong-Light /Flags 4 \
            /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >> >>"
            .to_owned(),
    ];
    for (place, sheet) in sheets.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {} {}] /Contents {} 0 R {} \
             /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
            sheet.width,
            sheet.height,
            first + 2 * place + 1,
            sheet.more
        ));
        let content = sheet.content;
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    written(&objects, trailer)
}

pub fn written(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut text = "%PDF-1.7\n".to_owned();
    let mut places = Vec::new();
    for (place, object) in objects.iter().enumerate() {
        places.push(text.len());
        write!(text, "{} 0 obj\n{object}\nendobj\n", place + 1).unwrap();
    }
    let start = text.len();
    write!(text, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for place in places {
        writeln!(text, "{place:010} 00000 n ").unwrap();
    }
    write!(
        text,
        "trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    )
    .unwrap();
    text.into_bytes()
}

fn split(bytes: &[u8], limits: &Limits) -> Result<Vec<RgbPage>, PageError> {
    split_with(bytes, limits, &Fonts::default()).map(|(pages, _)| pages)
}

/// Pages and warnings, with the fonts of these folders.
fn split_with(
    bytes: &[u8],
    limits: &Limits,
    fonts: &Fonts,
) -> Result<(Vec<RgbPage>, Vec<Warning>), PageError> {
    let dir = TempDir::new().unwrap();
    let document = dir.path().join("document");
    std::fs::write(&document, bytes).unwrap();
    let out = dir.path().join("pages");
    let split = pages::split(&document, &out, limits, fonts);
    if split.is_err() {
        assert!(!out.exists(), "nothing is left behind");
    }
    let read = |page: &pages::SplitPage| decode(&bytes_of(page, &document, &out));
    split.map(|split| (split.pages.iter().map(read).collect(), split.warnings))
}

fn is_dark(page: &RgbPage, x: u32, y: u32) -> bool {
    page.pixels[3 * (y * page.width + x) as usize] < 128
}

/// How much of the page is not white.
fn ink(page: &RgbPage) -> usize {
    page.pixels.chunks_exact(3).filter(|pixel| pixel[0] < 128).count()
}

#[test]
fn every_page_is_drawn_in_order_with_the_longer_side_as_configured() {
    let landscape = Sheet {
        width: 200,
        height: 100,
        ..sheet("")
    };
    let document = pdf(&[sheet(SQUARE_TOP_LEFT), landscape], "");
    let pages = split(&document, &limits()).unwrap();
    let sizes: Vec<_> = pages.iter().map(|page| (page.width, page.height)).collect();
    assert_eq!(sizes, [(792, 1584), (1584, 792)]);
    assert!(is_dark(&pages[0], 10, 10) && !is_dark(&pages[0], 780, 10));
    assert_eq!(pages[0].pixels[3 * 780..3 * 780 + 3], [255, 255, 255]);
    assert_eq!(ink(&pages[1]), 0);
    let small = Limits {
        pdf_side: 200,
        ..limits()
    };
    assert_eq!(split(&document, &small).unwrap()[0].height, 200);
}

#[test]
fn a_page_that_is_stored_lying_is_drawn_standing() {
    let turned = Sheet {
        more: "/Rotate 90",
        ..sheet(SQUARE_TOP_LEFT)
    };
    let pages = split(&pdf(&[turned], ""), &limits()).unwrap();
    let page = &pages[0];
    assert_eq!((page.width, page.height), (1584, 792));
    assert!(is_dark(page, 1570, 10) && !is_dark(page, 10, 10));
}

#[test]
fn text_whose_font_is_not_in_the_document_is_drawn() {
    let latin = sheet("BT /F1 40 Tf 5 100 Td (Total) Tj ET");
    // 发票, in UCS-2.
    let chinese = sheet("BT /F2 40 Tf 5 100 Td <53D17968> Tj ET");
    let pages = split(&pdf(&[latin, chinese, sheet("")], ""), &limits()).unwrap();
    assert!(ink(&pages[0]) > 1000, "{}", ink(&pages[0]));
    assert!(
        ink(&pages[1]) > 1000,
        "no font of this machine has Chinese letters; scripts/test installs one"
    );
    assert_eq!(ink(&pages[2]), 0);
}

/// A document of one page in 发票 and a font whose objects are these.
fn in_font(name: &str, encoding: &str, ordering: &str) -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 200] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        "<< /Length 38 >>\nstream\nBT /F1 40 Tf 5 100 Td <53D17968> Tj ET\nendstream".to_owned(),
        format!(
            "<< /Type /Font /Subtype /Type0 /BaseFont /{name} /Encoding /{encoding} /DescendantFonts [6 0 R] \
             /ToUnicode 7 0 R >>"
        ),
        format!(
            "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{name} /DW 1000 \
             /CIDSystemInfo << /Registry (Adobe) /Ordering ({ordering}) /Supplement 0 >> >>"
        ),
        to_unicode(),
    ];
    written(&objects, "")
}

/// The two codes are letters of Unicode.
fn to_unicode() -> String {
    let map = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /A def /CMapType 2 def \
               1 begincodespacerange <0000> <FFFF> endcodespacerange \
               2 beginbfchar <53D1> <53D1> <7968> <7968> endbfchar endcmap end end";
    format!("<< /Length {} >>\nstream\n{map}\nendstream", map.len())
}

fn missing(font: &str) -> Warning {
    Warning::FontMissing { font: font.into() }
}

#[test]
fn a_font_that_is_nowhere_is_a_warning_and_the_page_is_there_all_the_same() {
    // As the collection says, as the name says, and where neither does.
    for (name, encoding, ordering, is_found) in [
        ("STSong-Light", "UniGB-UCS2-H", "GB1", true),
        ("MHei-Medium", "UniCNS-UCS2-H", "CNS1", true),
        ("SimSun", "Identity-H", "Identity", true),
        ("Own-Letters", "Identity-H", "Identity", false),
    ] {
        let document = in_font(name, encoding, ordering);
        let (pages, warnings) = split_with(&document, &limits(), &Fonts(vec![])).unwrap();
        assert_eq!((pages.len(), warnings), (1, vec![missing(name)]), "{name}");
        let (pages, warnings) = split_with(&document, &limits(), &Fonts::default()).unwrap();
        match is_found {
            true => assert!(
                warnings.is_empty() && ink(&pages[0]) > 1000,
                "{name} {warnings:?}: no font of this machine has Chinese letters; scripts/test installs one"
            ),
            false => assert_eq!(warnings, [missing(name)]),
        }
    }
}

#[test]
fn a_document_that_needs_no_other_font_warns_of_none() {
    let drawn = [
        sheet("BT /F1 40 Tf 5 100 Td (Total) Tj ET"),
        sheet(SQUARE_TOP_LEFT),
    ];
    // The Chinese font is there and nothing is written in it.
    let (_, warnings) = split_with(&pdf(&drawn, ""), &limits(), &Fonts(vec![])).unwrap();
    assert_eq!(warnings, []);
}

#[test]
fn however_many_fonts_are_missing_and_whatever_they_are_called_little_is_told() {
    let many = |place: usize| format!("/F{place} {} 0 R ", 5 + place);
    let fonts: String = (0..40).map(many).collect();
    let content: String = (0..40)
        .map(|place| format!("BT /F{place} 9 Tf <0041> Tj ET "))
        .collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 200] /Contents 4 0 R \
             /Resources << /Font << {fonts} >> >> >>"
        ),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
    ];
    objects.extend((0..40).map(|place| {
        let name = format!("{place}#00#0A{}", "long".repeat(500));
        format!(
            "<< /Type /Font /Subtype /Type0 /BaseFont /{name} /Encoding /Identity-H /DescendantFonts [<< /Type /Font \
             /Subtype /CIDFontType2 /BaseFont /{name} >>] >>"
        )
    }));
    let (_, warnings) = split_with(&written(&objects, ""), &limits(), &Fonts::default()).unwrap();
    assert_eq!(warnings.len(), MOST_WARNINGS);
    for Warning::FontMissing { font } in &warnings {
        assert_eq!(font.chars().count(), MOST_NAME_CHARACTERS, "{font}");
        assert!(!font.chars().any(char::is_control));
    }
}

#[test]
fn more_pages_than_allowed_are_refused_before_any_is_drawn() {
    let document = pdf(&[sheet(""), sheet(""), sheet("")], "");
    let within = |max_pages| Limits {
        max_pages,
        ..limits()
    };
    assert_eq!(split(&document, &within(3)).unwrap().len(), 3);
    let error = split(&document, &within(2)).unwrap_err();
    assert_eq!(error.code(), "too_many_pages");
}

#[test]
fn an_encrypted_document_says_so() {
    let locked = pdf(
        &[sheet("")],
        "/ID [<00> <00>] /Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -4 \
         /O <0000000000000000000000000000000000000000000000000000000000000000> \
         /U <0000000000000000000000000000000000000000000000000000000000000000> >>",
    );
    assert_eq!(split(&locked, &limits()).unwrap_err().code(), "pdf_encrypted");
}

#[test]
fn what_is_no_document_or_has_no_size_is_malformed() {
    let thin = Sheet {
        width: 1,
        height: 100_000,
        ..sheet("")
    };
    for broken in [
        b"%PDF-1.7 and nothing more".to_vec(),
        pdf(&[], ""),
        pdf(&[thin], ""),
    ] {
        let error = split(&broken, &limits()).unwrap_err();
        assert_eq!(error.code(), "pdf_malformed", "{error}");
    }
}

#[test]
fn an_image_that_speaks_of_pdf_is_an_image() {
    let image = [&encode(picture(30, 20), image::ImageFormat::Bmp)[..], b"%PDF-1.7"].concat();
    assert_eq!(split(&image, &limits()).unwrap()[0].width, 30);
}
