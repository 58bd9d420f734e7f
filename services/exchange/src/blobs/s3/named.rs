//! Buckets that are part of their server's name, as they are at Amazon: `BUCKET.localhost`, which is this machine.

use super::*;
use crate::blobs::{one_piece, read};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use std::net::Ipv4Addr;

/// Knows names below `localhost` alone; few machines do by themselves.
#[derive(Debug, Clone)]
struct ThisMachine;

impl ResolveDns for ThisMachine {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::ready(match name.ends_with(".localhost") {
            true => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
            false => Err(ResolveDnsError::new(format!("{name} has no bucket in it"))),
        })
    }
}

/// A bucket that is there, of a server on this machine, reached by its name.
pub(super) async fn reads_and_writes(bucket: &str, port: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let settings = S3Settings {
        bucket: bucket.into(),
        prefix: "named".into(),
        region: "us-east-1".into(),
        endpoint: Some(format!("http://localhost:{port}")),
        path_style: false,
        keys: Some(Keys {
            access: "glmhub".into(),
            secret: "a-secret-of-tests".into(),
        }),
        links: None,
        uploads: None,
        encryption: None,
        scratch: scratch.path().to_owned(),
    };
    let client = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .build_with_resolver(ThisMachine);
    let asker = asker::of(&settings).await;
    let config = S3Blobs::config(&settings, settings.endpoint.as_deref(), asker).http_client(client);
    let store = S3Blobs {
        client: Client::from_conf(config.build()),
        ..S3Blobs::open(settings).await.unwrap()
    };
    let small = store.put(one_piece("by its name"), 64).await.unwrap();
    assert_eq!(read(&store, small.sha256, 64).await.unwrap(), b"by its name");
    let large = vec![7; 2 * PART + 1];
    let parts = store.put(one_piece(large.clone()), 64 << 20).await.unwrap();
    assert!(read(&store, parts.sha256, 64 << 20).await.unwrap() == large);
    store.delete(small.sha256).await.unwrap();
    assert_eq!(store.size(small.sha256).await.unwrap(), None);
}
