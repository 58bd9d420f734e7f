//! Questions about a model with answers that are made from its facts, so that they cannot contradict its page.

use crate::{
    card::{Modality, Quantisation},
    effective::EffectiveTerms,
    hardware::Memory,
    language::Language,
    license::Permission,
    model::Model,
    purpose::Purpose,
};
use serde::Serialize;

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What is asked.
    pub question: String,
    /// What the facts say.
    pub answer: String,
}

/// What the answers are made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The model.
    pub model: &'a Model,
    /// What its whole lineage permits.
    pub terms: &'a EffectiveTerms,
    /// The variant whose memory is told, with that memory for one page at the full context.
    pub memory: Option<(&'a str, Memory)>,
}

/// The questions whose answers are known, in this language.
pub fn of(facts: Facts<'_>, language: Language) -> Vec<Entry> {
    let name = facts.model.name.name();
    let entry = |english: String, chinese: String, answer: String| Entry {
        question: language.of(english, chinese),
        answer,
    };
    let mut all = vec![entry(
        format!("Can {name} be used commercially?"),
        format!("{name} 可以商用吗？"),
        commercial(facts, language),
    )];
    if let Some((variant, memory)) = facts.memory {
        let gigabytes = tenths(memory.peak);
        all.push(entry(
            format!("How much memory does {name} need?"),
            format!("{name} 需要多少内存？"),
            language.of(
                format!("{gigabytes} GB as {variant}, for one page at the full context, as the hub's engine computes it."),
                format!("以 {variant} 运行、一页、用满上下文时需要 {gigabytes} GB（按本引擎的计算）。"),
            ),
        ));
    }
    if let Some(tokens) = facts.model.card.context_tokens {
        all.push(entry(
            format!("How long is the context of {name}?"),
            format!("{name} 的上下文有多长？"),
            language.of(format!("{tokens} tokens."), format!("{tokens} 个 token。")),
        ));
    }
    if let Some(modality) = facts.model.card.modality {
        let answer = match modality {
            Modality::ImageText => language.of(
                "Yes: images and text in, text out.",
                "可以：输入图像和文字，输出文字。",
            ),
            Modality::Text => language.of("No: it takes text alone.", "不可以：只接受文字。"),
        };
        all.push(entry(
            format!("Can {name} read images?"),
            format!("{name} 能读图像吗？"),
            answer.to_owned(),
        ));
    }
    if let Some(quantisation) = facts.model.card.quantisation {
        let answer = match quantisation {
            Quantisation::Required => language.of(
                "No: the original weights are quantised with `glmhub model quantize`.",
                "没有：须用 `glmhub model quantize` 从原始权重量化。",
            ),
            Quantisation::Published => language.of("Yes.", "有。"),
        };
        all.push(entry(
            format!("Are files of {name} in few bits published?"),
            format!("{name} 有现成的低比特文件吗？"),
            answer.to_owned(),
        ));
    }
    all
}

fn commercial(facts: Facts<'_>, language: Language) -> String {
    let license = &facts.model.license;
    let purpose = facts.terms.purposes.get(&Purpose::Commercial);
    let permission = purpose.map_or(Permission::Unknown, |facts| facts.permission);
    let conditions = purpose.is_some_and(|facts| !facts.conditions.is_empty());
    let answer = match (permission, conditions) {
        (Permission::Permitted, false) => {
            language.of(format!("Yes, under {license}."), format!("可以，依据 {license} 许可。"))
        }
        (Permission::Permitted, true) => language.of(
            format!("Yes, under {license}, after its conditions are met: accept the terms, and see the licence for the rest."),
            format!("可以，依据 {license} 许可，但须先满足其条件：接受条款，其余见许可一节。"),
        ),
        (Permission::Prohibited, _) => language.of(
            "No: a licence in its lineage prohibits it.".to_owned(),
            "不可以：其谱系中有许可禁止商用。".to_owned(),
        ),
        (Permission::Unknown, _) => language.of(
            "Nobody has established it here, so the hub refuses it.".to_owned(),
            "尚未确定，因此本系统拒绝商用。".to_owned(),
        ),
    };
    let limits = purpose.map_or_else(Vec::new, |facts| facts.limits(language));
    match limits.is_empty() {
        true => answer,
        false => {
            let limits = limits.join(language.of(", ", "，"));
            let limited = language.of(
                format!(" It is permitted {limits}."),
                format!("许可范围：{limits}。"),
            );
            answer + &limited
        }
    }
}

/// Gigabytes with one digit after the point, rounded up: nobody is told less than is needed.
fn tenths(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000_000);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{effective, license::Licenses, lineage::Licensed, model::Seed, territory::Territories};
    use time::OffsetDateTime;

    #[test]
    fn the_answers_say_what_the_facts_of_glm_4v_say_in_both_languages() {
        let seeded = Seed::shipped().unwrap().models.into_iter();
        let found = seeded
            .into_iter()
            .find(|model| model.name.as_str() == "THUDM/glm-4v-9b")
            .unwrap();
        let own = Licensed {
            model: found.name.clone(),
            license: Some(found.license.clone()),
            terms_sha256: None,
            through: None,
        };
        let terms = effective::terms(&[own], &Licenses::shipped().unwrap());
        let (shape, variant, weights, usage) = crate::hardware::usual(&found.card, &found.variants).unwrap();
        let memory = shape.memory(weights, usage).unwrap();
        let variant = variant.name.clone();
        let model = Model {
            name: found.name,
            license: found.license,
            license_source: found.license_source,
            card: found.card,
            registered_at: OffsetDateTime::UNIX_EPOCH,
        };
        let facts = Facts {
            model: &model,
            terms: &terms,
            memory: Some((&variant, memory)),
        };
        let said = |language| {
            let all = of(facts, language).into_iter();
            all.map(|entry| format!("{} {}", entry.question, entry.answer))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let english = said(Language::English);
        for expected in [
            "used commercially? Yes, under glm-4, after",
            "9.2 GB as q4_k_m",
            "8192 tokens",
            "Yes: images",
        ] {
            assert!(english.contains(expected), "{expected}: {english}");
        }
        assert!(said(Language::Chinese).contains("9.2 GB"));
        assert_eq!(
            of(facts, Language::Chinese).len(),
            of(facts, Language::English).len()
        );
        let mut limited = terms.clone();
        let commercial = limited.purposes.get_mut(&Purpose::Commercial).unwrap();
        commercial.territories = Some(Territories::Only(["CN".parse().unwrap()].into()));
        let facts = Facts {
            terms: &limited,
            ..facts
        };
        let first = |language| of(facts, language).swap_remove(0).answer;
        assert!(first(Language::English).ends_with(" It is permitted only in CN."));
        assert!(first(Language::Chinese).ends_with("许可范围：仅限 CN。"));
    }
}
