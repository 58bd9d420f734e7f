//! The hardware part of a model's page.

use super::{
    Asked,
    parts::{Fitting, Taken},
};
use crate::{problem::Problem, site::figures};
use domain::{
    hardware::{self, Fit, Kind, KvType, Machines, Verdict},
    language::Language,
};
use records::models::Entry;

/// What the use takes, what use that is, and what it means on every machine.
pub type Hardware = (Option<Taken>, String, Vec<Fitting>);

/// The memory for the use that is asked about; what makes no sense is left at what is usual.
pub fn hardware(entry: &Entry, asked: &Asked, t: Language) -> Result<Hardware, Problem> {
    let Some((shape, variant, weights, mut usage)) = hardware::usual(&entry.model.card, &entry.variants)
    else {
        return Ok((None, String::new(), Vec::new()));
    };
    let (mut name, mut bytes) = (variant.name.clone(), weights);
    let named = entry.variants.iter().find(|one| one.name == asked.variant);
    if let Some((variant, size)) = named.and_then(|one| Some((one, one.file_bytes?))) {
        (name, bytes) = (variant.name.clone(), size);
    }
    let longest = usage.context;
    usage.context = asked
        .context
        .parse()
        .ok()
        .filter(|tokens| (1..=longest).contains(tokens))
        .unwrap_or(longest);
    usage.pages = asked
        .pages
        .parse()
        .ok()
        .filter(|pages| (1..=1024).contains(pages))
        .unwrap_or(1);
    usage.kv = asked.kv.parse().unwrap_or(KvType::F32);
    let machines = Machines::shipped().map_err(Problem::internal)?;
    let Ok((memory, fits)) = hardware::fits(&shape, bytes, usage, machines) else {
        let told = t.of("The context is too short for an image.", "上下文放不下一幅图像。");
        return Ok((None, told.to_owned(), Vec::new()));
    };
    let told = t.of(
        format!(
            "{} of {} tokens, keys and values in {}",
            if usage.pages == 1 {
                "one page".to_owned()
            } else {
                format!("{} pages at once", usage.pages)
            },
            figures::grouped(usage.context.into()),
            usage.kv.as_str()
        ),
        format!(
            "同时 {} 页，每页 {} token，键值以 {} 保存",
            usage.pages,
            figures::grouped(usage.context.into()),
            usage.kv.as_str()
        ),
    );
    Ok((
        Some(Taken {
            variant: name,
            context: longest,
            memory,
        }),
        told,
        fits.iter().map(|fit| fitting(fit, t)).collect(),
    ))
}

fn fitting(fit: &Fit<'_>, t: Language) -> Fitting {
    let (verdict, class) = match fit.verdict {
        Verdict::Runs => (t.of("runs", "可运行"), "good"),
        Verdict::Tight => (t.of("tight", "勉强"), "warn"),
        Verdict::DoesNotRun => (t.of("does not run", "不可运行"), "bad"),
    };
    Fitting {
        name: fit.machine.name.clone(),
        kind: match fit.machine.kind {
            Kind::Consumer => t.of("consumer", "消费级"),
            Kind::Workstation => t.of("workstation", "工作站"),
            Kind::Datacentre => t.of("datacentre", "数据中心"),
            Kind::Unified => t.of("unified memory", "统一内存"),
            Kind::Host => t.of("processors", "处理器主机"),
        },
        memory: format!("{} GB", fit.machine.memory_gb),
        verdict,
        class,
        context: fit
            .largest_context_tokens
            .map(|tokens| figures::grouped(tokens.into()))
            .unwrap_or_default(),
        source: fit.machine.source.clone(),
    }
}
