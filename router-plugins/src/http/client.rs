//! Posting JSON, on threads of its own.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use router_core::{Error, ErrorKind, Result};
use ureq::http::{HeaderMap, HeaderValue};

use crate::http::key::ApiKey;
use crate::http::retry::{asked, salt, wait};

/// Bytes of a refusal's body that are read.
const REFUSAL_BYTES: u64 = 64 * 1024;
/// Characters of what a server says that a message repeats.
const EXCERPT: usize = 300;
/// How often a waiting worker looks whether anybody still wants the answer.
const LOOK: Duration = Duration::from_millis(50);

/// How a [`Client`] asks.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Requests at once, which is the number of threads; at least 1.
    pub concurrency: usize,
    /// The longest time for one request, from its beginning to the end of the answer.
    pub timeout: Duration,
    /// How often a request is tried again.
    pub retries: u32,
    /// The wait before it is tried again for the first time; it doubles with every further time.
    pub first_wait: Duration,
}

/// Posts JSON to one address. Its threads end with it.
pub struct Client {
    jobs: Sender<Job>,
    place: Arc<Place>,
    closed: Arc<AtomicBool>,
}

/// Where the requests go.
struct Place {
    url: String,
    key: Option<ApiKey>,
    agent: ureq::Agent,
    options: ClientOptions,
}

struct Job {
    body: Vec<u8>,
    maximum_bytes: u64,
    answer: oneshot::Sender<Result<Vec<u8>>>,
}

/// A request that failed, and how long the server asks to wait.
struct Failure {
    error: Error,
    asked: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, asked: None }
    }
}

impl Client {
    /// A client of `url`. Starts its threads; connects only when asked. Proxies are those of the environment (`HTTPS_PROXY`,
    /// `NO_PROXY`), but never for an address of this machine. Redirects are not followed: the key is for that address alone.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if a thread cannot be started.
    pub fn new(url: impl Into<String>, key: Option<ApiKey>, options: ClientOptions) -> Result<Self> {
        let url = url.into();
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(options.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(options.concurrency)
            .user_agent(concat!("router/", env!("CARGO_PKG_VERSION")));
        if is_of_this_machine(&url) {
            config = config.proxy(None);
        }
        let place = Arc::new(Place { url, key, agent: config.build().new_agent(), options });
        let closed = Arc::new(AtomicBool::new(false));
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..place.options.concurrency.max(1) {
            let (place, queue, closed) = (Arc::clone(&place), Arc::clone(&queue), Arc::clone(&closed));
            std::thread::Builder::new()
                .name(format!("http {number}"))
                .spawn(move || work(&place, &queue, &closed))
                .map_err(|source| Error::new(ErrorKind::Internal, "cannot start a thread").caused_by(source))?;
        }
        Ok(Self { jobs, place, closed })
    }

    /// Posts the JSON document `body`, and gives the body of the answer, of at most `maximum_bytes`. The request is in the queue
    /// when this returns, and goes on while nobody polls; dropping the future gives it up.
    ///
    /// # Errors
    /// [`ErrorKind::Remote`], retryable where another try later may succeed: no connection, a timeout, a cut or too long answer, a
    /// status other than 2xx. No message holds the key.
    pub fn post(
        &self,
        body: Vec<u8>,
        maximum_bytes: u64,
    ) -> impl Future<Output = Result<Vec<u8>>> + Send + 'static + use<> {
        let (answer, receiver) = oneshot::channel();
        let sent = self.jobs.send(Job { body, maximum_bytes, answer });
        async move {
            let lost = || Error::new(ErrorKind::Internal, "the thread of a request has ended");
            sent.map_err(|_| lost())?;
            receiver.await.map_err(|_| lost())?
        }
    }

    /// What the server said, for a message: without the key, on one line, not too long.
    pub fn excerpt(&self, said: &[u8]) -> String {
        self.place.excerpt(said, false)
    }

    /// `text` without the key.
    pub fn hide_key(&self, text: &str) -> String {
        self.place.hide(text, false)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.place.url)
            .field("options", &self.place.options)
            .finish_non_exhaustive()
    }
}

/// What a thread does.
fn work(place: &Place, queue: &Mutex<Receiver<Job>>, closed: &AtomicBool) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { body, maximum_bytes, answer }) = next else { return };
        let given_up = || answer.is_canceled() || closed.load(Ordering::Relaxed);
        if given_up() {
            continue;
        }
        let done = place.ask(&body, maximum_bytes, &given_up);
        // Nobody may be waiting any more.
        let _ = answer.send(done);
    }
}

impl Place {
    /// One request with its repetitions.
    fn ask(&self, body: &[u8], maximum_bytes: u64, given_up: &dyn Fn() -> bool) -> Result<Vec<u8>> {
        let salt = salt(body);
        let mut failures = 0;
        loop {
            let Failure { error, asked } = match self.ask_once(body, maximum_bytes) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !error.is_retryable() || failures >= self.options.retries || given_up() {
                let tried = if failures > 0 { format!(" (tried {} times)", failures + 1) } else { String::new() };
                return Err(error.context(format!("{}{tried}", self.url)));
            }
            let mut left = wait(self.options.first_wait, failures, salt, asked);
            while !left.is_zero() && !given_up() {
                let nap = left.min(LOOK);
                std::thread::sleep(nap);
                left -= nap;
            }
            failures += 1;
        }
    }

    fn ask_once(&self, body: &[u8], maximum_bytes: u64) -> Result<Vec<u8>, Failure> {
        let mut request =
            self.agent.post(&self.url).header("content-type", "application/json").header("accept", "application/json");
        if let Some(key) = &self.key {
            let mut bearer = HeaderValue::from_str(&key.bearer())
                .map_err(|_| Error::new(ErrorKind::Usage, "the key of the service holds what no header can"))?;
            bearer.set_sensitive(true);
            request = request.header("authorization", bearer);
        }
        let mut response = request.send(body).map_err(|error| self.no_answer(&error))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            let asked = asked_by(response.headers());
            let location = header(response.headers(), "location").map(str::to_owned);
            let mut said = Vec::new();
            // What cannot be read of a refusal is no further failure.
            let _ = response.body_mut().as_reader().take(REFUSAL_BYTES).read_to_end(&mut said);
            return Err(Failure { error: self.refused(status, &said, location.as_deref()), asked });
        }
        let mut reader = response.body_mut().as_reader().take(maximum_bytes.saturating_add(1));
        let mut answer = Vec::new();
        reader.read_to_end(&mut answer).map_err(|error| self.no_answer(&ureq::Error::from(error)))?;
        if answer.len() as u64 > maximum_bytes {
            return Err(Error::new(ErrorKind::Remote, format!("the answer is longer than {maximum_bytes} bytes"))
                .help("nothing of that length was asked for: check `url` and `model`")
                .into());
        }
        Ok(answer)
    }

    /// The error of a request that got no whole answer. Its source stays out of it: what it says is in the message, without key.
    fn no_answer(&self, error: &ureq::Error) -> Error {
        let told = Error::new(ErrorKind::Remote, self.hide(&error.to_string(), true));
        match error {
            ureq::Error::Timeout(_) => {
                told.retryable().help("check the server, or give it more time: `timeout_seconds`")
            }
            ureq::Error::Io(_)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::BodyStalled => {
                told.retryable().help("check that the server runs and that `url` is its address")
            }
            _ => told.help("check `url`"),
        }
    }

    /// The error of a request that was refused.
    fn refused(&self, status: u16, said: &[u8], location: Option<&str>) -> Error {
        let excerpt = self.excerpt(said, said.len() as u64 >= REFUSAL_BYTES);
        let said = if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") };
        let error = Error::new(ErrorKind::Remote, format!("status {status}{said}"));
        match status {
            300..=399 => {
                let to = location.map_or_else(String::new, |to| format!(" ({})", self.excerpt(to.as_bytes(), false)));
                error.help(format!("it redirects elsewhere{to}, which is not followed: give that address as `url`"))
            }
            401 | 403 => match &self.key {
                Some(_) => error.help("check the key in the environment variable that `api_key_environment` names"),
                None => error.help("name the environment variable that holds the key: `api_key_environment`"),
            },
            404 | 405 => error.help("check `url` and `model`"),
            413 => error.help("send less at once: `batch_size`, `maximum_characters`"),
            408 | 425 | 429 => error.retryable().help("the server is busy: ask less at once (`concurrency`), or later"),
            501 | 505 => error.help("check `url`"),
            500..=599 => error.retryable().help("the server failed: look into its log, or try later"),
            _ => error.help("check `url`, `model` and `dimension`"),
        }
    }

    fn hide(&self, text: &str, cut: bool) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.hide(text, cut))
    }

    fn excerpt(&self, said: &[u8], cut: bool) -> String {
        let text = self.hide(&String::from_utf8_lossy(said), cut);
        let words: Vec<&str> = text.split(|letter: char| letter.is_whitespace() || letter.is_control()).collect();
        let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(EXCERPT) {
            Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
            None => line,
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn asked_by(headers: &HeaderMap) -> Option<Duration> {
    asked(header(headers, "retry-after"), header(headers, "date"))
}

/// Whether `url` is of this machine.
fn is_of_this_machine(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
