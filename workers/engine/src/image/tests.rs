use serde::Deserialize;

use super::*;

/// What Pillow 10.4.0 and 12.3.0 (they agree) made of [`noise`].
const PILLOW: &str = include_str!("pillow.json");

#[derive(Deserialize)]
struct Case {
    width: u32,
    height: u32,
    to_width: u32,
    to_height: u32,
    seed: u32,
    /// Black and white only: the kernel overshoots and must be clamped.
    hard: bool,
    pixels: Vec<u8>,
}

fn noise(case: &Case) -> RgbPage {
    let mut state = case.seed;
    let mut next = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        let sample = (state >> 16) as u8;
        if case.hard {
            u8::from(sample > 127) * 255
        } else {
            sample
        }
    };
    let pixels = (0..case.width * case.height * 3).map(|_| next()).collect();
    RgbPage {
        width: case.width,
        height: case.height,
        pixels,
    }
}

#[test]
fn a_resized_page_equals_pillows_to_the_bit() {
    let cases: Vec<Case> = serde_json::from_str(PILLOW).unwrap();
    assert!(cases.len() >= 13);
    for case in cases {
        let resized = resize_bicubic(&noise(&case), case.to_width, case.to_height);
        let name = format!(
            "{}x{} to {}x{}",
            case.width, case.height, case.to_width, case.to_height
        );
        assert_eq!(
            (resized.width, resized.height),
            (case.to_width, case.to_height),
            "{name}"
        );
        assert_eq!(resized.pixels, case.pixels, "{name}");
    }
}

#[test]
fn one_colour_stays_one_colour() {
    for level in [0, 1, 127, 254, 255] {
        let page = RgbPage {
            width: 37,
            height: 11,
            pixels: vec![level; 37 * 11 * 3],
        };
        let resized = resize_bicubic(&page, 90, 5);
        assert!(
            resized.pixels.iter().all(|&sample| sample == level),
            "level {level}"
        );
    }
}

#[test]
fn pixel_values_are_normalised_channel_by_channel() {
    let page = RgbPage {
        width: 2,
        height: 1,
        pixels: vec![0, 51, 255, 255, 0, 102],
    };
    let expected = [
        (0.0 - 0.481_454_66) / 0.268_629_54,
        (1.0 - 0.481_454_66) / 0.268_629_54,
        (0.2 - 0.457_827_5) / 0.261_302_6,
        (0.0 - 0.457_827_5) / 0.261_302_6,
        (1.0 - 0.408_210_73) / 0.275_777_1,
        (0.4 - 0.408_210_73) / 0.275_777_1_f32,
    ];
    assert_eq!(to_pixel_values(&page), expected);
}
