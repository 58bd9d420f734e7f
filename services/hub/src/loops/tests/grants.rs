//! What the grants of dispatched orders are bound to beside the order itself.

use super::desk::Desk;
use domain::{
    acceptance::{Asking, Declaration, Signer},
    access::Caller,
    clock::Clock as _,
    grant::Grant,
    license::Licenses,
    model::artifacts_digest,
    policy::{Policies, PolicyFile},
    purpose::Purpose,
};
use exchange::grant;
use records::{
    acceptances::{self, Subject},
    models, terms,
};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// apache-2.0 as an organisation sees it that wants it accepted.
const ASKING: &str = "id = \"apache-2.0\"\ntitle = \"Apache\"\nsource = \"told\"\nrevocable = false\n\
    [purposes.research]\npermission = \"permitted\"\nconditions = [\"acceptance\"]\n";

fn asking() -> PolicyFile {
    PolicyFile::new("licenses/apache-2.0.toml", ASKING)
}

/// Tenant acme accepts for research until `until`.
async fn accept(desk: &Desk, until: Option<OffsetDateTime>) {
    let licenses = Licenses::read([&asking()]).unwrap();
    let license = licenses.get(&"apache-2.0".parse().unwrap()).unwrap();
    let caller = Caller {
        tenant: "acme".parse().unwrap(),
        member: "li".parse().unwrap(),
        roles: BTreeSet::new(),
    };
    let text = terms::publish(&desk.db, desk.stamp(), &caller.tenant, &license.id, "You may.").await;
    let declared = Declaration {
        terms_sha256: text.unwrap().sha256,
        purposes: BTreeSet::from([Purpose::Research]),
        signer: Signer {
            name: "the signatory".into(),
            title: "Counsel".into(),
        },
        registration_number: None,
        territory: None,
        evidence: None,
        valid_until: until,
    };
    let asked = Asking {
        id: desk.ids.make(),
        caller: &caller,
        at: desk.clock.now(),
        license,
        declared,
        submit: true,
    };
    let subject = Subject::License(license.id.clone());
    acceptances::request(&desk.db, desk.stamp(), &subject, asked)
        .await
        .unwrap()
        .unwrap();
}

/// The grant of the next order that goes out.
async fn dispatched(desk: &mut Desk) -> Grant {
    desk.dispatch_all().await;
    let order = desk.take().await.unwrap().order;
    grant::verify(&desk.key.public(), &order.grant, &order, desk.clock.now(), 0).unwrap()
}

#[tokio::test]
async fn a_grant_names_the_files_of_the_revision_and_the_policies_in_force_and_ends_as_configured() {
    let mut desk = Desk::new().await;
    desk.batch("acme", 1, 1).await;
    let granted = dispatched(&mut desk).await;
    let artifacts = models::revision_artifacts(&desk.db, &granted.revision_sha256)
        .await
        .unwrap();
    assert_eq!(artifacts.len(), 1);
    assert_eq!(granted.artifacts_sha256, artifacts_digest(&artifacts));
    assert_eq!(granted.policies_sha256, desk.policies.get().sha256());
    let usual = desk.settings.grant_lifetime().whole_seconds();
    assert_eq!(granted.exp - granted.iat, usual);
}

#[tokio::test]
async fn a_grant_ends_with_the_acceptance_that_it_stands_on() {
    let mut desk = Desk::new().await;
    let end = desk.clock.now() + Duration::milliseconds(90_500);
    accept(&desk, Some(end)).await;
    desk.batch("acme", 1, 1).await;
    let policies = Policies::with_own(vec![asking()]).unwrap();
    desk.policies.replace(policies, desk.clock.now());
    let granted = dispatched(&mut desk).await;
    assert_eq!(granted.exp - granted.iat, 90, "rounded down");
}

#[tokio::test]
async fn an_acceptance_that_stands_long_does_not_lengthen_a_grant() {
    let mut desk = Desk::new().await;
    accept(&desk, Some(desk.clock.now() + Duration::days(3000))).await;
    desk.batch("acme", 1, 1).await;
    let policies = Policies::with_own(vec![asking()]).unwrap();
    desk.policies.replace(policies, desk.clock.now());
    let granted = dispatched(&mut desk).await;
    let usual = desk.settings.grant_lifetime().whole_seconds();
    assert_eq!(granted.exp - granted.iat, usual);
}

#[tokio::test]
async fn a_grant_ends_with_the_time_of_its_batch() {
    let mut desk = Desk::new().await;
    let end = desk.clock.now() + Duration::milliseconds(90_500);
    desk.submitted_as("acme", 1, |batch| batch.with_end(Some(end)))
        .await;
    let taken = desk.take_document().await.unwrap();
    assert!(desk.split(&taken, 1).await);
    let granted = dispatched(&mut desk).await;
    assert_eq!(granted.exp - granted.iat, 90, "rounded down");
}
