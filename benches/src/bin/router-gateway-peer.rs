//! Load for gateways, and an upstream for them to ask: see `benches/peers/gateway`.
//!
//! - `router-gateway-peer upstream ADDRESS MILLISECONDS` answers every chat completion after so long, until it is killed.
//! - `router-gateway-peer load` reads [`Plan`]'s fields as JSON from standard input and writes what it measured as JSON, a line a measurement.
//!
//! Requests at a rate are sent when they are due, whether or not earlier ones are answered, and their time counts from when they were due:
//! a gateway that falls behind does not slow the clock down.

#![allow(clippy::disallowed_methods, reason = "a measurement: it reads the clock")]

use std::convert::Infallible;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;
type Client = legacy::Client<HttpConnector, Full<Bytes>>;

/// How long answers may still take when the time of a measurement is over.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most requests at a rate that are under way at once. Those that are due beyond are not sent, and counted.
const UNDER_WAY: usize = 2_000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match arguments.as_slice() {
        ["upstream", address, milliseconds] => {
            runtime.block_on(answer_for_ever(address, Duration::from_millis(milliseconds.parse()?)))
        }
        ["load"] => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            runtime.block_on(Plan::read(&serde_json::from_str(&text)?)?.measure())
        }
        _ => Err("router-gateway-peer upstream ADDRESS MILLISECONDS | load < PLAN".into()),
    }
}

async fn answer_for_ever(address: &str, wait: Duration) -> Result<(), Failure> {
    let answer = Bytes::from_static(
        br#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"So it is."},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":4,"total_tokens":24}}"#,
    );
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let _ = request.into_body().collect().await;
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                    let mut response = Response::new(Full::new(answer));
                    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                    Ok::<_, Infallible>(response)
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Who is asked.
struct Target {
    name: String,
    url: String,
    model: String,
}

/// What is measured.
struct Plan {
    targets: Vec<Target>,
    /// Requests a second, of measurements at a rate.
    rates: Vec<f64>,
    /// How long each measurement takes.
    duration: Duration,
    rounds: usize,
    /// Connections of measurements of the throughput, each of which sends as soon as it has an answer. 0: none is measured.
    connections: usize,
    /// Requests of a measurement of the throughput, in place of its time.
    requests: Option<u64>,
    /// Whether every request has a prompt of its own.
    fresh: bool,
}

impl Plan {
    fn read(plan: &Value) -> Result<Self, Failure> {
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("no {name}"))
        };
        let number = |name: &str| plan.get(name).and_then(Value::as_f64);
        let list = |name: &str| plan.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let listed = list("targets");
        let targets = listed.iter().map(|target| {
            Ok::<_, Failure>(Target {
                name: text(target, "name")?,
                url: text(target, "url")?,
                model: text(target, "model")?,
            })
        });
        Ok(Self {
            targets: targets.collect::<Result<_, _>>()?,
            rates: list("rates").iter().filter_map(Value::as_f64).collect(),
            duration: Duration::from_secs_f64(number("seconds").unwrap_or(10.0)),
            rounds: number("rounds").unwrap_or(3.0) as usize,
            connections: number("connections").unwrap_or(0.0) as usize,
            requests: number("requests").map(|count| count as u64),
            fresh: plan.get("fresh").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// Round after round, everyone at every rate, and then at what it carries.
    async fn measure(self) -> Result<(), Failure> {
        let told = |value: &Value| -> Result<(), Failure> {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{value}")?;
            Ok(out.flush()?)
        };
        let askers: Vec<_> = self.targets.iter().map(|target| Arc::new(Asker::new(target, self.fresh))).collect();
        for asker in &askers {
            for _ in 0..20 {
                asker.ask().await.map_err(|error| format!("{}: {error}", asker.name))?;
            }
        }
        for round in 0..self.rounds {
            for &rate in &self.rates {
                for asker in &askers {
                    told(
                        &json!({ "round": round, "target": asker.name, "rate": rate, "at_rate": asker.at_rate(rate, self.duration).await }),
                    )?;
                }
            }
            if self.connections > 0 {
                for asker in &askers {
                    told(
                        &json!({ "round": round, "target": asker.name, "throughput": asker.throughput(&self).await }),
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// Asks one target.
struct Asker {
    name: String,
    url: String,
    model: String,
    fresh: bool,
    asked: AtomicU64,
    client: Client,
}

impl Asker {
    fn new(target: &Target, fresh: bool) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            name: target.name.clone(),
            url: target.url.clone(),
            model: target.model.clone(),
            fresh,
            asked: AtomicU64::new(0),
            client: legacy::Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    async fn ask(&self) -> Result<(), Failure> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let number = if self.fresh { number } else { number % 16 };
        let content = format!("Write a short poem about a golden harbor and {number} ships, with rhyme and verse.");
        let body = json!({ "model": self.model, "messages": [{ "role": "user", "content": content }] });
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("authorization", "Bearer none")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let response = self.client.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into()) }
    }

    /// Requests when they are due, evenly.
    async fn at_rate(self: &Arc<Self>, rate: f64, duration: Duration) -> Value {
        let count = (rate * duration.as_secs_f64()) as u64;
        let times = Arc::new(Mutex::new(Vec::new()));
        let (asker, kept, runtime) = (Arc::clone(self), Arc::clone(&times), tokio::runtime::Handle::current());
        // A thread of its own: the runtime's timer has ticks of a millisecond.
        let sender = tokio::task::spawn_blocking(move || {
            let mut tasks = JoinSet::new();
            let (mut unsent, start) = (0u64, Instant::now());
            for at in 0..count {
                let due = start + Duration::from_secs_f64(at as f64 / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                while tasks.try_join_next().is_some() {}
                if tasks.len() >= UNDER_WAY {
                    unsent += 1;
                    continue;
                }
                let (asker, times) = (Arc::clone(&asker), Arc::clone(&kept));
                let asking = async move {
                    let answered = asker.ask().await.is_ok();
                    times.lock().await.push(answered.then(|| due.elapsed().as_secs_f64() * 1e3));
                };
                tasks.spawn_on(asking, &runtime);
            }
            (tasks, unsent)
        });
        let Ok((mut tasks, unsent)) = sender.await else { return Value::Null };
        let _ = tokio::time::timeout(PATIENCE, async { while tasks.join_next().await.is_some() {} }).await;
        tasks.abort_all();
        // A gateway that fell behind has to come back before anybody else is asked.
        let _ = tokio::time::timeout(PATIENCE * 6, self.ask()).await;
        let times = times.lock().await;
        let mut sorted: Vec<f64> = times.iter().flatten().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |q: f64| sorted.get(((sorted.len() as f64 * q) as usize).min(sorted.len().saturating_sub(1)));
        json!({
            "due": count, "unsent": unsent, "answered": sorted.len(), "failed": times.len() - sorted.len(),
            "p50_milliseconds": quantile(0.5), "p90_milliseconds": quantile(0.9), "p99_milliseconds": quantile(0.99),
            "p999_milliseconds": quantile(0.999),
        })
    }

    /// Requests one after another on each of many connections.
    async fn throughput(self: &Arc<Self>, plan: &Plan) -> Value {
        let (start, duration) = (Instant::now(), plan.duration);
        let sent = Arc::new(AtomicU64::new(0));
        let most = plan.requests;
        let mut tasks = JoinSet::new();
        for _ in 0..plan.connections {
            let (asker, sent) = (Arc::clone(self), Arc::clone(&sent));
            tasks.spawn(async move {
                let (mut answered, mut failed) = (0u64, 0u64);
                loop {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    let is_over = most.map_or_else(|| start.elapsed() >= duration, |most| number >= most);
                    if is_over {
                        return (answered, failed);
                    }
                    match asker.ask().await {
                        Ok(()) => answered += 1,
                        Err(_) => failed += 1,
                    }
                }
            });
        }
        let (mut answered, mut failed) = (0, 0);
        while let Some(ended) = tasks.join_next().await {
            let (more, failures) = ended.unwrap_or_default();
            answered += more;
            failed += failures;
        }
        let seconds = start.elapsed().as_secs_f64();
        json!({ "connections": plan.connections, "answered": answered, "failed": failed, "seconds": seconds, "per_second": answered as f64 / seconds })
    }
}
