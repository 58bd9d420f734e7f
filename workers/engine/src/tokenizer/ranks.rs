//! `tokenizer.model`: one `base64(bytes) rank` per line. The rank of a byte string is also its id.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::TokenizerError;

#[derive(Debug)]
pub(super) struct Ranks {
    by_bytes: HashMap<Arc<[u8]>, u32>,
    by_rank: HashMap<u32, Arc<[u8]>>,
    longest: usize,
}

impl Ranks {
    /// `path` is where the text is from, for messages.
    pub fn read(path: &Path, text: &str) -> Result<Ranks, TokenizerError> {
        let mut ranks = Ranks {
            by_bytes: HashMap::new(),
            by_rank: HashMap::new(),
            longest: 0,
        };
        for (index, line) in text.lines().enumerate() {
            if !line.is_empty() {
                ranks.add(line).map_err(|reason| TokenizerError::Line {
                    path: path.to_owned(),
                    line: index + 1,
                    reason,
                })?;
            }
        }
        ranks.check_bytes(path)?;
        Ok(ranks)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (token, rank) = line
            .split_once(' ')
            .ok_or("expected `base64 rank`, found no space")?;
        let bytes: Arc<[u8]> = STANDARD
            .decode(token)
            .map_err(|error| format!("not base64: {error}"))?
            .into();
        let rank: u32 = rank.parse().map_err(|_| format!("`{rank}` is not a rank"))?;
        if bytes.is_empty() {
            return Err("the token is empty".to_owned());
        }
        if self.by_rank.contains_key(&rank) {
            return Err(format!("rank {rank} is given twice"));
        }
        self.longest = self.longest.max(bytes.len());
        match self.by_bytes.insert(Arc::clone(&bytes), rank) {
            Some(first) => Err(format!(
                "the token of rank {first} is given again with rank {rank}"
            )),
            None => {
                self.by_rank.insert(rank, bytes);
                Ok(())
            }
        }
    }

    /// Every text must be expressible, so every single byte needs a rank.
    fn check_bytes(&self, path: &Path) -> Result<(), TokenizerError> {
        match (0..=u8::MAX).find(|&byte| self.of(&[byte]).is_none()) {
            None => Ok(()),
            Some(byte) => Err(TokenizerError::Content {
                path: path.to_owned(),
                reason: format!("the single byte {byte:#04x} has no rank; is the file cut off?"),
            }),
        }
    }

    /// The rank of exactly these bytes.
    pub fn of(&self, bytes: &[u8]) -> Option<u32> {
        if bytes.len() > self.longest {
            return None;
        }
        self.by_bytes.get(bytes).copied()
    }

    pub fn bytes_of(&self, rank: u32) -> Option<&[u8]> {
        self.by_rank.get(&rank).map(|bytes| &**bytes)
    }
}
