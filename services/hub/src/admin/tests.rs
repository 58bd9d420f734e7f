use super::{
    confirm_page::ConfirmPage, queue_page::QueuePage, refused::RefusedPage, review_page::ReviewPage,
    sign_in::SignInPage,
};
use askama::Template;
use domain::language::Language;

#[test]
fn every_page_renders_from_its_sample_in_both_languages_and_every_form_carries_its_proof() {
    for t in [Language::English, Language::Chinese] {
        let pages = [
            QueuePage::sample(t).render().unwrap(),
            ReviewPage::sample(t).render().unwrap(),
            ConfirmPage::sample(t).render().unwrap(),
            SignInPage::sample(t).render().unwrap(),
            RefusedPage::sample(t).render().unwrap(),
        ];
        for html in pages {
            assert!(html.starts_with("<!doctype html>"), "{html}");
            assert_eq!(html.matches("<h1").count(), 1, "{html}");
            assert!(!html.contains("<script") && !html.contains("style="), "{html}");
            let proved = html.matches("name=\"csrf\"").count() + html.matches("name=\"link\"").count();
            assert_eq!(html.matches("method=\"post\"").count(), proved, "{html}");
        }
        let review = ReviewPage::sample(t).render().unwrap();
        assert!(
            review.contains("class=\"diff removed\"") && review.contains("class=\"diff added\""),
            "{review}"
        );
        assert!(!review.contains("a comment <b>"), "{review}");
    }
}
