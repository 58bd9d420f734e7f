use super::*;
use crate::site::{comparison_page::ComparisonPage, list_page::ListPage, model_page::ModelPage};

const BOTH: [Language; 2] = [Language::English, Language::Chinese];

/// What a page must be like, whatever it is about.
fn sound(page: &impl Template) -> String {
    let html = page.render().unwrap();
    assert!(html.starts_with("<!doctype html>"), "{html}");
    assert_eq!(html.matches("<h1").count(), 1, "{html}");
    for forbidden in ["style=", "onclick", "javascript:", "src=\"http", "{{", "{%"] {
        assert!(!html.contains(forbidden), "{forbidden}: {html}");
    }
    assert_eq!(
        html.matches("<script").count(),
        html.matches("application/ld+json").count()
    );
    html
}

#[test]
fn every_page_renders_from_its_sample_in_both_languages() {
    for t in BOTH {
        let list = sound(&ListPage::sample(t));
        assert!(
            list.contains("&#60;angles&#62;") || list.contains("&lt;angles&gt;"),
            "{list}"
        );
        assert!(sound(&ComparisonPage::sample(t)).contains(t.of("differs", "不同")));
        assert!(sound(&MissingPage::sample(t)).contains("no/such"));
        let model = sound(&ModelPage::sample(t));
        assert!(
            model.contains(t.of("usual starting point", "常用起点")),
            "{model}"
        );
        assert!(model.contains(t.of("does not run", "不可运行")), "{model}");
    }
}

#[test]
fn the_policy_of_pages_lets_nothing_in_from_elsewhere() {
    assert!(CONTENT_POLICY.starts_with("default-src 'none'"));
    assert!(!CONTENT_POLICY.contains("unsafe") && !CONTENT_POLICY.contains("http"));
}
