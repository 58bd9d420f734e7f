//! Whether a batch's file is one of requests. What is wrong with it is told by line; nothing is asked of it then.

use super::{
    BulkParts, hold_on,
    lines::{Lines, Read},
    request_line::{self, RequestLine},
};
use crate::{openai::settings::OpenaiSettings, problem::Problem};
use domain::{digest::Sha256, openai_batch::LineFault};
use records::{
    Stamp,
    openai_batches::{self, OpenaiBatch},
    openai_files,
};
use std::collections::HashSet;

/// After how many lines it is seen to that the batch is still held.
const HOLD_EVERY: u64 = 1_000;

/// Reads the whole file, and begins the batch or fails it.
pub(super) async fn check(parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<(), Problem> {
    let tenant = batch.caller.tenant.clone();
    let file = openai_files::get(&parts.db, &tenant, batch.input_file, parts.clock.now()).await?;
    let mut checked = Checked::new(&parts.openai, &batch.endpoint);
    match file {
        Some(file) => checked.read(parts, batch, file.sha256).await?,
        None => checked.whole("file_missing", "the file was taken away before it was read"),
    }
    let Checked {
        mut faults,
        model,
        total,
        ..
    } = checked;
    let now = parts.clock.now();
    if let (true, Some(model)) = (faults.is_empty(), &model) {
        openai_batches::begin(&parts.db, batch, now, (model, total)).await?;
        return Ok(());
    }
    if faults.is_empty() {
        faults.push(of_file("empty_file", "the file has no requests"));
    }
    let stamp = Stamp::of(&parts.ids, now, &batch.caller);
    if openai_batches::fail(&parts.db, stamp, batch, &faults, total).await? {
        parts.signals.deliver.notify_one();
    }
    Ok(())
}

fn of_file(code: &str, message: &str) -> LineFault {
    LineFault {
        code: code.to_owned(),
        line: None,
        message: message.to_owned(),
        param: None,
    }
}

/// What is known of a file so far.
struct Checked<'a> {
    settings: &'a OpenaiSettings,
    endpoint: String,
    faults: Vec<LineFault>,
    /// Digests of the names, so that the longest names take no more than the shortest.
    seen: HashSet<Sha256>,
    model: Option<String>,
    total: u64,
}

impl<'a> Checked<'a> {
    fn new(settings: &'a OpenaiSettings, endpoint: &str) -> Self {
        Self {
            settings,
            endpoint: endpoint.to_owned(),
            faults: Vec::new(),
            seen: HashSet::new(),
            model: None,
            total: 0,
        }
    }

    async fn read(
        &mut self,
        parts: &BulkParts,
        batch: &mut OpenaiBatch,
        sha256: Sha256,
    ) -> Result<(), Problem> {
        let (blobs, most) = (parts.blobs.as_ref(), self.settings.most_body_bytes);
        let mut lines = Lines::after(Read::default(), blobs, sha256, most).await?;
        while let Some(line) = lines.next().await? {
            if line.number.is_multiple_of(HOLD_EVERY) {
                hold_on(parts, batch).await?;
            }
            if line.is_blank() {
                continue;
            }
            if self.total == self.settings.most_batch_requests {
                let most = self.settings.most_batch_requests;
                let message = format!("a file has at most {most} requests: send several");
                self.whole("too_many_tasks", &message);
                return Ok(());
            }
            self.total += 1;
            let read = request_line::read(&line, &self.endpoint);
            if let Err(fault) = read.and_then(|request| self.take(&request)) {
                self.faults.push(fault);
            }
            if self.faults.len() >= self.settings.most_batch_faults {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take(&mut self, request: &RequestLine<'_>) -> Result<(), LineFault> {
        let fault = |code: &str, param: &str, message: String| LineFault {
            code: code.to_owned(),
            line: Some(request.number),
            message,
            param: Some(param.to_owned()),
        };
        if !self.seen.insert(Sha256::of(request.custom_id.as_bytes())) {
            let message = "another request before has the same custom_id".to_owned();
            return Err(fault("duplicate_custom_id", "custom_id", message));
        }
        let model = self.model.get_or_insert_with(|| request.model.clone());
        match *model == request.model {
            true => Ok(()),
            false => {
                let message = format!("all requests of a file ask one model, and the first asks {model}");
                Err(fault("model_mismatch", "body.model", message))
            }
        }
    }

    fn whole(&mut self, code: &str, message: &str) {
        self.faults.push(of_file(code, message));
    }
}
