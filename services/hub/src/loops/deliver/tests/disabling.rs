//! Endpoints that are disabled because of what their receivers answered.

use super::*;

#[tokio::test]
async fn a_receiver_that_is_gone_is_disabled_and_what_is_on_its_way_to_it_fails() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(500).await);
    let endpoint = stage.endpoint(&receiver.url()).await;
    let waiting = stage.tell(endpoint).await;
    stage.send().await;
    receiver.answer(410);
    stage.tell(endpoint).await;
    stage.send().await;
    let endpoint = endpoints::get(&stage.parts.db, &tenant(), endpoint)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(endpoint.state, EndpointState::Disabled { code, .. } if code == "gone"));
    assert_eq!(stage.phase(&waiting).await, DeliveryPhase::Failed);
    let refused = endpoints::test(&stage.parts.db, stage.stamp(), &tenant(), endpoint.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(refused, Err(endpoints::Disabled));
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_for_too_long_is_disabled_and_the_others_are_told() {
    let mut stage = Stage::new().await;
    let (dead, alive) = (Receiver::answering(500).await, Receiver::answering(200).await);
    let failing = stage.endpoint(&dead.url()).await;
    let other = stage.endpoint(&alive.url()).await;
    let state = async |stage: &Stage| {
        let endpoint = endpoints::get(&stage.parts.db, &tenant(), failing).await;
        let endpoint = endpoint.unwrap().unwrap();
        (endpoint.state, endpoint.failing_since)
    };
    let began = stage.clock.now();
    stage.tell(failing).await;
    stage.send().await;
    assert_eq!(state(&stage).await, (EndpointState::Enabled, Some(began)));

    // One success is enough to begin anew.
    stage.clock.turn(time::Duration::seconds(86_399));
    dead.answer(200);
    stage.send().await;
    assert_eq!(state(&stage).await, (EndpointState::Enabled, None));
    dead.answer(500);
    let began = stage.clock.now();
    stage.tell(failing).await;
    stage.send().await;
    stage.clock.turn(time::Duration::seconds(86_399));
    stage.send().await;
    assert_eq!(state(&stage).await, (EndpointState::Enabled, Some(began)));
    assert!(alive.told().is_empty());

    let waiting = stage.tell(failing).await;
    stage.clock.turn(time::Duration::seconds(300));
    stage.send().await;
    let (now, since) = state(&stage).await;
    let code = "failing".to_owned();
    let at = stage.clock.now();
    assert_eq!((now, since), (EndpointState::Disabled { at, code }, None));
    assert_eq!(stage.phase(&waiting).await, DeliveryPhase::Failed);
    stage.send().await;
    let told = alive.told();
    let payload: serde_json::Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!(
        (told.len(), &payload["type"]),
        (1, &"webhook_endpoint.disabled".into())
    );
    let data = &payload["data"];
    let named = (&data["webhook_endpoint"], &data["code"]);
    assert_eq!(named, (&failing.to_string().into(), &"failing".into()));
    assert_ne!(other, failing);
}
