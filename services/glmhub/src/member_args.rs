//! Who a token or a link is for: the options that both commands take.

use clap::Args;
use domain::{
    access::{Caller, Role},
    names::{MemberName, TenantName},
};

/// A member of a tenant with its roles.
#[derive(Args, Debug)]
pub struct MemberArgs {
    /// The legal entity that the member belongs to
    #[arg(long, value_name = "NAME")]
    tenant: TenantName,
    /// The person or service that it is for
    #[arg(long, value_name = "NAME")]
    member: MemberName,
    /// What the member may do: submitter, signatory, reviewer, registrar, operator, auditor; may be repeated
    #[arg(long = "role", value_name = "ROLE", required = true, num_args = 1..)]
    roles: Vec<Role>,
}

impl MemberArgs {
    /// Whoever calls with it.
    pub fn into_caller(self) -> Caller {
        Caller {
            tenant: self.tenant,
            member: self.member,
            roles: self.roles.into_iter().collect(),
        }
    }
}
