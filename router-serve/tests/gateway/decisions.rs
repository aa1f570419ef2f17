//! The gateway decides as the library does.

use hyper::StatusCode;
use router_core::Request;
use serde_json::{Value, json};

use crate::mock::{Behavior, Mock};
use crate::world::{POEM, SUM, router, run, three};

async fn gateway() -> (Mock, crate::world::Running) {
    let mock = Mock::start(&[Behavior::Answer(3)]).await;
    let base = mock.base();
    let running = run(&three([&base, &base, &base], "")).await;
    (mock, running)
}

#[tokio::test]
async fn the_library_and_the_gateway_decide_alike() {
    let (_mock, running) = gateway().await;
    let router = router();
    let requests = [
        json!({ "prompt": SUM }),
        json!({ "prompt": POEM, "prompt_id": "mine" }),
        json!({ "prompt": POEM, "unavailable_models": ["poet"] }),
        json!({ "prompt": SUM, "maximum_cost_usd": 0.0005 }),
        json!({ "prompt": SUM, "prompt_tokens": 2000 }),
        json!({ "prompt": SUM, "minimum_quality": 0.8 }),
        json!({ "prompt": SUM, "allowed_models": ["thrifty", "poet"], "required_tags": ["tools"] }),
        json!({ "prompt": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": POEM }] }),
        json!({ "prompt": "zzz qqq 0x00 nothing like the others" }),
        json!({ "prompt": "" }),
    ];
    let batch = running.client.post("/v1/route", &json!({ "requests": requests })).await.json();
    for (at, request) in requests.iter().enumerate() {
        let Request { prompt, constraints } =
            Request::from_json(request.to_string().as_bytes(), &(at + 1).to_string()).unwrap();
        let explained = router.explain_blocking(&prompt, &constraints).unwrap();
        let expected: Value = serde_json::from_str(&serde_json::to_string(&explained).unwrap()).unwrap();
        let alone = running.client.post("/v1/route", request).await.json();
        for (field, value) in expected.as_object().unwrap() {
            if !(field == "prompt_id" && value == &json!((at + 1).to_string())) {
                assert_eq!(&alone[field], value, "{request}: {field}");
            }
            assert_eq!(&batch["decisions"][at][field], value, "{request}: {field}");
        }
        let decision = &router.route_blocking(&[prompt], &[constraints]).unwrap()[0];
        let cost = &alone["expected_cost_usd"];
        let chosen = expected["models"].as_array().unwrap().iter().find(|model| model["model"] == expected["model"]);
        assert_eq!(cost, &chosen.map_or(Value::Null, |model| model["cost_usd"].clone()));
        assert_eq!(alone["model"].as_str(), decision.model().map(|model| router.models().name(model)));
        if let Some(task) = alone["task"].as_u64() {
            assert_eq!(alone["task_card"]["id"], json!(task));
        }
    }
    assert_eq!(batch["decisions"][0]["model"], "solver");
    assert_eq!(batch["decisions"][1]["model"], "poet");
    assert_eq!(batch["decisions"][2]["model"], "thrifty");
    assert_eq!(batch["decisions"][5]["model"], "solver");
}

#[tokio::test]
async fn threads_of_their_own_decide_as_the_reactor_does() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let config = three([&base, &base, &base], "");
    let direct = run(&config).await;
    let off = run(&format!("[decisions]\ndirect_microseconds = 0\nthreads = 2\nbatch = 4\n{config}")).await;
    let prompts: Vec<String> = (0..40).map(|at| format!("{SUM} {at}")).collect();
    let all = prompts.iter().map(|prompt| {
        let (client, body) = (off.client.clone(), json!({ "prompt": prompt }));
        tokio::spawn(async move { client.post("/v1/route", &body).await.json() })
    });
    for (told, prompt) in all.collect::<Vec<_>>().into_iter().zip(&prompts) {
        let (mut told, mut expected) =
            (told.await.unwrap(), direct.client.post("/v1/route", &json!({ "prompt": prompt })).await.json());
        for document in [&mut told, &mut expected] {
            document.as_object_mut().unwrap().remove("decision_id");
            document.as_object_mut().unwrap().remove("microseconds");
        }
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn a_chat_goes_where_its_prompt_is_routed() {
    let (mock, running) = gateway().await;
    for (prompt, model, name) in [(SUM, "solver", "solver-2"), (POEM, "poet", "poet")] {
        let answer = running.client.chat("auto", prompt, json!({ "temperature": 0.25 })).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-router-model"), model);
        let decided =
            running.client.post("/v1/route", &json!({ "prompt": [{ "role": "user", "content": prompt }] })).await;
        assert_eq!(answer.header("x-router-task"), decided.json()["task"].to_string());
        let seen = mock.seen().pop().unwrap();
        assert_eq!(seen.body["model"], name);
        assert_eq!(seen.body["temperature"], 0.25);
        assert!(seen.head.starts_with("POST /v1/chat/completions "), "{}", seen.head);
    }
}

#[tokio::test]
async fn mistakes_of_a_request_name_the_field() {
    let (_mock, running) = gateway().await;
    let cases = [
        (json!({ "prompt": 3 }), "prompt"),
        (json!({ "prompt": "a", "alowed_models": [] }), "alowed_models"),
        (
            json!({ "requests": [{ "prompt": "a" }, { "prompt": "a", "maximum_cost_usd": "b" }] }),
            "requests[1].maximum_cost_usd",
        ),
        (json!({ "prompt": "a", "model": "nobody" }), "model"),
    ];
    for (body, field) in cases {
        let answer = running.client.post("/v1/route", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json()["error"]["param"], field, "{body}");
    }
    let answer = running.client.post("/v1/route", &json!({ "prompt": "a", "allowed_models": ["nobody"] })).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "model_not_found"));
}
