//! Router and configuration loaded anew while requests are under way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::StatusCode;
use router_serve::{Gateway, Loader, ServeConfig, Setup};
use serde_json::json;

use crate::clients::{KEY, client};
use crate::mock::{Behavior, Mock, words};
use crate::world::{Running, SUM, router, serve, three};

/// A gateway of whatever the text holds when it loads.
async fn reloadable(config: &Arc<Mutex<String>>) -> Running {
    let config = Arc::clone(config);
    let loader: Loader = Arc::new(move || {
        let config = ServeConfig::from_toml(&config.lock().unwrap(), "serve.toml")?;
        Ok(Setup { router: router(), candidate: None, config, source: None })
    });
    serve(Gateway::reloadable(loader).await.unwrap()).await
}

fn with_admin(bases: [&str; 3]) -> String {
    client("boss", KEY, "admin = true") + &three(bases, "")
}

#[tokio::test]
async fn requests_under_way_keep_theirs_and_the_next_get_the_new() {
    let (old, new) = (
        Mock::start(&[Behavior::Slow(Duration::from_millis(300), 4)]).await,
        Mock::start(&[Behavior::Answer(2)]).await,
    );
    let (old_base, new_base) = (old.base(), new.base());
    let config = Arc::new(Mutex::new(with_admin([&old_base, &old_base, &old_base])));
    let running = reloadable(&config).await;
    let client = running.client.clone();
    let under_way = tokio::spawn(async move { client.chat("auto", SUM, json!({ "stream": true })).await });
    old.until_seen(1).await;
    *config.lock().unwrap() = with_admin([&new_base, &new_base, &new_base]) + "[[pools]]\nname = \"new\"\n";
    let reloaded = running.client.post("/admin/reload", &json!({})).await;
    assert_eq!(
        (reloaded.status, reloaded.json()["needs_restart"].clone()),
        (StatusCode::OK, json!([])),
        "{}",
        reloaded.text
    );
    assert_eq!(running.client.chat("new", SUM, json!({})).await.content(), words(2));
    assert_eq!(under_way.await.unwrap().content(), words(4));
    assert_eq!((old.seen().len(), new.seen().len()), (1, 1));
    // And back, and forth.
    assert_eq!(running.client.post("/admin/rollback", &json!({})).await.status, StatusCode::OK);
    assert_eq!(running.client.chat("auto", SUM, json!({})).await.content(), words(4));
    assert_eq!(running.client.post("/admin/rollback", &json!({})).await.status, StatusCode::OK);
    assert_eq!(running.client.chat("auto", SUM, json!({})).await.content(), words(2));
}

#[tokio::test]
async fn what_is_wrong_changes_nothing_and_is_told() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let sound = with_admin([&base, &base, &base]);
    let config = Arc::new(Mutex::new(sound.clone()));
    let running = reloadable(&config).await;
    let early = running.client.post("/admin/rollback", &json!({})).await;
    assert_eq!((early.status, early.code().as_str()), (StatusCode::CONFLICT, "cannot_reload"));
    for (wrong, told) in [
        (sound.replace("\"poet\"", "\"bard\""), "`models[0].model`: unknown model `bard`"),
        (sound.replace("served_by", "served_at"), "unknown field `served_at`"),
        (
            sound.replace("name = \"a\"", "name = \"a\"\nkey_environment = \"ROUTER_TEST_NO_SUCH_KEY\""),
            "ROUTER_TEST_NO_SUCH_KEY is not set",
        ),
    ] {
        *config.lock().unwrap() = wrong;
        let refused = running.client.post("/admin/reload", &json!({})).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "not_reloaded"));
        assert!(refused.text.contains(told), "{}", refused.text);
        assert_eq!(running.client.chat("poet", SUM, json!({})).await.status, StatusCode::OK);
    }
    *config.lock().unwrap() = format!("[server]\nconcurrency = 7\n{sound}");
    let reloaded = running.client.post("/admin/reload", &json!({})).await;
    assert_eq!(reloaded.json()["needs_restart"], json!(["server"]));
}

#[tokio::test]
async fn only_an_admin_reloads() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let upstreams = three([&base, &base, &base], "");
    for (clients, status, code) in [
        (String::new(), StatusCode::FORBIDDEN, "not_an_admin"),
        (client("team", KEY, ""), StatusCode::FORBIDDEN, "not_an_admin"),
        (client("boss", "another", "admin = true"), StatusCode::UNAUTHORIZED, "invalid_api_key"),
    ] {
        let running = reloadable(&Arc::new(Mutex::new(clients + &upstreams))).await;
        for path in ["/admin/reload", "/admin/rollback"] {
            let refused = running.client.post(path, &json!({})).await;
            assert_eq!((refused.status, refused.code().as_str()), (status, code), "{path}");
        }
    }
}
