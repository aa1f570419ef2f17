//! The remote embedder against a server with planted faults.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that fails should panic; clippy exempts only functions marked as tests"
)]

mod embedding_server;

use std::future::Future as _;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use embedding_server::{DIMENSION, EmbeddingServer, Fault, vector};
use router_core::artifact::SlotReader as Reader;
use router_core::prelude::*;
use router_core::traits::StoredEmbedder;
use router_core::{EmbeddingCache, RouterBuilder};
use router_data::cache::DiskCache;
use router_plugins::embedders::remote::RemoteConfig;
use serde_json::{Value, json};

/// A configuration for `server` that does not wait.
fn config(server: &EmbeddingServer) -> RemoteConfig {
    RemoteConfig { url: server.url(), retry_seconds: 0.0, retries: 2, ..RemoteConfig::default() }
}

fn fit_with(config: &RemoteConfig, cx: &FitContext) -> Result<Box<dyn StoredEmbedder>> {
    let registry = router_plugins::builtin().unwrap();
    let (embedder, _) = registry.build::<EmbedderRole>("remote", serde_json::to_value(config).unwrap())?;
    pollster::block_on(embedder.fit(&[], cx))
}

fn fit(config: &RemoteConfig) -> Box<dyn StoredEmbedder> {
    fit_with(config, &FitContext::new(1)).unwrap()
}

fn embed(embedder: &dyn StoredEmbedder, texts: &[&str]) -> Result<Embeddings> {
    pollster::block_on(embedder.embed(texts))
}

/// Saves and loads, as an artifact does.
fn again(embedder: &dyn StoredEmbedder) -> Result<Box<dyn StoredEmbedder>> {
    let registry = router_plugins::builtin().unwrap();
    let bytes = SlotWriter::serialize(embedder).unwrap();
    Reader::open("embedder", &bytes, &registry, |_, slot| registry.load::<EmbedderRole>("remote", slot))
}

/// The server's vector of `text`, brought to length 1.
fn unit(text: &str, d: usize, model: u64) -> Vec<f32> {
    let vector = vector(text, d, model);
    let norm = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    vector.iter().map(|&value| (f64::from(value) / norm) as f32).collect()
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} where {expected:?} belongs");
}

#[test]
fn texts_are_sent_in_batches_and_their_vectors_come_back_in_order() {
    let server = EmbeddingServer::start();
    let config = RemoteConfig {
        batch_size: 2,
        prefix: "query: ".into(),
        maximum_characters: 9,
        model: "my/model".into(),
        ..config(&server)
    };
    let embedder = fit(&config);
    assert_eq!(embedder.dimension(), DIMENSION);
    server.forget();
    let texts = ["one", "", "a text that is too long", "größer 10", "größer 100", "five", "six"];
    let found = embed(&*embedder, &texts).unwrap();
    assert_eq!(found.truncated, [2, 4]);
    let sent = [
        "query: one",
        "query: ",
        "query: a text th",
        "query: größer 10",
        "query: größer 10",
        "query: five",
        "query: six",
    ];
    for (row, sent) in sent.iter().enumerate() {
        assert_near(found.vectors.row(row), &unit(sent, DIMENSION, 0));
    }
    let mut asked = server.asked();
    asked.sort_by_key(|asked| asked.document["input"][0].to_string());
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|asked| asked.path == "/v1/embeddings" && asked.document["model"] == "my/model"));
    assert!(asked.iter().all(|asked| asked.inputs().len() <= 2 && asked.authorization.is_none()));
    let mut texts = server.texts();
    texts.sort_unstable();
    let mut expected = sent.map(str::to_owned);
    expected.sort_unstable();
    assert_eq!(texts, expected);
}

#[test]
fn a_dimension_is_requested_and_vectors_may_be_left_as_they_are() {
    let server = EmbeddingServer::start();
    let embedder = fit(&RemoteConfig { dimension: Some(8), normalize: false, ..config(&server) });
    assert_eq!(embedder.dimension(), 8);
    let found = embed(&*embedder, &["one two", ""]).unwrap();
    assert_eq!(found.vectors.row(0), vector("one two", 8, 0), "to the bit");
    assert_eq!(found.vectors.row(1), vector(" ", 8, 0), "the empty text is sent as a space");
    assert!(server.asked().iter().all(|asked| asked.document["dimensions"] == 8));
}

#[test]
fn what_may_succeed_later_is_tried_again() {
    let server = EmbeddingServer::start();
    let embedder = fit(&config(&server));
    let expected = embed(&*embedder, &["text"]).unwrap();
    let status = |status, headers| Fault::Status(status, headers, "busy".into());
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"data\": []}";
    for fault in [
        status(429, "retry-after: 0\r\n"),
        status(429, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        status(408, ""),
        status(500, ""),
        status(503, "retry-after: never\r\n"),
        Fault::Cut(0),
        Fault::Cut(10),
        Fault::Cut(150),
        Fault::Raw(whole.as_bytes().to_vec()),
    ] {
        for times in 1..=2 {
            server.forget();
            server.fail(vec![fault.clone(); times]);
            assert_eq!(embed(&*embedder, &["text"]).unwrap(), expected, "{fault:?}");
            assert_eq!(server.asked().len(), times + 1, "{fault:?}");
        }
        server.forget();
        server.fail(vec![fault.clone(); 3]);
        let error = embed(&*embedder, &["text"]).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Remote, true), "{fault:?}: {error}");
        assert!(error.to_string().contains("tried 3 times") && error.to_string().contains(&server.url()), "{error}");
        assert_eq!(server.asked().len(), 3);
    }
}

#[test]
fn what_will_not_succeed_is_an_error_at_once() {
    let server = EmbeddingServer::start();
    let embedder = fit(&config(&server));
    let status = |status| Fault::Status(status, "", "{\"error\": \"no such luck\"}".into());
    for (fault, kind, says) in [
        (status(400), ErrorKind::Remote, "status 400: {\"error\": \"no such luck\"}"),
        (status(401), ErrorKind::Remote, "api_key_environment"),
        (status(404), ErrorKind::Remote, "check `url` and `model`"),
        (status(413), ErrorKind::Remote, "batch_size"),
        (status(501), ErrorKind::Remote, "status 501"),
        (
            Fault::Status(302, "location: http://elsewhere.test/\r\n", String::new()),
            ErrorKind::Remote,
            "http://elsewhere.test/",
        ),
        (
            Fault::Status(200, "", "<!DOCTYPE html><title>Log in</title>".into()),
            ErrorKind::Embedding,
            "it is a web page",
        ),
        (Fault::Status(200, "", "{\"data\"".into()), ErrorKind::Embedding, "EOF"),
        (Fault::Status(200, "", "{\"error\": \"overloaded\"}".into()), ErrorKind::Embedding, "overloaded"),
        (Fault::Status(200, "", "x".repeat(4 << 20)), ErrorKind::Remote, "longer than"),
        (
            Fault::Raw(
                b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"data\": [{\"index\": 0, \"embedding\": []}]}"
                    .to_vec(),
            ),
            ErrorKind::Embedding,
            "EOF",
        ),
        (Fault::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), ErrorKind::Remote, "check `url`"),
        (
            Fault::Changed(|answer| drop(answer["data"].as_array_mut().unwrap().pop())),
            ErrorKind::Embedding,
            "1 vectors where 2",
        ),
        (Fault::Changed(|answer| answer["data"][1]["index"] = 0.into()), ErrorKind::Embedding, "index 0 stands twice"),
        (Fault::Changed(|answer| answer["data"][1]["index"] = 2.into()), ErrorKind::Embedding, "index 2 of 2 texts"),
        (
            Fault::Changed(|answer| drop(answer["data"][1].as_object_mut().unwrap().remove("index"))),
            ErrorKind::Embedding,
            "index",
        ),
        (
            Fault::Changed(|answer| answer["data"][1]["embedding"][3] = Value::Null),
            ErrorKind::Embedding,
            "vector 1: number 3 is null",
        ),
        (
            Fault::Changed(|answer| answer["data"][0]["embedding"][0] = json!(1e300)),
            ErrorKind::Embedding,
            "number 0 is not finite",
        ),
        (
            Fault::Changed(|answer| drop(answer["data"][0]["embedding"].as_array_mut().unwrap().pop())),
            ErrorKind::Embedding,
            "vector 0 has 23 numbers where 24 belong",
        ),
        (
            Fault::Changed(|answer| answer["data"][0]["embedding"] = "not base64!".into()),
            ErrorKind::Embedding,
            "base64",
        ),
    ] {
        server.forget();
        server.fail([fault.clone()]);
        let error = embed(&*embedder, &["one", "two"]).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, false), "{fault:?}: {error}");
        assert!(error.to_string().contains(says), "{fault:?}: {error}");
        assert!(error.to_string().len() < 1500, "{error}");
        assert_eq!(server.asked().len(), 1, "{fault:?}");
    }
    // The order alone is no mistake.
    let expected = embed(&*embedder, &["one", "two", "three"]).unwrap();
    server.fail([Fault::Changed(|answer| answer["data"].as_array_mut().unwrap().reverse())]);
    assert_eq!(embed(&*embedder, &["one", "two", "three"]).unwrap(), expected);
}

#[test]
fn silence_ends_with_the_timeout_and_nobody_there_is_an_error() {
    let server = EmbeddingServer::start();
    let embedder = fit(&RemoteConfig { timeout_seconds: 0.3, retries: 1, ..config(&server) });
    server.forget();
    server.fail([Fault::Silence, Fault::Silence]);
    let error = embed(&*embedder, &["text"]).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Remote, true), "{error}");
    assert!(error.to_string().contains("timeout_seconds"), "{error}");
    assert_eq!(server.asked().len(), 2);
    server.fail([Fault::Silence]);
    assert!(embed(&*embedder, &["text"]).is_ok());

    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = RemoteConfig { url: format!("http://{free}"), ..config(&server) };
    let error = fit_with(&nobody, &FitContext::new(1)).err().unwrap();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Remote, true), "{error}");
}

#[test]
fn so_many_requests_at_once_and_no_more() {
    let server = EmbeddingServer::start();
    let embedder = fit(&RemoteConfig { concurrency: 3, batch_size: 1, ..config(&server) });
    server.forget();
    server.gate(Some(0));
    let texts: Vec<String> = (0..20).map(|at| at.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    std::thread::scope(|scope| {
        let embedding = scope.spawn(|| embed(&*embedder, &texts).unwrap());
        while server.asked().len() < 3 {
            std::thread::yield_now();
        }
        server.gate(None);
        let found = embedding.join().unwrap().vectors;
        for (row, text) in texts.iter().enumerate() {
            assert_near(found.row(row), &unit(text, DIMENSION, 0));
        }
    });
    assert_eq!(server.most_at_once(), 3);
}

#[test]
fn waiting_blocks_no_caller_and_giving_up_stops_the_requests() {
    let server = EmbeddingServer::start();
    let embedder = fit(&RemoteConfig { concurrency: 1, batch_size: 1, ..config(&server) });
    server.forget();
    server.gate(Some(0));
    {
        let mut future = pin!(embedder.embed(&["a", "b", "c", "d", "e"]));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(future.as_mut().poll(&mut cx), Poll::Pending));
        while server.asked().is_empty() {
            std::thread::yield_now();
        }
        assert!(matches!(future.as_mut().poll(&mut cx), Poll::Pending));
    }
    // The future is gone. What was in work ends; what was waiting is not asked for.
    server.gate(None);
    embed(&*embedder, &["f"]).unwrap();
    assert_eq!(server.texts(), ["a", "f"]);
}

#[test]
fn a_model_that_changed_behind_its_name_is_found_out() {
    let server = EmbeddingServer::start();
    let config = config(&server);
    let embedder = fit(&config);
    let expected = embed(&*embedder, &["text"]).unwrap();
    let loaded = again(&*embedder).unwrap();
    server.forget();
    assert_eq!(embed(&*loaded, &["text"]).unwrap(), expected);
    assert_eq!(embed(&*loaded, &["text"]).unwrap(), expected);
    assert_eq!(server.asked().len(), 3, "the probe is asked for once");

    let unwatched = again(&*fit(&RemoteConfig { probe: false, ..config.clone() })).unwrap();
    let (late, later) = (again(&*embedder).unwrap(), again(&*embedder).unwrap());
    server.fail([Fault::Status(400, "", String::new())]);
    assert_eq!(
        embed(&*later, &["text"]).unwrap_err().kind(),
        ErrorKind::Remote,
        "the probe failed, and proves nothing"
    );
    server.change_model();
    for changed in [&late, &late, &later] {
        let error = embed(&**changed, &["text"]).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Incompatible, false), "{error}");
        assert!(error.to_string().contains("revision"), "{error}");
    }
    assert_ne!(embed(&*unwatched, &["text"]).unwrap(), expected, "without the probe nobody knows");
}

#[test]
fn the_cache_is_held_against_the_model_too() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Arc::new(DiskCache::new(folder.path()));
    let cx = FitContext::new(1).with_embedding_cache(Arc::clone(&cache) as _);
    let server = EmbeddingServer::start();
    let config = config(&server);
    let prompt = Prompt::new("a", "text");
    let through = |embedder: &dyn StoredEmbedder| {
        let cache: &dyn EmbeddingCache = &*cache;
        pollster::block_on(embedder.embed_through(cache, &[&prompt])).unwrap().vectors
    };
    let elsewhere = again(&*fit(&config)).unwrap();
    server.change_model();
    let embedder = fit_with(&config, &cx).unwrap();
    assert_near(through(&*embedder).row(0), &unit("text", DIMENSION, 1));
    server.forget();
    assert_near(through(&*embedder).row(0), &unit("text", DIMENSION, 1));
    assert!(server.asked().is_empty(), "it was in the cache");

    // A router that was trained elsewhere, when the name stood for the first model, does not believe this cache.
    let error = pollster::block_on(elsewhere.embed_through(&*cache, &[&prompt])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");

    server.change_model();
    let error = fit_with(&config, &cx).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
    assert!(error.to_string().contains("cache") && error.to_string().contains("revision"), "{error}");
    let revised = fit_with(&RemoteConfig { revision: Some("2".into()), ..config }, &cx).unwrap();
    assert_near(through(&*revised).row(0), &unit("text", DIMENSION, 2));
}

#[test]
fn the_fingerprint_is_of_the_model_and_not_of_the_way_to_it() {
    let server = EmbeddingServer::start();
    let other = EmbeddingServer::start();
    let base = config(&server);
    let fingerprint = |config: RemoteConfig| fit(&config).fingerprint();
    let same = [
        RemoteConfig { url: other.url(), ..base.clone() },
        RemoteConfig { url: format!("{}/v1/", server.url()), ..base.clone() },
        RemoteConfig { batch_size: 1, concurrency: 1, retries: 0, timeout_seconds: 1.0, ..base.clone() },
        RemoteConfig { dimension: Some(DIMENSION), probe: false, ..base.clone() },
    ];
    let expected = fingerprint(base.clone());
    for config in same {
        assert_eq!(fingerprint(config), expected);
    }
    let different = [
        RemoteConfig { model: "other".into(), ..base.clone() },
        RemoteConfig { revision: Some("2".into()), ..base.clone() },
        RemoteConfig { dimension: Some(8), ..base.clone() },
        RemoteConfig { prefix: "query: ".into(), ..base.clone() },
        RemoteConfig { maximum_characters: 10, ..base.clone() },
        RemoteConfig { normalize: false, ..base },
    ];
    let all: std::collections::BTreeSet<String> = different.into_iter().map(fingerprint).chain([expected]).collect();
    assert_eq!(all.len(), 7);
}

const KEY: &str = "sk-Hunter2/plus+equals=";

/// Not a test: what a process with a key in its environment does. All it prints is looked through.
#[test]
#[ignore = "the test below runs it in a process of its own"]
fn child_with_a_key() {
    let Some(out) = std::env::var_os("ROUTER_TEST_OUT") else { return };
    let server = EmbeddingServer::start();
    let config = RemoteConfig { api_key_environment: Some("ROUTER_TEST_KEY".into()), retries: 1, ..config(&server) };
    println!("{config:?}");
    let embedder = fit(&config);
    let bearer = format!("Bearer {KEY}");
    assert!(server.asked().iter().all(|asked| asked.authorization.as_deref() == Some(&bearer)), "the key is sent");
    let echo = format!("your key {KEY} is bad; {{\"authorization\": \"{bearer}\"}} {}", KEY.repeat(30));
    let long = format!("{}{}", " ".repeat(64 * 1024 - 10), KEY.repeat(3));
    for fault in [
        Fault::Status(401, "", echo.clone()),
        Fault::Status(400, "", long),
        Fault::Status(500, "", echo.clone()),
        Fault::Status(200, "", echo.clone()),
        Fault::Status(200, "", json!({ "data": echo }).to_string()),
        Fault::Status(200, "", json!({ "data": [{ "index": 0, "embedding": [KEY] }] }).to_string()),
        Fault::Status(200, "", json!({ "data": [{ "index": KEY, "embedding": [1] }] }).to_string()),
        Fault::Status(200, "", json!({ "data": [{ "index": 0, "embedding": KEY }] }).to_string()),
        Fault::Raw(echo.clone().into_bytes()),
        Fault::Raw(format!("HTTP/1.1 {KEY}\r\n\r\n").into_bytes()),
        Fault::Raw(
            format!("HTTP/1.1 302 Found\r\nlocation: http://elsewhere.test/{KEY}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes(),
        ),
        Fault::Raw(format!("HTTP/1.1 200 OK\r\n{KEY}\r\ncontent-length: {KEY}\r\n\r\n").into_bytes()),
    ] {
        server.fail([fault.clone(), fault.clone()]);
        let error = embed(&*embedder, &["text"]).unwrap_err();
        println!("{error}\n{error:?}\n{error:#?}");
        let mut source = std::error::Error::source(&error);
        while let Some(below) = source {
            println!("{below}\n{below:?}");
            source = below.source();
        }
        // The second fault of what was not tried again.
        while embed(&*embedder, &["text"]).is_err() {}
    }
    let registry = router_plugins::builtin().unwrap();
    let world = router_core::testkit::world::MinimalWorld::easy(60, 1).unwrap();
    let unfitted = RouterBuilder::new(&registry)
        .embedder(config)
        .estimator(router_plugins::estimators::global_mean::GlobalMeanConfig::default())
        .build()
        .unwrap();
    let folder = std::path::PathBuf::from(out);
    let cx = unfitted.context().with_embedding_cache(Arc::new(DiskCache::new(folder.join("cache"))));
    let router = unfitted.fit_blocking(&world.dataset, &cx).unwrap();
    router.save(folder.join("artifact")).unwrap();
    println!("{:?}\n{}", router.config(), router.embedder().fingerprint());
    // Where the key is missing.
    let missing = RemoteConfig { api_key_environment: Some("ROUTER_TEST_NO_KEY".into()), ..self::config(&server) };
    let error = fit_with(&missing, &FitContext::new(1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("ROUTER_TEST_NO_KEY is not set"), "{error}");
    println!("all was done");
}

#[test]
fn the_key_is_sent_and_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_with_a_key", "--ignored", "--nocapture"])
        .env("ROUTER_TEST_OUT", folder.path())
        .env("ROUTER_TEST_KEY", KEY)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.contains("all was done"), "{printed}");
    // A beginning of the key is too much already.
    let secret = &KEY[..8];
    let place = printed.find(secret);
    assert!(place.is_none(), "{:?}", place.map(|at| &printed[at.saturating_sub(200)..at]));
    let mut files = 0;
    let mut folders = vec![folder.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", path.display());
            }
        }
    }
    assert!(files > 4, "{files} files were looked into");
}
