//! Who may ask, for how much a day, and conversations that stay with their model.

use hyper::StatusCode;
use router_serve::records::now_milliseconds;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::mock::{Behavior, Mock};
use crate::records::in_file;
use crate::world::{POEM, Running, SUM, run, three};

/// The key that the tests' client sends.
pub(crate) const KEY: &str = "the-key-of-a-client";

/// A client of the configuration, with further fields.
pub(crate) fn client(name: &str, key: &str, fields: &str) -> String {
    let hash = Sha256::digest(key).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("[[clients]]\nname = \"{name}\"\nkey_sha256 = \"{hash}\"\n{fields}\n")
}

#[tokio::test]
async fn nobody_asks_without_a_key() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let upstreams = three([&base, &base, &base], "");
    let running = run(&(client("team", "another key", "") + &upstreams)).await;
    for path in ["/v1/chat/completions", "/v1/route", "/v1/feedback"] {
        let refused = running.client.post(path, &json!({})).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::UNAUTHORIZED, "invalid_api_key"), "{path}");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert!(!refused.text.contains(KEY));
    }
    assert_eq!(running.client.get("/v1/models").await.status, StatusCode::UNAUTHORIZED);
    assert!(mock.seen().is_empty());
    assert_eq!(running.client.get("/healthz").await.status, StatusCode::OK);
    let running = run(&(client("other", "another key", "") + &client("team", KEY, "") + &upstreams)).await;
    assert_eq!(running.client.chat("auto", SUM, json!({})).await.status, StatusCode::OK);
    assert_eq!(running.client.get("/v1/models").await.status, StatusCode::OK);
    assert!(!mock.seen()[0].head.contains(KEY), "a client's key is not sent on");
}

#[tokio::test]
async fn a_budget_is_held_over_a_restart() {
    const DAY: i64 = 86_400_000;
    let mock = Mock::start(&[Behavior::Answer(5)]).await;
    let base = mock.base();
    loop {
        let directory = TempDir::new().unwrap();
        let day = now_milliseconds() / DAY;
        // A call of solver costs 90 millionths: the third one goes beyond, and the fourth is refused.
        let config = in_file(&directory.path().join("records.sqlite"), "")
            + &client("team", KEY, "daily_budget_usd = 0.0002")
            + &three([&base, &base, &base], "");
        let running = run(&config).await;
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(running.client.chat("auto", SUM, json!({})).await.status.as_u16());
        }
        running.stop().await.unwrap();
        let running = run(&config).await;
        let refused = running.client.chat("auto", SUM, json!({})).await;
        let decides = running.client.post("/v1/route", &json!({ "prompt": SUM })).await;
        if now_milliseconds() / DAY != day {
            // A new day began.
            continue;
        }
        assert_eq!(statuses, [200, 200, 200, 429]);
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota"));
        let seconds: i64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=86_400).contains(&seconds), "{seconds}");
        assert_eq!(decides.status, StatusCode::OK, "a decision alone costs nothing");
        let kept =
            crate::records::all(&router_serve::records::Address::Sqlite(directory.path().join("records.sqlite")));
        assert_eq!(kept[0].record.client.as_deref(), Some("team"));
        assert!((kept[0].record.charged_usd.unwrap() - 90e-6).abs() < 1e-12);
        return;
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_charged_what_was_expected() {
    let mock = Mock::start(&[Behavior::CutStream]).await;
    let base = mock.base();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("records.sqlite");
    let config =
        in_file(&path, "") + &client("team", KEY, "daily_budget_usd = 1.0") + &three([&base, &base, &base], "");
    let running = run(&config).await;
    running.client.chat("auto", SUM, json!({ "stream": true })).await;
    running.stop().await.unwrap();
    let record = crate::records::all(&router_serve::records::Address::Sqlite(path)).remove(0).record;
    assert_eq!((record.cost_usd, record.charged_usd), (None, record.expected_cost_usd));
    assert!(record.charged_usd.unwrap() > 0.0);
}

/// Who answers `text` in `conversation`.
async fn who(running: &Running, text: &str, conversation: &str, constraints: serde_json::Value) -> String {
    let mut own = json!({ "conversation": conversation });
    own.as_object_mut().unwrap().extend(constraints.as_object().unwrap().clone());
    let answer = running.client.chat("auto", text, json!({ "router": own })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.header("x-router-model").to_owned()
}

#[tokio::test]
async fn a_conversation_stays_unless_the_switch_is_worth_it() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    // For a poem the poet is about 0.6 better than the solver, which answers sums.
    for (cost, second) in [(0.0, "poet"), (0.4, "poet"), (0.8, "solver")] {
        let config = format!("[conversations]\nswitching_cost = {cost}\n") + &three([&base, &base, &base], "");
        let running = run(&config).await;
        assert_eq!(who(&running, SUM, "one", json!({})).await, "solver");
        assert_eq!(who(&running, POEM, "one", json!({})).await, second, "{cost}");
        assert_eq!(who(&running, POEM, "two", json!({})).await, "poet", "another conversation");
        // A model that may not answer is not stayed with.
        assert_eq!(
            who(&running, POEM, "one", json!({ "unavailable_models": [second] })).await,
            if second == "poet" { "thrifty" } else { "poet" }
        );
        let long = running.client.chat("auto", SUM, json!({ "router": { "conversation": "x".repeat(1000) } })).await;
        assert_eq!(long.json()["error"]["param"], "router.conversation");
    }
}

#[tokio::test]
async fn exploration_asks_other_models_and_leaves_conversations_alone() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("records.sqlite");
    let config = in_file(&path, "") + "[exploration]\nshare = 1.0\n" + &three([&base, &base, &base], "");
    let running = run(&config).await;
    for _ in 0..20 {
        let answer = running.client.chat("auto", SUM, json!({})).await;
        assert_ne!(answer.header("x-router-model"), "solver", "with a share of 1 another one is asked always");
    }
    // The first of a conversation explores, what follows stays.
    let first = who(&running, SUM, "one", json!({})).await;
    assert_ne!(first, "solver");
    let decided = running.client.post("/v1/route", &json!({ "prompt": SUM })).await.json();
    assert_eq!(decided["model"], "solver", "a decision alone never explores");
    running.stop().await.unwrap();
    let kept = crate::records::all(&router_serve::records::Address::Sqlite(path));
    for recorded in kept.iter().filter(|recorded| recorded.record.surface == "chat") {
        let record = &recorded.record;
        assert_eq!((record.propensity, record.instead_of.as_deref()), (0.5, Some("solver")));
        assert_eq!(record.eligible[0], record.model);
        assert_eq!(record.eligible[1], "solver", "the router's own choice comes next");
        assert!(record.expected_cost_usd.is_some());
    }
    let asked: std::collections::BTreeSet<_> = kept.iter().map(|recorded| recorded.record.model.clone()).collect();
    assert_eq!(asked.len(), 3, "both others are asked: {asked:?}");
}
