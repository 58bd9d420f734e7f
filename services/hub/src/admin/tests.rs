use super::{
    audit_page::{AuditPage, EntryPage},
    batch_page::BatchPage,
    batches_page::BatchesPage,
    card_change_page::CardChangePage,
    card_changes_page::CardChangesPage,
    card_proposal_page::CardProposalPage,
    confirm_page::ConfirmPage,
    dead_letters_page::DeadLettersPage,
    explanation_page::ExplanationPage,
    issuer_sign_in::OnwardPage,
    key_acts::{KeyMadePage, RevokeKeyPage},
    policies_page::PoliciesPage,
    queue_page::QueuePage,
    refused::RefusedPage,
    replay_page::{ReplayDonePage, ReplayPage},
    review_page::ReviewPage,
    sign_in::SignInPage,
    simulation_page::SimulationPage,
    tenant_page::TenantPage,
    together_page::{TogetherDonePage, TogetherPage},
    webhooks_page::{DeliveryPage, WebhooksPage},
    work_acts::CancelPage,
    workers_page::WorkersPage,
};
use askama::Template;
use domain::language::Language;

fn rendered(pages: &[&dyn askama::DynTemplate]) -> Vec<String> {
    pages.iter().map(|page| page.dyn_render().unwrap()).collect()
}

/// Every page, full and empty.
fn pages(t: Language) -> Vec<String> {
    let still = rendered(&[
        &QueuePage::sample(t),
        &ReviewPage::sample(t),
        &ConfirmPage::sample(t),
        &CardChangesPage::sample(t),
        &CardChangesPage::empty_sample(t),
        &CardChangePage::sample(t),
        &CardChangePage::settled_sample(t),
        &CardProposalPage::sample(t),
        &CardProposalPage::empty_sample(t),
        &CancelPage::sample(t),
        &TogetherPage::sample(t),
        &TogetherDonePage::sample(t),
        &TenantPage::sample(t),
        &TenantPage::empty_sample(t),
        &KeyMadePage::sample(t),
        &RevokeKeyPage::sample(t),
        &PoliciesPage::sample(t),
        &PoliciesPage::empty_sample(t),
        &ExplanationPage::sample(t),
        &SimulationPage::sample(t),
        &SimulationPage::bad_sample(t),
        &SignInPage::sample(t),
        &RefusedPage::sample(t),
        &RefusedPage::signed_out(t, None, ""),
        &RefusedPage::issuers_sample(t),
        &OnwardPage::sample(t),
        &DeadLettersPage::sample(t),
        &DeadLettersPage::empty_sample(t),
        &WebhooksPage::sample(t),
        &WebhooksPage::empty_sample(t),
        &DeliveryPage::sample(t),
        &ReplayPage::sample(t),
        &ReplayPage::empty_sample(t),
        &ReplayDonePage::sample(t),
        &AuditPage::sample(t),
        &AuditPage::empty_sample(t),
        &EntryPage::sample(t),
        &EntryPage::broken_sample(t),
    ]);
    for html in &still {
        assert!(!html.contains("<script"), "{html}");
    }
    let live = rendered(&[
        &BatchesPage::sample(t),
        &BatchesPage::empty_sample(t),
        &BatchPage::sample(t),
        &BatchPage::empty_sample(t),
        &WorkersPage::sample(t),
        &WorkersPage::empty_sample(t),
    ]);
    for html in &live {
        let own = html.matches("<script src=\"/assets/htmx").count();
        assert_eq!((own, html.matches("<script").count()), (2, 2), "{html}");
    }
    [still, live].concat()
}

#[test]
fn every_page_renders_from_its_sample_in_both_languages_and_every_form_carries_its_proof() {
    for t in [Language::English, Language::Chinese] {
        for html in pages(t) {
            assert!(html.starts_with("<!doctype html>"), "{html}");
            assert_eq!(html.matches("<h1").count(), 1, "{html}");
            assert!(!html.contains("style=") && !html.contains("hx-on"), "{html}");
            // A link is a proof of its own; before there is a session, `Origin` must be there and ours.
            let proofs = ["csrf", "link", "issuer"];
            let proved = proofs.map(|name| html.matches(&format!("name=\"{name}\"")).count());
            assert_eq!(
                html.matches("method=\"post\"").count(),
                proved.iter().sum::<usize>(),
                "{html}"
            );
        }
        let review = ReviewPage::sample(t).render().unwrap();
        assert!(
            review.contains("class=\"diff removed\"") && review.contains("class=\"diff added\""),
            "{review}"
        );
        assert!(!review.contains("a comment <b>"), "{review}");
        let batch = BatchPage::sample(t).render().unwrap();
        assert!(
            !batch.contains("Total <b>") && !batch.contains("a <long> name"),
            "{batch}"
        );
    }
}
