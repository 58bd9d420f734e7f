//! From what is known of a model to what its page shows.

use super::{
    Asked, ModelPage,
    fitting::hardware,
    parts::{Badge, Comparable, Fact, LicencePart, Measured, Shown},
};
use crate::{
    catalogue,
    problem::Problem,
    site::{drawing, figures},
};
use domain::{
    card::{Card, FactName, Quantisation},
    effective::EffectiveTerms,
    family_tree::FamilyTree,
    faq,
    language::Language,
    license::{Condition, Duty, License, Permission},
    model::{Modality, Model},
    purpose::Purpose,
};
use records::models::Entry;
use serde_json::json;
use time::Date;

/// What is known.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    pub entry: &'a Entry,
    pub terms: &'a EffectiveTerms,
    pub tree: &'a FamilyTree,
    pub license: Option<&'a License>,
    pub comparable: &'a [Model],
    pub today: Date,
}

/// The page.
pub fn page(known: Known<'_>, t: Language, other: String, asked: Asked) -> Result<ModelPage, Problem> {
    let (entry, card) = (known.entry, &known.entry.model.card);
    let name = entry.model.name.to_string();
    let faq = catalogue::questions(entry, known.terms, t);
    let (memory, use_told, fits) = hardware(entry, &asked, t)?;
    let texts = card.chinese.as_ref().filter(|_| t == Language::Chinese);
    let text = |chinese: Option<&String>, english: &Option<String>| {
        chinese.cloned().or_else(|| english.clone()).unwrap_or_default()
    };
    let list = |chinese: Option<&Vec<String>>, english: &Vec<String>| {
        chinese
            .filter(|texts| !texts.is_empty())
            .unwrap_or(english)
            .clone()
    };
    let names: Vec<&str> = known
        .comparable
        .iter()
        .map(|model| model.name.as_str())
        .take(3)
        .collect();
    Ok(ModelPage {
        t,
        other,
        publisher: card.publisher.clone().unwrap_or_default(),
        badges: badges(known, t),
        summary: text(texts.and_then(|texts| texts.summary.as_ref()), &card.summary),
        overview: text(texts.and_then(|texts| texts.overview.as_ref()), &card.overview),
        facts: facts(known, t),
        licence: licence(known, t),
        strengths: list(texts.map(|texts| &texts.strengths), &card.strengths),
        weaknesses: list(texts.map(|texts| &texts.weaknesses), &card.weaknesses),
        variants: variants(entry),
        measured: measured(card),
        source: card.source.clone().unwrap_or_default(),
        needs_quantising: card.quantisation == Some(Quantisation::Required),
        usual_variant: card.usual_variant.clone().unwrap_or_default(),
        drawing: drawing::svg(known.tree, t),
        relatives: relatives(known, t),
        memory,
        use_told,
        asked,
        fits,
        comparable: comparable(known, t),
        compare_all: format!(
            "/models/compare?lang={}&models={name},{}",
            t.as_str(),
            names.join(",")
        ),
        reviewed: card.review.as_ref().map_or(String::new(), |review| {
            t.of(
                format!(
                    "Reviewed by {} on {}, by the policy {}",
                    review.by, review.on, review.policy
                ),
                format!("由 {} 于 {} 按 {} 审核", review.by, review.on, review.policy),
            )
        }),
        revision: entry
            .revision
            .as_ref()
            .map(|revision| revision.sha256.to_string()),
        json_ld: json_ld(known, &faq),
        faq,
        name,
    })
}

fn badges(known: Known<'_>, t: Language) -> Vec<Badge> {
    let commercial = known.terms.purposes.get(&Purpose::Commercial);
    let restricted = commercial
        .is_none_or(|facts| facts.permission != Permission::Permitted || !facts.conditions.is_empty());
    let mut badges = vec![match restricted {
        true => Badge {
            text: t.of("Restricted", "许可受限"),
            kind: "warn",
        },
        false => Badge {
            text: t.of("Open", "开放许可"),
            kind: "good",
        },
    }];
    if known.entry.model.card.modality == Some(Modality::ImageText) {
        badges.push(Badge {
            text: t.of("Multimodal", "多模态"),
            kind: "plain",
        });
    }
    if known.entry.revision.is_some() {
        badges.push(Badge {
            text: t.of("On this hub", "已导入"),
            kind: "plain",
        });
    }
    badges
}

fn facts(known: Known<'_>, t: Language) -> Vec<Fact> {
    let (model, card) = (&known.entry.model, &known.entry.model.card);
    let fact = |name: FactName, label: &str, value: Option<String>| {
        let source = card.sources.get(&name);
        Some(Fact {
            label: label.to_owned(),
            value: value?,
            source: source.map(|fact| fact.source.clone()).unwrap_or_default(),
            seen: source.map(|fact| fact.seen.to_string()).unwrap_or_default(),
            reviewed_by: source.map(|fact| fact.reviewed_by.clone()).unwrap_or_default(),
            stale: source.is_some_and(|fact| fact.is_stale(known.today)),
        })
    };
    let modality = card.modality.map(|modality| match modality {
        Modality::Text => t.of("text", "文字"),
        Modality::ImageText => t.of("images and text", "图像与文字"),
    });
    let parents: Vec<&str> = known
        .entry
        .parents
        .iter()
        .map(|edge| edge.parent.as_str())
        .collect();
    let title = known
        .license
        .map_or(model.license.to_string(), |license| license.title.clone());
    let told = [
        fact(
            FactName::Parameters,
            t.of("Parameters", "参数量"),
            card.parameters.map(figures::parameters),
        ),
        fact(FactName::License, t.of("Licence", "许可"), Some(title)),
        fact(
            FactName::Released,
            t.of("Released", "发布日期"),
            card.released.map(|day| day.to_string()),
        ),
        fact(
            FactName::ContextTokens,
            t.of("Context, tokens", "上下文（token）"),
            card.context_tokens.map(|tokens| figures::grouped(tokens.into())),
        ),
        fact(
            FactName::Modality,
            t.of("Takes in", "输入"),
            modality.map(str::to_owned),
        ),
        fact(FactName::Family, t.of("Family", "系列"), card.family.clone()),
        fact(
            FactName::Parents,
            t.of("Made from", "来源模型"),
            Some(parents.join(", ")).filter(|parents| !parents.is_empty()),
        ),
    ];
    told.into_iter().flatten().collect()
}

fn licence(known: Known<'_>, t: Language) -> LicencePart {
    let purpose = |purpose: &Purpose| match purpose {
        Purpose::Research => t.of("Research", "研究"),
        Purpose::Evaluation => t.of("Evaluation", "评估"),
        Purpose::Commercial => t.of("Commercial use", "商用"),
    };
    let condition = |condition: Condition| match condition {
        Condition::Acceptance => t.of("acceptance of the terms", "接受条款"),
        Condition::Registration => t.of("registration with the licensor", "向许可方登记"),
        Condition::Review => t.of("a review on this hub", "本系统审核"),
    };
    let purposes = known.terms.purposes.iter().map(|(which, facts)| {
        let conditions: Vec<&str> = facts.asked().into_iter().map(condition).collect();
        let permitted = drawing::permitted(facts.permission, t);
        let mut told = vec![match conditions.is_empty() {
            true => permitted.to_owned(),
            false => format!(
                "{permitted}{}{}",
                t.of(" after ", "，须先"),
                conditions.join(t.of(", ", "、"))
            ),
        }];
        told.extend(facts.limits(t));
        (purpose(which).to_owned(), told.join(t.of(", ", "，")))
    });
    let duties = known.terms.duties.iter().map(|duty| match &duty.what {
        Duty::Notice => t.of("Keep the copyright notice", "保留版权声明").to_owned(),
        Duty::TermsCopy => t.of("Pass on a copy of the terms", "随附条款副本").to_owned(),
        Duty::Attribution { text } => format!("{} “{text}”", t.of("Show", "须展示")),
        Duty::NamePrefix { prefix } => {
            format!(
                "{} “{prefix}”",
                t.of(
                    "Begin the names of derived models with",
                    "衍生模型名称须以此开头："
                )
            )
        }
    });
    let of =
        |told: fn(&License) -> Option<&String>| known.license.and_then(told).cloned().unwrap_or_default();
    LicencePart {
        id: known.entry.model.license.to_string(),
        title: of(|license| Some(&license.title)),
        source: of(|license| Some(&license.source)),
        registration: of(|license| license.registration_source.as_ref()),
        law: of(|license| license.governing_law.as_ref()),
        purposes: purposes.collect(),
        duties: duties.collect(),
        prohibitions: known
            .terms
            .prohibitions
            .iter()
            .map(|one| one.what.prohibition.clone())
            .collect(),
        revocable: known.terms.revocable.is_some(),
    }
}

fn variants(entry: &Entry) -> Vec<Shown> {
    let usual = entry.model.card.usual_variant.as_deref();
    let shown = entry.variants.iter().map(|variant| Shown {
        name: variant.name.clone(),
        size: variant.file_bytes.map(figures::bytes).unwrap_or_default(),
        memory: variant.memory_bytes.map(figures::bytes).unwrap_or_default(),
        note: variant.note.clone().unwrap_or_default(),
        usual: usual == Some(variant.name.as_str()),
    });
    shown.collect()
}

fn measured(card: &Card) -> Vec<Measured> {
    let measured = card.measurements.iter().map(|one| Measured {
        variant: one.variant.clone(),
        context: figures::grouped(one.context_tokens.into()),
        memory: one.memory_bytes.map(figures::bytes).unwrap_or_default(),
        speed: one
            .centitokens_per_second
            .map(|speed| format!("{}.{:02}", speed / 100, speed % 100))
            .unwrap_or_default(),
        on: one.on.clone(),
        by: one.by.clone(),
        source: one.source.clone(),
    });
    measured.collect()
}

fn relatives(known: Known<'_>, t: Language) -> Vec<Fact> {
    let told = known.tree.edges.iter().map(|edge| Fact {
        label: format!("{} → {}", edge.parent, edge.child),
        value: edge.relation.as_str().to_owned(),
        source: edge.evidence.clone(),
        seen: match known
            .tree
            .get(&edge.child)
            .and_then(|child| child.tightened_by.as_ref())
        {
            Some(parent) if *parent == edge.parent => {
                t.of("narrows commercial use", "收紧商用许可").to_owned()
            }
            _ => String::new(),
        },
        ..Fact::default()
    });
    told.collect()
}

fn comparable(known: Known<'_>, t: Language) -> Vec<Comparable> {
    let own = &known.entry.model.name;
    let told = known.comparable.iter().map(|model| Comparable {
        name: model.name.to_string(),
        parameters: model.card.parameters.map(figures::parameters).unwrap_or_default(),
        license: model.license.to_string(),
        compare: format!("/models/compare?lang={}&models={own},{}", t.as_str(), model.name),
    });
    told.collect()
}

/// What search engines read. Every `<` is escaped, so that no text can end the element.
fn json_ld(known: Known<'_>, faq: &[faq::Entry]) -> String {
    let (model, card) = (&known.entry.model, &known.entry.model.card);
    let questions: Vec<_> = faq
        .iter()
        .map(|entry| {
            json!({
                "@type": "Question", "name": entry.question,
                "acceptedAnswer": { "@type": "Answer", "text": entry.answer },
            })
        })
        .collect();
    let graph = json!({
        "@context": "https://schema.org",
        "@graph": [
            {
                "@type": "SoftwareApplication", "name": model.name, "applicationCategory": "Machine learning model",
                "description": card.summary, "url": card.source, "datePublished": card.released.map(|day| day.to_string()),
                "license": known.license.map(|license| &license.source),
                "publisher": { "@type": "Organization", "name": card.publisher },
            },
            { "@type": "FAQPage", "mainEntity": questions },
        ],
    });
    graph.to_string().replace('<', "\\u003c")
}
