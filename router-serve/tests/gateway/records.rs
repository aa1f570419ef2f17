//! What is kept of decisions, in SQLite and in PostgreSQL.

use std::path::{Path, PathBuf};

use hyper::StatusCode;
use router_serve::records::{Address, Recorded, Records};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::{Database, apart};
use crate::mock::{Behavior, Mock};
use crate::world::{POEM, Running, SUM, nobody, run, three};

/// All that is recorded at `address`.
pub(crate) fn all(address: &Address) -> Vec<Recorded> {
    apart(|| {
        let mut all = Vec::new();
        let mut take = |recorded| {
            all.push(recorded);
            Ok(())
        };
        Records::open_to_read(address).unwrap().each(0, &mut take).unwrap();
        all
    })
}

/// The part of a configuration that keeps records in the file at `path`, with further fields.
pub(crate) fn in_file(path: &Path, fields: &str) -> String {
    format!("[records]\npath = {:?}\n{fields}\n", path.display().to_string())
}

/// All that the files in `directory` hold, once the gateway has closed its records there.
pub(crate) async fn bytes_in(directory: &Path) -> String {
    while directory.join("records.sqlite-wal").exists() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap_or_default());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("records.sqlite")
}

async fn feedback(running: &Running, id: &str, quality: f64) -> (StatusCode, Value) {
    let answer = running.client.post("/v1/feedback", &json!({ "decision_id": id, "quality": quality })).await;
    (answer.status, answer.json())
}

/// Everything that can become of a request, and feedback on it.
async fn what_becomes_of_requests(records: &str, address: &Address) {
    let mock = Mock::start(&[Behavior::Answer(5)]).await;
    let base = mock.base();
    let own = "[[models]]\nmodel = \"own\"\nrouted = false\nserved_by = [{ upstream = \"a\" }]\n";
    let running = run(&(records.to_owned() + &three([&base, &base, &base], "") + own)).await;
    let whole = running.client.chat("auto", SUM, json!({})).await;
    let stream = running.client.chat("poet", POEM, json!({ "stream": true })).await;
    let routed =
        running.client.post("/v1/route", &json!({ "requests": [{ "prompt": SUM }, { "prompt": POEM }] })).await;
    mock.then(&[Behavior::Status(500, "", "{}"), Behavior::Answer(5)]);
    let fallback = running.client.chat("auto", SUM, json!({})).await;
    mock.then(&[Behavior::Status(400, "", "{}"), Behavior::CutStream, Behavior::Answer(7)]);
    let refused = running.client.chat("auto", SUM, json!({})).await;
    let cut = running.client.chat("auto", SUM, json!({ "stream": true })).await;
    let named = running.client.chat("own", SUM, json!({})).await;
    let id = |answer: &crate::client::Answer| answer.header("x-router-decision").to_owned();
    for (answer, quality) in [(&whole, 1.0), (&stream, 0.25), (&fallback, 0.5), (&whole, 0.75)] {
        let (status, said) = feedback(&running, &id(answer), quality).await;
        assert_eq!((status, &said["quality"]), (StatusCode::OK, &json!(quality)));
    }
    let routed_id = routed.json()["decisions"][1]["decision_id"].as_str().unwrap().to_owned();
    assert_eq!(feedback(&running, &routed_id, 0.0).await.0, StatusCode::OK);
    let (status, said) = feedback(&running, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", 1.0).await;
    assert_eq!((status, said["error"]["code"].as_str()), (StatusCode::NOT_FOUND, Some("decision_not_found")));
    let (status, said) = feedback(&running, &id(&whole), 1.5).await;
    assert_eq!((status, said["error"]["param"].as_str()), (StatusCode::BAD_REQUEST, Some("quality")));
    let metrics = running.client.get("/metrics").await.text;
    for line in [
        "router_records_total{fate=\"written\"} 8",
        "router_feedback_total{decision=\"known\"} 5",
        "router_feedback_total{decision=\"unknown\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    running.stop().await.unwrap();
    let kept = all(address);
    assert_eq!(kept.len(), 8);
    let of = |id: &str| kept.iter().find(|kept| kept.record.id.to_string() == id).unwrap().clone();
    let whole = of(&id(&whole));
    assert_eq!(whole.quality, Some(0.75), "the last word counts");
    let record = &whole.record;
    assert_eq!((record.surface.as_str(), record.asked_for.as_str()), ("chat", "auto"));
    assert_eq!((record.model.as_str(), record.propensity, &record.instead_of), ("solver", 1.0, &None));
    assert_eq!(record.eligible, ["solver", "thrifty", "poet"]);
    assert_eq!((record.answered_by.as_deref(), record.upstream.as_deref()), (Some("solver"), Some("b")));
    assert_eq!((record.input_tokens, record.output_tokens), (Some(10), Some(5)));
    // 10 input tokens at 3 dollars a million and 5 output tokens at 12.
    assert!((record.cost_usd.unwrap() - 90e-6).abs() < 1e-15);
    assert!(record.task.is_some() && record.router.as_ref().is_some_and(|router| router.len() == 16));
    assert!(record.milliseconds >= record.first_byte_milliseconds.unwrap());
    assert_eq!((record.status, record.outcome.as_str(), &record.prompt), (200, "answered", &None));
    let stream = of(&id(&stream));
    assert_eq!((stream.quality, stream.record.output_tokens), (Some(0.25), Some(5)));
    assert_eq!((stream.record.asked_for.as_str(), stream.record.eligible), ("poet", vec!["poet".to_owned()]));
    let fallback = of(&id(&fallback)).record;
    assert_eq!((fallback.model.as_str(), fallback.answered_by.as_deref()), ("solver", Some("thrifty")));
    let outcomes: Vec<&str> = fallback.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["server-error", "answered"]);
    let refused = of(&id(&refused)).record;
    assert_eq!((refused.status, refused.outcome.as_str(), refused.answered_by), (400, "refused", None));
    assert_eq!(of(&id(&cut)).record.outcome, "broken");
    let routed = of(&routed_id);
    assert_eq!((routed.record.surface.as_str(), routed.record.model.as_str()), ("route", "poet"));
    assert_eq!((routed.quality, routed.record.attempts.len()), (Some(0.0), 0));
    let named = of(&id(&named)).record;
    assert_eq!((named.model.as_str(), named.router, named.cost_usd), ("own", None, None));
    let models = apart(|| Records::open_to_read(address).unwrap().models().unwrap());
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["own", "poet", "solver", "thrifty"]);
    assert_eq!((models[2].input_usd_per_mtok, models[2].context_window), (Some(3.0), Some(1000)));
}

#[tokio::test]
async fn sqlite_keeps_what_becomes_of_requests() {
    let directory = TempDir::new().unwrap();
    let path = file(&directory);
    what_becomes_of_requests(&in_file(&path, ""), &Address::Sqlite(path.clone())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_what_becomes_of_requests() {
    let Some(database) = Database::start() else { return };
    let directory = TempDir::new().unwrap();
    let url = directory.path().join("url");
    std::fs::write(&url, database.url() + "\n").unwrap();
    let records = format!("[records]\nurl_file = {:?}\n", url.display().to_string());
    let address = Address::read(&database.url()).unwrap();
    what_becomes_of_requests(&records, &address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_do_not_wait_for_a_database_that_is_away() {
    let Some(mut database) = Database::start() else { return };
    let directory = TempDir::new().unwrap();
    let url = directory.path().join("url");
    std::fs::write(&url, database.url()).unwrap();
    let records = format!("[records]\nurl_file = {:?}\nqueue = 4\nfeedback_seconds = 0.3\n", url.display().to_string());
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    let running = run(&(records + &three([&base, &base, &base], ""))).await;
    let before = running.client.chat("auto", SUM, json!({})).await;
    let before = before.header("x-router-decision").to_owned();
    assert_eq!(feedback(&running, &before, 1.0).await.0, StatusCode::OK);
    database.stop();
    for _ in 0..20 {
        assert_eq!(running.client.chat("auto", SUM, json!({})).await.status, StatusCode::OK);
    }
    let (status, said) = feedback(&running, &before, 0.5).await;
    assert_eq!((status, said["error"]["code"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("overloaded")));
    let metrics = running.client.get("/metrics").await.text;
    assert!(metrics.contains("router_records_total{fate=\"lost\"}"), "{metrics}");
    database.go();
    while feedback(&running, &before, 0.25).await.0 != StatusCode::OK {}
    let after = running.client.chat("auto", SUM, json!({})).await.header("x-router-decision").to_owned();
    assert_eq!(feedback(&running, &after, 1.0).await.0, StatusCode::OK);
    running.stop().await.unwrap();
    let kept = all(&Address::read(&database.url()).unwrap());
    let quality = |id: &str| kept.iter().find(|kept| kept.record.id.to_string() == id).unwrap().quality;
    assert_eq!((quality(&before), quality(&after)), (Some(0.25), Some(1.0)));
    assert!((3..22).contains(&kept.len()), "what waited in the queue is there, the rest is lost: {}", kept.len());
}

#[tokio::test]
async fn prompts_and_comments_are_kept_only_where_asked_for() {
    let mock = Mock::start(&[Behavior::Answer(1)]).await;
    let base = mock.base();
    for keeps in [false, true] {
        let directory = TempDir::new().unwrap();
        let path = file(&directory);
        let records = in_file(&path, &format!("store_prompts = {keeps}\nstore_comments = {keeps}"));
        let running = run(&(records + &three([&base, &base, &base], ""))).await;
        let answer = running.client.chat("auto", SUM, json!({})).await;
        let id = answer.header("x-router-decision").to_owned();
        running.client.post("/v1/route", &json!({ "prompt": POEM })).await;
        let said = json!({ "decision_id": id, "quality": 1, "comment": "a word beside it" });
        let answer = running.client.post("/v1/feedback", &said).await;
        assert_eq!(answer.status, if keeps { StatusCode::OK } else { StatusCode::BAD_REQUEST });
        running.stop().await.unwrap();
        let text = bytes_in(directory.path()).await;
        let kept = all(&Address::Sqlite(path));
        let message = json!([{ "role": "user", "content": SUM }]).to_string();
        let expected = if keeps { [Some(message), Some(json!(POEM).to_string())] } else { [None, None] };
        assert_eq!([&kept[0].record.prompt, &kept[1].record.prompt], [&expected[0], &expected[1]]);
        for words in ["Solve the equation", "golden harbor", "a word beside it"] {
            assert_eq!(text.contains(words), keeps, "{words}");
        }
    }
}

#[tokio::test]
async fn without_records_there_is_no_feedback() {
    let nobody = nobody().await;
    let running = run(&three([&nobody, &nobody, &nobody], "")).await;
    let (status, said) = feedback(&running, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", 1.0).await;
    assert_eq!((status, said["error"]["code"].as_str()), (StatusCode::NOT_FOUND, Some("no_records")));
}
