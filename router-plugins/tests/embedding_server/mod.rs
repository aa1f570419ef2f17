//! An embeddings server for tests: HTTP by hand over std's sockets, vectors out of hashed words, and faults on demand.
#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's server fails as tests do")]

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// The length of its vectors where none is asked for.
pub(crate) const DIMENSION: usize = 24;

/// What the server does instead of answering the next request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// These bytes, whatever they are, and the end of the connection.
    Raw(Vec<u8>),
    /// This status with these headers (`name: value` lines) and this body.
    Status(u16, &'static str, String),
    /// A sound answer whose document was changed by this.
    Changed(fn(&mut Value)),
    /// As many bytes of a sound answer, and the end of the connection.
    Cut(usize),
    /// No answer until the client goes away.
    Silence,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) document: Value,
}

impl Asked {
    pub(crate) fn inputs(&self) -> Vec<String> {
        self.document["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }
}

/// A running server. It ends with the process.
#[derive(Clone)]
pub(crate) struct EmbeddingServer {
    address: std::net::SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<Asked>>,
    /// Another one gives other vectors: another model.
    model: Mutex<u64>,
    /// Requests that may be answered yet; `None` for any number.
    gate: Mutex<Option<usize>>,
    opened: Condvar,
    /// Requests in work now, and the most there ever were.
    at_once: Mutex<(usize, usize)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EmbeddingServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<State> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // What a client does to its connection is its own affair.
                std::thread::spawn(move || drop(serve(&state, &stream)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next requests get these, one each; then all is well again.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.state.faults).extend(faults);
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }

    /// All texts of all requests so far.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.asked().iter().flat_map(Asked::inputs).collect()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget(&self) {
        lock(&self.state.asked).clear();
    }

    /// Puts another model under the name.
    pub(crate) fn change_model(&self) {
        *lock(&self.state.model) += 1;
    }

    /// Answers so many requests more, and holds the others back until the gate is set anew; `None` for all.
    pub(crate) fn gate(&self, requests: Option<usize>) {
        *lock(&self.state.gate) = requests;
        self.state.opened.notify_all();
    }

    /// The most requests that were in work at once.
    pub(crate) fn most_at_once(&self) -> usize {
        lock(&self.state.at_once).1
    }
}

/// The vector of `text`: its words hashed into `d` buckets. Texts that share words are near each other.
pub(crate) fn vector(text: &str, d: usize, model: u64) -> Vec<f32> {
    let mut vector = vec![0.0_f32; d];
    for word in text.split_whitespace().chain([""]) {
        let mut hasher = DefaultHasher::new();
        (word, model).hash(&mut hasher);
        let hash = hasher.finish();
        vector[(hash % d as u64) as usize] += 0.5 + (hash >> 40) as f32 / (1_u64 << 24) as f32;
    }
    vector
}

fn serve(state: &State, stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream.try_clone()?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut authorization) = (0, None);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "authorization" => authorization = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let document: Value = serde_json::from_slice(&body).unwrap();
        {
            let mut at_once = lock(&state.at_once);
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        lock(&state.asked).push(Asked { path, authorization, document: document.clone() });
        {
            let mut gate = lock(&state.gate);
            while *gate == Some(0) {
                gate = state.opened.wait(gate).unwrap_or_else(PoisonError::into_inner);
            }
            if let Some(left) = gate.as_mut() {
                *left -= 1;
            }
        }
        let fault = lock(&state.faults).pop_front();
        let mut answer = answer(&document, *lock(&state.model));
        lock(&state.at_once).0 -= 1;
        match fault {
            None => respond(&mut out, 200, "", &answer.to_string())?,
            Some(Fault::Status(status, headers, body)) => respond(&mut out, status, headers, &body)?,
            Some(Fault::Changed(change)) => {
                change(&mut answer);
                respond(&mut out, 200, "", &answer.to_string())?;
            }
            Some(Fault::Raw(bytes)) => {
                out.write_all(&bytes)?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            Some(Fault::Cut(bytes)) => {
                let whole = response(200, "", &answer.to_string());
                out.write_all(&whole.as_bytes()[..bytes.min(whole.len())])?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            Some(Fault::Silence) => {
                // Until the client closes the connection.
                let _ = reader.read(&mut [0]);
                return Ok(());
            }
        }
    }
}

fn answer(document: &Value, model: u64) -> Value {
    let d = document["dimensions"].as_u64().map_or(DIMENSION, |d| d as usize);
    let inputs = document["input"].as_array().unwrap();
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text.as_str().unwrap(), d, model);
            json!({ "object": "embedding", "index": index, "embedding": vector })
        })
        .collect();
    json!({ "object": "list", "data": data, "model": document["model"], "usage": { "prompt_tokens": 1, "total_tokens": 1 } })
}

fn response(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn respond(out: &mut TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    out.write_all(response(status, headers, body).as_bytes())
}
