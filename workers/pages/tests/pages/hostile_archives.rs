//! ZIP archives that were made to do harm: written by the library, and then altered byte by byte.

use std::io::{Cursor, Write as _};
use std::time::{Duration, Instant};

use image::ImageFormat;
use pages::Limits;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::archives::{code, image, split, zip_of};
use crate::documents::{encode, picture};
use crate::hostile::LIMITS;

/// A member's own header, its entry in the directory, and the end of the directory.
const LOCAL: &[u8] = b"PK\x03\x04";
const ENTRY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// What an archive is, with what it is told for, `pages-N` where it is taken, and its bytes.
pub type Hostile = (&'static str, &'static str, Vec<u8>);

/// Where `mark` begins for the `number`th time, from 0.
fn place(bytes: &[u8], mark: &[u8], number: usize) -> usize {
    let mut places = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(mark));
    places.nth(number).unwrap()
}

/// The archive with `value` at so many bytes behind the beginning of a header.
fn altered(mut bytes: Vec<u8>, header: (&[u8], usize), at: usize, value: &[u8]) -> Vec<u8> {
    let at = place(&bytes, header.0, header.1) + at;
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

/// Flags, or the method, of the first member in both places.
fn altered_twice(bytes: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
    let bytes = altered(bytes, (LOCAL, 0), at, value);
    altered(bytes, (ENTRY, 0), at + 2, value)
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

fn link(name: &str, target: &str) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .add_symlink(name, target, SimpleFileOptions::default())
        .unwrap();
    archive
        .start_file(format!("{name}/escaped.png"), SimpleFileOptions::default())
        .unwrap();
    archive.write_all(&image(30)).unwrap();
    archive.finish().unwrap().into_inner()
}

/// A member with sizes in 64 bits, as a stream writes it.
fn large() -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .start_file("a.png", SimpleFileOptions::default().large_file(true))
        .unwrap();
    archive.write_all(&image(30)).unwrap();
    archive.finish().unwrap().into_inner()
}

/// The archive with an end of the 64-bit kind that tells of so many members.
fn counted(bytes: Vec<u8>, members: u64, directory: u64) -> Vec<u8> {
    let end = place(&bytes, END, 0);
    let start = u64::from(u32::from_le_bytes(bytes[end + 16..end + 20].try_into().unwrap()));
    let mut out = bytes[..end].to_vec();
    let fields = [44_u64.to_le_bytes(), [45, 0, 45, 0, 0, 0, 0, 0], [0; 8]];
    out.extend(b"PK\x06\x06");
    out.extend(&fields.concat()[..20]);
    out.extend(
        [members, members, directory, start]
            .map(u64::to_le_bytes)
            .concat(),
    );
    out.extend(b"PK\x06\x07\0\0\0\0");
    out.extend((end as u64).to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    out.extend(END);
    out.extend([0, 0, 0, 0]);
    out.extend([0xff; 12]);
    out.extend([0, 0]);
    out
}

/// A member, and `more` entries of the directory that lead to the same bytes.
fn overlapping(member: &[u8], more: usize) -> Vec<u8> {
    let one = zip_of(&[("00.bmp", member)]);
    let (entry, end) = (place(&one, ENTRY, 0), place(&one, END, 0));
    let mut out = one[..end].to_vec();
    for number in 1..=more {
        out.extend(replaced(
            &one[entry..end],
            b"00.bmp",
            format!("{number:02}.bmp").as_bytes(),
        ));
    }
    let directory = (out.len() - entry) as u32;
    let count = (more as u16 + 1).to_le_bytes();
    out.extend(&one[end..]);
    let out = altered(out, (END, 0), 8, &[count, count].concat());
    altered(out, (END, 0), 12, &directory.to_le_bytes())
}

/// All of them.
pub fn all() -> Vec<Hostile> {
    let (page, member, malformed) = (image(30), "archive_member", "archive_malformed");
    let plain = || zip_of(&[("a.png", &page)]);
    let two = zip_of(&[("a.png", &page), ("b.png", &page)]);
    let flat = encode(image::RgbImage::new(256, 256), ImageFormat::Bmp);
    let zeros = vec![0; 2 << 20];
    let inner = zip_of(&[("a.bmp", &zeros)]);
    let named = |name: &str| zip_of(&[(name, page.as_slice())]);
    vec![
        ("plain", "pages-1", plain()),
        ("leads-out", member, named("../../../escaped.png")),
        ("leads-out-within", member, named("a/../../escaped.png")),
        ("absolute", member, named("/tmp/glmhub-escaped.png")),
        ("backslashes", member, named("..\\..\\escaped.png")),
        ("drive", member, named("C:\\escaped.png")),
        (
            "long-name",
            member,
            zip_of(&[(&"n".repeat(60_000), b"no image".as_slice())]),
        ),
        ("link", member, link("pages", "/tmp")),
        ("link-upwards", member, link("pages", "..")),
        ("twice", malformed, replaced(&two, b"b.png", b"a.png")),
        ("bomb", "archive_too_large", inner.clone()),
        ("nested", member, zip_of(&[("inner.zip", &inner)])),
        ("overlapping", "archive_too_large", overlapping(&flat, 15)),
        ("locked", "archive_encrypted", altered_twice(plain(), 6, &[1, 0])),
        ("unknown-method", member, altered_twice(plain(), 8, &[14, 0])),
        (
            "says-less",
            member,
            altered(plain(), (ENTRY, 0), 24, &10_u32.to_le_bytes()),
        ),
        (
            "says-more",
            "pages-1",
            altered(plain(), (ENTRY, 0), 24, &0xf000_0000_u32.to_le_bytes()),
        ),
        (
            "packed-beyond-the-end",
            "pages-1",
            altered(plain(), (ENTRY, 0), 20, &0xf000_0000_u32.to_le_bytes()),
        ),
        (
            "wrong-sum",
            member,
            altered(plain(), (ENTRY, 0), 16, &[1, 2, 3, 4]),
        ),
        (
            "begins-beyond-the-end",
            malformed,
            altered(plain(), (ENTRY, 0), 42, &[0xff; 4]),
        ),
        ("sizes-of-64-bits", "pages-1", large()),
        ("count-of-64-bits", "pages-1", counted(plain(), 1, 51)),
        ("far-too-many", malformed, counted(plain(), 1 << 40, 1 << 50)),
        ("other-disk", malformed, altered(plain(), (END, 0), 4, &[1, 0])),
        (
            "more-than-there-are",
            malformed,
            altered(plain(), (END, 0), 8, &[9, 0, 9, 0]),
        ),
        ("without-members", "empty_document", zip_of(&[])),
    ]
}

#[test]
fn each_is_told_for_what_it_is_and_leaves_nothing() {
    let mut wrong = Vec::new();
    for (what, told, bytes) in all() {
        let found = match split(&bytes, &LIMITS) {
            Ok(pages) => format!("pages-{}", pages.len()),
            Err(error) => error.code().to_owned(),
        };
        if found != told {
            wrong.push(format!("{what}: {found} and not {told}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_name_of_a_member_is_told_and_no_more_of_it_than_people_read() {
    let archive = zip_of(&[(&"n".repeat(60_000), b"no image".as_slice())]);
    let told = split(&archive, &LIMITS).unwrap_err().to_string();
    assert!(told.contains("nnnn") && told.len() < 600, "{} bytes", told.len());
}

/// An archive of so many members that are all the same, apart from their names.
fn many(count: usize, name: fn(usize) -> String, bytes: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for number in 0..count {
        archive.start_file(name(number), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.start_file("page.png", options).unwrap();
    archive.write_all(&image(30)).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_hundred_thousand_members_take_no_time_and_no_more_pages_than_allowed() {
    let documents = many(100_000, |number| format!("{number}.png"), b"");
    let litter = many(100_000, |number| format!("__MACOSX/{number}"), b"");
    let limits = Limits::default();
    let began = Instant::now();
    assert_eq!(code(&documents, &limits), "too_many_pages");
    assert_eq!(split(&litter, &limits).unwrap().len(), 1);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn a_bomb_of_many_members_takes_no_more_than_all_may_have_together() {
    let side = 1_000;
    let flat = encode(picture(side, side), ImageFormat::Bmp);
    let archive = overlapping(&flat, 50);
    let limits = Limits {
        max_unpacked: 10 * flat.len() as u64,
        ..Limits::default()
    };
    assert_eq!(code(&archive, &limits), "archive_too_large");
}
