use super::*;
use crate::{databases::on_each, facts};
use domain::{
    audit::NewAudit,
    clock::HandClock,
    digest::Sha256,
    id::IdMaker,
    model::{Artifact, Seed},
};
use serde_json::json;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

async fn seeded(db: &Db) {
    seed(db, &Seed::shipped().unwrap(), NOW).await.unwrap();
}

fn new_revision(model: &str, content: &str, at: OffsetDateTime) -> NewRevision {
    let ids = IdMaker::new(Arc::new(HandClock::at(at)));
    NewRevision {
        model: Model {
            name: name(model),
            license: "glm-4".parse().unwrap(),
            license_source: "presumed".into(),
            card: Card::default(),
            registered_at: at,
        },
        sha256: Sha256::of(content.as_bytes()),
        artifacts: ["b.json", "a.json"]
            .map(|path| Artifact {
                path: path.into(),
                sha256: Sha256::of(path.as_bytes()),
                bytes: 6,
            })
            .into(),
        terms: None,
        entry: NewAudit {
            id: ids.make(),
            at,
            tenant: "glmhub".parse().unwrap(),
            member: None,
            kind: "model.imported",
            subject: model.into(),
            decision: None,
            detail: json!({}),
        },
    }
}

#[tokio::test]
async fn the_seeded_models_read_back_with_variants_and_lineage() {
    on_each(async |db| {
        seeded(db).await;
        seeded(db).await;
        let shipped = Seed::shipped().unwrap();
        let models = page(db, None, 100).await.unwrap();
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        let mut known: Vec<_> = shipped.models.iter().map(|model| model.name.as_str()).collect();
        known.sort_unstable();
        assert_eq!(names, known);
        assert_eq!(page(db, Some(&models[0].name), 100).await.unwrap(), models[1..]);
        let vision = models.iter().find(|model| model.name == name("THUDM/glm-4v-9b"));
        let entry = entry(db, vision.unwrap().clone()).await.unwrap();
        let variant = entry
            .variants
            .iter()
            .find(|variant| variant.name == "q4_k_m")
            .unwrap();
        assert_eq!(
            (variant.file_bytes, variant.memory_bytes),
            (Some(8_500_000_000), Some(12_000_000_000))
        );
        assert_eq!(entry.parents[0].parent.as_str(), "THUDM/glm-4-9b");
        assert_eq!(entry.revision, None);
        assert_eq!(entry.model.card, shipped.models[0].card);
    })
    .await;
}

#[tokio::test]
async fn the_lineage_reaches_ancestors_that_nobody_registered_and_ends_on_cycles() {
    on_each(async |db| {
        seeded(db).await;
        let sql = "INSERT INTO lineage_edges (child, parent, relation, evidence) VALUES \
            ('THUDM/glm-4-9b', 'some/body', 'merge', 'told'), ('THUDM/glm-4-9b', 'THUDM/glm-4v-9b', 'merge', 'told')";
        on!(db, |c| async { sqlx::query(sql).execute(c).await.map(drop) }).unwrap();
        let lineage = facts::lineage(db, &name("THUDM/glm-4v-9b")).await.unwrap();
        let met: Vec<_> = lineage.iter().map(|licensed| (licensed.model.as_str(), licensed.through)).collect();
        assert_eq!(met, [("THUDM/glm-4v-9b", None), ("THUDM/glm-4-9b", Some(0)), ("some/body", Some(1))]);
        assert_eq!(lineage[1].license, Some("glm-4".parse().unwrap()));
        assert_eq!(lineage[2].license, None);
    })
    .await;
}

#[tokio::test]
async fn the_newest_revision_is_the_current_one() {
    on_each(async |db| {
        let times = [0, 1, 2].map(|hours| NOW + Duration::hours(hours));
        for (at, content) in times.into_iter().zip(["one", "two", "three"]) {
            assert_eq!(
                add_revision(db, &new_revision("acme/reader", content, at))
                    .await
                    .unwrap(),
                Imported::New
            );
        }
        let late = new_revision("acme/reader", "one", times[2] + Duration::hours(1));
        assert_eq!(add_revision(db, &late).await.unwrap(), Imported::Already);
        let model = name("acme/reader");
        let current = current_revision(db, &model).await.unwrap().unwrap();
        assert_eq!((current.sha256, current.bytes), (Sha256::of(b"three"), 12));
        let all = revisions(db, &model, None, 10).await.unwrap();
        let digests: Vec<_> = all.iter().map(|revision| revision.sha256).collect();
        assert_eq!(digests, [b"three".as_slice(), b"two", b"one"].map(Sha256::of));
        assert_eq!(
            revisions(db, &model, Some(&digests[0]), 1).await.unwrap(),
            all[1..2]
        );
        assert_eq!(
            revision(db, &model, &digests[2]).await.unwrap().as_ref(),
            Some(&all[2])
        );
        let paths: Vec<_> = revision_artifacts(db, &digests[1])
            .await
            .unwrap()
            .into_iter()
            .map(|one| one.path)
            .collect();
        assert_eq!(paths, ["a.json", "b.json"]);
        assert_eq!(artifacts_of_model(db, &model).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn two_models_may_have_the_same_files() {
    on_each(async |db| {
        for model in ["acme/one", "acme/two"] {
            let new = new_revision(model, "same", NOW);
            assert_eq!(add_revision(db, &new).await.unwrap(), Imported::New, "{model}");
        }
        assert_eq!(
            revision_artifacts(db, &Sha256::of(b"same")).await.unwrap().len(),
            2
        );
    })
    .await;
}
