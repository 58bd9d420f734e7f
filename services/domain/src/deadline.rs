//! Until when work may be answered: a moment that its tenant names.

use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// A moment that no work can have as its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDeadline {
    /// It is not in the form of RFC 3339.
    #[error("the end is a moment such as 2026-07-01T18:00:00Z, with its offset from UTC")]
    NoMoment,
    /// It has come already.
    #[error("the end has come already; name a moment after now")]
    Past,
    /// It is too far away.
    #[error("the end is at most {} seconds away; name an earlier moment, or none", .0.whole_seconds())]
    TooFar(Duration),
}

/// What `text` says, if it is after `now` and no more than `longest` away. In UTC and whole microseconds, as it is kept.
pub fn read(text: &str, now: OffsetDateTime, longest: Duration) -> Result<OffsetDateTime, BadDeadline> {
    let read = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| BadDeadline::NoMoment)?;
    let moment = read
        .checked_to_offset(UtcOffset::UTC)
        .ok_or(BadDeadline::TooFar(longest))?;
    let moment = moment
        .replace_microsecond(moment.microsecond())
        .map_err(|_| BadDeadline::NoMoment)?;
    match moment - now {
        away if !away.is_positive() => Err(BadDeadline::Past),
        away if away > longest => Err(BadDeadline::TooFar(longest)),
        _ => Ok(moment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-07-01 12:00 UTC);
    const LONGEST: Duration = Duration::hours(1);

    #[test]
    fn an_end_is_after_now_and_no_farther_away_than_may_be() {
        let read = |text: &str| read(text, NOW, LONGEST);
        assert_eq!(read("2026-07-01T12:00:00Z"), Err(BadDeadline::Past));
        assert_eq!(
            read("2026-07-01T12:00:00.000001Z"),
            Ok(NOW + Duration::microseconds(1))
        );
        assert_eq!(read("2026-07-01T15:00:00+02:00"), Ok(NOW + LONGEST));
        assert_eq!(
            read("2026-07-01T13:00:00.000001Z"),
            Err(BadDeadline::TooFar(LONGEST))
        );
        assert_eq!(
            read("9999-12-31T23:59:59-23:59"),
            Err(BadDeadline::TooFar(LONGEST))
        );
        assert_eq!(
            read("2026-07-01T12:00:00.0000019Z"),
            Ok(NOW + Duration::microseconds(1))
        );
    }

    #[test]
    fn what_is_no_moment_is_told_as_such() {
        for text in [
            "",
            "tomorrow",
            "1782907200",
            "2026-07-01",
            "2026-07-01T12:30:00",
            "2026-13-01T12:30:00Z",
        ] {
            assert_eq!(read(text, NOW, LONGEST), Err(BadDeadline::NoMoment), "{text}");
        }
    }
}
