//! From a pushed bundle to a release that devices can fetch.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use dunlin_trust::SigningKey;

use super::house::{House, bundle};

#[tokio::test]
async fn a_bundle_with_one_flipped_bit_is_refused() {
    let house = House::new().await;
    let mut bytes = bundle("rain-1.0.0");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let answer = house.post("/api/v1/models", bytes).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "bad-bundle"));
    assert!(answer.json()["message"].as_str().unwrap().contains("model.onnx"));
    assert_eq!(house.get("/api/v1/models").await.json(), serde_json::json!([]));
}

#[tokio::test]
async fn a_bundle_that_fails_its_probe_is_kept_as_rejected_with_the_report() {
    let house = House::new().await;
    house.refuse_models();
    let answer = house.post("/api/v1/models", bundle("rain-1.0.0")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "probe-failed"));
    assert_eq!(answer.json()["probe"]["checks"][0]["detail"], "0.3 off");
    let shown = house.get("/api/v1/models/rain/1.0.0").await.json();
    assert_eq!(shown["stage"], "rejected");
    let list = house.signed("rain-1.0.0.dunlin", &bundle("rain-1.0.0"), &house.release_key()).await;
    let answer = house.put("/api/v1/tuf/targets", list).await;
    assert_eq!(answer.code(), "target-refused", "{:?}", answer.bytes);
}

#[tokio::test]
async fn a_version_is_never_replaced_and_the_same_bytes_are_taken_again() {
    let house = House::new().await;
    assert_eq!(house.post("/api/v1/models", bundle("rain-1.0.0")).await.status, StatusCode::CREATED);
    assert_eq!(house.post("/api/v1/models", bundle("rain-1.0.0")).await.status, StatusCode::CREATED);
    let mut other = dunlin_protocol::bundle::read(&bundle("rain-1.0.0")).unwrap();
    other.card.push_str("changed");
    let answer = house.post("/api/v1/models", other.write().unwrap()).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "version-taken"));
}

#[tokio::test]
async fn only_the_owners_key_over_probed_bytes_and_a_higher_version_releases() {
    let house = House::new().await;
    let bytes = bundle("rain-1.0.0");
    let name = "rain-1.0.0.dunlin";
    let before = house.get("/api/v1/tuf/targets").await.bytes;

    let unprobed = house.signed(name, &bytes, &house.release_key()).await;
    let answer = house.put("/api/v1/tuf/targets", unprobed.clone()).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "target-refused"));

    house.post("/api/v1/models", bytes.clone()).await;
    let stranger = SigningKey::generate().unwrap();
    let answer = house.put("/api/v1/tuf/targets", house.signed(name, &bytes, &stranger).await).await;
    assert_eq!(answer.code(), "bad-signature", "{:?}", answer.bytes);

    let answer =
        house.put("/api/v1/tuf/targets", house.signed(name, b"other", &house.release_key()).await).await;
    assert_eq!(answer.code(), "target-refused", "{:?}", answer.bytes);

    let answer = house.put("/api/v1/tuf/targets", before.clone()).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "old-version"));

    let mut damaged = unprobed.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let answer = house.put("/api/v1/tuf/targets", damaged).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{:?}", answer.bytes);
    assert_eq!(house.get("/api/v1/tuf/targets").await.bytes, before, "a refused list changed something");

    let answer = house.put("/api/v1/tuf/targets", unprobed).await;
    assert_eq!(answer.json()["released"], serde_json::json!(["rain-1.0.0"]));
    assert_eq!(house.get("/api/v1/models/rain/1.0.0").await.json()["stage"], "release");
}

#[tokio::test]
async fn a_released_bundle_is_fetched_whole_and_in_parts() {
    let house = House::new().await;
    let bytes = bundle("rain-1.0.0");
    let pushed = house.post("/api/v1/models", bytes.clone()).await.json();
    let path = format!("/tuf/targets/{}.rain-1.0.0.dunlin", pushed["target"]["sha256"].as_str().unwrap());
    assert_eq!(house.get(&path).await.status, StatusCode::NOT_FOUND, "a candidate was served");
    let list = house.signed("rain-1.0.0.dunlin", &bytes, &house.release_key()).await;
    assert_eq!(house.put("/api/v1/tuf/targets", list).await.status, StatusCode::OK);

    let whole = house.get(&path).await;
    assert_eq!((whole.status, &whole.bytes[..]), (StatusCode::OK, &bytes[..]));
    let etag = whole.header(header::ETAG).to_owned();
    let part = |range: &str, condition: Option<&str>| {
        let mut request = house.request(Method::GET, &path).header(header::RANGE, range);
        if let Some(etag) = condition {
            request = request.header(header::IF_RANGE, etag);
        }
        request.body(Body::empty()).unwrap()
    };
    let tail = house.send(part("bytes=5000-", Some(&etag))).await;
    assert_eq!((tail.status, &tail.bytes[..]), (StatusCode::PARTIAL_CONTENT, &bytes[5000..]));
    assert_eq!(tail.header(header::CONTENT_RANGE), format!("bytes 5000-{}/{}", bytes.len() - 1, bytes.len()));
    let changed = house.send(part("bytes=5000-", Some("\"other\""))).await;
    assert_eq!((changed.status, changed.bytes.len()), (StatusCode::OK, bytes.len()));
    let beyond = house.send(part("bytes=99999999-", None)).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let known =
        house.request(Method::GET, &path).header(header::IF_NONE_MATCH, &etag).body(Body::empty()).unwrap();
    assert_eq!(house.send(known).await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn metadata_is_served_and_nothing_beside_it() {
    let house = House::new().await;
    for file in ["timestamp.json", "1.root.json", "1.targets.json", "1.snapshot.json"] {
        assert_eq!(house.get(&format!("/tuf/metadata/{file}")).await.status, StatusCode::OK, "{file}");
    }
    for bad in ["2.root.json", "..%2f..%2fserver.toml", "%2e%2e%2fca%2fca-key.pem", ".json", "timestamp.jso"]
    {
        assert_eq!(house.get(&format!("/tuf/metadata/{bad}")).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
}

#[tokio::test]
async fn a_dataset_that_cannot_be_trained_on_is_refused_with_its_fault() {
    let house = House::new().await;
    for (csv, word) in [("a,b\n", "row"), ("", "row"), ("a,a\n1,2\n", "\"a\""), ("a,b\n1\n", "line")] {
        let answer = house.post("/api/v1/datasets?name=x", csv).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "bad-csv"),
            "{csv:?}"
        );
        assert!(answer.json()["message"].as_str().unwrap().contains(word), "{:?}", answer.bytes);
    }
    let answer = house.post("/api/v1/datasets?name=x", "a,b\n1,2\n3,4\n").await;
    assert_eq!((answer.status, answer.json()["rows"].as_u64()), (StatusCode::CREATED, Some(2)));
    let job = r#"{"dataset":"x","model":"rain","target":"missing"}"#;
    let answer = house.post("/api/v1/jobs/train", job).await;
    assert_eq!(answer.code(), "unknown-column");
    for (setting, word) in [
        (r#""folds":0"#, "2 to 20"),
        (r#""folds":18446744073709551615"#, "2 to 20"),
        (r#""rows":[5,1]"#, "[5, 1]"),
        (r#""rows":[0,9]"#, "rows 0 to 2"),
        (r#""split":{"holdout":1e308}"#, "split.holdout"),
        (r#""split":{"kind":"group"}"#, "split.group"),
        (r#""features":["b"]"#, "target"),
        (r#""features":[]"#, "feature"),
        (r#""penalties":[-1]"#, "penalties"),
        (r#""ranges":{"a":[2,1]}"#, "ranges"),
        (r#""units":{"c":"m"}"#, "\"c\""),
    ] {
        let answer = house.post(
            "/api/v1/jobs/train",
            format!(r#"{{"dataset":"x","model":"rain","target":"b",{setting}}}"#),
        );
        let answer = answer.await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{setting}: {:?}", answer.bytes);
        assert!(answer.json()["message"].as_str().unwrap().contains(word), "{:?}", answer.bytes);
    }
    assert_eq!(house.get("/api/v1/jobs").await.json(), serde_json::json!([]), "nothing was queued");
}
