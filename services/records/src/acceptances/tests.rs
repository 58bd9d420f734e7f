use super::*;
use crate::{Stamp, databases::on_each, decisions, epochs, facts, models, models::NewRevision, terms};
use domain::{
    acceptance::{Asking, Declaration, Judge, NotPossible, Signer},
    access::{Caller, Role},
    audit::NewAudit,
    clock::HandClock,
    digest::Sha256,
    gate::{self, Decision, DecisionRecord, ReasonCode, Request},
    id::IdMaker,
    license::License,
    model::{Artifact, Card, Model, Revision, Seed},
    names::ModelName,
    policy::Policies,
    purpose::Purpose,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use time::{Duration, OffsetDateTime};

const TEXT: &str = "You may.\r\n\u{feff}你可以。\n";

/// A hub's records with the seeded models and one imported revision.
struct Desk<'a> {
    db: &'a Db,
    clock: Arc<HandClock>,
    ids: IdMaker,
    now: OffsetDateTime,
    policies: Policies,
    model: ModelName,
    revision: Revision,
}

async fn desk(db: &Db) -> Desk<'_> {
    let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
    let clock = Arc::new(HandClock::at(now));
    let ids = IdMaker::new(clock.clone());
    models::seed(db, &Seed::shipped().unwrap(), now).await.unwrap();
    let model: ModelName = "THUDM/glm-4v-9b".parse().unwrap();
    import(db, &ids, now, &model, TEXT).await;
    let revision = models::current_revision(db, &model).await.unwrap().unwrap();
    Desk {
        db,
        clock,
        ids,
        now,
        policies: Policies::shipped().unwrap(),
        model,
        revision,
    }
}

async fn import(db: &Db, ids: &IdMaker, at: OffsetDateTime, model: &ModelName, text: &str) {
    let artifact = Artifact {
        path: "LICENSE".into(),
        sha256: Sha256::of(text.as_bytes()),
        bytes: 9,
    };
    let entry = NewAudit {
        id: ids.make(),
        at,
        tenant: "glmhub".parse().unwrap(),
        member: None,
        kind: "model.imported",
        subject: model.to_string(),
        decision: None,
        detail: json!({}),
    };
    let model = Model {
        name: model.clone(),
        license: "glm-4".parse().unwrap(),
        license_source: "a test".into(),
        card: Card::default(),
        registered_at: at,
    };
    let terms = Some(text.to_owned());
    let sha256 = Sha256::of(format!("manifest of {text}").as_bytes());
    let new = NewRevision {
        model,
        sha256,
        artifacts: vec![artifact],
        need: None,
        terms,
        entry,
    };
    assert_eq!(
        models::add_revision(db, &new).await.unwrap(),
        models::Imported::New
    );
    assert_eq!(
        models::add_revision(db, &new).await.unwrap(),
        models::Imported::Already
    );
}

fn caller(tenant: &str, member: &str) -> Caller {
    let roles = BTreeSet::from([Role::Signatory]);
    Caller {
        tenant: tenant.parse().unwrap(),
        member: member.parse().unwrap(),
        roles,
    }
}

impl Desk<'_> {
    fn stamp(&self) -> Stamp<'_> {
        Stamp::of_hub(&self.ids, self.now)
    }

    fn license(&self) -> &License {
        self.policies.licenses().get(&"glm-4".parse().unwrap()).unwrap()
    }

    /// What a signatory of `tenant` declares.
    fn declared(&self, purposes: &[Purpose], terms: Sha256) -> Declaration {
        Declaration {
            terms_sha256: terms,
            purposes: purposes.iter().copied().collect(),
            signer: Signer {
                name: "the signatory".into(),
                title: "Counsel".into(),
            },
            registration_number: Some("R-1".into()),
            territory: "DE".parse().ok(),
            evidence: Some("filed".into()),
            valid_until: None,
        }
    }

    async fn ask(
        &self,
        tenant: &str,
        subject: &Subject,
        declared: Declaration,
    ) -> Result<Acceptance, NotStored> {
        let asking = Asking {
            id: self.ids.make(),
            caller: &caller(tenant, "li"),
            at: self.now,
            license: self.license(),
            declared,
            submit: true,
        };
        request(self.db, self.stamp(), subject, asking).await.unwrap()
    }

    fn of_model(&self) -> Subject {
        Subject::Model(self.model.clone())
    }

    async fn requested(&self, tenant: &str, purposes: &[Purpose]) -> Acceptance {
        let declared = self.declared(purposes, self.revision.terms_sha256.unwrap());
        self.ask(tenant, &self.of_model(), declared).await.unwrap()
    }

    /// Time passes, and ids are made after it.
    fn wait(&mut self, span: Duration) {
        self.now += span;
        self.clock.turn(span);
    }

    async fn reasons(&self, tenant: &str, purpose: Purpose) -> Vec<ReasonCode> {
        let by = caller(tenant, "li");
        let request = Request {
            tenant: by.tenant,
            member: by.member,
            model: self.model.clone(),
            revision_sha256: self.revision.sha256,
            purpose,
            metadata: BTreeMap::from([("kind".to_owned(), "contract".to_owned())]),
            site: "here".into(),
            at: self.now,
        };
        let known = facts::of(self.db, &request.tenant, &self.model, Some(&self.revision.sha256)).await;
        let facts = known.unwrap().facts;
        let decision = gate::decide(self.ids.make(), &self.policies, &request, &facts);
        let record = DecisionRecord::of(&decision, &self.policies, &request, &facts);
        decisions::record(self.db.begin().await.unwrap(), &self.ids, &record)
            .await
            .unwrap();
        assert_eq!(decisions::get(self.db, record.id).await.unwrap(), Some(record));
        match decision {
            Decision::Allowed(_) => Vec::new(),
            Decision::Refused(refusal) => refusal.reasons.into_iter().map(|reason| reason.code).collect(),
        }
    }
}

fn yes() -> Verdict {
    Verdict::Approve {
        remark: None,
        valid_until: None,
    }
}

fn judge(tenant: &str, member: &str) -> Judge {
    Judge::from(&caller(tenant, member))
}

#[tokio::test]
async fn an_acceptance_goes_from_review_to_revocation_and_the_gate_follows() {
    on_each(async |db| {
        let desk = desk(db).await;
        assert_eq!(
            desk.reasons("acme", Purpose::Commercial).await,
            [ReasonCode::LicenseNotAccepted]
        );
        let asked = desk.requested("acme", &[Purpose::Commercial]).await;
        assert_eq!(get(db, asked.id).await.unwrap(), Some(asked.clone()));
        assert_eq!(
            desk.reasons("acme", Purpose::Commercial).await,
            [ReasonCode::AcceptanceUnderReview]
        );
        let own = review(db, desk.stamp(), judge("acme", "li"), asked.id, yes())
            .await
            .unwrap();
        assert_eq!(own, Some(Err(NotPossible::Own)));
        let yes = Verdict::Approve {
            remark: Some("number checked".into()),
            valid_until: None,
        };
        let approved = review(db, desk.stamp(), judge("zhipu", "wu"), asked.id, yes)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(get(db, asked.id).await.unwrap(), Some(approved.acceptance));
        assert_eq!(approved.epoch, None);
        assert_eq!(desk.reasons("acme", Purpose::Commercial).await, []);
        assert_eq!(
            desk.reasons("other", Purpose::Commercial).await,
            [ReasonCode::LicenseNotAccepted]
        );
        let revoked = revoke(
            db,
            desk.stamp(),
            judge("zhipu", "wu"),
            asked.id,
            "recalled".into(),
        )
        .await
        .unwrap();
        let revoked = revoked.unwrap().unwrap();
        assert_eq!(revoked.epoch, Some(1));
        assert_eq!(get(db, asked.id).await.unwrap(), Some(revoked.acceptance));
        assert_eq!(epochs::all(db).await.unwrap(), [("acme".parse().unwrap(), 1)]);
        assert_eq!(
            desk.reasons("acme", Purpose::Commercial).await,
            [ReasonCode::AcceptanceRevoked]
        );
    })
    .await;
}

#[tokio::test]
async fn a_rejected_acceptance_keeps_its_reason_and_cannot_be_revoked() {
    on_each(async |db| {
        let desk = desk(db).await;
        let asked = desk.requested("acme", &[Purpose::Commercial]).await;
        let no = Verdict::Reject("no such number".into());
        let rejected = review(db, desk.stamp(), judge("zhipu", "wu"), asked.id, no)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(get(db, asked.id).await.unwrap(), Some(rejected.acceptance));
        assert_eq!(
            desk.reasons("acme", Purpose::Commercial).await,
            [ReasonCode::AcceptanceRejected]
        );
        let revoked = revoke(db, desk.stamp(), judge("zhipu", "wu"), asked.id, "x".into())
            .await
            .unwrap();
        assert!(matches!(revoked, Some(Err(NotPossible::State { .. }))));
        assert_eq!(epochs::all(db).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn only_the_text_in_force_can_be_accepted() {
    on_each(async |db| {
        let desk = desk(db).await;
        let old = desk.revision.terms_sha256.unwrap();
        desk.requested("acme", &[Purpose::Evaluation]).await;
        let later = desk.now + Duration::hours(1);
        import(db, &desk.ids, later, &desk.model, "You may, but.").await;
        let new = Sha256::of(b"You may, but.");
        let stale = || desk.declared(&[Purpose::Evaluation], old);
        for subject in [desk.of_model(), Subject::License("glm-4".parse().unwrap())] {
            let superseded = NotStored::Superseded {
                current: Some(new),
                earlier: vec![old],
            };
            assert_eq!(desk.ask("other", &subject, stale()).await, Err(superseded));
        }
        let unknown = desk.declared(&[Purpose::Evaluation], Sha256::of(b"never here"));
        let superseded = NotStored::Superseded {
            current: Some(new),
            earlier: Vec::new(),
        };
        assert_eq!(
            desk.ask("other", &desk.of_model(), unknown).await,
            Err(superseded)
        );
        let fresh = desk.declared(&[Purpose::Evaluation], new);
        assert!(desk.ask("other", &desk.of_model(), fresh).await.is_ok());
        // The older revision is still under the older text, which `acme` accepted.
        assert_eq!(desk.reasons("acme", Purpose::Evaluation).await, []);
        let glm = "glm-4".parse().unwrap();
        assert_eq!(terms::text(db, &glm, &old).await.unwrap().as_deref(), Some(TEXT));
        let known: Vec<_> = terms::of_license(db, &glm)
            .await
            .unwrap()
            .into_iter()
            .map(|terms| terms.sha256)
            .collect();
        assert_eq!(known, [new, old]);
    })
    .await;
}

#[tokio::test]
async fn the_same_acceptance_is_not_stored_twice_but_a_wider_one_is() {
    on_each(async |db| {
        let desk = desk(db).await;
        let first = desk.requested("acme", &[Purpose::Evaluation]).await;
        let again = |purposes: &[Purpose]| desk.declared(purposes, first.terms_sha256);
        let answer = desk
            .ask("acme", &desk.of_model(), again(&[Purpose::Evaluation]))
            .await;
        assert_eq!(answer, Err(NotStored::Covered(first.id)));
        let wider = again(&[Purpose::Evaluation, Purpose::Commercial]);
        assert!(desk.ask("acme", &desk.of_model(), wider).await.is_ok());
        assert_eq!(of_tenant(db, &"acme".parse().unwrap()).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_page_of_acceptances_is_of_one_tenant_or_of_all() {
    on_each(async |db| {
        let desk = desk(db).await;
        for tenant in ["acme", "other", "third"] {
            desk.requested(tenant, &[Purpose::Evaluation]).await;
        }
        let of = |tenant| Filter {
            tenant,
            phase: None,
            at: desk.now,
        };
        let all = page(db, of(None), None, 10).await.unwrap();
        assert_eq!(all.len(), 3);
        let other = "other".parse().unwrap();
        let own = page(db, of(Some(&other)), None, 10).await.unwrap();
        let tenants: Vec<_> = own.iter().map(|one| one.acceptance.tenant.as_str()).collect();
        assert_eq!(tenants, ["other"]);
        let (first, rest) = all.split_first().unwrap();
        assert_eq!(
            page(db, of(None), Some(first.acceptance.id), 10).await.unwrap(),
            rest
        );
        assert_eq!(page(db, of(None), None, 1).await.unwrap(), all[..1]);
    })
    .await;
}

#[tokio::test]
async fn the_audit_log_tells_of_every_step() {
    on_each(async |db| {
        let desk = desk(db).await;
        let asked = desk.requested("acme", &[Purpose::Commercial]).await;
        let yes = yes();
        review(db, desk.stamp(), judge("zhipu", "wu"), asked.id, yes)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        revoke(db, desk.stamp(), judge("zhipu", "wu"), asked.id, "x".into())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        desk.reasons("acme", Purpose::Commercial).await;
        let sql = "SELECT kind FROM audit_entries WHERE tenant = 'acme' ORDER BY kind";
        let kinds: Vec<String> = on!(db, |c| sqlx::query_scalar(sql).fetch_all(c)).unwrap();
        let acts = ["approved", "requested", "revoked"].map(|act| format!("acceptance.{act}"));
        assert_eq!(kinds, [&acts[..], &["decision.refused".to_owned()]].concat());
    })
    .await;
}

mod around;
mod life;
