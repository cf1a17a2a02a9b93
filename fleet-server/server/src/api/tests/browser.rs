//! What a browser meets: a session, pages, headers, buttons that no other site can press.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};

use super::house::{Answer, House, bundle};

/// The cookie of a session.
async fn log_in(house: &House) -> String {
    let url = house.post("/api/v1/login-links", "{}").await.json()["url"].as_str().unwrap().to_owned();
    let path = url.split_once("/login").map(|(_, query)| format!("/login{query}")).unwrap();
    let answer = house.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header(header::LOCATION), "/");
    answer.header(header::SET_COOKIE).split(';').next().unwrap().to_owned()
}

async fn browse(house: &House, cookie: &str, path: &str) -> Answer {
    let request =
        Request::builder().uri(path).header(header::COOKIE, cookie).header(header::ACCEPT, "text/html");
    house.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_page_opens_for_a_session_and_is_sent_with_the_policy() {
    let house = House::new().await;
    house.post("/api/v1/models", bundle("rain-1.0.0")).await;
    let cookie = log_in(&house).await;
    for page in ["/", "/models", "/models/rain/1.0.0", "/rollouts", "/drift", "/alerts?state=all"] {
        let answer = browse(&house, &cookie, page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}");
        assert!(answer.header(header::CONTENT_TYPE).starts_with("text/html"), "{page}");
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert_eq!(policy, dunlin_dashboard::CONTENT_SECURITY_POLICY, "{page}");
    }
    let answer = browse(&house, &cookie, "/devices/nobody").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(String::from_utf8_lossy(&answer.bytes).contains("nobody"));
    let answer = browse(&house, "", "/login").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(browse(&house, "", "/login?code=wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browse(&house, "", "/assets/dunlin.css").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_press_a_button() {
    let house = House::new().await;
    let cookie = log_in(&house).await;
    let press = |name: &str, value: &str| {
        Request::builder()
            .method(Method::POST)
            .uri("/api/v1/alerts/1/acknowledge")
            .header(header::COOKIE, &cookie)
            .header(header::HOST, "fleet.example:8443")
            .header(name, value)
            .body(Body::empty())
            .unwrap()
    };
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = house.send(press(name, value)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "foreign-origin"),
            "{value}"
        );
    }
    for (name, value) in [("sec-fetch-site", "same-origin"), ("origin", "https://fleet.example:8443")] {
        assert_eq!(house.send(press(name, value)).await.code(), "unknown-alert", "{value}");
    }
}
