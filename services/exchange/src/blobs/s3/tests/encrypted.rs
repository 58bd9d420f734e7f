//! What requests say of encryption, on the wire.

use super::*;

/// What a request says of encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    method: String,
    how: Option<String>,
    key: Option<String>,
}

impl Sent {
    /// What `request` says, if it says something.
    pub(super) fn of<B>(request: &hyper::Request<B>) -> Option<Self> {
        let header = |name: &str| Some(request.headers().get(name)?.to_str().unwrap().to_owned());
        let sent = Self {
            method: request.method().to_string(),
            how: header("x-amz-server-side-encryption"),
            key: header("x-amz-server-side-encryption-aws-kms-key-id"),
        };
        sent.how.is_some().then_some(sent)
    }
}

/// The headers of a request that say how to encrypt.
fn told(method: &str, how: &str, key: Option<&str>) -> Sent {
    Sent {
        method: method.into(),
        how: Some(how.into()),
        key: key.map(str::to_owned),
    }
}

#[tokio::test]
async fn every_request_that_stores_something_says_how_it_is_encrypted() {
    let server = Server::start().await;
    let key = "arn:aws:kms:us-east-1:111122223333:key/1";
    for (encryption, how, named) in [
        (Encryption::OwnKeys, "AES256", None),
        (Encryption::KeyService(None), "aws:kms", None),
        (Encryption::KeyService(Some(key.into())), "aws:kms", Some(key)),
    ] {
        let settings = S3Settings {
            encryption: Some(encryption),
            ..server.settings()
        };
        let store = S3Blobs::open(settings).await.unwrap();
        store.ping().await.unwrap();
        let small = format!("{how} {named:?}").into_bytes();
        store.put(one_piece(small.clone()), PLENTY).await.unwrap();
        store
            .put(in_pieces(&[small, large()].concat()), PLENTY)
            .await
            .unwrap();
        // The probe, a whole blob, and the beginning of one in parts; parts themselves are encrypted as was said there.
        let expected = [
            told("PUT", how, named),
            told("PUT", how, named),
            told("POST", how, named),
        ];
        assert_eq!(server.encrypting(), expected);
    }
    server
        .store()
        .await
        .put(one_piece(b"plain".to_vec()), PLENTY)
        .await
        .unwrap();
    assert_eq!(server.encrypting(), [], "the bucket decides");
}
