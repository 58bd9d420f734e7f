//! Our names as Cedar's: entities, and the values of a question's context.

use crate::names::{LicenseName, ModelName, TenantName};
use cedar_policy::{EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use std::{str::FromStr as _, sync::LazyLock};

/// The kinds of entities in `policies/schema.cedarschema`.
struct Kinds {
    action: EntityTypeName,
    hub: EntityTypeName,
    license: EntityTypeName,
    member: EntityTypeName,
    model: EntityTypeName,
    owner: EntityTypeName,
    role: EntityTypeName,
    tenant: EntityTypeName,
}

static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
    let kind = |name: &str| EntityTypeName::from_str(name).expect("a plain word is the name of a kind");
    Kinds {
        action: kind("Action"),
        hub: kind("Hub"),
        license: kind("License"),
        member: kind("Member"),
        model: kind("Model"),
        owner: kind("Owner"),
        role: kind("Role"),
        tenant: kind("Tenant"),
    }
});

fn uid(kind: &EntityTypeName, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(name))
}

/// `Action::"name"`.
pub fn action(name: &str) -> EntityUid {
    uid(&KINDS.action, name)
}

/// `Hub::"hub"`.
pub fn hub() -> EntityUid {
    uid(&KINDS.hub, "hub")
}

/// `License::"id"`.
pub fn license(id: &LicenseName) -> EntityUid {
    uid(&KINDS.license, id.as_str())
}

/// `Member::"tenant/name"`: two members of one name in two tenants are two.
pub fn member(tenant: &TenantName, name: &str) -> EntityUid {
    uid(&KINDS.member, &format!("{tenant}/{name}"))
}

/// `Model::"OWNER/NAME"`.
pub fn model(name: &ModelName) -> EntityUid {
    uid(&KINDS.model, name.as_str())
}

/// `Owner::"name"`.
pub fn owner(name: &str) -> EntityUid {
    uid(&KINDS.owner, name)
}

/// `Role::"name"`.
pub fn role(name: &str) -> EntityUid {
    uid(&KINDS.role, name)
}

/// `Tenant::"name"`.
pub fn tenant(name: &TenantName) -> EntityUid {
    uid(&KINDS.tenant, name.as_str())
}

/// A text as a value.
pub fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

/// Texts as a set.
pub fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(text))
}
