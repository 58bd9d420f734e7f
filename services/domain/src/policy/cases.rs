//! Runs `policies/cases/*.toml`: given these models and acceptances, or these roles, expect this decision.
//!
//! An organisation keeps cases of its own beside its rules; `glmhub policy test` runs them.

use super::{BadPolicies, Policies, PolicyFault, PolicyFile};
use crate::{
    acceptance::{Acceptance, Judge, Judgement, Phase, Signer, Standing, State},
    access::{Act, Caller, Role},
    batch::Metadata,
    digest::Sha256,
    gate::{Decision, Facts, ReasonCode, Request, decide},
    id::AcceptanceId,
    lineage::{Licensed, LineageEdge, descent},
    names::{LicenseName, MemberName, ModelName, TenantName},
    purpose::Purpose,
    territory::Territory,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;
use toml::Spanned;

/// The cases that are compiled in: name and text.
pub fn shipped_cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    super::files::shipped_cases()
}

/// A file of cases.
pub struct Cases {
    name: String,
    text: String,
    content: CaseFile,
}

/// Cases that were run.
#[derive(Debug, Default)]
pub struct Played {
    /// How many came out as they say.
    pub held: usize,
    /// Those that did not: where each stands, and what came out instead.
    pub failed: Vec<PolicyFault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    /// Questions to the gate.
    #[serde(rename = "case", default)]
    cases: Vec<Spanned<Case>>,
    /// Questions about acts of the API.
    #[serde(default)]
    access: Vec<Spanned<AccessCase>>,
    /// Rules and licenses that are in force beside the others for the cases of this file.
    #[serde(default)]
    files: Vec<PolicyFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    says: String,
    #[serde(default = "acme")]
    tenant: TenantName,
    #[serde(default = "li")]
    member: MemberName,
    model: ModelName,
    purpose: Purpose,
    /// What the tenant wrote on the batch.
    #[serde(default)]
    metadata: Metadata,
    /// Where the hub computes.
    #[serde(default)]
    site: String,
    /// When it is asked.
    #[serde(default = "beginning", with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The license of each registered model.
    licenses: BTreeMap<ModelName, LicenseName>,
    /// A word that stands for the text that came with a model.
    #[serde(default)]
    terms: BTreeMap<ModelName, String>,
    #[serde(default)]
    edges: Vec<LineageEdge>,
    #[serde(default)]
    acceptances: Vec<Accepted>,
    /// Empty for an allow.
    refused_for: Vec<ReasonCode>,
    /// The last model of the first reason's path.
    #[serde(default)]
    caused_by: Option<ModelName>,
    /// Words that the first reason's cure must hold.
    #[serde(default)]
    cured_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessCase {
    says: String,
    #[serde(default = "acme")]
    tenant: TenantName,
    #[serde(default = "li")]
    member: MemberName,
    roles: BTreeSet<Role>,
    /// Acts that all come out the same.
    acts: Vec<Act>,
    /// The refusal's code; none for an allow.
    #[serde(default)]
    refused_for: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    license: LicenseName,
    terms: String,
    purposes: BTreeSet<Purpose>,
    state: Phase,
    #[serde(default)]
    registration_number: Option<String>,
    #[serde(default)]
    territory: Option<Territory>,
    /// Whether its `valid_until` has passed.
    #[serde(default)]
    run_out: bool,
    /// The place in the list of the acceptance that superseded it.
    #[serde(default)]
    superseded_by: usize,
}

fn acme() -> TenantName {
    TenantName::fixed("acme")
}

fn li() -> MemberName {
    MemberName::fixed("li")
}

fn beginning() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH
}

impl Cases {
    /// Reads a file of cases.
    pub fn read(name: &str, text: &str) -> Result<Self, PolicyFault> {
        let content = toml::from_str(text).map_err(|error| PolicyFault::of_toml(name, text, &error))?;
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            content,
        })
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Decides every case under the policies that are compiled in, `own` files, and those in the file.
    pub fn play(&self, own: &[PolicyFile]) -> Result<Played, BadPolicies> {
        let own = own.iter().chain(&self.content.files).cloned().collect();
        let policies = Policies::with_own(own)?;
        let mut played = Played::default();
        let decided = self
            .content
            .cases
            .iter()
            .map(|case| (case.span().start, case.get_ref().check(&policies)));
        let allowed = self
            .content
            .access
            .iter()
            .map(|case| (case.span().start, case.get_ref().check(&policies)));
        for (offset, outcome) in decided.chain(allowed) {
            match outcome {
                Ok(()) => played.held += 1,
                Err(why) => played
                    .failed
                    .push(PolicyFault::at(&self.name, &self.text, offset, why)),
            }
        }
        Ok(played)
    }

    /// The licenses, rules' codes and acts that the cases speak of: what is not among them is not covered.
    pub fn covered(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for case in self.content.cases.iter().map(Spanned::get_ref) {
            words.extend(case.licenses.values().map(ToString::to_string));
            words.extend(case.refused_for.iter().map(ToString::to_string));
            if case.refused_for.is_empty() {
                words.insert(case.purpose.to_string());
            }
        }
        let access = self.content.access.iter().map(Spanned::get_ref);
        words.extend(
            access
                .flat_map(|case| &case.acts)
                .map(|act| act.as_str().to_owned()),
        );
        words
    }
}

impl Case {
    fn facts(&self) -> Facts {
        let licensed = |(model, through): (ModelName, Option<usize>)| {
            let terms_sha256 = self.terms.get(&model).map(|word| Sha256::of(word.as_bytes()));
            Licensed {
                license: self.licenses.get(&model).cloned(),
                terms_sha256,
                through,
                model,
            }
        };
        Facts {
            lineage: descent(&self.model, &self.edges)
                .into_iter()
                .map(licensed)
                .collect(),
            acceptances: (0..)
                .zip(&self.acceptances)
                .map(|(number, held)| held.of(&self.tenant, &self.member, number))
                .collect(),
        }
    }

    fn check(&self, policies: &Policies) -> Result<(), String> {
        let request = Request {
            tenant: self.tenant.clone(),
            member: self.member.clone(),
            model: self.model.clone(),
            revision_sha256: Sha256::of(b"revision"),
            purpose: self.purpose,
            metadata: self.metadata.clone(),
            site: self.site.clone(),
            at: self.at,
        };
        let reasons = match decide(uuid::Uuid::from_u128(1).into(), policies, &request, &self.facts()) {
            Decision::Allowed(_) => Vec::new(),
            Decision::Refused(refusal) => refusal.reasons,
        };
        let codes: Vec<&ReasonCode> = reasons.iter().map(|reason| &reason.code).collect();
        if codes != self.refused_for.iter().collect::<Vec<_>>() {
            let told = reasons
                .iter()
                .map(|reason| format!("\n  {}: {}", reason.code, reason.message));
            return Err(format!(
                "{}: expected {}, got {}{}",
                self.says,
                outcome(self.refused_for.iter()),
                outcome(codes.into_iter()),
                told.collect::<String>(),
            ));
        }
        let first = reasons.first();
        let cause = first.and_then(|reason| reason.path.last());
        if self.caused_by.is_some() && cause != self.caused_by.as_ref() {
            let cause = cause.map_or("nothing".into(), ToString::to_string);
            return Err(format!("{}: caused by {cause}", self.says));
        }
        let cure = first.map_or("", |reason| &reason.cure);
        match &self.cured_by {
            Some(words) if !cure.contains(words) => Err(format!("{}: its cure is: {cure}", self.says)),
            _ => Ok(()),
        }
    }
}

fn outcome<'a>(codes: impl Iterator<Item = &'a ReasonCode>) -> String {
    let codes: Vec<&str> = codes.map(ReasonCode::as_str).collect();
    match codes.is_empty() {
        true => "an allow".into(),
        false => format!("a refusal for {}", codes.join(", ")),
    }
}

impl AccessCase {
    fn check(&self, policies: &Policies) -> Result<(), String> {
        let caller = Caller {
            tenant: self.tenant.clone(),
            member: self.member.clone(),
            roles: self.roles.clone(),
        };
        for &act in &self.acts {
            let refused = caller.may(policies, act).err().map(|refusal| refusal.code);
            if refused != self.refused_for {
                let told = |code: &Option<String>| match code {
                    None => "an allow".to_owned(),
                    Some(code) => format!("a refusal for {code}"),
                };
                let (wanted, got) = (told(&self.refused_for), told(&refused));
                return Err(format!(
                    "{}: {}: expected {wanted}, got {got}",
                    self.says,
                    act.as_str()
                ));
            }
        }
        Ok(())
    }
}

impl Accepted {
    fn of(&self, tenant: &TenantName, member: &MemberName, number: usize) -> Acceptance {
        Acceptance {
            id: numbered(number),
            tenant: tenant.clone(),
            requested_by: member.clone(),
            requested_at: beginning(),
            license: self.license.clone(),
            terms_sha256: Sha256::of(self.terms.as_bytes()),
            purposes: self.purposes.clone(),
            signer: Signer {
                name: "the signatory".into(),
                title: "Counsel".into(),
            },
            registration_number: self.registration_number.clone(),
            territory: self.territory,
            evidence: None,
            valid_until: self.run_out.then(beginning),
            state: self.state(),
        }
    }

    fn state(&self) -> State {
        let (at, reason) = (beginning(), "a reason".to_owned());
        let by = Judge {
            tenant: TenantName::fixed("zhipu"),
            member: MemberName::fixed("wu"),
        };
        let judged = Judgement { by, at };
        let standing = Standing {
            since: at,
            approved: None,
        };
        match self.state {
            Phase::Requested => State::Requested,
            Phase::UnderReview => State::UnderReview,
            Phase::Active => State::Active(standing),
            Phase::Rejected => State::Rejected { judged, reason },
            Phase::Suspended => State::Suspended {
                standing,
                judged,
                reason,
            },
            Phase::Expired => State::Expired { standing, at },
            Phase::Revoked => State::Revoked {
                standing,
                judged,
                reason,
            },
            Phase::Superseded => State::Superseded {
                standing,
                by: numbered(self.superseded_by),
                at,
            },
        }
    }
}

fn numbered(number: usize) -> AcceptanceId {
    uuid::Uuid::from_u128(number as u128).into()
}
