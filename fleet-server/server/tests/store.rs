//! The database: migrations, keys of windows, group commit, the book of changes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use dunlin_server::{
    audit::Audit,
    storage::{
        Store, StoreError, devices,
        windows::{self, NewWindow, key_of},
    },
};

fn open() -> (tempfile::TempDir, Store) {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("store.db")).unwrap();
    (place, store)
}

fn window(device: i64, sequence: u64, start_ms: i64) -> NewWindow {
    NewWindow {
        device,
        boot: 1,
        sequence,
        model: "rain-1.0.0".into(),
        start_ms,
        received_ms: 0,
        body: vec![0; 10],
    }
}

#[tokio::test]
async fn windows_that_start_in_the_same_second_all_stay_and_none_twice() {
    let (_place, store) = open();
    let keys = store
        .write(|tx| {
            let put = |window: NewWindow| windows::put(tx, &window);
            Ok([
                put(window(3, 0, 5_000))?,
                put(window(3, 1, 5_400))?,
                put(window(3, 2, 6_000))?,
                put(window(3, 1, 5_400))?,
                put(window(4, 0, 5_000))?,
                put(window(3, 3, -1))?,
                put(window(3, 4, i64::MAX))?,
            ])
        })
        .await
        .unwrap();
    let key = |second: i64, device| Some(key_of(second * 1000, device));
    assert_eq!(keys[..6], [key(5, 3), key(6, 3), key(7, 3), None, key(5, 4), key(0, 3)]);
    let (all, one, fresh) = store
        .read(|db| {
            Ok((
                windows::between(db, 5_000, 7_000, 100)?,
                windows::of_device(db, 3, 5_000, 8_000, 100)?,
                windows::since(db, 4, 100)?,
            ))
        })
        .await
        .unwrap();
    assert_eq!((all.len(), one.len(), fresh.len()), (3, 3, 2));
}

#[tokio::test]
async fn a_record_is_stored_once_whatever_start_its_copies_claim() {
    let (_place, store) = open();
    let put = |window: NewWindow| store.write(move |tx| windows::put(tx, &window));
    assert!(put(window(3, 7, 5_000)).await.unwrap().is_some());
    assert_eq!(put(window(3, 7, 9_000_000)).await.unwrap(), None);
    assert!(put(window(4, 7, 5_000)).await.unwrap().is_some(), "another device's record is another");
}

#[tokio::test]
async fn a_crowd_of_windows_in_one_second_is_stored_whole() {
    let (_place, store) = open();
    let stored = store
        .write(|tx| {
            windows::put(tx, &window(3, 10_000, i64::MAX))?;
            let mut keys = std::collections::BTreeSet::new();
            for sequence in 0..300 {
                keys.extend(windows::put(tx, &window(3, sequence, -1))?);
            }
            Ok(keys.len())
        })
        .await
        .unwrap();
    assert_eq!(stored, 300);
}

#[tokio::test]
async fn windows_are_kept_by_when_they_came_not_by_what_the_device_thinks_the_time_is() {
    let (_place, store) = open();
    let came = |sequence, start_ms, received_ms| NewWindow { received_ms, ..window(3, sequence, start_ms) };
    let (deleted, left) = store
        .write(move |tx| {
            windows::put(tx, &came(0, i64::MAX, 1_000))?;
            windows::put(tx, &came(1, 0, 5_000))?;
            let deleted = windows::delete_before(tx, 5_000)?;
            Ok((deleted, windows::since(tx, 0, 10)?.len()))
        })
        .await
        .unwrap();
    assert_eq!((deleted, left), (1, 1));
}

#[tokio::test]
async fn a_job_that_fails_leaves_nothing_and_does_not_disturb_its_neighbours() {
    let (_place, store) = open();
    let good = |n: u8| store.write(move |tx| devices::enrol(tx, &format!("d{n}"), &[n], "words", 0));
    let bad = store.write(|tx| {
        devices::enrol(tx, "half", &[9], "words", 0)?;
        tx.execute("INSERT INTO nowhere VALUES (1)", [])
    });
    let (one, failed, two) = tokio::join!(good(1), bad, good(2));
    assert!(one.is_ok() && two.is_ok());
    assert!(matches!(failed, Err(StoreError::Sql(_))));
    let names = store.read(|db| devices::list(db, "", 10)).await.unwrap();
    assert_eq!(names.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["d1", "d2"]);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_named() {
    let (place, store) = open();
    drop(store);
    let path = place.path().join("store.db");
    assert!(Store::open(&path).is_ok(), "opening twice changes nothing");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute("INSERT INTO migrations (number, name) VALUES (999, 'later')", [])
        .unwrap();
    let error = Store::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error}");
    assert!(error.to_string().contains("newer dunlin-server"), "{error}");
}

#[tokio::test]
async fn the_book_of_changes_cannot_be_rewritten() {
    let (_place, store) = open();
    let audit = Audit::new(store.clone());
    audit.record("ann", "token-created", "t1", serde_json::json!({ "label": "x" })).await.unwrap();
    for statement in ["UPDATE audit SET who = 'bob'", "DELETE FROM audit"] {
        assert!(store.write(move |tx| tx.execute(statement, [])).await.is_err(), "{statement}");
    }
    let entries = audit.latest(i64::MAX, 10).await.unwrap();
    assert_eq!((entries.len(), entries[0].who.as_str()), (1, "ann"));
}

#[tokio::test]
async fn an_older_desired_state_does_not_replace_a_later_one() {
    let (_place, store) = open();
    let put = store
        .write(|tx| {
            let number = devices::enrol(tx, "me", &[1], "words", 0)?;
            Ok([2, 2, 1, 3].map(|generation| devices::put_desired(tx, number, generation, &[0]).unwrap()))
        })
        .await
        .unwrap();
    assert_eq!(put, [true, false, false, true]);
}
