//! How our own words are written into columns: identifiers and digests as bytes, times as seconds, states as codes, lists as JSON.
//!
//! [`Db`] exists because neither Diesel's traits nor our words belong to this crate; rows hold `Db<…>`, and nothing outside sees it.

use std::io::Write as _;

use curfew_policy::status::{
    DeathCause, EmailOrigin, NodeKind, OwnerStatus, ProviderKind, UserStatus,
};
use curfew_protocol::{
    AuditChainId, AuditId, ClientKey, CodeId, DeviceCodeId, Digest, LinkId, LinkProofId, MailId,
    MailedLinkId, NodeId, ProviderId, RequestId, ResourceServerKey, TenantId, Timestamp, TokenId,
    UpstreamLoginId, UserId,
};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::{AsExpression, ValidGrouping};
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, SmallInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{AppearsOnTable, Expression, QueryResult, SelectableExpression};

/// A word of ours in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromSqlRow, AsExpression)]
#[diesel(sql_type = Binary, sql_type = BigInt, sql_type = SmallInt)]
pub(crate) struct Db<T>(pub(crate) T);

/// A value kept as JSON text.
#[derive(Clone, Debug, FromSqlRow, AsExpression)]
#[diesel(sql_type = Text)]
pub(crate) struct Json<T>(pub(crate) T);

/// Unwraps a nullable column.
pub(crate) fn opt<T>(column: Option<Db<T>>) -> Option<T> {
    column.map(|db| db.0)
}

macro_rules! bytes {
    ($($name:ident: $len:literal,)*) => {$(
        impl FromSql<Binary, Sqlite> for Db<$name> {
            fn from_sql(value: <Sqlite as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                let mut value = value;
                Ok(Self($name::from_bytes(<[u8; $len]>::try_from(value.read_blob())?)))
            }
        }

        impl FromSql<Binary, Pg> for Db<$name> {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                Ok(Self($name::from_bytes(<[u8; $len]>::try_from(value.as_bytes())?)))
            }
        }

        impl ToSql<Binary, Sqlite> for Db<$name> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(self.0.as_bytes().as_slice());
                Ok(IsNull::No)
            }
        }

        impl ToSql<Binary, Pg> for Db<$name> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all(self.0.as_bytes())?;
                Ok(IsNull::No)
            }
        }
    )*};
}

bytes! {
    TenantId: 16, UserId: 16, ClientKey: 16, ResourceServerKey: 16, LinkId: 16, NodeId: 16, TokenId: 16, CodeId: 16,
    MailedLinkId: 16, MailId: 16, AuditId: 16, AuditChainId: 16, DeviceCodeId: 16, RequestId: 16, ProviderId: 16,
    UpstreamLoginId: 16, LinkProofId: 16, Digest: 32,
}

impl FromSql<BigInt, Sqlite> for Db<Timestamp> {
    fn from_sql(
        value: <Sqlite as diesel::backend::Backend>::RawValue<'_>,
    ) -> deserialize::Result<Self> {
        <i64 as FromSql<BigInt, Sqlite>>::from_sql(value).map(|s| Self(Timestamp::from_seconds(s)))
    }
}

impl FromSql<BigInt, Pg> for Db<Timestamp> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        <i64 as FromSql<BigInt, Pg>>::from_sql(value).map(|s| Self(Timestamp::from_seconds(s)))
    }
}

impl ToSql<BigInt, Sqlite> for Db<Timestamp> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.seconds());
        Ok(IsNull::No)
    }
}

impl ToSql<BigInt, Pg> for Db<Timestamp> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&self.0.seconds().to_be_bytes())?;
        Ok(IsNull::No)
    }
}

macro_rules! codes {
    ($($name:ident,)*) => {$(
        impl FromSql<SmallInt, Sqlite> for Db<$name> {
            fn from_sql(value: <Sqlite as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                let code = <i16 as FromSql<SmallInt, Sqlite>>::from_sql(value)?;
                $name::from_code(code).map(Self).ok_or_else(|| unknown(stringify!($name), code))
            }
        }

        impl FromSql<SmallInt, Pg> for Db<$name> {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                let code = <i16 as FromSql<SmallInt, Pg>>::from_sql(value)?;
                $name::from_code(code).map(Self).ok_or_else(|| unknown(stringify!($name), code))
            }
        }

        impl ToSql<SmallInt, Sqlite> for Db<$name> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(i32::from(self.0.code()));
                Ok(IsNull::No)
            }
        }

        impl ToSql<SmallInt, Pg> for Db<$name> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all(&self.0.code().to_be_bytes())?;
                Ok(IsNull::No)
            }
        }
    )*};
}

codes! { UserStatus, OwnerStatus, EmailOrigin, ProviderKind, NodeKind, DeathCause, }

/// A value spelled out in the statement: a partial index is of use to a prepared statement only when its condition is the same text.
macro_rules! literals {
    ($($(#[doc = $doc:literal])* $name:ident: $sql_type:ty = $text:literal,)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
        pub(crate) struct $name;

        impl Expression for $name {
            type SqlType = $sql_type;
        }

        impl<S> SelectableExpression<S> for $name {}

        impl<S> AppearsOnTable<S> for $name {}

        impl<D: Backend> QueryFragment<D> for $name {
            fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, D>) -> QueryResult<()> {
                pass.push_sql($text);
                Ok(())
            }
        }
    )*};
}

literals! {
    /// The code of deleted users and owners.
    Deleted: SmallInt = "4",
    /// The subject of a link that has none yet.
    EmptyText: Text = "''",
}

const _: () = assert!(UserStatus::Deleted.code() == 4 && OwnerStatus::Deleted.code() == 4);

fn unknown(name: &str, code: i16) -> Box<dyn std::error::Error + Send + Sync> {
    format!("the database holds {name} {code}, which this version does not know").into()
}

impl<T: serde::de::DeserializeOwned> FromSql<Text, Sqlite> for Json<T> {
    fn from_sql(
        value: <Sqlite as diesel::backend::Backend>::RawValue<'_>,
    ) -> deserialize::Result<Self> {
        let mut value = value;
        Ok(Self(serde_json::from_str(value.read_text())?))
    }
}

impl<T: serde::de::DeserializeOwned> FromSql<Text, Pg> for Json<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_slice(value.as_bytes())?))
    }
}

impl<T: serde::Serialize + std::fmt::Debug> ToSql<Text, Sqlite> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}

impl<T: serde::Serialize + std::fmt::Debug> ToSql<Text, Pg> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(serde_json::to_string(&self.0)?.as_bytes())?;
        Ok(IsNull::No)
    }
}
