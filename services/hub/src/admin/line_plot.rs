//! A line as SVG: a point for each minute, broken where nothing was measured. The table beside it says the same in
//! words.

use domain::language::Language;
use std::fmt::Write;
use time::OffsetDateTime;

const HEIGHT: u64 = 120;
const TOP: u64 = 24;
const BOTTOM: u64 = 24;
/// How wide a minute is drawn.
const STEP: u64 = 10;

/// A minute, and what was counted in it.
pub type Point = (OffsetDateTime, Option<u64>);

/// Where a point is drawn.
type Place = (u64, u64);

/// The picture. `name` tells its parts from those of other pictures on the page; it and `label`, which says what is
/// counted, are texts of our own.
pub fn svg(name: &str, label: &str, points: &[Point], t: Language) -> String {
    let most = points.iter().filter_map(|(_, count)| *count).max();
    let places: Vec<Option<Place>> = (0_u64..)
        .zip(points)
        .map(|(step, (_, count))| {
            Some((
                step * STEP + STEP / 2,
                TOP + HEIGHT - tall((*count)?, most.unwrap_or(0)),
            ))
        })
        .collect();
    let (width, height) = (STEP * places.len() as u64, TOP + HEIGHT + BOTTOM);
    let (base, under) = (TOP + HEIGHT, TOP + HEIGHT + 16);
    let (first, last) = (clock(points.first()), clock(points.last()));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tree\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-told\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"currentColor\"><title id=\"{name}-title\">{label}</title>\
         <desc id=\"{name}-told\">{}</desc><text x=\"0\" y=\"14\">{label}{}</text>\
         <path d=\"M0 {TOP}H{width}\" stroke=\"currentColor\" stroke-dasharray=\"2 4\"/>\
         <path d=\"M0 {base}H{width}\" stroke=\"currentColor\"/>",
        told(points, t),
        most.map(|most| format!(": 0 – {most}")).unwrap_or_default(),
    );
    for run in places.split(Option::is_none) {
        draw(&mut out, &run.iter().flatten().copied().collect::<Vec<_>>());
    }
    let axis = t.of("minute (UTC)", "分钟（UTC）");
    let middle = width / 2;
    // Writing into a text cannot fail.
    let _ = write!(
        out,
        "<text x=\"0\" y=\"{under}\">{first}</text>\
         <text x=\"{middle}\" y=\"{under}\" text-anchor=\"middle\">{axis}</text>\
         <text x=\"{width}\" y=\"{under}\" text-anchor=\"end\">{last}</text></svg>"
    );
    out
}

/// Minutes that follow each other, as a line; one alone as a dot.
fn draw(out: &mut String, run: &[Place]) {
    // Writing into a text cannot fail.
    let _ = match run {
        [] => Ok(()),
        [(x, y)] => write!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\"/>"),
        run => {
            let points: Vec<String> = run.iter().map(|(x, y)| format!("{x},{y}")).collect();
            let points = points.join(" ");
            write!(
                out,
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\"/>"
            )
        }
    };
}

fn tall(count: u64, most: u64) -> u64 {
    let part = u128::from(count) * u128::from(HEIGHT) / u128::from(most.max(1));
    u64::try_from(part).unwrap_or(HEIGHT)
}

/// A minute of the day.
fn clock(point: Option<&Point>) -> String {
    point
        .map(|(at, _)| format!("{:02}:{:02}", at.hour(), at.minute()))
        .unwrap_or_default()
}

/// The picture in words.
fn told(points: &[Point], t: Language) -> String {
    let (first, last, all) = (clock(points.first()), clock(points.last()), points.len());
    let counts: Vec<u64> = points.iter().filter_map(|(_, count)| *count).collect();
    let measured = counts.len();
    let span = t.of(
        format!("{first} – {last} UTC, measured in {measured} of {all} minutes"),
        format!("{first} – {last} UTC，{all} 分钟中有 {measured} 分钟有测量值"),
    );
    match (counts.iter().min(), counts.iter().max(), counts.last()) {
        (Some(least), Some(most), Some(now)) => t.of(
            format!("{span}: at least {least}, at most {most}, {now} in the last of them"),
            format!("{span}：最少 {least}，最多 {most}，最近一次 {now}"),
        ),
        _ => span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::{Duration, macros::datetime};

    fn points(counts: &[Option<u64>]) -> Vec<Point> {
        let first = datetime!(2026-01-01 23:58:30 UTC);
        let at = |minutes: usize| first + Duration::minutes(minutes as i64);
        counts
            .iter()
            .enumerate()
            .map(|(minutes, count)| (at(minutes), *count))
            .collect()
    }

    fn drawn(counts: &[Option<u64>]) -> String {
        svg("depth", "Jobs", &points(counts), Language::English)
    }

    #[test]
    fn a_minute_without_a_count_breaks_the_line_and_one_alone_is_a_dot() {
        let svg = drawn(&[Some(0), Some(4), None, Some(2), None]);
        for expected in [
            "<polyline points=\"5,144 15,24\"",
            "<circle cx=\"35\" cy=\"84\" r=\"3\"/>",
            "aria-labelledby=\"depth-title depth-told\"",
            "<title id=\"depth-title\">Jobs</title>",
            "23:58 – 00:02 UTC, measured in 3 of 5 minutes: at least 0, at most 4, 2 in the last of them",
            ">Jobs: 0 – 4</text>",
            ">minute (UTC)</text>",
        ] {
            assert!(svg.contains(expected), "{expected}: {svg}");
        }
        assert_eq!(
            (svg.matches("<polyline").count(), svg.matches("<circle").count()),
            (1, 1)
        );
    }

    #[test]
    fn nothing_measured_is_no_line_and_zeros_are_one_on_the_ground() {
        for counts in [&[][..], &[None], &[None, None]] {
            let svg = drawn(counts);
            assert!(
                !svg.contains("<polyline") && !svg.contains("<circle") && svg.ends_with("</svg>"),
                "{svg}"
            );
            assert!(svg.contains(&format!("measured in 0 of {} minutes<", counts.len())));
        }
        let zeros = drawn(&[Some(0), Some(0)]);
        assert!(zeros.contains("points=\"5,144 15,144\""), "{zeros}");
        let one = svg("depth", "任务", &points(&[Some(7)]), Language::Chinese);
        assert!(
            one.contains("<circle cx=\"5\" cy=\"24\"") && one.contains("最多 7，最近一次 7"),
            "{one}"
        );
    }

    #[test]
    fn the_largest_numbers_stay_in_the_picture() {
        let svg = drawn(&[Some(u64::MAX), Some(1), Some(u64::MAX / 2)]);
        assert!(svg.contains("points=\"5,24 15,144 25,85\""), "{svg}");
        assert!(svg.contains("0 – 18446744073709551615"), "{svg}");
    }
}
