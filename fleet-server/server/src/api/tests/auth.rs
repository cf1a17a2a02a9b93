//! Nobody gets in without a token or a session.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};

use super::house::House;
use crate::api::all;

/// A path of the route with something in each hole.
fn path(template: &str) -> String {
    let mut path = String::new();
    for part in template.split_inclusive('}') {
        path.push_str(part.split('{').next().unwrap());
        if part.ends_with('}') {
            path.push('1');
        }
    }
    path
}

#[tokio::test]
async fn every_route_that_is_not_open_refuses_who_carries_nothing_or_nonsense() {
    let house = House::new().await;
    for spec in all().specs {
        for token in [None, Some("Bearer nonsense"), Some("Basic YTpi")] {
            let mut request = Request::builder().method(spec.method.clone()).uri(path(spec.path));
            if let Some(token) = token {
                request = request.header(header::AUTHORIZATION, token);
            }
            let request = request.header(header::CONTENT_TYPE, "application/json");
            let answer = house.send(request.body(Body::from("{}")).unwrap()).await;
            let shut = answer.status == StatusCode::UNAUTHORIZED;
            let enrolling = spec.path == "/api/v1/enrol";
            assert!(shut != spec.open || enrolling, "{} {} gave {}", spec.method, spec.path, answer.status);
        }
    }
}

#[tokio::test]
async fn every_page_leads_a_stranger_to_the_login() {
    let house = House::new().await;
    for page in [
        "/",
        "/devices/x",
        "/models",
        "/models/a/1.0.0",
        "/rollouts",
        "/rollouts/r1",
        "/drift",
        "/drift/a/b",
        "/alerts",
    ] {
        let request =
            Request::builder().uri(page).header(header::ACCEPT, "text/html").body(Body::empty()).unwrap();
        let answer = house.send(request).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{page}");
        assert_eq!(answer.header(header::LOCATION), "/login");
    }
}

#[tokio::test]
async fn metrics_are_open_to_this_host_only() {
    let house = House::new().await;
    let from = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
    assert_eq!(house.send(from).await.status, StatusCode::UNAUTHORIZED);
    let answer = house.send(house.request(Method::GET, "/metrics").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
}
