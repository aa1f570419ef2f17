//! What clients see where nothing goes wrong.

use std::process::Command;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::mock::{Behavior, Mock, words};
use crate::world::{POEM, SUM, run, three};

#[tokio::test]
async fn answers_are_passed_on_whole_and_as_streams() {
    let mock = Mock::start(&[Behavior::Answer(50)]).await;
    let base = mock.base();
    let running = run(&three([&base, &base, &base], "")).await;
    let whole = running.client.chat("auto", SUM, json!({})).await;
    assert_eq!((whole.status, whole.content()), (StatusCode::OK, words(50)));
    assert_eq!(whole.header("content-type"), "application/json");
    let stream = running.client.chat("auto", SUM, json!({ "stream": true })).await;
    assert_eq!((stream.status, stream.content()), (StatusCode::OK, words(50)));
    assert!(stream.is_done());
    assert_eq!(stream.header("x-router-model"), "solver");
    assert_eq!(stream.header("x-router-upstream"), "b");
    assert_eq!(stream.header("x-router-failed-attempts"), "0");
    // The upstream was asked what it bills; a client that did not ask is not told.
    assert_eq!(mock.seen()[1].body["stream_options"]["include_usage"], true);
    assert!(stream.events().iter().all(|event| event.get("usage").is_none()));
    let told =
        running.client.chat("auto", SUM, json!({ "stream": true, "stream_options": { "include_usage": true } })).await;
    assert_eq!(told.events().last().unwrap()["usage"]["completion_tokens"], 50);
    let metrics = running.client.get("/metrics").await.text;
    for line in [
        "router_tokens_total{model=\"solver\",kind=\"output\"} 150",
        "router_decisions_total{model=\"solver\"} 3",
        "router_requests_total{surface=\"chat\",outcome=\"answered\",status=\"200\"} 3",
        "router_upstream_attempts_total{upstream=\"b\",model=\"solver\",outcome=\"answered\"} 3",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    // 30 input tokens at 3 dollars a million and 150 output tokens at 12.
    let cost = metrics.lines().find_map(|line| line.strip_prefix("router_cost_usd_total{model=\"solver\"} ")).unwrap();
    assert!((cost.parse::<f64>().unwrap() - 1890e-6).abs() < 1e-12, "{cost}");
}

#[tokio::test]
async fn a_model_a_pool_and_auto_are_asked_for_by_name() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let config = three([&base, &base, &base], "")
        + r#"
[[models]]
model = "private"
routed = false
context_window = 100
served_by = [{ upstream = "a" }]
[[pools]]
name = "cheap"
models = ["thrifty"]
[[pools]]
name = "frugal"
maximum_cost_usd = 0.0005
"#;
    let running = run(&config).await;
    for (name, model) in [
        ("auto", "poet"),
        ("poet", "poet"),
        ("solver", "solver"),
        ("cheap", "thrifty"),
        ("frugal", "thrifty"),
        ("private", "private"),
    ] {
        let answer = running.client.chat(name, POEM, json!({})).await;
        assert_eq!(answer.header("x-router-model"), model, "{name}: {}", answer.text);
    }
    let unknown = running.client.chat("nobody", POEM, json!({})).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (StatusCode::BAD_REQUEST, "model_not_found"));
    let long = running.client.chat("private", &"word ".repeat(200), json!({})).await;
    assert_eq!((long.status, long.code().as_str()), (StatusCode::BAD_REQUEST, "context_length_exceeded"));
    let listed = running.client.get("/v1/models").await.json();
    let names: Vec<&str> =
        listed["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["auto", "cheap", "frugal", "poet", "private", "solver", "thrifty"]);
}

#[tokio::test]
async fn constraints_of_a_request_hold_and_nowhere_is_a_clear_refusal() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let running = run(&three([&base, &base, &base], "")).await;
    let model = async |fields: Value| {
        let answer = running.client.chat("auto", SUM, fields).await;
        if answer.status == StatusCode::OK { answer.header("x-router-model").to_owned() } else { answer.code() }
    };
    let constrained = async |constraints: Value| model(json!({ "router": constraints })).await;
    assert_eq!(constrained(json!({})).await, "solver");
    assert_eq!(constrained(json!({ "allowed_models": ["poet"] })).await, "poet");
    assert_eq!(constrained(json!({ "required_tags": ["prose"] })).await, "thrifty");
    assert_eq!(constrained(json!({ "maximum_cost_usd": 0.0005 })).await, "thrifty");
    assert_eq!(constrained(json!({ "minimum_quality": 0.8 })).await, "solver");
    assert_eq!(constrained(json!({ "minimum_quality": 0.8, "maximum_cost_usd": 0.0005 })).await, "no_eligible_model");
    assert_eq!(constrained(json!({ "required_tags": ["telepathy"] })).await, "no_eligible_model");
    let tools = json!([{ "type": "function", "function": { "name": "f", "parameters": {} } }]);
    assert_eq!(model(json!({ "tools": tools })).await, "thrifty");
    assert_eq!(model(json!({ "response_format": { "type": "json_object" } })).await, "no_eligible_model");
    // 900 tokens of room do not fit beside the prompt into solver's 1,000, and 3,900 into nobody's but poet's.
    assert_eq!(model(json!({ "max_tokens": 990 })).await, "thrifty");
    assert_eq!(model(json!({ "max_completion_tokens": 3990 })).await, "poet");
    let asked = mock.seen().len();
    let nowhere = running.client.chat("cheap", SUM, json!({})).await;
    assert_eq!(nowhere.status, StatusCode::BAD_REQUEST);
    let long = running.client.chat("solver", &"word ".repeat(2000), json!({})).await;
    assert_eq!((long.status, long.code().as_str()), (StatusCode::BAD_REQUEST, "context_length_exceeded"));
    assert!(long.text.contains("`solver` has too small a context window"), "{}", long.text);
    assert_eq!(mock.seen().len(), asked, "nothing is sent where it does not fit");
    assert!(
        mock.seen().iter().all(|seen| seen.body.get("router").is_none()),
        "what is the gateway's own is not sent on"
    );
}

#[tokio::test]
async fn health_and_wrong_addresses() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let running = run(&three([&base, &base, &base], "")).await;
    assert_eq!(running.client.get("/healthz").await.text, "ok\n");
    let ready = running.client.get("/readyz").await;
    assert_eq!((ready.status, ready.json()["upstreams"]["a"].as_str()), (StatusCode::OK, Some("closed")));
    assert_eq!(running.client.get("/v1/nothing").await.code(), "not_found");
    assert_eq!(running.client.get("/v1/route").await.code(), "method_not_allowed");
    assert!(running.client.get("/metrics").await.text.ends_with("# EOF\n"));
}

/// The official client of OpenAI's interface, and curl, where they are installed.
#[tokio::test(flavor = "multi_thread")]
async fn other_clients_understand_it() {
    let mock = Mock::start(&[
        Behavior::Answer(5),
        Behavior::Answer(5),
        Behavior::CutStream,
        Behavior::Status(422, "", "{}"),
        Behavior::Answer(5),
    ])
    .await;
    let base = mock.base();
    let running = run(&three([&base, &base, &base], "")).await;
    let url = running.client.base().to_owned();
    let done = tokio::task::spawn_blocking(move || {
        let python = std::env::var("ROUTER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/openai_client.py");
        match Command::new(&python).args(["-c", "import openai"]).output() {
            Ok(found) if found.status.success() => {
                let output = Command::new(&python).arg(script).args([&url, SUM]).output().unwrap();
                let text =
                    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{text}");
            }
            _ => println!("SKIPPED: the openai package is not installed (ROUTER_PYTHON names another Python)"),
        }
        let body = crate::client::chat("auto", SUM, json!({ "stream": true })).to_string();
        let curl = Command::new("curl")
            .args(["-sN", &format!("{url}/v1/chat/completions"), "-H", "content-type: application/json", "-d", &body])
            .output();
        match curl {
            Ok(output) => assert!(String::from_utf8_lossy(&output.stdout).contains("data: ")),
            Err(_) => println!("SKIPPED: curl is not installed"),
        }
    });
    done.await.unwrap();
}

/// The dashboard as a person sees it, where Python and Chromium are installed.
#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_as_it_must_be_in_a_browser() {
    let mock = Mock::start(&[Behavior::Answer(3)]).await;
    let base = mock.base();
    let running = run(&three([&base, &base, &base], "")).await;
    for text in [SUM, POEM, SUM] {
        assert_eq!(running.client.chat("auto", text, json!({})).await.status, StatusCode::OK);
    }
    let url = format!("{}/dashboard", running.client.base());
    let done = tokio::task::spawn_blocking(move || {
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/check_dashboard.py");
        let Ok(output) = Command::new("python3").arg(script).arg(url).output() else {
            println!("SKIPPED: the dashboard was not looked at, since there is no Python here");
            return;
        };
        // It says aloud where there is no Chromium.
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        println!("{said}");
        assert!(output.status.success(), "{said}");
    });
    done.await.unwrap();
}
