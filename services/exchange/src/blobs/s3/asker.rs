//! Who asks S3: an access key of the settings, or whoever this machine says.

use super::S3Settings;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_sdk_s3::config::{Credentials, Region, SharedCredentialsProvider};

/// An access key of the settings.
pub struct Keys {
    /// The key.
    pub access: String,
    /// Its secret.
    pub secret: String,
}

/// The key of the settings; or else the first that is there of the environment, a profile, a token of web identity, the
/// address that a container has for it, and the machine's own: what Amazon's clients do by default. These are looked up
/// when they are first needed, and again before they end.
pub(super) async fn of(settings: &S3Settings) -> SharedCredentialsProvider {
    match &settings.keys {
        Some(Keys { access, secret }) => {
            SharedCredentialsProvider::new(Credentials::new(access, secret, None, None, "settings"))
        }
        None => {
            let chain = DefaultCredentialsChain::builder().region(Region::new(settings.region.clone()));
            SharedCredentialsProvider::new(chain.build().await)
        }
    }
}
