//! The keys of upstreams and of clients: sent where they belong, told to nobody.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::mock::{Behavior, Mock};
use crate::records::{bytes_in, in_file};
use crate::world::{SUM, run, three};

const KEY: &str = "sk-planted-0123456789abcdef";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes all that is logged on this thread as long as the guard lives.
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// No key is in what was `told`, in the `log`, which has `said` something, or in the records below `directory`.
async fn no_key_in(told: &str, log: &Log, said: &str, directory: &std::path::Path) {
    let kept = bytes_in(directory).await;
    assert!(kept.contains("Solve the equation"), "the records were looked at");
    let log = log.text();
    assert!(log.contains(said), "{log}");
    for (name, text) in [("answers", told), ("log", &log), ("records", &kept)] {
        for secret in [KEY, "the-key-of-a-client"] {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn keys_are_sent_and_never_told() {
    let (log, _guard) = Log::start();
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let echo = "{\"error\": {\"message\": \"wrong key sk-planted-0123456789abcdef\", \"type\": \"x\"}}";
    let upstream = Mock::start(&[
        Behavior::Answer(1),
        Behavior::Status(400, "", echo),
        Behavior::Status(401, "x-echo: sk-planted-0123456789abcdef\r\n", echo),
        Behavior::Status(500, "", echo),
        Behavior::HangUp,
    ])
    .await;
    let base = upstream.base();
    let records = in_file(&directory.path().join("records.sqlite"), "store_prompts = true\nstore_comments = true");
    let upstreams = three([&base, &base, &base], &format!("key_file = {:?}", file.display().to_string()));
    let running = run(&(records + &upstreams)).await;
    let mut told = String::new();
    for fields in [json!({}), json!({}), json!({ "stream": true }), json!({})] {
        let answer = running.client.chat("auto", SUM, fields).await;
        told.extend([format!("{:?}\n", answer.headers), answer.text, "\n".to_owned()]);
    }
    for path in ["/metrics", "/readyz", "/v1/models"] {
        told += &running.client.get(path).await.text;
    }
    let seen = upstream.seen();
    assert!(seen.len() > 4);
    for seen in seen {
        assert!(seen.head.contains(&format!("authorization: Bearer {KEY}")), "{}", seen.head);
        assert!(!seen.head.contains("the-key-of-a-client"), "{}", seen.head);
    }
    running.stop().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    no_key_in(&told, &log, "an upstream failed", directory.path()).await;
}

/// Envoy has to be told the key of the upstream that it asks; nobody else is.
#[cfg(feature = "ext-proc")]
#[tokio::test]
async fn envoy_alone_is_told_the_key() {
    use crate::client::chat;
    use crate::processor::{Talk, run};

    const CHAT: &str = "/v1/chat/completions";
    let (log, _guard) = Log::start();
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let base = "http://127.0.0.1:9/v1";
    let config = in_file(&directory.path().join("records.sqlite"), "store_prompts = true")
        + &crate::clients::client("team", "the-key-of-a-client", "")
        + &three([base, base, base], &format!("key_file = {:?}", file.display().to_string()));
    let (running, address) = run(&config).await;
    let body = chat("auto", SUM, json!({})).to_string();
    let mut told = String::new();
    for (status, answer) in [("200", format!("{{\"error\": \"{KEY}\"}}")), ("500", String::new())] {
        let mut talk = Talk::begin(address).await;
        let changed = talk.ask(CHAT, &[("x-api-key", "the-key-of-a-client")], &body).await.sent();
        assert_eq!(changed.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert!(changed.removes("x-api-key") && !changed.removes("authorization"));
        told.extend([format!("{:?}", talk.answer(&[(":status", status)], answer.is_empty()).await)]);
        if status == "200" {
            talk.part(&answer, true).await;
        }
        assert!(talk.is_over().await);
    }
    told.extend([format!("{:?}", Talk::begin(address).await.ask(CHAT, &[], "{").await.refused())]);
    told += &running.client.get("/metrics").await.text;
    running.stop().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    no_key_in(&told, &log, "an answer broke off", directory.path()).await;
}

#[tokio::test]
async fn a_key_that_is_missing_is_a_clear_error() {
    let upstream = Mock::start(&[Behavior::Answer(1)]).await;
    let base = upstream.base();
    let config = three([&base, &base, &base], "key_environment = \"ROUTER_TEST_NO_SUCH_KEY\"");
    let config = router_serve::ServeConfig::from_toml(&config, "serve.toml").unwrap();
    let error = router_serve::Gateway::new(crate::world::router(), config).await.err().unwrap().to_string();
    assert!(error.starts_with("upstream `a`: the environment variable ROUTER_TEST_NO_SUCH_KEY is not set"), "{error}");
}
