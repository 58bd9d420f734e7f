//! Who may do what through the API. The rules that say so are in `policies/rules`, in Cedar.

use crate::{
    gate::ReasonCode,
    names::{MemberName, TenantName},
    policy::{Policies, Rule, RuleRefusal, Verdict, template::Words, words},
};
use cedar_policy::{Context, Entity, Request, RestrictedExpression};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    str::FromStr,
};

/// A role that a member holds in its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Opens batches, uploads documents, reads answers, keeps webhook endpoints.
    Submitter,
    /// Accepts terms for the tenant.
    Signatory,
    /// Judges acceptances of all tenants.
    Reviewer,
    /// Registers models and edits their cards.
    Registrar,
    /// Watches batches, workers and deliveries, and mends them.
    Operator,
    /// Reads everything that was decided.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 6] = [
        Role::Submitter,
        Role::Signatory,
        Role::Reviewer,
        Role::Registrar,
        Role::Operator,
        Role::Auditor,
    ];

    /// The word in tokens and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Submitter => "submitter",
            Role::Signatory => "signatory",
            Role::Reviewer => "reviewer",
            Role::Registrar => "registrar",
            Role::Operator => "operator",
            Role::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of submitter, signatory, reviewer, registrar, operator, auditor")]
pub struct BadRole;

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(BadRole)
    }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// Something that an API call does, as far as permission is concerned: an action of
        /// `policies/schema.cedarschema` that `policies/rules` permit to roles.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
        pub enum Act {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Act {
            /// Every act.
            pub const ALL: &[Act] = &[$(Act::$name,)*];

            /// The action's name in schema and rules.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Act::$name => $word,)*
                }
            }
        }
    };
}

acts! {
    /// Read models, licenses and terms.
    ReadCatalogue = "read_catalogue",
    /// Open, fill, submit and cancel batches of the own tenant, and requeue their jobs.
    SubmitBatch = "submit_batch",
    /// Read batches, jobs and answers of the own tenant.
    ReadBatch = "read_batch",
    /// Delete documents and answers of batches of the own tenant.
    DeleteBatch = "delete_batch",
    /// Say how long documents and answers of the own tenant are kept.
    KeepRetention = "keep_retention",
    /// Accept terms for the own tenant.
    AcceptTerms = "accept_terms",
    /// Read acceptances and decisions of the own tenant.
    ReadAcceptance = "read_acceptance",
    /// Read acceptances of every tenant.
    ReadEveryAcceptance = "read_every_acceptance",
    /// Read decisions of every tenant.
    ReadEveryDecision = "read_every_decision",
    /// Judge, suspend or revoke acceptances of any tenant.
    ReviewAcceptance = "review_acceptance",
    /// Comment on acceptances: on those that the caller may read.
    CommentAcceptance = "comment_acceptance",
    /// Publish a text of a license's terms.
    PublishTerms = "publish_terms",
    /// Keep webhook endpoints of the own tenant and replay their deliveries.
    KeepWebhooks = "keep_webhooks",
    /// Make, see and revoke API keys of the own tenant.
    KeepApiKeys = "keep_api_keys",
    /// Register models and revisions.
    RegisterModel = "register_model",
    /// Read and judge changes of models' cards.
    ReviewCard = "review_card",
    /// Read the audit log.
    ReadAudit = "read_audit",
    /// Read which workers there are.
    ReadWorkers = "read_workers",
    /// Read the policies in force.
    ReadPolicies = "read_policies",
    /// Read the policy files again and put them in force.
    ReloadPolicies = "reload_policies",
    /// Ask how the gate comes to its answer for the own tenant.
    ExplainPolicies = "explain_policies",
    /// Ask what other policies would have decided, for all tenants.
    SimulatePolicies = "simulate_policies",
}

/// Who makes a call: a member of a tenant with its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The legal entity on whose behalf the call is made.
    pub tenant: TenantName,
    /// The person or service that makes it.
    pub member: MemberName,
    /// The roles that the member holds.
    pub roles: BTreeSet<Role>,
}

/// The caller may not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotAllowed {
    /// [`MISSING_ROLE`], or the `@code` of the rule that forbids it.
    pub code: String,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub cure: String,
}

/// The code of a refusal where no rule permits the act to any of the caller's roles.
pub const MISSING_ROLE: &str = "missing_role";

impl Caller {
    /// Checks that the caller may do `act` under `policies`.
    pub fn may(&self, policies: &Policies, act: Act) -> Result<(), NotAllowed> {
        let verdict = self.verdict(policies, act).map_err(|error| failed(&error))?;
        if verdict.allowed {
            return Ok(());
        }
        if let Some((rule, error)) = verdict.failed.first() {
            return Err(failed(&format!("{}: {error}", rule.place)));
        }
        let forbids = verdict
            .decided_by
            .iter()
            .find_map(|rule| Some((rule, rule.refusal.as_ref()?)));
        Err(match forbids {
            Some((rule, refusal)) => self.forbidden(rule, refusal),
            None => self.missing_role(policies, act),
        })
    }

    fn verdict<'a>(&self, policies: &'a Policies, act: Act) -> Result<Verdict<'a>, String> {
        let action = words::action(act.as_str());
        let member = words::member(&self.tenant, self.member.as_str());
        let tenant = words::tenant(&self.tenant);
        let attributes = HashMap::from([
            (
                "tenant".to_owned(),
                RestrictedExpression::new_entity_uid(tenant.clone()),
            ),
            ("name".to_owned(), words::text(self.member.as_str())),
        ]);
        let roles = self.roles.iter().map(|role| words::role(role.as_str()));
        let entity = Entity::new(member.clone(), attributes, roles.chain([tenant]).collect());
        let entity = entity.map_err(|error| error.to_string())?;
        let request = Request::new(member, action.clone(), words::hub(), Context::empty(), None);
        let request = request.map_err(|error| error.to_string())?;
        policies.rules().ask(&action, &request, &HashSet::new(), [entity])
    }

    fn forbidden(&self, rule: &Rule, refusal: &RuleRefusal) -> NotAllowed {
        let words = Words::from([
            ("tenant", self.tenant.to_string()),
            ("member", self.member.to_string()),
            ("rule", rule.place.clone()),
        ]);
        let message = refusal.message(&words);
        NotAllowed {
            code: refusal.code.to_string(),
            message: message.unwrap_or_else(|| format!("the rule {} forbids it", rule.place)),
            cure: refusal.cure(&words),
        }
    }

    fn missing_role(&self, policies: &Policies, act: Act) -> NotAllowed {
        let enough = |role: &&Role| {
            let roles = BTreeSet::from([**role]);
            let with = Caller {
                roles,
                ..self.clone()
            };
            with.verdict(policies, act).is_ok_and(|verdict| verdict.allowed)
        };
        let roles: Vec<&str> = Role::ALL
            .iter()
            .filter(enough)
            .map(|role| role.as_str())
            .collect();
        let (message, cure) = match roles.first() {
            Some(first) => (
                format!("this needs one of the roles {}", roles.join(", ")),
                format!(
                    "use a token with such a role; the operator makes one: `glmhub token issue --tenant {} --member \
                     {} --role {first}`",
                    self.tenant, self.member
                ),
            ),
            None => (
                format!("no rule permits {} to any role of {}", act.as_str(), self.tenant),
                "ask the operator for a rule that permits it".into(),
            ),
        };
        NotAllowed {
            code: MISSING_ROLE.into(),
            message,
            cure,
        }
    }
}

fn failed(error: &str) -> NotAllowed {
    NotAllowed {
        code: ReasonCode::RuleFailed.to_string(),
        message: format!("a rule could not be asked: {error}"),
        cure: "tell the operator of the hub; its rules must be mended".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(roles: &[Role]) -> Caller {
        Caller {
            tenant: "acme".parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: roles.iter().copied().collect(),
        }
    }

    #[test]
    fn a_submitter_cannot_judge_acceptances() {
        let policies = Policies::shipped().unwrap();
        let submitter = caller(&[Role::Submitter]);
        assert_eq!(submitter.may(&policies, Act::SubmitBatch), Ok(()));
        let refusal = submitter.may(&policies, Act::ReviewAcceptance).unwrap_err();
        assert_eq!(refusal.code, MISSING_ROLE);
        assert_eq!(refusal.message, "this needs one of the roles reviewer");
        assert!(
            refusal.cure.ends_with("--member li --role reviewer`"),
            "{}",
            refusal.cure
        );
    }

    #[test]
    fn every_act_can_be_done_by_some_role_and_none_without_a_role() {
        let policies = Policies::shipped().unwrap();
        for &act in Act::ALL {
            assert_eq!(caller(&Role::ALL).may(&policies, act), Ok(()), "{act:?}");
            assert!(caller(&[]).may(&policies, act).is_err(), "{act:?}");
        }
    }

    #[test]
    fn every_act_is_an_action_of_the_schema_and_the_other_way_round() {
        let (schema, _) = cedar_policy::Schema::from_cedarschema_str(crate::policy::schema()).unwrap();
        let known: BTreeSet<String> = schema.actions().map(ToString::to_string).collect();
        let ours = Act::ALL.iter().map(|act| act.as_str()).chain(["use"]);
        assert_eq!(
            ours.map(|act| words::action(act).to_string())
                .collect::<BTreeSet<_>>(),
            known
        );
    }

    #[test]
    fn a_forbid_of_an_organisation_refuses_with_its_own_code_and_cure() {
        let text = "@code(\"books_are_closed\") @cure(\"ask {tenant} to open them\")\n\
            forbid (principal in Tenant::\"acme\", action == Action::\"read_audit\", resource);";
        let own = crate::policy::PolicyFile::new("rules/own.cedar", text);
        let policies = Policies::with_own(vec![own]).unwrap();
        let refusal = caller(&Role::ALL).may(&policies, Act::ReadAudit).unwrap_err();
        assert_eq!(
            (refusal.code.as_str(), refusal.cure.as_str()),
            ("books_are_closed", "ask acme to open them")
        );
        let mut other = caller(&[Role::Auditor]);
        other.tenant = "other".parse().unwrap();
        assert_eq!(other.may(&policies, Act::ReadAudit), Ok(()));
    }
}
