//! An upstream that speaks OpenAI's interface, byte by byte, and fails as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

/// What the upstream does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Behavior {
    /// Answers as asked: whole, or as a stream of so many words.
    Answer(usize),
    /// As `Answer`, after so long.
    Slow(Duration, usize),
    /// A status, with further header lines and a body.
    Status(u16, &'static str, &'static str),
    /// Closes the connection without a word.
    HangUp,
    /// A stream that stops in the middle of an event, with the connection closed.
    CutStream,
    /// A stream that ends cleanly, but before the answer does.
    EndEarly,
    /// A stream that goes silent after two words.
    Stall,
    /// A stream whose third event is not one.
    GarbageInStream,
    /// A stream in which the upstream says that it fails.
    ErrorInStream,
    /// A stream whose answer comes after comments only.
    Comments,
    /// A stream that never ends.
    Endless,
    /// A stream of one event that never ends.
    EndlessEvent,
    /// A whole answer that breaks off before the length it promised.
    WrongLength,
    /// A head of far too many bytes.
    HugeHead,
    /// What is not HTTP.
    Garbage,
    /// 200 and no JSON.
    NotJson,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    script: Vec<Behavior>,
    seen: Vec<Seen>,
    /// Connections that the gateway closed while an answer was being written.
    hung_up_on: usize,
}

/// An upstream on loopback.
#[derive(Clone)]
pub(crate) struct Mock {
    state: Arc<Mutex<State>>,
    port: u16,
}

impl Mock {
    /// Does each of `script` in turn, one a request, and the last one for ever.
    pub(crate) async fn start(script: &[Behavior]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mock = Self { state: Arc::default(), port: listener.local_addr().unwrap().port() };
        mock.then(script);
        let serving = mock.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    let _ = serving.serve(stream).await;
                });
            }
        });
        mock
    }

    /// From now on does each of `script`.
    pub(crate) fn then(&self, script: &[Behavior]) {
        self.state.lock().unwrap().script = script.to_vec();
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The requests that came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Waits until the gateway has closed so many connections in the middle of an answer.
    pub(crate) async fn until_hung_up_on(&self, times: usize) {
        loop {
            if self.state.lock().unwrap().hung_up_on >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until so many requests have come.
    pub(crate) async fn until_seen(&self, requests: usize) {
        while self.seen().len() < requests {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut came = Vec::new();
        loop {
            let Some(seen) = read(&stream, &mut came).await? else { return Ok(()) };
            let behavior = {
                let mut state = self.state.lock().unwrap();
                state.seen.push(seen.clone());
                if state.script.len() > 1 { state.script.remove(0) } else { state.script[0].clone() }
            };
            let done = match (&behavior, interface(&seen.head)) {
                (Behavior::Answer(count), Some(interface)) => {
                    interface.answer(&stream, *count, &seen.body).await.map(|()| true)
                }
                _ => answer(&stream, &behavior, &seen.body).await,
            };
            let Ok(true) = done else {
                if done.is_err() {
                    self.state.lock().unwrap().hung_up_on += 1;
                }
                return Ok(());
            };
        }
    }
}

/// Adds what comes next to `came`; 0 at the end.
pub(crate) async fn read_some(stream: &TcpStream, came: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut bytes = [0; 4 << 10];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut bytes) {
            Ok(count) => {
                came.extend_from_slice(&bytes[..count]);
                return Ok(count);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes all of `bytes`.
pub(crate) async fn write(stream: &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The next request out of what `came`; what comes behind it stays there.
async fn read(stream: &TcpStream, came: &mut Vec<u8>) -> std::io::Result<Option<Seen>> {
    let end = loop {
        if let Some(end) = came.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if read_some(stream, came).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(came.drain(..end).collect()).unwrap();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        let Some(body) = read_chunks(stream, came).await? else { return Ok(None) };
        return Ok(Some(Seen { head, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }));
    }
    while came.len() < length {
        if read_some(stream, came).await? == 0 {
            return Ok(None);
        }
    }
    let body: Vec<u8> = came.drain(..length).collect();
    Ok(Some(Seen { head, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }))
}

/// A body in chunks, as proxies send one whose length they changed.
async fn read_chunks(stream: &TcpStream, came: &mut Vec<u8>) -> std::io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = came.windows(2).position(|bytes| bytes == b"\r\n") else {
            if read_some(stream, came).await? == 0 {
                return Ok(None);
            }
            continue;
        };
        let length = usize::from_str_radix(std::str::from_utf8(&came[..end]).unwrap(), 16).unwrap();
        while came.len() < end + length + 4 {
            if read_some(stream, came).await? == 0 {
                return Ok(None);
            }
        }
        body.extend_from_slice(&came[end + 2..end + 2 + length]);
        came.drain(..end + length + 4);
        if length == 0 {
            return Ok(Some(body));
        }
    }
}

/// An interface other than chat completions.
enum Interface {
    Messages,
    Responses,
    Embeddings,
}

fn interface(head: &str) -> Option<Interface> {
    let path = head.split(' ').nth(1)?;
    match path.rsplit('/').next()? {
        "messages" => Some(Interface::Messages),
        "responses" => Some(Interface::Responses),
        "embeddings" => Some(Interface::Embeddings),
        _ => None,
    }
}

impl Interface {
    /// Answers so many words, which it bills with 10 input tokens.
    async fn answer(&self, stream: &TcpStream, count: usize, asked: &Value) -> std::io::Result<()> {
        let text = words(count);
        let whole = match self {
            Self::Messages => json!({
                "type": "message", "role": "assistant", "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn",
                "usage": { "input_tokens": 10, "output_tokens": count },
            }),
            Self::Responses => json!({
                "object": "response", "status": "completed", "error": null,
                "output": [{ "type": "message", "content": [{ "type": "output_text", "text": text }] }],
                "usage": { "input_tokens": 10, "output_tokens": count },
            }),
            Self::Embeddings => json!({
                "object": "list", "data": [{ "object": "embedding", "index": 0, "embedding": [0.25, 0.5] }],
                "usage": { "prompt_tokens": 10, "total_tokens": 10 },
            }),
        };
        if asked.get("stream") != Some(&Value::Bool(true)) {
            let body = whole.to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
            return write(stream, format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
        let mut events = Vec::new();
        match self {
            Self::Messages => {
                events.push(json!({ "type": "message_start", "message": { "usage": { "input_tokens": 10, "output_tokens": 1 } } }));
                events.extend((0..count).map(|at| json!({ "type": "content_block_delta", "delta": { "type": "text_delta", "text": format!("word{at} ") } })));
                events.push(json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": count } }));
                events.push(json!({ "type": "message_stop" }));
            }
            _ => {
                events.push(json!({ "type": "response.created", "response": { "id": "r1", "usage": null } }));
                events.extend(
                    (0..count).map(|at| json!({ "type": "response.output_text.delta", "delta": format!("word{at} ") })),
                );
                events.push(json!({ "type": "response.completed", "response": whole }));
            }
        }
        write(stream, SSE.as_bytes()).await?;
        for event in events {
            chunk(stream, &format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).await?;
        }
        write(stream, b"0\r\n\r\n").await
    }
}

const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// What the answer of so many words reads.
pub(crate) fn words(count: usize) -> String {
    (0..count).fold(String::new(), |text, at| text + &format!("word{at} "))
}

fn part(at: usize) -> String {
    let delta =
        json!({ "choices": [{ "index": 0, "delta": { "content": format!("word{at} ") }, "finish_reason": null }] });
    format!("data: {delta}\n\n")
}

async fn chunk(stream: &TcpStream, text: &str) -> std::io::Result<()> {
    write(stream, format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}

/// Answers, and says whether the connection may be used again.
async fn answer(stream: &TcpStream, behavior: &Behavior, asked: &Value) -> std::io::Result<bool> {
    let is_streamed = asked.get("stream") == Some(&Value::Bool(true));
    match behavior {
        Behavior::Slow(time, count) => {
            tokio::time::sleep(*time).await;
            return Box::pin(answer(stream, &Behavior::Answer(*count), asked)).await;
        }
        Behavior::Answer(count) if is_streamed => {
            write(stream, SSE.as_bytes()).await?;
            for at in 0..*count {
                chunk(stream, &part(at)).await?;
            }
            let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
            chunk(stream, &format!("data: {end}\n\n")).await?;
            if asked.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)) {
                let usage = json!({ "choices": [], "usage": { "prompt_tokens": 10, "completion_tokens": count } });
                chunk(stream, &format!("data: {usage}\n\n")).await?;
            }
            chunk(stream, "data: [DONE]\n\n").await?;
            write(stream, b"0\r\n\r\n").await?;
            return Ok(true);
        }
        Behavior::Answer(count) => {
            let body = json!({
                "object": "chat.completion", "model": asked.get("model"),
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": words(*count) }, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 10, "completion_tokens": count },
            })
            .to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            write(stream, (head + &body).as_bytes()).await?;
            return Ok(true);
        }
        Behavior::Status(status, headers, body) => {
            let head = format!(
                "HTTP/1.1 {status} Planted\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            write(stream, (head + body).as_bytes()).await?;
            return Ok(true);
        }
        Behavior::HangUp => {}
        Behavior::CutStream => {
            write(stream, SSE.as_bytes()).await?;
            chunk(stream, &part(0)).await?;
            chunk(stream, &part(1)).await?;
            chunk(stream, "data: {\"choices\":[{\"del").await?;
        }
        Behavior::EndEarly => {
            write(stream, SSE.as_bytes()).await?;
            chunk(stream, &part(0)).await?;
            chunk(stream, &part(1)).await?;
            write(stream, b"0\r\n\r\n").await?;
        }
        Behavior::Stall => {
            write(stream, SSE.as_bytes()).await?;
            chunk(stream, &part(0)).await?;
            chunk(stream, &part(1)).await?;
            return until_closed(stream).await;
        }
        Behavior::GarbageInStream => {
            write(stream, SSE.as_bytes()).await?;
            chunk(stream, &part(0)).await?;
            chunk(stream, &part(1)).await?;
            chunk(stream, "data: {\"choices\": <html>\n\n").await?;
            return until_closed(stream).await;
        }
        Behavior::ErrorInStream => {
            write(stream, SSE.as_bytes()).await?;
            chunk(stream, &part(0)).await?;
            chunk(stream, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n").await?;
            write(stream, b"0\r\n\r\n").await?;
        }
        Behavior::Comments => {
            write(stream, SSE.as_bytes()).await?;
            chunk(stream, ": waiting\n\n: waiting\n\n").await?;
            chunk(stream, &part(0)).await?;
            chunk(stream, "data: [DONE]\n\n").await?;
            write(stream, b"0\r\n\r\n").await?;
        }
        Behavior::Endless => {
            write(stream, SSE.as_bytes()).await?;
            loop {
                chunk(stream, &part(0).repeat(50)).await?;
            }
        }
        Behavior::EndlessEvent => {
            write(stream, SSE.as_bytes()).await?;
            chunk(stream, &part(0)).await?;
            loop {
                chunk(stream, &"data: x".repeat(1000)).await?;
            }
        }
        Behavior::WrongLength => {
            write(
                stream,
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"choices\":",
            )
            .await?;
        }
        Behavior::HugeHead => {
            write(stream, b"HTTP/1.1 200 OK\r\n").await?;
            for at in 0..100_000 {
                write(stream, format!("x-{at}: {}\r\n", "y".repeat(100)).as_bytes()).await?;
            }
        }
        Behavior::Garbage => write(stream, b"\x00\x01 this is not HTTP\r\n\r\n").await?,
        Behavior::NotJson => {
            write(stream, b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>")
                .await?;
        }
    }
    // What was written arrives before the connection is closed.
    Ok(false)
}

/// Waits until the other side closes, which it does in the middle of the answer.
async fn until_closed(stream: &TcpStream) -> std::io::Result<bool> {
    while read_some(stream, &mut Vec::new()).await? > 0 {}
    Err(std::io::ErrorKind::ConnectionReset.into())
}
