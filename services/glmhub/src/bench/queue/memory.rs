//! How much memory Redis says that it takes.

use anyhow::Context as _;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of the Redis at `url`, which is `redis://HOST:PORT` and asks for no password.
pub fn of_redis(url: &str) -> anyhow::Result<u64> {
    let address = url.trim_start_matches("redis://").trim_end_matches('/');
    let mut link = TcpStream::connect(address).with_context(|| format!("Redis at {address}"))?;
    link.set_read_timeout(Some(PATIENCE))?;
    link.write_all(b"INFO memory\r\nQUIT\r\n")?;
    let mut told = String::new();
    link.read_to_string(&mut told)
        .context("what Redis says of its memory")?;
    used(&told).context("Redis does not say how much memory it takes")
}

fn used(told: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix("used_memory:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_among_the_others() {
        let told = "$99\r\n# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n";
        assert_eq!(used(told), Some(1_048_576));
        assert_eq!(used("-NOAUTH Authentication required.\r\n"), None);
    }
}
