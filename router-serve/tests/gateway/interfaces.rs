//! Interfaces other than chat completions, passed through with the same routing; and the document of them all.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mock::{Behavior, Mock, words};
use crate::records::{all, in_file};
use crate::world::{POEM, SUM, nobody, run, three};

const EVERY: &str = "api = [\"chat\", \"responses\", \"messages\", \"embeddings\"]";

/// The data of the events of a stream, by the text that `pointer` leads to.
fn told(stream: &str, pointer: &str) -> String {
    let data = stream.split("\n\n").filter_map(|event| event.split_once("data: ").map(|(_, data)| data));
    let values: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    values.iter().filter_map(|value| value.pointer(pointer).and_then(Value::as_str)).collect()
}

#[tokio::test]
async fn messages_and_responses_go_where_their_prompt_is_routed() {
    let mock = Mock::start(&[Behavior::Answer(4)]).await;
    let base = mock.base();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("records.sqlite");
    let running = run(&(in_file(&path, "") + &three([&base, &base, &base], EVERY))).await;
    for (prompt, model) in [(SUM, "solver"), (POEM, "poet")] {
        let messages = json!({ "model": "auto", "max_tokens": 50, "messages": [{ "role": "user", "content": prompt }], "router": {} });
        let responses = json!({ "model": "auto", "input": prompt });
        for (path, body, text) in
            [("/v1/messages", &messages, "/content/0/text"), ("/v1/responses", &responses, "/output/0/content/0/text")]
        {
            let answer = running.client.post(path, body).await;
            assert_eq!(
                (answer.status, answer.header("x-router-model")),
                (StatusCode::OK, model),
                "{path}: {}",
                answer.text
            );
            assert_eq!(answer.json().pointer(text).unwrap(), &json!(words(4)));
            let seen = mock.seen().pop().unwrap();
            assert!(seen.head.starts_with(&format!("POST {path} ")), "{}", seen.head);
            assert!(seen.body.get("router").is_none());
            let mut body = body.clone();
            body["stream"] = json!(true);
            let stream = running.client.post(path, &body).await;
            assert_eq!(stream.header("content-type"), "text/event-stream");
            let pointer = if path == "/v1/messages" { "/delta/text" } else { "/delta" };
            assert_eq!(told(&stream.text, pointer), words(4), "{}", stream.text);
            assert!(
                mock.seen().pop().unwrap().body.get("stream_options").is_none(),
                "that is of chat completions alone"
            );
        }
    }
    let head = mock.seen()[0].head.clone();
    assert!(head.contains("anthropic-version: 2023-06-01"), "{head}");
    running.stop().await.unwrap();
    for recorded in all(&router_serve::records::Address::Sqlite(path)) {
        let record = recorded.record;
        assert_eq!((record.input_tokens, record.output_tokens), (Some(10), Some(4)), "{record:?}");
        assert_eq!(record.outcome, "answered");
    }
}

#[tokio::test]
async fn a_request_is_sent_only_where_its_interface_is_spoken() {
    let mock = Mock::start(&[Behavior::Answer(2)]).await;
    let base = mock.base();
    // `solver` speaks chat completions alone.
    let config = three([&base, &base, &base], EVERY).replacen(
        &format!("name = \"b\"\nbase_url = \"{base}\"\n{EVERY}"),
        &format!("name = \"b\"\nbase_url = \"{base}\""),
        1,
    );
    let running = run(&config).await;
    assert_eq!(running.client.chat("auto", SUM, json!({})).await.header("x-router-model"), "solver");
    let messages =
        |model: &str| json!({ "model": model, "max_tokens": 5, "messages": [{ "role": "user", "content": SUM }] });
    let answer = running.client.post("/v1/messages", &messages("auto")).await;
    assert_eq!(answer.header("x-router-model"), "thrifty", "{}", answer.text);
    let named = running.client.post("/v1/messages", &messages("solver")).await;
    assert_eq!((named.status, named.code().as_str()), (StatusCode::BAD_REQUEST, "model_not_found"));
    assert_eq!(named.json()["type"], "error", "as Anthropic's clients look for it");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_as_its_interface_says() {
    let mock = Mock::start(&[Behavior::CutStream]).await;
    let base = mock.base();
    let running = run(&three([&base, &base, &base], EVERY)).await;
    let messages =
        json!({ "model": "auto", "max_tokens": 5, "stream": true, "messages": [{ "role": "user", "content": SUM }] });
    let cut = running.client.post("/v1/messages", &messages).await.text;
    assert!(cut.contains("event: error\ndata: {\"type\":\"error\""), "{cut}");
    let cut =
        running.client.post("/v1/responses", &json!({ "model": "auto", "stream": true, "input": SUM })).await.text;
    assert!(cut.contains("event: error\ndata: {\"type\":\"error\",\"code\":\"upstream_failed\""), "{cut}");
}

#[tokio::test]
async fn embeddings_are_passed_on_to_the_model_that_is_named() {
    let mock = Mock::start(&[Behavior::Answer(0)]).await;
    let base = mock.base();
    let own = "[[models]]\nmodel = \"embedder\"\nrouted = false\nserved_by = [{ upstream = \"a\", model = \"e-2\" }]\n";
    let running = run(&(three([&base, &base, &base], "") + own)).await;
    let answer = running.client.post("/v1/embeddings", &json!({ "model": "embedder", "input": ["a", "b"] })).await;
    assert_eq!((answer.status, answer.json()["data"][0]["embedding"].clone()), (StatusCode::OK, json!([0.25, 0.5])));
    assert_eq!(mock.seen()[0].body, json!({ "model": "e-2", "input": ["a", "b"] }));
    let routed = running.client.post("/v1/embeddings", &json!({ "model": "auto", "input": "a" })).await;
    assert_eq!((routed.status, routed.json()["error"]["param"].as_str()), (StatusCode::BAD_REQUEST, Some("model")));
    let kept = json!({ "model": "auto", "input": "And?", "previous_response_id": "r1" });
    let kept = running.client.post("/v1/responses", &kept).await;
    assert_eq!(
        (kept.status, kept.json()["error"]["param"].as_str()),
        (StatusCode::BAD_REQUEST, Some("previous_response_id"))
    );
}

#[tokio::test]
async fn the_document_and_the_routes_are_one() {
    let nobody = nobody().await;
    let running = run(&three([&nobody, &nobody, &nobody], EVERY)).await;
    let document = running.client.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let expected = [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/embeddings",
        "/v1/route",
        "/v1/feedback",
        "/v1/models",
        "/admin/reload",
        "/admin/rollback",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
    ];
    for path in expected {
        assert!(paths.contains_key(path), "{path} is not in the document");
    }
    for (path, operations) in paths {
        for method in ["get", "post", "put", "delete"] {
            let method_of = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = running.client.send(method_of, path, "{}").await;
            let is_there = answer.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(is_there, operations.get(method).is_some(), "{method} {path}: {}", answer.status);
            assert!(answer.status != StatusCode::NOT_FOUND || answer.code() != "not_found", "{path}");
            if answer.status == StatusCode::OK && path != "/admin/reload" {
                let said = operations[method]["responses"]["200"]["content"].as_object().unwrap();
                let media_type = answer.header("content-type").split(';').next().unwrap().to_owned();
                assert!(said.contains_key(&media_type), "{path} answers {media_type}");
            }
        }
    }
}
