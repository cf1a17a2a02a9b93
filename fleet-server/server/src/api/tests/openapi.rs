//! The document and the routes are one.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};

use super::house::House;
use crate::api::all;

#[tokio::test]
async fn every_documented_path_has_a_handler() {
    let house = House::new().await;
    let document = house.get("/api/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 30, "{}", paths.len());
    for spec in all().specs {
        let path = spec.path.replace("{*", "{");
        let operation = &document["paths"][&path][spec.method.as_str().to_lowercase()];
        assert!(operation["summary"].is_string(), "{} {}", spec.method, spec.path);
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for name in path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
            assert!(parameters.iter().any(|parameter| parameter["name"] == name), "{path}: {name}");
        }
        // A route that is not there answers with `unknown-path`, or 405 for a method it lacks.
        let path = spec.path.replace("{*path}", "x").replace(['{', '}'], "");
        if path.ends_with("/stream") || path.ends_with("/tap") {
            continue;
        }
        let answer = house.send(house.request(spec.method.clone(), &path).body(Body::empty()).unwrap()).await;
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{} {path}", spec.method);
        if answer.status == StatusCode::NOT_FOUND {
            assert_ne!(answer.code(), "unknown-path", "{} {path}", spec.method);
        }
    }
}

#[tokio::test]
async fn every_schema_that_is_referred_to_is_there() {
    let house = House::new().await;
    let text = String::from_utf8(house.get("/api/openapi.json").await.bytes.to_vec()).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is missing");
    }
}

#[tokio::test]
async fn a_path_that_is_none_says_so_with_a_way_out() {
    let house = House::new().await;
    let answer = house.send(house.request(Method::GET, "/api/v1/nothing").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "unknown-path"));
    assert!(answer.json()["cure"].as_str().unwrap().contains("openapi"));
}

#[tokio::test]
async fn every_operation_says_how_it_refuses() {
    let house = House::new().await;
    let document = house.get("/api/openapi.json").await.json();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for status in ["4XX", "5XX"] {
                let schema = &operation["responses"][status]["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ApiError", "{method} {path} {status}");
            }
        }
    }
    let required = &document["components"]["schemas"]["ApiError"]["required"];
    assert_eq!(required, &serde_json::json!(["code", "message", "cure"]));
}

#[tokio::test]
async fn errors_of_the_router_look_like_all_others() {
    let house = House::new().await;
    let ask = async |method: Method, path: &str| {
        house.send(house.request(method, path).body(Body::empty()).unwrap()).await
    };
    let wrong = ask(Method::DELETE, "/api/v1/models").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "wrong-method"));
    assert_eq!(wrong.header(header::ALLOW), "POST,GET,HEAD");
    let wrong = ask(Method::PUT, "/api/v1/tokens").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "wrong-method"));
    let unreadable = ask(Method::GET, "/api/v1/jobs/%ff").await;
    assert_eq!((unreadable.status, unreadable.code().as_str()), (StatusCode::BAD_REQUEST, "path"));
    let stranger = Request::builder().uri("/api/v1/jobs").body(Body::empty()).unwrap();
    assert!(house.send(stranger).await.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
}

#[tokio::test]
async fn a_server_whose_database_is_held_says_that_it_is_not_ready() {
    let house = House::new().await;
    assert_eq!(house.get("/readyz").await.status, StatusCode::OK);
    let other = rusqlite::Connection::open(house.core.folder.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = house.get("/readyz").await;
    assert_eq!((held.status, held.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not-ready"));
    assert!(held.json()["message"].as_str().unwrap().contains("database"), "{:?}", held.json());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(house.get("/readyz").await.status, StatusCode::OK);
}
