//! A moment as both databases keep it.

use sqlx::{
    Database, Decode, Encode, Postgres, Sqlite, Type, encode::IsNull, error::BoxDynError,
    postgres::PgTypeInfo, sqlite::SqliteTypeInfo,
};
use time::{
    OffsetDateTime, PrimitiveDateTime, UtcOffset, error::Format, format_description::BorrowedFormatItem,
    macros::format_description,
};

/// What sorts by time.
const TEXT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond]");

/// A moment in UTC. `timestamptz` on PostgreSQL; on SQLite a text that sorts by time (the driver's own
/// form for moments with an offset does not).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub OffsetDateTime);

impl At {
    /// As PostgreSQL keeps it.
    pub(crate) fn in_micros(self) -> OffsetDateTime {
        let utc = self.0.to_offset(UtcOffset::UTC);
        utc.replace_microsecond(utc.microsecond()).unwrap_or(utc)
    }

    /// As SQLite keeps it.
    pub(crate) fn as_text(self) -> Result<String, Format> {
        self.without_offset().format(TEXT)
    }

    fn without_offset(self) -> PrimitiveDateTime {
        let utc = self.0.to_offset(UtcOffset::UTC);
        PrimitiveDateTime::new(utc.date(), utc.time())
    }
}

impl From<OffsetDateTime> for At {
    fn from(moment: OffsetDateTime) -> Self {
        Self(moment)
    }
}

impl From<At> for OffsetDateTime {
    fn from(at: At) -> Self {
        at.0
    }
}

impl Type<Postgres> for At {
    fn type_info() -> PgTypeInfo {
        <OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl Type<Sqlite> for At {
    fn type_info() -> SqliteTypeInfo {
        <PrimitiveDateTime as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <PrimitiveDateTime as Type<Sqlite>>::compatible(info)
    }
}

impl Encode<'_, Postgres> for At {
    fn encode_by_ref(
        &self,
        buffer: &mut <Postgres as Database>::ArgumentBuffer,
    ) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.0, buffer)
    }
}

impl Encode<'_, Sqlite> for At {
    fn encode_by_ref(
        &self,
        buffer: &mut <Sqlite as Database>::ArgumentBuffer,
    ) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.as_text()?, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for At {
    fn decode(value: <Postgres as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        <OffsetDateTime as Decode<Postgres>>::decode(value).map(At)
    }
}

impl<'r> Decode<'r, Sqlite> for At {
    fn decode(value: <Sqlite as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        <PrimitiveDateTime as Decode<Sqlite>>::decode(value).map(|moment| At(moment.assume_utc()))
    }
}
