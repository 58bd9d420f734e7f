//! The corpus of the fuzz targets: what it is made of, and that each target bears it and mutations of it.

use std::fs;
use std::path::{Path, PathBuf};

use image::ImageFormat;

use crate::documents::{FORMATS, TiffPage, animated_gif, encode, picture, png, stored, tiff, with_exif};
use crate::pdf::{pdf, sheet, written};
use crate::{hostile, hostile_archives, mutations};

/// Set to write the corpus anew, after a change of what makes it.
const WRITE: &str = "GLMHUB_WRITE_CORPUS";

type Seed = (String, Vec<u8>);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn images() -> Vec<Seed> {
    let page = |orientation| TiffPage {
        width: 6,
        height: 4,
        orientation,
        grey: 9,
    };
    let jpeg = encode(picture(16, 12), ImageFormat::Jpeg);
    let grey = image::GrayImage::from_pixel(5, 4, image::Luma([7]));
    let mut seeds: Vec<Seed> = FORMATS
        .map(|format| {
            (
                format!("plain.{}", format.extensions_str()[0]),
                encode(picture(16, 12), format),
            )
        })
        .into();
    seeds.extend([
        ("turned.jpg".into(), with_exif(&jpeg, 6)),
        ("animated.gif".into(), animated_gif(3)),
        ("grey.png".into(), encode(grey, ImageFormat::Png)),
        (
            "bomb.png".into(),
            png(60_000, 60_000, 8, 2, &[(b"IDAT", stored(&[0; 100]))]),
        ),
        ("two-pages.tiff".into(), tiff(&[page(1), page(8)])),
    ]);
    seeds
}

fn pdfs() -> Vec<Seed> {
    let square = "0 0 0 rg 0 150 50 50 re f BT /F1 12 Tf 10 20 Td (total) Tj ET";
    let chinese = "BT /F2 12 Tf 10 20 Td <53D17968> Tj ET";
    let circle = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>",
    ];
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let wide = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1e9 1e-9] >>";
    let tree = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>";
    let objects = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    vec![
        ("plain.pdf".into(), pdf(&[sheet(square)], "")),
        ("chinese.pdf".into(), pdf(&[sheet(chinese)], "")),
        ("two-pages.pdf".into(), pdf(&[sheet(square), sheet("q Q")], "")),
        (
            "locked.pdf".into(),
            pdf(&[sheet(square)], "/Encrypt << /Filter /Standard >>"),
        ),
        ("circle.pdf".into(), written(&objects(&circle), "")),
        ("wide.pdf".into(), written(&objects(&[circle[0], tree, wide]), "")),
        (
            "deep.pdf".into(),
            written(&objects(&[circle[0], tree, &deep]), ""),
        ),
    ]
}

fn archives() -> Vec<Seed> {
    let named = |(what, told, bytes)| (format!("{told}--{what}.zip"), bytes);
    hostile_archives::all().into_iter().map(named).collect()
}

#[test]
fn the_corpus_is_what_its_makers_make() {
    for (target, seeds) in [("image", images()), ("pdf", pdfs()), ("archive", archives())] {
        let folder = folder().join(target);
        if std::env::var_os(WRITE).is_some() {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            for (name, bytes) in &seeds {
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), seeds.len(), "{target}");
        for (name, bytes) in seeds {
            let same = fs::read(folder.join(&name)).is_ok_and(|there| there == bytes);
            assert!(
                same,
                "{target}/{name} differs: set {WRITE}=1 to write the corpus anew"
            );
        }
    }
}

#[test]
fn images_of_the_corpus_and_mutations_of_them_break_nothing() {
    mutations::try_all(&folder().join("image"), 1_000, hostile::image);
}

#[test]
fn pdf_documents_of_the_corpus_and_mutations_of_them_break_nothing() {
    mutations::try_all(&folder().join("pdf"), 300, hostile::document);
}

#[test]
fn archives_of_the_corpus_and_mutations_of_them_break_nothing() {
    mutations::try_all(&folder().join("archive"), 200, hostile::document);
}
