//! URLs of images in requests.
#![no_main]
#![expect(clippy::unwrap_used, reason = "a fuzzer looks for what panics")]

#[path = "../../tests/glmhub/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::data_url(bytes));
