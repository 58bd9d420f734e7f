use super::*;
use crate::{
    databases::on_each,
    models::{self, Imported, NewRevision},
};
use domain::{
    audit::NewAudit,
    clock::HandClock,
    id::IdMaker,
    model::{Card, Model, Seed},
};
use std::sync::Arc;
use time::Duration;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const MODEL: &str = "THUDM/glm-4v-9b";
const LATER: OffsetDateTime = NOW.saturating_add(Duration::HOUR);

struct Scene<'a> {
    db: &'a Db,
    ids: IdMaker,
    model: ModelName,
    files: [(Artifact, Option<u64>); 2],
}

impl<'a> Scene<'a> {
    async fn set(db: &'a Db) -> Self {
        models::seed(db, &Seed::shipped().unwrap(), NOW).await.unwrap();
        let file = |path: &str, content: &[u8], parts| {
            let artifact = Artifact {
                path: path.into(),
                sha256: Sha256::of(content),
                bytes: content.len() as u64,
            };
            (artifact, parts)
        };
        Self {
            db,
            ids: IdMaker::new(Arc::new(HandClock::at(NOW))),
            model: MODEL.parse().unwrap(),
            files: [file("a", b"weights", Some(3)), file("b", b"had already", None)],
        }
    }

    fn stamp(&self, at: OffsetDateTime) -> Stamp<'_> {
        Stamp::of_hub(&self.ids, at)
    }

    async fn open(&self, tenant: &str, content: &[u8], at: OffsetDateTime) -> Opened {
        let (tenant, member) = (tenant.parse().unwrap(), "ann".parse().unwrap());
        let new = NewUpload {
            id: self.ids.make(),
            model: &self.model,
            files_sha256: Sha256::of(content),
            files: &self.files,
            expires_at: at + Duration::HOUR,
        };
        open(self.db, self.stamp(at), &tenant, &member, &new, 2)
            .await
            .unwrap()
    }

    async fn opened(&self, tenant: &str, content: &[u8]) -> ModelUpload {
        match self.open(tenant, content, NOW).await {
            Opened::New(upload) => upload,
            other => panic!("{other:?}"),
        }
    }

    async fn of(&self, upload: &ModelUpload) -> ModelUpload {
        get(self.db, &upload.tenant, upload.id).await.unwrap().unwrap()
    }

    fn revision(&self, content: &[u8]) -> NewRevision {
        NewRevision {
            model: Model {
                name: self.model.clone(),
                license: "glm-4".parse().unwrap(),
                license_source: "told".into(),
                card: Card::default(),
                registered_at: NOW,
            },
            sha256: Sha256::of(content),
            artifacts: self.files.iter().map(|(file, _)| file.clone()).collect(),
            need: None,
            terms: None,
            entry: NewAudit {
                id: self.ids.make(),
                at: NOW,
                tenant: "acme".parse().unwrap(),
                member: None,
                kind: "model.imported",
                subject: MODEL.into(),
                decision: None,
                detail: json!({}),
            },
        }
    }
}

#[tokio::test]
async fn the_same_is_opened_once_and_no_more_than_a_tenant_may_have() {
    on_each(async |db| {
        let scene = Scene::set(db).await;
        let first = scene.opened("acme", b"one").await;
        assert_eq!(
            scene.open("acme", b"one", NOW).await,
            Opened::Before(first.clone())
        );
        let second = scene.opened("acme", b"two").await;
        assert_eq!(scene.open("acme", b"three", NOW).await, Opened::TooMany);
        // Another tenant's is its own.
        let other = scene.opened("rival", b"one").await;
        assert_ne!(other.id, first.id);
        assert_eq!(get(db, &other.tenant, first.id).await.unwrap(), None);
        // What is over makes room, whether or not it was written down.
        let Opened::New(third) = scene.open("acme", b"one", LATER).await else {
            panic!("it is over")
        };
        assert_ne!(third.id, first.id);
        for over in [first, second] {
            assert_eq!(scene.of(&over).await.state, UploadState::Expired { at: LATER });
        }
    })
    .await;
}

#[tokio::test]
async fn who_begins_parts_first_is_heard_and_files_that_are_not_asked_for_have_none() {
    on_each(async |db| {
        let scene = Scene::set(db).await;
        let upload = scene.opened("acme", b"one").await;
        let [asked, had] = [b"weights".as_slice(), b"had already"].map(Sha256::of);
        let begin = async |sha256, id: &str| begin_parts(db, upload.id, sha256, id).await.unwrap();
        assert_eq!(begin(asked, "first").await.as_deref(), Some("first"));
        assert_eq!(begin(asked, "second").await.as_deref(), Some("first"));
        assert_eq!(begin(had, "first").await, None);
        assert_eq!(begin(Sha256::of(b"other"), "first").await, None);
        joined(db, upload.id, asked, NOW).await.unwrap();
        joined(db, upload.id, had, NOW).await.unwrap();
        let files = files(db, upload.id).await.unwrap();
        let told: Vec<_> = files
            .iter()
            .map(|file| (file.artifact.path.as_str(), file.part_bytes, file.joined_at))
            .collect();
        assert_eq!(told, [("a", Some(3), Some(NOW)), ("b", None, None)]);
    })
    .await;
}

#[tokio::test]
async fn what_is_submitted_is_read_by_one_and_made_a_revision_once() {
    on_each(async |db| {
        let scene = Scene::set(db).await;
        let (upload, until) = (scene.opened("acme", b"one").await, NOW + Duration::MINUTE);
        let rival = "rival".parse().unwrap();
        assert!(!submit(db, scene.stamp(NOW), &rival, upload.id).await.unwrap());
        assert!(
            !submit(db, scene.stamp(LATER), &upload.tenant, upload.id)
                .await
                .unwrap()
        );
        assert_eq!(take(db, NOW, until).await.unwrap(), None);
        assert!(
            submit(db, scene.stamp(NOW), &upload.tenant, upload.id)
                .await
                .unwrap()
        );
        let slow = take(db, NOW, until).await.unwrap().unwrap();
        assert_eq!(take(db, NOW, until).await.unwrap(), None);
        let mut quick = take(db, until, until + Duration::MINUTE).await.unwrap().unwrap();
        assert!(prolong(db, &mut quick, LATER).await.unwrap());
        // Who was slow has it no more.
        assert!(!prolong(db, &mut slow.clone(), LATER).await.unwrap());
        let (stamp, revision) = (scene.stamp(NOW), scene.revision(b"new"));
        assert_eq!(complete(db, stamp, &slow, &revision).await.unwrap(), None);
        assert!(!refuse(db, stamp, &slow, "no").await.unwrap());
        assert_eq!(
            models::revision(db, &scene.model, &revision.sha256)
                .await
                .unwrap(),
            None
        );
        assert_eq!(
            complete(db, stamp, &quick, &revision).await.unwrap(),
            Some(Imported::New)
        );
        assert_eq!(complete(db, stamp, &quick, &revision).await.unwrap(), None);
        let state = UploadState::Completed {
            at: NOW,
            revision: revision.sha256,
        };
        assert_eq!(scene.of(&upload).await.state, state);
        assert!(
            models::revision(db, &scene.model, &revision.sha256)
                .await
                .unwrap()
                .is_some()
        );
        // The same files once more are the same revision.
        let again = scene.opened("acme", b"one").await;
        assert!(submit(db, stamp, &again.tenant, again.id).await.unwrap());
        let taken = take(db, NOW, until).await.unwrap().unwrap();
        assert_eq!(
            complete(db, stamp, &taken, &revision).await.unwrap(),
            Some(Imported::Already)
        );
        assert_eq!(scene.of(&again).await.state, state);
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_cleared_once() {
    on_each(async |db| {
        let scene = Scene::set(db).await;
        let stamp = scene.stamp(NOW);
        let (refused, aborted) = (
            scene.opened("acme", b"one").await,
            scene.opened("acme", b"two").await,
        );
        assert!(uncleared(db, 9).await.unwrap().is_empty());
        assert!(submit(db, stamp, &refused.tenant, refused.id).await.unwrap());
        let taken = take(db, NOW, LATER).await.unwrap().unwrap();
        assert!(refuse(db, stamp, &taken, "another digest").await.unwrap());
        assert!(
            !abort(db, stamp, &"rival".parse().unwrap(), aborted.id)
                .await
                .unwrap()
        );
        assert!(abort(db, stamp, &aborted.tenant, aborted.id).await.unwrap());
        assert!(!abort(db, stamp, &refused.tenant, refused.id).await.unwrap());
        let expired = scene.opened("rival", b"three").await;
        expire(db, scene.stamp(LATER)).await.unwrap();
        let over = async || {
            let over = uncleared(db, 9).await.unwrap();
            over.into_iter().map(|upload| upload.id).collect::<Vec<_>>()
        };
        assert_eq!(over().await, [refused.id, aborted.id, expired.id]);
        for id in over().await {
            cleared(db, id, NOW).await.unwrap();
        }
        assert!(over().await.is_empty());
        let reason = "another digest".into();
        assert_eq!(
            scene.of(&refused).await.state,
            UploadState::Refused { at: NOW, reason }
        );
    })
    .await;
}

#[tokio::test]
async fn who_opens_the_same_at_once_gets_the_same_upload() {
    on_each(async |db| {
        let scene = Scene::set(db).await;
        let open = || scene.open("acme", b"the same", NOW);
        let (one, two, three, four) = tokio::join!(open(), open(), open(), open());
        let (mut ids, mut new) = (Vec::new(), 0);
        for opened in [one, two, three, four] {
            new += usize::from(matches!(opened, Opened::New(_)));
            match opened {
                Opened::New(upload) | Opened::Before(upload) => ids.push(upload.id),
                Opened::TooMany => panic!("one is not too many"),
            }
        }
        ids.dedup();
        assert_eq!((new, ids.len()), (1, 1), "{ids:?}");
    })
    .await;
}
