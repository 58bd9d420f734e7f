//! What issuers answer with, within a bound.

use futures_util::StreamExt as _;
use reqwest::Response;

/// The most bytes of what an issuer answers with. Key sets of large issuers have some ten thousand.
const MOST_BYTES: usize = 1024 * 1024;

/// The body of `response`, if it keeps to the bound.
pub(super) async fn bounded(response: Response) -> anyhow::Result<Vec<u8>> {
    let (mut stream, mut bytes) = (response.bytes_stream(), Vec::new());
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece?);
        anyhow::ensure!(
            bytes.len() <= MOST_BYTES,
            "it answers with more than {MOST_BYTES} bytes"
        );
    }
    Ok(bytes)
}
