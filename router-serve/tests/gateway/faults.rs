//! Faults of upstreams: what the client sees, and what is lost. Nothing but the one answer ever is.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::mock::{Behavior, Mock, words};
use crate::world::{SUM, nobody, run, three};

/// Short patience, so that slow upstreams fail soon.
const QUICK: &str =
    "first_byte_seconds = 0.3\nidle_seconds = 0.3\ntotal_seconds = 1.5\nanswer_bytes = 200000\nevent_bytes = 4096";

/// A gateway whose `solver` is served by `first` and `thrifty`, the next best, by `second`.
async fn pair(first: &str, second: &Mock) -> crate::world::Running {
    run(&three([&nobody().await, first, &second.base()], QUICK)).await
}

#[tokio::test]
async fn whatever_fails_before_the_first_byte_falls_back() {
    let faults = [
        Behavior::Status(500, "", "{}"),
        Behavior::Status(503, "", "{}"),
        Behavior::Status(429, "retry-after: 7\r\n", "{}"),
        Behavior::Status(401, "", "{\"error\": {\"message\": \"wrong key\"}}"),
        Behavior::Status(404, "", "{}"),
        Behavior::Status(302, "location: http://127.0.0.1:1/\r\n", ""),
        Behavior::Status(400, "", "{\"error\": {\"message\": \"too long\", \"code\": \"context_length_exceeded\"}}"),
        Behavior::Slow(Duration::from_secs(5), 3),
        Behavior::HangUp,
        Behavior::HugeHead,
        Behavior::Garbage,
        Behavior::NotJson,
        Behavior::WrongLength,
    ];
    for fault in faults {
        for is_streamed in [false, true] {
            let (bad, good) =
                (Mock::start(std::slice::from_ref(&fault)).await, Mock::start(&[Behavior::Answer(3)]).await);
            let running = pair(&bad.base(), &good).await;
            let answer = running.client.chat("auto", SUM, json!({ "stream": is_streamed })).await;
            assert_eq!(answer.status, StatusCode::OK, "{fault:?}: {}", answer.text);
            assert_eq!(answer.content(), words(3), "{fault:?}");
            assert_eq!(answer.header("x-router-model"), "thrifty", "{fault:?}");
            assert_eq!(answer.header("x-router-failed-attempts"), "1", "{fault:?}");
            assert_eq!(good.seen().len(), 1);
            // One that closes a connection on which it said nothing may be asked again on a new one, nothing else.
            assert_eq!(bad.seen().len(), 1, "{fault:?}");
        }
    }
    let good = Mock::start(&[Behavior::Answer(3)]).await;
    let running = pair(&nobody().await, &good).await;
    assert_eq!(running.client.chat("auto", SUM, json!({})).await.content(), words(3));
}

#[tokio::test]
async fn a_whole_answer_that_never_ends_falls_back_too() {
    let (bad, good) = (Mock::start(&[Behavior::Endless]).await, Mock::start(&[Behavior::Answer(3)]).await);
    let running = pair(&bad.base(), &good).await;
    // The mock streams although it was not asked to.
    assert_eq!(running.client.chat("auto", SUM, json!({})).await.content(), words(3));
    bad.until_hung_up_on(1).await;
}

#[tokio::test]
async fn whatever_fails_after_the_first_byte_ends_the_stream_with_an_error() {
    let faults = [
        (Behavior::CutStream, 2),
        (Behavior::EndEarly, 2),
        (Behavior::Stall, 2),
        (Behavior::GarbageInStream, 2),
        (Behavior::EndlessEvent, 1),
    ];
    for (fault, count) in faults {
        let (bad, good) = (Mock::start(std::slice::from_ref(&fault)).await, Mock::start(&[Behavior::Answer(3)]).await);
        let running = pair(&bad.base(), &good).await;
        let answer = running.client.chat("auto", SUM, json!({ "stream": true })).await;
        assert_eq!(answer.status, StatusCode::OK, "{fault:?}");
        assert_eq!(answer.content(), words(count), "{fault:?}");
        let last = answer.events().pop().unwrap();
        assert_eq!(last["error"]["code"], "upstream_failed", "{fault:?}");
        assert!(!answer.is_done());
        assert!(good.seen().is_empty(), "{fault:?}: the client has seen a part, so that nobody else is asked");
        let metrics = running.client.get("/metrics").await.text;
        assert!(
            metrics.contains("router_requests_total{surface=\"chat\",outcome=\"broken\",status=\"200\"} 1"),
            "{metrics}"
        );
        // It harms no other request.
        bad.then(&[Behavior::Answer(3)]);
        assert_eq!(running.client.chat("auto", SUM, json!({ "stream": true })).await.content(), words(3));
    }
}

#[tokio::test]
async fn an_endless_stream_is_cut_at_its_limit() {
    let (bad, good) = (Mock::start(&[Behavior::Endless]).await, Mock::start(&[Behavior::Answer(3)]).await);
    let running = pair(&bad.base(), &good).await;
    let answer = running.client.chat("auto", SUM, json!({ "stream": true })).await;
    assert!(answer.text.len() < 210_000, "{}", answer.text.len());
    assert_eq!(answer.events().pop().unwrap()["error"]["code"], "upstream_failed");
    bad.until_hung_up_on(1).await;
}

#[tokio::test]
async fn an_upstream_s_own_error_and_comments_pass() {
    let (bad, good) =
        (Mock::start(&[Behavior::ErrorInStream, Behavior::Comments]).await, Mock::start(&[Behavior::Answer(3)]).await);
    let running = pair(&bad.base(), &good).await;
    let answer = running.client.chat("auto", SUM, json!({ "stream": true })).await;
    assert_eq!(answer.events().pop().unwrap()["error"]["message"], "overloaded");
    let answer = running.client.chat("auto", SUM, json!({ "stream": true })).await;
    assert_eq!((answer.content(), answer.is_done()), (words(1), true));
}

#[tokio::test]
async fn where_nobody_answers_the_refusal_says_why() {
    let cases = [
        (Behavior::Status(500, "", "{}"), Behavior::Status(500, "", "{}"), 502, "upstream_failed", ""),
        (
            Behavior::Status(429, "retry-after: 7\r\n", "{}"),
            Behavior::Status(500, "", "{}"),
            429,
            "rate_limit_exceeded",
            "7",
        ),
        (
            Behavior::Status(429, "retry-after: 7\r\n", "{}"),
            Behavior::Status(429, "retry-after: 3\r\n", "{}"),
            429,
            "rate_limit_exceeded",
            "3",
        ),
        (Behavior::HangUp, Behavior::Slow(Duration::from_secs(5), 1), 504, "upstream_failed", ""),
    ];
    for (first, second, status, code, retry_after) in cases {
        let (first, second) = (Mock::start(&[first]).await, Mock::start(&[second]).await);
        let running = pair(&first.base(), &second).await;
        let answer =
            running.client.chat("auto", SUM, json!({ "router": { "allowed_models": ["solver", "thrifty"] } })).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{}", answer.text);
        assert_eq!(answer.header("retry-after"), retry_after);
    }
}

#[tokio::test]
async fn what_the_client_did_wrong_is_told_to_it() {
    let said = "{\"error\": {\"message\": \"temperature is too high\", \"type\": \"invalid_request_error\"}}";
    let (strict, other) =
        (Mock::start(&[Behavior::Status(400, "", said)]).await, Mock::start(&[Behavior::Answer(1)]).await);
    let running = pair(&strict.base(), &other).await;
    let answer = running.client.chat("auto", SUM, json!({ "temperature": 9 })).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"]["message"], "temperature is too high");
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_circuit_opens_and_one_probe_closes_it() {
    let (bad, good) =
        (Mock::start(&[Behavior::Status(500, "", "{}")]).await, Mock::start(&[Behavior::Answer(3)]).await);
    let breaker = "[upstreams.breaker]\nfailures = 3\nopen_seconds = 1.0";
    let running = run(&three([&nobody().await, &bad.base(), &good.base()], breaker)).await;
    for _ in 0..10 {
        assert_eq!(running.client.chat("auto", SUM, json!({})).await.content(), words(3));
    }
    assert_eq!(bad.seen().len(), 3, "the circuit is open after three failures");
    assert_eq!(running.client.get("/readyz").await.json()["upstreams"]["b"], "open");
    bad.then(&[Behavior::Answer(2)]);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if running.client.chat("auto", SUM, json!({})).await.content() == words(2) {
            break;
        }
    }
    assert_eq!(running.client.get("/readyz").await.json()["upstreams"]["b"], "closed");
    let metrics = running.client.get("/metrics").await.text;
    assert!(metrics.contains("router_upstream_circuit{upstream=\"b\"} 0"), "{metrics}");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_the_upstream() {
    let upstream = Mock::start(&[Behavior::Stall]).await;
    let base = upstream.base();
    let running = run(&three([&base, &base, &base], "")).await;
    let body = crate::client::chat("auto", SUM, json!({ "stream": true })).to_string();
    let streamed = running.client.begin(Method::POST, "/v1/chat/completions", body.into()).await;
    assert_eq!(streamed.status(), StatusCode::OK);
    drop(streamed);
    upstream.until_hung_up_on(1).await;
    // And where the answer has not begun.
    upstream.then(&[Behavior::Stall]);
    let waiting = tokio::spawn({
        let client = running.client.clone();
        async move { client.chat("auto", SUM, json!({})).await }
    });
    upstream.until_seen(2).await;
    waiting.abort();
    upstream.until_hung_up_on(2).await;
    loop {
        let metrics = running.client.get("/metrics").await.text;
        if metrics.contains("router_requests_total{surface=\"chat\",outcome=\"cancelled\",status=\"499\"} 2") {
            assert!(metrics.contains("router_requests_under_way 0"), "{metrics}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn stopping_lets_answers_end() {
    let upstream = Mock::start(&[Behavior::Slow(Duration::from_millis(300), 20)]).await;
    let base = upstream.base();
    let running = run(&three([&base, &base, &base], "")).await;
    let client = running.client.clone();
    let answer = tokio::spawn(async move { client.chat("auto", SUM, json!({ "stream": true })).await });
    upstream.until_seen(1).await;
    let client = running.client.clone();
    let stopped = running.stop();
    let answer = answer.await.unwrap();
    assert_eq!((answer.content(), answer.is_done()), (words(20), true));
    stopped.await.unwrap();
    let refused = tokio::net::TcpStream::connect(client.base().trim_start_matches("http://")).await;
    assert!(refused.is_err(), "nobody listens any more");
}
