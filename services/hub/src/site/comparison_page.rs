//! `/models/compare`: models side by side.

use super::{MissingPage, figures, language, page};
use crate::{api::comparison::named, catalogue, problem::Problem};
use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use domain::{
    comparison::{self, Comparison, Row},
    language::Language,
    policy::CurrentPolicies,
};
use records::Db;
use serde::Deserialize;

/// What is compared.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    lang: String,
    #[serde(default)]
    models: String,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "compare.html")]
pub struct ComparisonPage {
    t: Language,
    other: String,
    comparison: Comparison,
}

impl ComparisonPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let row = |fact, licence, differs| Row {
            fact,
            licence,
            differs,
            values: vec![Some("glm-4".into()), None],
        };
        Self {
            t,
            other: "?lang=zh".into(),
            comparison: Comparison {
                models: vec![
                    domain::names::ModelName::placeholder(),
                    domain::names::ModelName::placeholder(),
                ],
                data: vec![row("license", true, true), row("parameters", false, true)],
            },
        }
    }

    /// A value as people read it.
    fn shown(&self, row: &Row, value: &str) -> String {
        match (row.fact, value.parse::<u64>()) {
            ("parameters", Ok(count)) => figures::parameters(count),
            ("context_tokens", Ok(tokens)) => figures::grouped(tokens),
            ("modality", _) if value == "image_text" => self.t.of("images and text", "图像与文字").to_owned(),
            ("modality", _) => self.t.of("text", "文字").to_owned(),
            _ => value.to_owned(),
        }
    }

    fn fact(&self, row: &Row) -> &'static str {
        match row.fact {
            "license" => self.t.of("Licence", "许可"),
            "research" => self.t.of("Research", "研究"),
            "evaluation" => self.t.of("Evaluation", "评估"),
            "commercial" => self.t.of("Commercial use", "商用"),
            "duties" => self.t.of("Duties", "义务"),
            "revocable" => self.t.of("Revocable", "可撤销"),
            "publisher" => self.t.of("Publisher", "发布方"),
            "family" => self.t.of("Family", "系列"),
            "modality" => self.t.of("Modality", "模态"),
            "parameters" => self.t.of("Parameters", "参数量"),
            "context_tokens" => self.t.of("Context, tokens", "上下文（token）"),
            "released" => self.t.of("Released", "发布日期"),
            "strengths" => self.t.of("Strengths", "优点"),
            "weaknesses" => self.t.of("Weaknesses", "缺点"),
            other => other,
        }
    }
}

/// The page.
pub async fn get(
    request: HttpRequest,
    query: Query<Asked>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    let t = language(&request, Some(&query.lang));
    let other = format!(
        "?lang={}&models={}",
        t.of(Language::Chinese, Language::English).as_str(),
        query.models.replace(['&', '#'], "")
    );
    let names = named(&query.models)?;
    match catalogue::to_compare(&db, &names).await? {
        Ok(models) => {
            let comparison = comparison::compare(&models, policies.get().licenses());
            page(StatusCode::OK, &ComparisonPage { t, other, comparison })
        }
        Err(unknown) => {
            let name = unknown.to_string();
            page(StatusCode::NOT_FOUND, &MissingPage { t, other, name })
        }
    }
}
