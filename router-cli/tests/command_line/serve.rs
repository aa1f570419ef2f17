//! The gateway as a process: where it listens, what it decides, how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::HeaderMap;

use crate::world::{fitted, router_in, transcript};

/// A configuration that serves the world's models at an address where nobody listens.
const CONFIG: &str = r#"
[[upstreams]]
name = "nobody"
base_url = "http://127.0.0.1:9/v1"
[[models]]
model = "poet"
served_by = [{ upstream = "nobody" }]
[[models]]
model = "solver"
served_by = [{ upstream = "nobody" }]
[[models]]
model = "thrifty"
served_by = [{ upstream = "nobody" }]
"#;

/// The gateway, until the end of a test.
pub(crate) struct Serving {
    process: Child,
    url: String,
    directory: TempDir,
}

impl Serving {
    pub(crate) fn start(config: &str) -> Self {
        Self::start_in(config, &[])
    }

    /// Starts it with further variables in its environment.
    fn start_in(config: &str, environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("serve.toml");
        fs::write(&path, config).unwrap();
        let mut process = Command::new(assert_cmd::cargo::cargo_bin!("router"))
            .current_dir(fitted())
            .envs(environment.iter().copied())
            .args(["serve", "--router", "artifact", "--listen", "127.0.0.1:0", "--config"])
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { process, url, directory }
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, _, text) = self.try_post(path, body).unwrap();
        (status, serde_json::from_str(&text).unwrap())
    }

    /// The status, headers and body of an answer; `None` if the connection broke.
    pub(crate) fn try_post(&self, path: &str, body: &Value) -> Option<(u16, HeaderMap, String)> {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None)
            .build()
            .new_agent();
        let mut answer = agent.post(format!("{}{path}", self.url)).send(body.to_string().as_bytes()).ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        Some((answer.status().as_u16(), answer.headers().clone(), text))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_command_and_the_gateway_decide_alike() {
    let serving = Serving::start(CONFIG);
    let poem = "Write a short poem about a golden harbor, with rhyme and verse.";
    let requests = [
        json!({ "prompt": poem }),
        json!({ "prompt": "Solve the equation 31 x + 5 = 99 for x, with algebra.", "maximum_cost_usd": 0.0005 }),
        json!({ "prompt": [{ "role": "user", "content": poem }], "unavailable_models": ["poet"] }),
        json!({ "prompt": poem, "minimum_quality": 0.99 }),
        json!({ "prompt": "something else altogether", "prompt_id": "other" }),
    ];
    let lines: Vec<String> = requests.iter().map(Value::to_string).collect();
    let output = router_in(fitted())
        .args(["route", "--router", "artifact", "--explain", "-"])
        .write_stdin(lines.join("\n"))
        .output()
        .unwrap();
    let (status, answered) = serving.post("/v1/route", &json!({ "requests": requests }));
    assert_eq!(status, 200, "{answered}");
    let decisions = answered["decisions"].as_array().unwrap();
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), decisions.len()), (requests.len(), requests.len()));
    for (line, decision) in lines.iter().zip(decisions) {
        for (field, value) in line.as_object().unwrap() {
            assert_eq!(value, &decision[field], "{field}");
        }
    }
    assert_eq!(decisions[0]["model"], "poet");
}

#[test]
fn nobody_answers_and_the_refusal_says_so() {
    let serving = Serving::start(CONFIG);
    let (status, refusal) = serving
        .post("/v1/chat/completions", &json!({ "model": "auto", "messages": [{ "role": "user", "content": "Hi" }] }));
    assert_eq!((status, refusal["error"]["code"].as_str()), (502, Some("upstream_failed")), "{refusal}");
}

#[test]
fn a_hangup_reloads_what_is_sound() {
    let serving = Serving::start(CONFIG);
    let reload = |config: &str| {
        fs::write(serving.directory.path().join("serve.toml"), config).unwrap();
        assert!(Command::new("kill").args(["-HUP", &serving.process.id().to_string()]).status().unwrap().success());
    };
    let knows = |pool: &str| serving.post("/v1/route", &json!({ "prompt": "x", "model": pool })).0 == 200;
    let until_known = |pool: &str| {
        while !knows(pool) {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    assert!(!knows("new"));
    reload(&format!("{CONFIG}[[pools]]\nname = \"new\"\n"));
    until_known("new");
    reload("what is this?");
    assert!(knows("new"), "what is wrong changes nothing");
    reload(&format!("{CONFIG}[[pools]]\nname = \"newer\"\n"));
    until_known("newer");
    assert!(!knows("new"));
}

#[test]
fn it_stops_when_it_is_told_to() {
    let mut serving = Serving::start(CONFIG);
    let told = Command::new("kill").args(["-TERM", &serving.process.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(serving.process.wait().unwrap().code(), Some(0));
    let mut log = String::new();
    serving.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("stopping"), "{log}");
}

/// Takes one request at a time, keeps what it was sent, and answers that all is well.
fn collector() -> (String, std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let taken = std::sync::Arc::<std::sync::Mutex<Vec<Vec<u8>>>>::default();
    let kept = std::sync::Arc::clone(&taken);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut reader = BufReader::new(stream);
            let mut came = Vec::new();
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                came.extend_from_slice(lower.as_bytes());
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            came.extend(body);
            kept.lock().unwrap().push(came);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            reader.get_mut().write_all(answer).unwrap();
        }
    });
    (address, taken)
}

#[test]
fn traces_go_to_the_collector_that_the_environment_names() {
    let (address, taken) = collector();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-planted=of-the-collector"),
        ("OTEL_SERVICE_NAME", "our-gateway"),
    ];
    let mut serving = Serving::start_in(CONFIG, &environment);
    let (_, answered) = serving.post("/v1/route", &json!({ "prompt": "a secret garden" }));
    assert!(answered["decision_id"].is_string(), "{answered}");
    let told = Command::new("kill").args(["-TERM", &serving.process.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(serving.process.wait().unwrap().code(), Some(0));
    // Strings are in a message of protocol buffers as they are.
    let sent: Vec<u8> = taken.lock().unwrap().concat();
    let holds = |text: &str| sent.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    for text in ["post /v1/traces", "x-planted: of-the-collector", "our-gateway", "route", "decide", "router.outcome"] {
        assert!(holds(text), "{text}: {}", String::from_utf8_lossy(&sent));
    }
    assert!(!holds("secret garden"));
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("records.sqlite");
    let config = format!("[records]\npath = {:?}\n{CONFIG}", path.display().to_string());
    let mut acknowledged: Vec<(String, f64)> = Vec::new();
    for round in 0..3 {
        let mut serving = Serving::start(&config);
        let asked =
            json!({ "requests": (0..20).map(|at| json!({ "prompt": format!("{round} {at}") })).collect::<Vec<_>>() });
        let (_, answered) = serving.post("/v1/route", &asked);
        let ids: Vec<String> = answered["decisions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|decision| decision["decision_id"].as_str().unwrap().to_owned())
            .collect();
        let deadline = 5 + 5 * round;
        std::thread::scope(|scope| {
            // Others go on while the process is killed: what they are told counts as well.
            let others: Vec<_> = ids
                .chunks(5)
                .map(|ids| {
                    let serving = &serving;
                    scope.spawn(move || {
                        let quality = |at: usize| at as f64 / 10.0;
                        let say = |(at, id): (usize, &String)| {
                            let said = json!({ "decision_id": id, "quality": quality(at) });
                            let (status, ..) = serving.try_post("/v1/feedback", &said)?;
                            (status == 200).then(|| (id.clone(), quality(at)))
                        };
                        ids.iter().enumerate().map_while(say).collect::<Vec<_>>()
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(deadline));
            // SIGKILL: nothing is said, flushed or closed.
            let killed = Command::new("kill").args(["-KILL", &serving.process.id().to_string()]).status().unwrap();
            assert!(killed.success());
            for other in others {
                acknowledged.extend(other.join().unwrap());
            }
        });
        assert!(!serving.process.wait().unwrap().success());
    }
    // One that is not killed, so that there is something in any case.
    let serving = Serving::start(&config);
    let (_, answered) = serving.post("/v1/route", &json!({ "prompt": "the last" }));
    let id = answered["decision_id"].as_str().unwrap().to_owned();
    assert_eq!(serving.post("/v1/feedback", &json!({ "decision_id": id, "quality": 1.0 })).0, 200);
    acknowledged.push((id, 1.0));
    drop(serving);
    let mut kept = std::collections::HashMap::new();
    let mut take = |recorded: router_serve::records::Recorded| {
        kept.insert(recorded.record.id.to_string(), recorded.quality);
        Ok(())
    };
    let address = router_serve::records::Address::Sqlite(path);
    router_serve::records::Records::open_to_read(&address).unwrap().each(0, &mut take).unwrap();
    for (id, quality) in &acknowledged {
        assert_eq!(kept.get(id), Some(&Some(*quality)), "{id} of {}", acknowledged.len());
    }
}

#[test]
fn mistakes_of_the_configuration_end_with_status_two() {
    let directory = TempDir::new().unwrap();
    let artifact = fitted().join("artifact");
    let artifact = artifact.to_str().unwrap();
    let try_it = |config: &str| {
        fs::write(directory.path().join("serve.toml"), config).unwrap();
        let arguments = ["serve", "--router", artifact, "--config", "serve.toml", "--quiet"];
        transcript(directory.path(), &arguments, "")
    };
    for (config, message) in [
        (CONFIG.replace("base_url", "base_uri"), "serve.toml:4: `upstreams[0].base_uri`: unknown field `base_uri`"),
        (CONFIG.replace("\"poet\"", "\"bard\""), "serve.toml:6: `models[0].model`: unknown model `bard`"),
        (
            CONFIG.replace("name = \"nobody\"", "name = \"nobody\"\nkey_environment = \"NO_SUCH_KEY\""),
            "NO_SUCH_KEY is not set",
        ),
    ] {
        let said = try_it(&config);
        assert!(said.contains(message) && said.contains("status 2"), "{said}");
    }
    let output = router_in(directory.path())
        .args(["serve", "--router", artifact, "--config", "serve.toml"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "not an address")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("OTEL_EXPORTER_OTLP_ENDPOINT is the address"), "{said}");
}
