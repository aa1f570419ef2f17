//! A second router beside the first: it decides a share of the requests, or none, and what it would have chosen is recorded.

use router_serve::records::{Address, Records, Traffic};
use router_serve::{Gateway, ServeConfig, Setup};
use serde_json::json;
use tempfile::TempDir;

use crate::mock::{Behavior, Mock};
use crate::records::{all, in_file};
use crate::world::{POEM, Running, SUM, router, serve, sums_are_poems, three};

async fn beside(records: &str, candidate: &str, base: &str) -> Running {
    let config = format!("{records}[candidate]\nrouter = \"next\"\n{candidate}\n{}", three([base, base, base], ""));
    let config = ServeConfig::from_toml(&config, "serve.toml").unwrap();
    let setup = Setup { router: router(), candidate: Some(sums_are_poems()), config, source: None };
    serve(Gateway::of(setup).await.unwrap()).await
}

#[tokio::test]
async fn a_shadow_is_recorded_and_changes_nothing() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("records.sqlite");
    let running = beside(&in_file(&path, ""), "", &mock.base()).await;
    for (prompt, model) in [(SUM, "solver"), (POEM, "poet")] {
        assert_eq!(running.client.chat("auto", prompt, json!({})).await.header("x-router-model"), model);
    }
    // What decides beside is waited for by nobody: here it is.
    let kept = loop {
        let kept = all(&Address::Sqlite(path.clone()));
        if kept.len() == 2 && kept.iter().all(|kept| kept.shadow.is_some()) {
            break kept;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let shadows: Vec<_> = kept.iter().map(|kept| kept.shadow.clone().unwrap()).collect();
    assert_eq!([shadows[0].model.as_str(), shadows[1].model.as_str()], ["poet", "solver"]);
    assert_ne!(Some(&shadows[0].router), kept[0].record.router.as_ref());
    let traffic = Traffic::read(&mut Records::open_to_read(&Address::Sqlite(path)).unwrap(), 0).unwrap();
    assert_eq!(traffic.routers.len(), 2);
    assert!(traffic.calls.iter().all(|call| call.shadow.is_some_and(|(router, _)| Some(router) != call.router)));
}

#[tokio::test]
async fn a_candidate_decides_its_share_and_a_conversation_keeps_to_one_router() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("records.sqlite");
    let running = beside(&in_file(&path, ""), "share = 0.5\nshadow = false", &mock.base()).await;
    for _ in 0..60 {
        running.client.chat("auto", SUM, json!({})).await;
    }
    for turn in ["one", "two", "three", "four"] {
        let mut models = std::collections::BTreeSet::new();
        for _ in 0..5 {
            let own = json!({ "router": { "conversation": turn } });
            models.insert(running.client.chat("auto", SUM, own).await.header("x-router-model").to_owned());
        }
        assert_eq!(models.len(), 1, "{models:?}");
    }
    running.stop().await.unwrap();
    let kept = all(&Address::Sqlite(path));
    let of = |model: &str| kept.iter().take(60).filter(|kept| kept.record.model == model).count();
    // 30 of 60 by chance: fewer than 8 or more than 52 would be one in a hundred million.
    assert_eq!(of("solver") + of("poet"), 60);
    assert!((8..=52).contains(&of("poet")), "{}", of("poet"));
    assert!(kept.iter().all(|kept| kept.shadow.is_none()));
}

#[tokio::test]
async fn a_candidate_that_was_not_loaded_is_an_error() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let config = format!("[candidate]\nrouter = \"next\"\n{}", three([&base, &base, &base], ""));
    let config = ServeConfig::from_toml(&config, "serve.toml").unwrap();
    let error = Gateway::new(router(), config).await.err().unwrap();
    assert_eq!(error.field(), Some("candidate.router"));
}
