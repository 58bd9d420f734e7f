//! What stands around every page of a session: who is signed in, where else to go, and the way out.

use super::visitor::Visitor;
use domain::{access::Act, language::Language};

/// See the module's text.
pub struct Shell {
    /// What forms carry.
    pub csrf: String,
    /// Who is signed in.
    pub who: String,
    /// Where its roles let it go.
    pub places: Vec<Place>,
}

/// A page that all others lead to.
pub struct Place {
    /// Its path.
    pub path: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether it is the page that is shown, or that page belongs to it.
    pub here: bool,
}

/// The pages with what it takes to see them.
fn all(t: Language) -> [(&'static str, &'static str, Option<Act>); 10] {
    [
        (
            "/admin/reviews",
            t.of("Licence reviews", "许可审核"),
            Some(Act::ReadAcceptance),
        ),
        (
            "/admin/card-changes",
            t.of("Card changes", "模型卡变更"),
            Some(Act::ReviewCard),
        ),
        (
            "/admin/policies",
            t.of("Policies", "策略"),
            Some(Act::ExplainPolicies),
        ),
        ("/admin/batches", t.of("Batches", "批次"), Some(Act::ReadBatch)),
        (
            "/admin/dead-letters",
            t.of("Dead letters", "死信"),
            Some(Act::ReadBatch),
        ),
        (
            "/admin/workers",
            t.of("Workers", "工作节点"),
            Some(Act::ReadWorkers),
        ),
        (
            "/admin/webhooks",
            t.of("Webhooks", "Webhook 回调"),
            Some(Act::KeepWebhooks),
        ),
        ("/admin/tenant", t.of("Tenant", "租户"), Some(Act::KeepApiKeys)),
        (
            "/admin/audit",
            t.of("Audit log", "审计日志"),
            Some(Act::ReadAudit),
        ),
        ("/models", t.of("Models", "模型"), None),
    ]
}

impl Shell {
    /// That of a page which belongs to the place `here`.
    pub fn of(visitor: &Visitor, here: &str) -> Self {
        let caller = visitor.caller.itself();
        Self {
            csrf: visitor.csrf.clone(),
            who: format!("{} · {}", caller.member, caller.tenant),
            places: places(visitor.t, here, |act| visitor.caller.can(act)),
        }
    }

    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            csrf: "0".into(),
            who: "li · a-tenant-with-a-rather-long-name".into(),
            places: places(t, "/admin/batches", |_| true),
        }
    }
}

fn places(t: Language, here: &str, may: impl Fn(Act) -> bool) -> Vec<Place> {
    let open = all(t).into_iter().filter(|(_, _, act)| act.is_none_or(&may));
    open.map(|(path, name, _)| Place {
        path,
        name,
        here: path == here,
    })
    .collect()
}
