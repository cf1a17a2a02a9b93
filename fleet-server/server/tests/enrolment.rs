//! A device's first meeting, and what goes wrong there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_server::{
    access::{Caller, tokens::NewToken},
    clock::now_ms,
    storage::tokens,
};
use rcgen::{KeyPair, PKCS_ED25519};
use support::{Rig, csr, enrol_token};

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_gets_a_certificate_the_root_and_the_words_of_its_key() {
    let rig = Rig::start().await;
    let token = rig.token(enrol_token(None)).await;
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let answer = rig.enrol_with(&token, "station-07", csr("station-07", &key)).await.unwrap();
    assert!(answer.root_json.contains("\"root\""));
    assert_eq!(answer.ca_pem, rig.ca_pem);
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    assert_eq!(answer.words, dunlin_protocol::words::words(&spki));
    let line = rig.access.create_token("test", &enrol_token(None)).await.unwrap().enrol_line.unwrap();
    assert!(line.starts_with("https://localhost:8443 --ca sha256:") && line.contains(" --token "), "{line}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_a_code_and_a_cure() {
    let rig = Rig::start().await;
    rig.device("taken").await;
    let expired = rig.token(NewToken { expires_seconds: Some(0), ..enrol_token(None) }).await;
    let used = rig.token(enrol_token(None)).await;
    rig.enrol_with(&used, "first", csr("first", &key())).await.unwrap();
    let revoked = rig.access.create_token("test", &enrol_token(None)).await.unwrap();
    rig.access.revoke_token("test", &revoked.id).await.unwrap();
    let other = rig.token(enrol_token(Some("other"))).await;
    let good = rig.token(NewToken { uses: Some(9), ..enrol_token(None) }).await;
    let mut forged = csr("new", &key());
    forged.replace_range(100..104, "AAAA");
    let table = [
        ("wrong", "new", csr("new", &key()), "token-unknown"),
        (&expired, "new", csr("new", &key()), "token-expired"),
        (&used, "new", csr("new", &key()), "token-used"),
        (&revoked.token, "new", csr("new", &key()), "token-revoked"),
        (&other, "new", csr("new", &key()), "token-other-device"),
        (&good, "taken", csr("taken", &key()), "device-exists"),
        (&good, "../etc", csr("new", &key()), "device-name"),
        (&good, "new", csr("another", &key()), "certificate-request"),
        (&good, "new", "no request".into(), "certificate-request"),
        (&good, "new", forged, "certificate-request"),
    ];
    for (token, name, request, code) in table {
        let error = rig.enrol_with(token, name, request).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(!error.cure.is_empty() && !error.message.contains(token), "{error}");
    }
    assert_eq!(rig.count("devices").await, 2);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_token_enrols_as_many_boards_as_it_says_even_when_all_come_at_once() {
    let rig = std::sync::Arc::new(Rig::start().await);
    let token = rig.token(NewToken { uses: Some(5), ..enrol_token(None) }).await;
    let boards: Vec<_> = (0..8)
        .map(|board| {
            let (rig, token) = (rig.clone(), token.clone());
            let name = format!("board-{board}");
            tokio::spawn(async move { rig.enrol_with(&token, &name, csr(&name, &key())).await })
        })
        .collect();
    let mut refused = Vec::new();
    for board in boards {
        refused.extend(board.await.unwrap().err().map(|error| error.code));
    }
    assert_eq!(refused, ["token-used"; 3]);
    assert_eq!(rig.count("devices").await, 5);
    std::sync::Arc::into_inner(rig).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_enrolment_ends_the_old_certificate() {
    let rig = Rig::start().await;
    let old = rig.device("me").await;
    assert!(rig.connect(&old, rig.options(&old)).await.is_ok());
    let token = rig.token(enrol_token(Some("me"))).await;
    rig.enrol_with(&token, "me", csr("me", &key())).await.unwrap();
    assert!(rig.connect(&old, rig.options(&old)).await.is_err());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_tokens_is_stopped() {
    let rig = Rig::start().await;
    let mut codes = Vec::new();
    for guess in 0..12 {
        let request = csr("me", &key());
        codes.push(rig.enrol_with(&format!("guess {guess}"), "me", request).await.unwrap_err().code);
    }
    assert_eq!(codes.iter().filter(|code| **code == "token-unknown").count(), 10);
    assert_eq!(codes.last(), Some(&"too-many-wrong-tokens"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_link_works_once_and_secrets_are_stored_as_hashes() {
    let rig = Rig::start().await;
    let url = rig.access.create_login_link(&Caller { who: "ann".into(), token: None }).await.unwrap();
    let code = url.split_once("code=").unwrap().1.to_owned();
    let cookie = rig.access.redeem_login(&code).await.unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert_eq!(rig.access.redeem_login(&code).await.unwrap_err().code, "login-link");
    let session = cookie.split_once('=').unwrap().1.split(';').next().unwrap().to_owned();
    assert_eq!(rig.access.caller_by_session(&session).await.unwrap().who, "ann");
    let file = std::fs::read(rig.folder.path().join("fleet/store.db-wal")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("ann") && !holds(&session) && !holds(&code));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_token_opens_no_interface_and_a_revoked_one_neither_nor_what_it_made() {
    let rig = Rig::start().await;
    let enrol = rig.token(enrol_token(None)).await;
    assert_eq!(rig.access.caller_by_token(&enrol).await.unwrap_err().code, "unauthorised");
    let wish = NewToken {
        kind: dunlin_server::access::tokens::Kind::Api,
        uses: None,
        expires_seconds: None,
        label: "robot".into(),
        device: None,
    };
    let api = rig.access.create_token("test", &wish).await.unwrap();
    let who = rig.access.caller_by_token(&api.token).await.unwrap().who;
    assert_eq!(who, format!("token robot ({})", api.id));
    let caller = rig.access.caller_by_token(&api.token).await.unwrap();
    let link = || rig.access.create_login_link(&caller);
    let code = |url: String| url.split_once("code=").unwrap().1.to_owned();
    let (used, unused) = (code(link().await.unwrap()), code(link().await.unwrap()));
    let cookie = rig.access.redeem_login(&used).await.unwrap();
    let session = cookie.split_once('=').unwrap().1.split(';').next().unwrap().to_owned();
    assert_eq!(rig.access.caller_by_session(&session).await.unwrap(), caller);
    rig.access.revoke_token("test", &api.id).await.unwrap();
    assert!(rig.access.caller_by_token(&api.token).await.is_err());
    assert!(rig.access.caller_by_session(&session).await.is_err(), "a session ends with its token");
    assert!(rig.access.redeem_login(&unused).await.is_err(), "so does a link");
    let now = now_ms();
    let rows = rig.store.read(tokens::list).await.unwrap();
    assert!(rows.iter().any(|row| row.revoked_ms.is_some_and(|at| at <= now)));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_use_is_used_once_however_many_ask_at_the_same_time() {
    let rig = Rig::start().await;
    let wish = NewToken {
        kind: dunlin_server::access::tokens::Kind::Api,
        uses: Some(1),
        expires_seconds: None,
        label: "once".into(),
        device: None,
    };
    let token = rig.access.create_token("test", &wish).await.unwrap().token;
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let (access, token) = (rig.access.clone(), token.clone());
            tokio::spawn(async move { access.caller_by_token(&token).await.is_ok() })
        })
        .collect();
    let mut let_in = 0;
    for one in asked {
        let_in += usize::from(one.await.unwrap());
    }
    assert_eq!(let_in, 1);
    rig.stop().await;
}
