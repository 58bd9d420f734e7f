use super::*;

fn settings(allowed: &[&str]) -> OutgoingSettings {
    let allowed_networks = allowed.iter().map(|network| network.parse().unwrap()).collect();
    OutgoingSettings {
        allowed_networks,
        low_ports: vec![80, 443],
        connect_seconds: 2,
        fetch_seconds: 10,
    }
}

fn guard(allowed: &[&str]) -> Guard {
    Guard::new(&settings(allowed))
}

fn refused(text: &str) -> OutgoingRefusal {
    guard(&[]).check_url(text).unwrap_err()
}

#[test]
fn https_to_a_name_or_a_public_address_passes() {
    for text in [
        "https://example.com/a?b=c",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/x",
    ] {
        assert!(guard(&[]).check_url(text).is_ok(), "{text}");
    }
}

#[test]
fn other_schemes_credentials_fragments_and_low_ports_are_refused() {
    assert_eq!(
        refused("ftp://example.com/"),
        OutgoingRefusal::Scheme("ftp".into())
    );
    assert_eq!(
        refused("file:///etc/passwd"),
        OutgoingRefusal::Scheme("file".into())
    );
    assert_eq!(refused("https://me@example.com/"), OutgoingRefusal::Credentials);
    assert_eq!(refused("https://example.com/#x"), OutgoingRefusal::Fragment);
    assert_eq!(refused("https://example.com:22/"), OutgoingRefusal::Port(22));
    assert_eq!(
        refused(&format!("https://example.com/{}", "x".repeat(2_000))),
        OutgoingRefusal::Long
    );
    assert!(matches!(refused("/relative"), OutgoingRefusal::Malformed(_)));
}

#[test]
fn every_spelling_of_an_inner_address_is_refused() {
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "169.254.169.254",
        "[fd00::1]",
    ] {
        let refusal = refused(&format!("https://{host}/"));
        assert!(
            matches!(refusal, OutgoingRefusal::Address(_)),
            "{host}: {refusal}"
        );
    }
}

#[test]
fn plain_http_passes_only_to_allowed_networks() {
    assert_eq!(refused("http://8.8.8.8/"), OutgoingRefusal::PlainHttp);
    let guard = guard(&["10.1.0.0/16", "fd00::/8"]);
    assert!(guard.check_url("http://10.1.2.3:8000/").is_ok());
    assert!(guard.check_url("https://[fd00::9]/").is_ok());
    assert!(matches!(
        guard.check_url("http://10.2.0.1/"),
        Err(OutgoingRefusal::Address(_))
    ));
}

#[test]
fn an_allowed_network_also_holds_its_addresses_written_as_ipv6() {
    assert!(
        guard(&["127.0.0.0/8"])
            .check_url("http://[::ffff:127.0.0.1]/")
            .is_ok()
    );
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_when_kept_and_when_sent_to() {
    let outgoing = Outgoing::new(&settings(&[])).unwrap();
    let kept = outgoing.check("http://localhost:9999/").await.unwrap_err();
    assert!(matches!(kept, OutgoingRefusal::Address(_)));
    let error = outgoing
        .post("http://localhost:9999/")
        .unwrap()
        .send()
        .await
        .unwrap_err();
    assert_eq!(client::refusal_in(&error), Some(&kept));
}

#[tokio::test]
async fn a_name_is_connected_to_by_the_address_that_was_let_through() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let outgoing = Outgoing::new(&settings(&["127.0.0.1/32"])).unwrap();
    let request = outgoing.post(&format!("http://localhost:{port}/")).unwrap();
    let sending = tokio::spawn(request.send());
    let (_connection, from) = listener.accept().await.unwrap();
    assert_eq!(from.ip(), std::net::IpAddr::from([127, 0, 0, 1]));
    sending.abort();
}
