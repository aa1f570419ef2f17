//! Envoy's external processing: the same decisions, refusals and records as by HTTP, spoken with a client that plays Envoy.

use std::path::PathBuf;

use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_response::Response;
use envoy_types::pb::envoy::service::ext_proc::v3::{HttpTrailers, ProcessingRequest, ProtocolConfiguration};
use hyper::{Method, StatusCode};
use router_serve::records::{Address, Record};
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

use crate::client::chat;
use crate::clients::{KEY, client};
use crate::mock::{Behavior, Mock};
use crate::processor::{Talk, head, part, run};
use crate::records::{all, in_file};
use crate::world::{POEM, Running, SUM, three};

const CHAT: &str = "/v1/chat/completions";

/// The end of an answer in JSON.
const WHOLE: &str = "{\"choices\": [{\"message\": {\"content\": \"word0 \"}, \"finish_reason\": \"stop\"}], \
                     \"usage\": {\"prompt_tokens\": 10, \"completion_tokens\": 5}}";

const SUCCESS: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/json")];
const EVENTS: [(&str, &str); 2] = [(":status", "200"), ("content-type", "text/event-stream; charset=utf-8")];

fn records(directory: &TempDir) -> (PathBuf, String) {
    let path = directory.path().join("records.sqlite");
    (path.clone(), in_file(&path, ""))
}

/// What was recorded, once `running` has stopped.
async fn recorded(running: Running, path: PathBuf) -> Vec<Record> {
    running.stop().await.unwrap();
    all(&Address::Sqlite(path)).into_iter().map(|recorded| recorded.record).collect()
}

#[tokio::test]
async fn envoy_is_told_what_the_gateway_would_do() {
    let mock = Mock::start(&[Behavior::Answer(3)]).await;
    let base = mock.base();
    let pool = "[[pools]]\nname = \"cheap\"\nmaximum_cost_usd = 0.0005\n";
    let upstreams = "api = [\"chat\", \"messages\", \"responses\", \"embeddings\"]";
    let (running, address) = run(&(three([&base, &base, &base], upstreams) + pool)).await;
    let user = json!([{ "role": "user", "content": POEM }]);
    let cases = [
        (CHAT, chat("auto", SUM, json!({ "temperature": 0.25 }))),
        (CHAT, chat("auto", POEM, json!({ "stream": true }))),
        (CHAT, chat("auto", POEM, json!({ "stream": true, "stream_options": { "include_usage": true, "x": 1 } }))),
        (CHAT, chat("auto", POEM, json!({ "router": { "unavailable_models": ["poet"] } }))),
        (CHAT, chat("cheap", SUM, json!({}))),
        (CHAT, chat("poet", SUM, json!({}))),
        (CHAT, chat("auto", SUM, json!({ "tools": [{ "type": "function" }] }))),
        ("/v1/messages", json!({ "model": "auto", "max_tokens": 50, "messages": user })),
        ("/v1/messages", json!({ "model": "auto", "max_tokens": 50, "messages": user, "stream": true })),
        ("/v1/responses", json!({ "model": "auto", "input": SUM })),
        ("/v1/embeddings", json!({ "model": "thrifty", "input": "text" })),
    ];
    for (path, body) in cases {
        let answer = running.client.post(path, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{body}: {}", answer.text);
        let seen = mock.seen().pop().unwrap();
        let mut talk = Talk::begin(address).await;
        let changed = talk.ask(path, &[], &body.to_string()).await.sent();
        assert_eq!(changed.body, seen.body, "{body}");
        assert!(changed.header("content-length").is_some() && changed.removes("transfer-encoding"));
        for name in ["x-router-model", "x-router-upstream", "x-router-task"] {
            assert_eq!(changed.header(name), Some(answer.header(name)), "{body}: {name}");
        }
        assert!(changed.clears_route, "routes go by the decision");
        for (name, value) in &changed.set {
            let is_ours = name.starts_with("x-router-");
            assert!(is_ours || seen.head.contains(&format!("{name}: {value}\r\n")), "{name}: {value}\n{}", seen.head);
        }
        let told = talk.answer(&SUCCESS, false).await;
        for name in ["x-router-model", "x-router-upstream", "x-router-task", "x-router-decision"] {
            assert_eq!(told.header(name), changed.header(name), "{name}");
        }
        assert_eq!(told.set.len(), 4, "{told:?}");
    }
    let changed = Talk::begin(address).await.ask(CHAT, &[], &chat("auto", SUM, json!({})).to_string()).await.sent();
    let decided = running.client.post("/v1/route", &json!({ "prompt": [{ "role": "user", "content": SUM }] })).await;
    let mut models = vec![changed.header("x-router-model").unwrap()];
    models.extend(changed.header("x-router-fallback").unwrap().split(','));
    let decided = decided.json();
    let mut expected = vec![decided["model"].as_str().unwrap()];
    expected.extend(decided["fallback"].as_array().unwrap().iter().map(|model| model.as_str().unwrap()));
    assert_eq!(models, expected);
    let named = chat("poet", SUM, json!({})).to_string();
    let changed = Talk::begin(address).await.ask(CHAT, &[("x-router-fallback", "forged")], &named).await.sent();
    assert!(changed.removes("x-router-fallback"), "nobody comes next: {changed:?}");
}

#[tokio::test]
async fn an_upstream_elsewhere_has_its_own_path() {
    let base = "http://127.0.0.1:9/openai/v2";
    let (_running, address) = run(&three([base, base, base], "")).await;
    let body = chat("auto", SUM, json!({})).to_string();
    let changed = Talk::begin(address).await.ask("/v1/chat/completions?trace=1", &[], &body).await.sent();
    assert_eq!(changed.header(":path"), Some("/openai/v2/chat/completions"));
    let own = "http://127.0.0.1:9/v1";
    let (_running, address) = run(&three([own, own, own], "")).await;
    let changed = Talk::begin(address).await.ask(CHAT, &[], &body).await.sent();
    assert_eq!(changed.header(":path"), None);
}

#[tokio::test]
async fn refusals_are_those_of_http() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let config =
        "[server]\nrequest_bytes = 20000\n".to_owned() + &client("team", KEY, "") + &three([&base, &base, &base], "");
    let (running, address) = run(&config).await;
    let long = chat("auto", &"word ".repeat(5000), json!({})).to_string();
    let cases = [
        "{".to_owned(),
        "[]".to_owned(),
        String::new(),
        json!({ "model": "auto" }).to_string(),
        chat("nobody", SUM, json!({})).to_string(),
        chat("auto", SUM, json!({ "stream": "yes" })).to_string(),
        chat("auto", SUM, json!({ "router": { "conversation": "" } })).to_string(),
        chat("auto", SUM, json!({ "router": { "required_tags": ["telepathy"] } })).to_string(),
        chat("solver", &"word ".repeat(2000), json!({})).to_string(),
        long.clone(),
    ];
    for body in cases {
        let expected = running.client.send(Method::POST, CHAT, body.clone()).await;
        let mut talk = Talk::begin(address).await;
        let refused = talk.ask(CHAT, &[], &body).await.refused();
        assert_eq!((refused.status, &refused.body), (expected.status.as_u16(), &expected.json()), "{body}");
        assert!(refused.headers.contains(&("content-type".to_owned(), "application/json".to_owned())));
        assert!(talk.is_over().await, "nothing follows a refusal");
    }
    // One that says so is refused before it comes.
    let mut talk = Talk::begin(address).await;
    let length = long.len().to_string();
    let refused = talk.ask(CHAT, &[("content-length", &length)], "").await.refused();
    assert_eq!((refused.status, refused.body["error"]["code"].as_str()), (413, Some("request_too_large")));
    for key in ["Bearer nobody's", ""] {
        let mut talk = Talk::begin(address).await;
        let headers = [(":method", "POST"), (":path", CHAT), ("authorization", key)];
        let Some(Response::ImmediateResponse(refused)) =
            talk.say(Request::RequestHeaders(head(&headers, false))).await.unwrap()
        else {
            panic!("nobody's key")
        };
        assert_eq!(refused.status.unwrap().code, 401);
        let headers = refused.headers.unwrap().set_headers;
        assert!(headers.iter().any(|header| header.header.as_ref().unwrap().key == "www-authenticate"));
    }
    assert!(mock.seen().is_empty(), "no model was asked");
    let metrics = running.client.get("/metrics").await.text;
    assert!(
        metrics.contains("router_requests_total{surface=\"chat\",outcome=\"refused\",status=\"401\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn budgets_and_places_are_those_of_http() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let config = "[server]\nconcurrency = 1\nqueue = 0\n".to_owned()
        + &client("team", KEY, "daily_budget_usd = 0.0000001")
        + &three([&base, &base, &base], "");
    let (running, address) = run(&config).await;
    let body = chat("auto", SUM, json!({}));
    let mut first = Talk::begin(address).await;
    first.ask(CHAT, &[], &body.to_string()).await.sent();
    // While that one is under way, there is no place, here or by HTTP.
    let busy = Talk::begin(address).await.ask(CHAT, &[], &body.to_string()).await.refused();
    let expected = running.client.post(CHAT, &body).await;
    assert_eq!((busy.status, &busy.body), (503, &expected.json()));
    assert!(busy.headers.contains(&("retry-after".to_owned(), "1".to_owned())));
    first.answer(&SUCCESS, false).await;
    first.part(WHOLE, true).await;
    assert!(first.is_over().await);
    let spent = Talk::begin(address).await.ask(CHAT, &[], &body.to_string()).await.refused();
    let expected = running.client.post(CHAT, &body).await;
    assert_eq!((spent.status, &spent.body), (429, &expected.json()));
    assert!(mock.seen().is_empty());
}

#[tokio::test]
async fn other_paths_are_let_through() {
    let base = "http://127.0.0.1:9/v1";
    let (_running, address) = run(&(client("team", KEY, "") + &three([base, base, base], ""))).await;
    let paths = [("GET", CHAT), ("POST", "/v1/chat"), ("POST", "/v1/models"), ("GET", "/"), ("POST", "/x/v1/messages")];
    for (method, path) in paths {
        for forged in [false, true] {
            let mut talk = Talk::begin(address).await;
            let mut headers = vec![(":method", method), (":path", path), ("x-other", "kept")];
            if forged {
                headers.push(("x-router-upstream", "a"));
            }
            let Some(Response::RequestHeaders(answer)) =
                talk.say(Request::RequestHeaders(head(&headers, false))).await.unwrap()
            else {
                panic!("{method} {path}")
            };
            let common = answer.response.unwrap_or_default();
            let mutation = common.header_mutation.unwrap_or_default();
            assert!(mutation.set_headers.is_empty() && common.body_mutation.is_none());
            // Nobody but the router says where a request goes.
            assert_eq!(mutation.remove_headers, if forged { vec!["x-router-upstream"] } else { vec![] });
            assert_eq!(common.clear_route_cache, forged);
            assert!(talk.is_over().await, "Envoy goes on alone");
        }
    }
    // Another filter of Envoy answered before the request came here.
    let mut talk = Talk::begin(address).await;
    assert!(talk.answer(&[(":status", "403")], false).await.set.is_empty());
    assert!(talk.is_over().await);
}

/// The events of a stream in pieces that are no events.
fn pieces(events: &[&str]) -> Vec<String> {
    let text: String =
        events.iter().flat_map(|event| ["data: ".to_owned(), event.to_string(), "\n\n".to_owned()]).collect();
    text.as_bytes().chunks(17).map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
}

const PART: &str = "{\"choices\": [{\"delta\": {\"content\": \"word0 \"}, \"finish_reason\": null}]}";
const END: &str = "{\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}";
const USAGE: &str = "{\"choices\": [], \"usage\": {\"prompt_tokens\": 10, \"completion_tokens\": 5}}";

#[tokio::test]
async fn what_was_billed_is_recorded() {
    let mock = Mock::start(&[Behavior::Answer(5)]).await;
    let base = mock.base();
    let directory = TempDir::new().unwrap();
    let (path, config) = records(&directory);
    let (running, address) = run(&(config + &three([&base, &base, &base], ""))).await;
    let whole = chat("auto", SUM, json!({}));
    let streamed = chat("auto", SUM, json!({ "stream": true }));
    for body in [&whole, &streamed] {
        running.client.post(CHAT, body).await;
    }
    let mut talk = Talk::begin(address).await;
    let decision = talk.ask(CHAT, &[], &whole.to_string()).await.sent().header("x-router-decision").unwrap().to_owned();
    talk.answer(&SUCCESS, false).await;
    let (one, other) = WHOLE.split_at(30);
    talk.part(one, false).await;
    talk.part(other, true).await;
    assert!(talk.is_over().await);
    let fed_back = running.client.post("/v1/feedback", &json!({ "decision_id": decision, "quality": 0.5 })).await;
    assert_eq!(fed_back.status, StatusCode::OK);
    // Where trailers follow, nobody says which part is the last.
    for ends_with in ["the last part", "trailers", "nothing", "the mark"] {
        let mut talk = Talk::begin(address).await;
        talk.ask(CHAT, &[], &streamed.to_string()).await.sent();
        talk.answer(&EVENTS, false).await;
        let mut events = vec![PART, PART, END, USAGE];
        if ends_with == "the mark" {
            events.push("[DONE]");
        }
        for piece in pieces(&events) {
            talk.part(&piece, false).await;
        }
        match ends_with {
            "the last part" => talk.part("", true).await,
            "trailers" => {
                let said = talk.say(Request::ResponseTrailers(HttpTrailers::default())).await.unwrap();
                assert!(matches!(said, Some(Response::ResponseTrailers(_))), "{said:?}");
            }
            "nothing" => talk.end().await,
            _ => drop(talk),
        }
    }
    let kept = recorded(running, path).await;
    assert_eq!(kept.len(), 7);
    let told = |record: &Record| {
        let Record { surface, asked_for, router, model, propensity, eligible, task, score, expected_cost_usd, .. } =
            record.clone();
        let Record { answered_by, upstream, status, outcome, input_tokens, output_tokens, cost_usd, .. } =
            record.clone();
        let attempts: Vec<_> = record.attempts.iter().map(|attempt| (&attempt.model, &attempt.outcome)).collect();
        format!(
            "{surface} {asked_for} {router:?} {model} {propensity} {eligible:?} {task:?} {score:?} {expected_cost_usd:?} \
             {answered_by:?} {upstream:?} {status} {outcome} {input_tokens:?} {output_tokens:?} {cost_usd:?} {attempts:?}"
        )
    };
    assert_eq!((kept[0].input_tokens, kept[0].output_tokens), (Some(10), Some(5)));
    for record in &kept {
        assert_eq!(told(record), told(&kept[0]), "as by HTTP");
        assert!(record.milliseconds >= record.first_byte_milliseconds.unwrap());
    }
}

#[tokio::test]
async fn other_interfaces_and_what_cannot_be_read() {
    let base = "http://127.0.0.1:9/v1";
    let directory = TempDir::new().unwrap();
    let (path, config) = records(&directory);
    let upstreams = "api = [\"chat\", \"messages\"]\nanswer_bytes = 2000\nevent_bytes = 300";
    let (running, address) = run(&(config + &three([base, base, base], upstreams))).await;
    let user = json!([{ "role": "user", "content": SUM }]);
    let body = json!({ "model": "auto", "max_tokens": 50, "messages": user, "stream": true }).to_string();
    let mut talk = Talk::begin(address).await;
    let changed = talk.ask("/v1/messages", &[], &body).await.sent();
    assert_eq!(changed.header("anthropic-version"), Some("2023-06-01"));
    talk.answer(&EVENTS, false).await;
    talk.part("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n", false).await;
    talk.part("event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":5}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", true).await;
    // Too long, compressed: passed on, and nobody knows what they were billed.
    let body = chat("auto", SUM, json!({})).to_string();
    let long = format!("{{\"choices\": [], \"text\": \"{}\"}}", "word ".repeat(1000));
    for (headers, text) in [
        (SUCCESS.to_vec(), long.clone()),
        (EVENTS.to_vec(), format!("data: {long}\n\n")),
        ([&SUCCESS[..], &[("content-encoding", "br")]].concat(), "no JSON".to_owned()),
    ] {
        let mut talk = Talk::begin(address).await;
        talk.ask(CHAT, &[], &body).await.sent();
        talk.answer(&headers, false).await;
        for piece in text.as_bytes().chunks(1000) {
            talk.part(std::str::from_utf8(piece).unwrap(), false).await;
        }
        talk.part("", true).await;
    }
    // Envoy was told to keep the answer to itself.
    let mut talk = Talk::begin(address).await;
    let bearer = format!("Bearer {KEY}");
    let message = ProcessingRequest {
        request: Some(Request::RequestHeaders(head(
            &[(":method", "POST"), (":path", CHAT), ("authorization", &bearer)],
            false,
        ))),
        protocol_config: Some(ProtocolConfiguration {
            request_body_mode: 2,
            response_body_mode: 0,
            send_body_without_waiting_for_header_response: false,
        }),
        ..ProcessingRequest::default()
    };
    talk.say_all(message).await.unwrap();
    // With trailers behind it a buffered body is not said to be the last part.
    assert!(matches!(talk.say(Request::RequestBody(part(&body, false))).await, Ok(Some(Response::RequestBody(_)))));
    let said = talk.say(Request::RequestTrailers(HttpTrailers::default())).await.unwrap();
    assert!(matches!(said, Some(Response::RequestTrailers(_))), "{said:?}");
    talk.answer(&SUCCESS, false).await;
    assert!(talk.is_over().await);
    let kept = recorded(running, path).await;
    let told: Vec<_> = kept
        .iter()
        .map(|record| (record.outcome.as_str(), record.answered_by.as_deref(), record.output_tokens))
        .collect();
    let answered = ("answered", Some("solver"), None);
    assert_eq!(told, [("answered", Some("solver"), Some(5)), answered, answered, answered, answered]);
}

#[tokio::test]
async fn answers_that_fail_are_recorded_as_such() {
    let base = "http://127.0.0.1:9/v1";
    let directory = TempDir::new().unwrap();
    let (path, config) = records(&directory);
    let (running, address) = run(&(config + &three([base, base, base], ""))).await;
    let body = chat("auto", SUM, json!({ "stream": true })).to_string();
    let asked = async || {
        let mut talk = Talk::begin(address).await;
        talk.ask(CHAT, &[], &body).await.sent();
        talk
    };
    let event = |data: &str| format!("data: {data}\n\n");
    let mut expected: Vec<(&str, u16, Vec<&str>)> = Vec::new();
    for (status, attempt) in [("400", "answered"), ("429", "rate-limited"), ("503", "server-error"), ("401", "refused")]
    {
        let mut talk = asked().await;
        let told = talk.answer(&[(":status", status)], false).await;
        assert_eq!(told.header("x-router-model"), Some("solver"));
        assert!(talk.is_over().await, "what a refusal says is nothing to the router");
        expected.push(("refused", status.parse().unwrap(), vec![attempt]));
    }
    // Ends too early, turns into garbage, says that it fails, is none.
    for (text, outcome, attempt) in [
        (event(PART), "broken", "answered"),
        (event(PART) + "data: {\"choi", "broken", "answered"),
        (event(PART) + "<html>\n\n", "broken", "answered"),
        (event(PART) + &event("{\"error\": {\"message\": \"overloaded\"}}"), "broken", "answered"),
        (event("{\"error\": {\"message\": \"overloaded\"}}"), "broken", "malformed"),
        (": nothing\n\n".to_owned(), "broken", "cut"),
    ] {
        let mut talk = asked().await;
        talk.answer(&EVENTS, false).await;
        talk.part(&text, false).await;
        talk.part("", true).await;
        assert!(talk.is_over().await);
        expected.push((outcome, 200, vec![attempt]));
    }
    for text in ["<html>", "{\"error\": {\"message\": \"x\"}}", ""] {
        let mut talk = asked().await;
        talk.answer(&SUCCESS, text.is_empty()).await;
        if !text.is_empty() {
            talk.part(text, true).await;
        }
        assert!(talk.is_over().await);
        expected.push(("broken", 200, vec!["malformed"]));
    }
    // The client goes away: before the answer, before its first part, in its middle, and in that of a whole one.
    let talk = asked().await;
    talk.end().await;
    expected.push(("cancelled", 499, vec![]));
    let mut talk = asked().await;
    talk.answer(&EVENTS, false).await;
    talk.end().await;
    expected.push(("cancelled", 499, vec![]));
    let mut talk = asked().await;
    talk.answer(&EVENTS, false).await;
    talk.part(&event(PART), false).await;
    talk.end().await;
    expected.push(("cancelled", 499, vec!["answered"]));
    let mut talk = asked().await;
    talk.answer(&SUCCESS, false).await;
    talk.part("{\"choices\": ", false).await;
    drop(talk);
    expected.push(("cancelled", 499, vec![]));
    let kept = recorded(running, path).await;
    let told: Vec<_> = kept
        .iter()
        .map(|record| {
            let attempts = record.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
            (record.outcome.as_str(), record.status, attempts)
        })
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_conversation_stays_with_the_model_that_answered() {
    let base = "http://127.0.0.1:9/v1";
    let config = "[conversations]\nswitching_cost = 1.0\n".to_owned() + &three([base, base, base], "");
    let (_running, address) = run(&config).await;
    let model = async |text: &str, conversation: &str, answers: bool| {
        let mut talk = Talk::begin(address).await;
        let body = chat("auto", text, json!({})).to_string();
        let changed = talk.ask(CHAT, &[("x-router-conversation", conversation)], &body).await.sent();
        assert!(changed.removes("x-router-conversation"), "what a conversation is called is nobody else's");
        if answers {
            talk.answer(&SUCCESS, false).await;
            talk.part(WHOLE, true).await;
        } else {
            talk.answer(&[(":status", "500")], false).await;
        }
        assert!(talk.is_over().await);
        changed.header("x-router-model").unwrap().to_owned()
    };
    assert_eq!(model(SUM, "a", false).await, "solver");
    assert_eq!(model(POEM, "a", true).await, "poet", "one that failed is no beginning");
    assert_eq!(model(SUM, "a", true).await, "poet");
    assert_eq!(model(SUM, "b", true).await, "solver");
}

#[tokio::test]
async fn disorder_harms_one_exchange_alone() {
    let base = "http://127.0.0.1:9/v1";
    let config = "[server]\nrequest_bytes = 1024\n".to_owned() + &three([base, base, base], "answer_bytes = 1024");
    let (running, address) = run(&config).await;
    let body = chat("auto", SUM, json!({})).to_string();
    let routed = || head(&[(":method", "POST"), (":path", CHAT)], false);
    let said = async |messages: Vec<Request>| {
        let mut talk = Talk::begin(address).await;
        let mut last = Ok(None);
        for message in messages {
            last = talk.say(message).await;
        }
        last.map_err(|status| status.code()).map(|_| ())
    };
    let request_body = || Request::RequestBody(part(&body, true));
    let disorders = [
        vec![request_body()],
        vec![Request::ResponseBody(part("x", true))],
        vec![Request::RequestTrailers(HttpTrailers::default())],
        vec![Request::RequestHeaders(routed()), Request::RequestHeaders(routed())],
        vec![Request::RequestHeaders(routed()), Request::ResponseBody(part("x", false))],
        vec![Request::RequestHeaders(routed()), request_body(), request_body()],
        vec![Request::RequestHeaders(routed()), request_body(), Request::ResponseBody(part("x", false))],
        vec![Request::RequestHeaders(routed()), request_body(), Request::ResponseHeaders(head(&[], false))],
        vec![
            Request::RequestHeaders(routed()),
            request_body(),
            Request::ResponseHeaders(head(&[(":status", "2")], false)),
        ],
    ];
    for disorder in disorders {
        let told = format!("{disorder:?}");
        assert_eq!(said(disorder).await, Err(Code::InvalidArgument), "{told}");
    }
    let parts = vec![Request::RequestHeaders(routed()), Request::RequestBody(part("{", false))];
    assert_eq!(said(parts).await, Err(Code::FailedPrecondition));
    let nothing = Talk::begin(address).await.say_all(ProcessingRequest::default()).await;
    assert_eq!(nothing.unwrap_err().code(), Code::InvalidArgument);
    let watched = ProcessingRequest { observability_mode: true, ..ProcessingRequest::default() };
    assert_eq!(Talk::begin(address).await.say_all(watched).await.unwrap_err().code(), Code::FailedPrecondition);
    for (request_body_mode, response_body_mode) in [(0, 1), (1, 1), (4, 1), (2, 4), (2, 5), (99, 99)] {
        let modes = ProtocolConfiguration { request_body_mode, response_body_mode, ..ProtocolConfiguration::default() };
        let mut talk = Talk::begin(address).await;
        let message = ProcessingRequest {
            request: Some(Request::RequestHeaders(routed())),
            protocol_config: Some(modes),
            ..ProcessingRequest::default()
        };
        let refused = talk.say_all(message).await;
        if request_body_mode == 99 {
            // What no release of Envoy has said yet is not known to be wrong.
            assert!(refused.is_ok());
        } else {
            assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition, "{modes:?}");
        }
    }
    let huge = vec![Request::RequestHeaders(routed()), Request::RequestBody(part(&" ".repeat(4 << 20), true))];
    assert_eq!(said(huge).await, Err(Code::OutOfRange), "beyond every limit");
    // What is no header by the rules of HTTP is nobody's concern.
    let odd = head(&[(":method", "POST"), (":path", CHAT), ("no name", "x"), ("x-odd", "a\u{1}b"), ("", "")], false);
    let mut talk = Talk::begin(address).await;
    talk.say(Request::RequestHeaders(odd)).await.unwrap();
    assert!(matches!(talk.say(request_body()).await, Ok(Some(Response::RequestBody(_)))));
    assert_eq!(running.client.get("/healthz").await.status, StatusCode::OK);
    let metrics = running.client.get("/metrics").await.text;
    assert!(
        metrics.contains("router_requests_total{surface=\"chat\",outcome=\"cancelled\",status=\"499\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn it_stops_with_the_server_and_what_is_under_way_may_end() {
    let base = "http://127.0.0.1:9/v1";
    let directory = TempDir::new().unwrap();
    let (path, config) = records(&directory);
    let (running, address) = run(&(config + &three([base, base, base], ""))).await;
    let body = chat("auto", SUM, json!({})).to_string();
    let mut talk = Talk::begin(address).await;
    talk.ask(CHAT, &[], &body).await.sent();
    let stopped = running.stop();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    talk.answer(&SUCCESS, false).await;
    talk.part(WHOLE, true).await;
    assert!(talk.is_over().await);
    stopped.await.unwrap();
    let kept = all(&Address::Sqlite(path));
    assert_eq!((kept.len(), kept[0].record.outcome.as_str()), (1, "answered"));
    // One that does not end is not waited for.
    let config = "[server]\ndrain_seconds = 0.1\n".to_owned() + &three([base, base, base], "");
    let (running, address) = run(&config).await;
    let mut talk = Talk::begin(address).await;
    talk.ask(CHAT, &[], &body).await.sent();
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_clear_error() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let base = "http://127.0.0.1:9/v1";
    let config = router_serve::ServeConfig::from_toml(&three([base, base, base], ""), "serve.toml").unwrap();
    let gateway = router_serve::Gateway::new(crate::world::router(), config).await.unwrap();
    let server = router_serve::Server::bind(gateway, "127.0.0.1:0").await.unwrap();
    let error = server.with_ext_proc(&address).await.err().unwrap().to_string();
    assert!(error.contains(&format!("cannot listen at {address}")), "{error}");
}
