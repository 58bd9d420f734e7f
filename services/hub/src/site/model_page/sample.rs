//! A page to look at, and to test templates with.

use super::{
    Asked, ModelPage,
    parts::{Badge, Comparable, Fact, Fitting, LicencePart, Measured, Shown, Taken},
};
use domain::{faq, hardware::Memory, language::Language};

/// The page, in this language.
pub fn page(t: Language) -> ModelPage {
    let text = str::to_owned;
    ModelPage {
        t,
        other: text("?lang=zh"),
        name: text("THUDM/glm-4v-9b"),
        publisher: text("THUDM"),
        badges: vec![Badge {
            text: t.of("Restricted", "许可受限"),
            kind: "warn",
        }],
        summary: text("GLM-4 with a vision encoder"),
        overview: text("It reads a page & answers."),
        facts: vec![Fact {
            label: text("Parameters"),
            value: text("13.9B"),
            source: text("https://example.org"),
            seen: text("2026-11-26"),
            stale: true,
            ..Fact::default()
        }],
        licence: LicencePart {
            id: text("glm-4"),
            title: text("The glm-4-9b License"),
            duties: vec![text("Built with glm-4")],
            purposes: vec![(text("Research"), text("permitted"))],
            revocable: true,
            ..LicencePart::default()
        },
        strengths: vec![text("Chinese document Q&A")],
        weaknesses: vec![text("restricted licence")],
        variants: vec![Shown {
            name: text("q4_k_m"),
            size: text("8.5 GB"),
            memory: text("12 GB"),
            note: text("quantised from the original weights"),
            usual: true,
        }],
        measured: vec![Measured {
            variant: text("int4"),
            context: text("8,000"),
            memory: text("14.8 GB"),
            speed: text("24.20"),
            on: text("a card"),
            by: text("somebody"),
            source: text("https://example.org"),
        }],
        source: text("https://huggingface.co/THUDM/glm-4v-9b"),
        needs_quantising: true,
        usual_variant: text("q4_k_m"),
        drawing: text("<svg></svg>"),
        relatives: vec![Fact {
            label: text("a/b → a/c"),
            value: text("merge"),
            seen: text("narrows"),
            ..Fact::default()
        }],
        memory: Some(Taken {
            variant: text("q4_k_m"),
            context: 8192,
            memory: memory(),
        }),
        use_told: text("one page"),
        asked: Asked::default(),
        fits: vec![Fitting {
            name: text("A small card"),
            kind: "consumer",
            memory: text("8 GB"),
            verdict: t.of("does not run", "不可运行"),
            class: "bad",
            context: String::new(),
            source: text("https://example.org"),
        }],
        comparable: vec![Comparable {
            name: text("acme/other"),
            parameters: text("12B"),
            license: text("mit"),
            compare: text("/models/compare?models=a/b,c/d"),
        }],
        compare_all: text("/models/compare?models=a/b,c/d"),
        faq: vec![faq::Entry {
            question: text("Can it?"),
            answer: text("Yes."),
        }],
        reviewed: text("Reviewed"),
        revision: Some(text("0123")),
        json_ld: text("{}"),
    }
}

fn memory() -> Memory {
    Memory {
        weights: 8_500_000_000,
        cache_per_token: 81_920,
        cache: 671_088_640,
        tower: 264_537_088,
        peak: 9_171_088_640,
    }
}
