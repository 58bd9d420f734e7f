use super::*;
use crate::{databases::on_each, run::Run as _};
use std::fmt::Write as _;

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

async fn run(db: &Db, sql: String) {
    on!(db, |c| sqlx::query(sqlx::AssertSqlSafe(sql)).run(c)).unwrap();
}

/// Models `m/0` to `m/LAST` under `mit`, and edges (child, parent) between them.
async fn lay(db: &Db, last: usize, edges: &[(usize, usize)]) {
    let at = "'2026-01-01 00:00:00'";
    for numbers in (0..=last).collect::<Vec<_>>().chunks(500) {
        let mut sql =
            String::from("INSERT INTO models (name, license, license_source, card, registered_at) VALUES ");
        for number in numbers {
            write!(sql, "('m/{number}', 'mit', 'told', '{{}}', {at}),").unwrap();
        }
        run(db, sql.trim_end_matches(',').to_owned()).await;
    }
    for edges in edges.chunks(500) {
        let mut sql = String::from("INSERT INTO lineage_edges (child, parent, relation, evidence) VALUES ");
        for (child, parent) in edges {
            write!(sql, "('m/{child}', 'm/{parent}', 'merge', 'told'),").unwrap();
        }
        run(db, sql.trim_end_matches(',').to_owned()).await;
    }
}

#[tokio::test]
async fn ten_thousand_edges_with_diamonds_and_a_cycle_are_read_at_once() {
    on_each(async |db| {
        // Layers of ten, each of whose models descends from all ten of the next layer; the last leads back.
        let layer = |number: usize| number / 10;
        let mut edges: Vec<(usize, usize)> = (0..1000)
            .flat_map(|child| (0..10).map(move |place| (child, (child / 10 + 1) * 10 + place)))
            .collect();
        edges.push((1009, 0));
        lay(db, 1009, &edges).await;
        let found = lineage(db, &name("m/0")).await.unwrap();
        // The rest of the first layer is above nobody.
        assert_eq!(found.len(), 1001);
        assert_eq!((found[0].model.as_str(), found[0].through), ("m/0", None));
        let number = |place: usize| -> usize { found[place].model.name().parse().unwrap() };
        for (place, licensed) in found.iter().enumerate().skip(1) {
            let child = number(licensed.through.unwrap());
            assert_eq!(layer(child) + 1, layer(number(place)));
            assert_eq!(licensed.license, Some("mit".parse().unwrap()));
        }
    })
    .await;
}

#[tokio::test]
async fn facts_tell_the_revision_its_own_text_and_the_tenants_acceptances_in_one_statement() {
    on_each(async |db| {
        lay(db, 1, &[(0, 1)]).await;
        let (old, new, gone) = (Sha256::of(b"old"), Sha256::of(b"new"), Sha256::of(b"gone"));
        for (sha256, terms, day) in [(old, "'1'", 1), (new, "NULL", 2)] {
            let terms = match terms {
                "NULL" => terms.to_owned(),
                _ => format!("'{}'", Sha256::of(b"text")),
            };
            let sql = format!(
                "INSERT INTO revisions (model, sha256, terms_sha256, bytes, imported_at) VALUES \
                 ('m/0', '{sha256}', {terms}, 1, '2026-01-0{day} 00:00:00')"
            );
            run(db, sql).await;
        }
        let text = Sha256::of(b"text");
        run(
            db,
            format!("INSERT INTO terms (license, sha256, text, seen_at) VALUES ('mit', '{text}', 'x', '2026-01-01 00:00:00')"),
        )
        .await;
        for (number, tenant) in [(1u128, "acme"), (2, "acme"), (3, "other")] {
            let id: domain::id::AcceptanceId = uuid(number).into();
            run(
                db,
                format!(
                    "INSERT INTO acceptances (id, tenant, requested_by, requested_at, license, terms_sha256, purposes, \
                     signer_name, signer_title) VALUES ('{id}', '{tenant}', 'li', '2026-01-01 00:00:00', 'mit', \
                     '{text}', '[\"research\"]', 'x', 'y')"
                ),
            )
            .await;
        }
        let of = async |tenant: &str, revision: Option<&Sha256>| {
            of(db, &tenant.parse().unwrap(), &name("m/0"), revision).await.unwrap()
        };
        let current = of("acme", None).await;
        assert_eq!(current.revision_sha256, Some(new));
        assert_eq!(current.facts.lineage[0].terms_sha256, None);
        assert_eq!(current.facts.lineage[1].model, name("m/1"));
        let ids: Vec<_> = current.facts.acceptances.iter().map(|held| held.id).collect();
        assert_eq!(ids, [uuid(1).into(), uuid(2).into()]);
        let earlier = of("other", Some(&old)).await;
        assert_eq!(earlier.revision_sha256, Some(old));
        assert_eq!(earlier.facts.lineage[0].terms_sha256, Some(text));
        assert_eq!(earlier.facts.acceptances.len(), 1);
        assert_eq!(of("nobody", Some(&gone)).await.revision_sha256, None);
        let stray = super::of(db, &"acme".parse().unwrap(), &name("no/such"), None).await.unwrap();
        assert_eq!((stray.revision_sha256, stray.facts.acceptances.len()), (None, 2));
    })
    .await;
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}
