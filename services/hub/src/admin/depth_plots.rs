//! What waited in the last hour, drawn and in numbers: parts of the page of workers.

use super::line_plot::{self, Point};
use crate::{
    depths::{Depth, LastHour, Minute},
    site,
};
use askama::Template;
use domain::language::Language;
use time::{Duration, macros::datetime};

/// A line for jobs and one for orders, each by its own measure.
#[derive(Template)]
#[template(path = "depth_plots.html")]
pub struct DepthPlots {
    t: Language,
    /// Since when it was measured; `None` if it was not.
    since: Option<String>,
    charts: Vec<(&'static str, String)>,
}

/// The same in numbers, the newest minute first.
#[derive(Template)]
#[template(path = "depth_rows.html")]
pub struct DepthRows {
    t: Language,
    rows: Vec<(String, Option<Depth>)>,
}

impl DepthPlots {
    /// Those of an hour; without one, nothing was measured.
    pub fn of(hour: Option<&LastHour>, t: Language) -> Self {
        let Some(hour) = hour else {
            return Self {
                t,
                since: None,
                charts: vec![],
            };
        };
        let chart = |name, label, count: fn(Depth) -> u64| {
            let point = |minute: &Minute| (minute.at, minute.depth.map(count));
            let points: Vec<Point> = hour.minutes.iter().map(point).collect();
            (label, line_plot::svg(name, label, &points, t))
        };
        Self {
            t,
            since: Some(site::minute(hour.since)),
            charts: vec![
                chart("depth-jobs", t.of("Jobs that wait", "等待的任务"), |depth| {
                    depth.jobs
                }),
                chart(
                    "depth-orders",
                    t.of("Orders that are out", "已派发的订单"),
                    |depth| depth.orders,
                ),
            ],
        }
    }
}

impl DepthRows {
    /// Those of an hour, from the first minute on in which something was measured.
    pub fn of(hour: Option<&LastHour>, t: Language) -> Self {
        let minutes = hour.map_or(&[][..], |hour| &hour.minutes[..]);
        let known = minutes.iter().skip_while(|minute| minute.depth.is_none());
        let mut rows: Vec<_> = known
            .map(|minute| (site::minute(minute.at), minute.depth))
            .collect();
        rows.reverse();
        Self { t, rows }
    }
}

/// An hour to look at.
pub fn sample() -> LastHour {
    let since = datetime!(2026-01-01 12:00 UTC);
    let minutes = (0..60_u8).map(|minute| Minute {
        at: since + Duration::minutes(minute.into()),
        depth: (minute % 7 != 3).then(|| Depth {
            jobs: u64::from(minute) * 1_000,
            orders: u64::from(minute % 5),
        }),
    });
    LastHour {
        since,
        minutes: minutes.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_said_to_be_one_and_what_lies_before_the_first_count_is_left_out() {
        let mut hour = sample();
        for minute in &mut hour.minutes[..58] {
            minute.depth = None;
        }
        hour.minutes[59].depth = None;
        let rows = DepthRows::of(Some(&hour), Language::English);
        let seen: Vec<_> = rows
            .rows
            .iter()
            .map(|(at, depth)| (at.as_str(), depth.is_some()))
            .collect();
        assert_eq!(
            seen,
            [("2026-01-01 12:59 UTC", false), ("2026-01-01 12:58 UTC", true)]
        );
        let html = rows.render().unwrap();
        assert!(html.contains("not measured") && html.contains("58000"), "{html}");
    }

    #[test]
    fn without_any_count_that_is_said_and_nothing_is_drawn() {
        for t in [Language::English, Language::Chinese] {
            let plots = DepthPlots::of(None, t).render().unwrap();
            let told = t.of("has not measured", "尚未测量");
            assert!(plots.contains(told) && !plots.contains("<svg"), "{plots}");
            assert!(!DepthRows::of(None, t).render().unwrap().contains("<table"));
            let plots = DepthPlots::of(Some(&sample()), t).render().unwrap();
            assert_eq!(plots.matches("<svg").count(), 2, "{plots}");
            assert!(plots.contains("2026-01-01 12:00 UTC"), "{plots}");
        }
    }
}
