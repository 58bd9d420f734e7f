//! Revocation epochs: a number per tenant that every revocation raises. A grant from before it is void.

use crate::{Db, RecordsError, Tx, on, read::Reading};
use domain::names::TenantName;

const ALL: &str = "SELECT tenant, epoch FROM tenant_epochs ORDER BY tenant";
const RAISE: &str = "INSERT INTO tenant_epochs (tenant, epoch) VALUES ($1, 1) \
    ON CONFLICT (tenant) DO UPDATE SET epoch = tenant_epochs.epoch + 1 RETURNING epoch";

pub(crate) const STATEMENTS: &[&str] = &[ALL, RAISE];

/// The epochs of all tenants that have one above 0: what the queue is told at start-up.
pub async fn all(db: &Db) -> Result<Vec<(TenantName, u64)>, RecordsError> {
    let rows: Vec<(String, i64)> = on!(db, |c| sqlx::query_as(ALL).fetch_all(c))?;
    let read = |(tenant, epoch): (String, i64)| {
        let row = reading(&tenant);
        Ok((row.parsed(&tenant)?, row.whole(epoch)?))
    };
    rows.into_iter().map(read).collect()
}

/// Raises the epoch of a tenant by one and tells the new one.
pub async fn raise(tx: &mut Tx, tenant: &TenantName) -> Result<u64, RecordsError> {
    let epoch: i64 = on!(tx: tx, |c| sqlx::query_scalar(RAISE).bind(tenant.as_str()).fetch_one(c))?;
    reading(tenant.as_str()).whole(epoch)
}

fn reading(tenant: &str) -> Reading<'_> {
    Reading {
        table: "tenant_epochs",
        id: tenant,
    }
}
