use super::*;
use crate::{databases::on_each, facts};
use domain::{
    audit::NewAudit,
    clock::HandClock,
    digest::Sha256,
    hardware::Need,
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
        need: Some(Need {
            values: 9,
            working_bytes: 3,
        }),
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
        let models = page(db, &Wanted::default(), None, 100).await.unwrap();
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        let mut known: Vec<_> = shipped.models.iter().map(|model| model.name.as_str()).collect();
        known.sort_unstable();
        assert_eq!(names, known);
        assert_eq!(
            page(db, &Wanted::default(), Some(&models[0].name), 100)
                .await
                .unwrap(),
            models[1..]
        );
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
async fn models_are_found_by_words_family_and_modality_in_either_language() {
    on_each(async |db| {
        seeded(db).await;
        let found = async |wanted: Wanted| {
            let models = page(db, &wanted, None, 100).await.unwrap();
            models
                .into_iter()
                .map(|model| model.name.to_string())
                .collect::<Vec<_>>()
        };
        let text = |text: &str| Wanted {
            text: Some(text.into()),
            ..Wanted::default()
        };
        assert_eq!(found(text("  VISION ENCODER: ")).await, ["THUDM/glm-4v-9b"]);
        assert_eq!(found(text("中文文档")).await, ["THUDM/glm-4v-9b"]);
        assert!(found(text("%")).await.is_empty());
        assert!(found(text("glm_4v")).await.is_empty());
        let texts = Wanted {
            family: Some("glm".into()),
            modality: Some(Modality::Text),
            ..Wanted::default()
        };
        let glm = found(texts).await;
        assert!(
            glm.contains(&"THUDM/glm-4-9b".to_owned()) && !glm.contains(&"THUDM/glm-4v-9b".to_owned()),
            "{glm:?}"
        );
        assert!(families(db).await.unwrap().contains(&"qwen".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_newer_seed_renews_its_own_cards_and_nobody_elses() {
    on_each(async |db| {
        let mut newer = Seed::shipped().unwrap();
        let mut revision = new_revision("Qwen/Qwen2-VL-7B-Instruct", "one", NOW);
        revision.model.license = "mit".parse().unwrap();
        add_revision(db, &revision).await.unwrap();
        seeded(db).await;
        for model in &mut newer.models {
            model.card.summary = Some("renewed".into());
            model.variants.clear();
        }
        seed(db, &newer, NOW).await.unwrap();
        let own = get(db, &name("THUDM/glm-4v-9b")).await.unwrap().unwrap();
        assert_eq!(own.card.summary.as_deref(), Some("renewed"));
        assert!(entry(db, own).await.unwrap().variants.is_empty());
        let theirs = get(db, &name("Qwen/Qwen2-VL-7B-Instruct"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((theirs.card, theirs.license.as_str()), (Card::default(), "mit"));
    })
    .await;
}

#[tokio::test]
async fn the_models_around_one_are_its_ancestors_descendants_siblings_and_what_those_were_made_from() {
    on_each(async |db| {
        seeded(db).await;
        let sql = "INSERT INTO lineage_edges (child, parent, relation, evidence) VALUES \
            ('THUDM/glm-edge-v-5b', 'THUDM/glm-4-9b-chat', 'merge', 'told'), \
            ('THUDM/glm-edge-v-5b', 'out/side', 'merge', 'told')";
        on!(db, |c| async { sqlx::query(sql).execute(c).await.map(drop) }).unwrap();
        let (edges, known) = crate::lineage::around(db, &name("THUDM/glm-4-9b-chat"), 100)
            .await
            .unwrap();
        let told: Vec<_> = edges
            .iter()
            .map(|edge| (edge.parent.as_str(), edge.child.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("THUDM/glm-4-9b", "THUDM/glm-4-9b-chat"),
                ("THUDM/glm-4-9b-chat", "THUDM/glm-4-9b-chat-1m"),
                ("THUDM/glm-4-9b", "THUDM/glm-4v-9b"),
                ("THUDM/glm-4-9b-chat", "THUDM/glm-edge-v-5b"),
                ("out/side", "THUDM/glm-edge-v-5b"),
            ]
        );
        assert!(known.contains_key(&name("THUDM/glm-4v-9b")) && !known.contains_key(&name("out/side")));
        let (edges, known) = crate::lineage::around(db, &name("Qwen/Qwen2-VL-7B-Instruct"), 100)
            .await
            .unwrap();
        assert!(edges.is_empty());
        assert_eq!(known[&name("Qwen/Qwen2-VL-7B-Instruct")].as_str(), "apache-2.0");
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
