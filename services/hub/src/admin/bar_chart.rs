//! Bars as SVG: one for each day, with its number as a tooltip. The table beside it says the same in words.

use domain::language::Language;
use std::fmt::Write;
use time::Date;

const HEIGHT: u64 = 120;
const TOP: u64 = 22;
const BOTTOM: u64 = 24;
const STEP: usize = 20;
const BAR: usize = 14;
/// The least that a day with any use is drawn with, so that it can be told from one without.
const LEAST: u64 = 2;

/// The picture. `label` is text of our own and says what is counted.
pub fn svg(label: &str, days: &[(Date, u64)], t: Language) -> String {
    let most = days.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let (width, height) = (days.len() * STEP, TOP + HEIGHT + BOTTOM);
    let base = TOP + HEIGHT;
    let span = match (days.first(), days.last()) {
        (Some((first, _)), Some((last, _))) => format!("{first} – {last}"),
        _ => String::new(),
    };
    let told = t.of(
        format!("{label}, {span}, at most {most} in a day"),
        format!("{label}，{span}，单日最多 {most}"),
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tree\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{told}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"currentColor\"><text x=\"0\" y=\"14\">{most}</text>\
         <path d=\"M0 {base}H{width}\" stroke=\"currentColor\"/>"
    );
    for (place, (day, count)) in days.iter().enumerate() {
        let tall = tall(*count, most);
        let (x, y) = (place * STEP + (STEP - BAR) / 2, base - tall);
        // Writing into a text cannot fail.
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{BAR}\" height=\"{tall}\" fill-opacity=\"0.75\">\
             <title>{day}: {count}</title></rect>"
        );
    }
    let y = base + 16;
    let _ = write!(
        out,
        "<text x=\"0\" y=\"{y}\">{}</text><text x=\"{width}\" y=\"{y}\" text-anchor=\"end\">{}</text></svg>",
        day(days.first()),
        day(days.last())
    );
    out
}

fn tall(count: u64, most: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    let part = u128::from(count) * u128::from(HEIGHT) / u128::from(most.max(1));
    u64::try_from(part).unwrap_or(HEIGHT).max(LEAST)
}

fn day(day: Option<&(Date, u64)>) -> String {
    day.map(|(day, _)| day.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn the_most_fills_the_height_and_little_is_still_seen() {
        let first = date!(2026 - 01 - 31);
        let days = [
            (first, u64::MAX),
            (first.next_day().unwrap(), 1),
            (date!(2026 - 02 - 02), 0),
        ];
        let svg = svg("Pages", &days, Language::English);
        assert_eq!(svg.matches("<rect ").count(), 3);
        for expected in [
            "y=\"22\" width=\"14\" height=\"120\"",
            "y=\"140\" width=\"14\" height=\"2\"",
            "y=\"142\" width=\"14\" height=\"0\"",
            "<title>2026-02-01: 1</title>",
            "aria-label=\"Pages, 2026-01-31 – 2026-02-02, at most 18446744073709551615 in a day\"",
        ] {
            assert!(svg.contains(expected), "{expected}: {svg}");
        }
    }

    #[test]
    fn where_nothing_was_used_there_is_a_line_and_no_days_are_no_fault() {
        let none = svg("Pages", &[(date!(2026 - 01 - 31), 0)], Language::Chinese);
        assert!(
            none.contains("height=\"0\"") && none.contains("单日最多 0"),
            "{none}"
        );
        assert!(svg("Pages", &[], Language::English).ends_with("</svg>"));
    }
}
