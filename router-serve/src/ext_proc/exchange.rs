//! A request and its answer, message by message.

use std::sync::Arc;

use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::{HttpBody, ProcessingRequest, ProcessingResponse};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use tonic::Status;

use super::answer::Reading;
use super::message::{self, Head, Headers, Modes};
use super::sent::{FALLBACK, Sent};
use crate::account::{ANSWERED, Account, Outcome};
use crate::admission::{enter, identify, refuse, too_large};
use crate::clients::Client;
use crate::clock::{self, Instant};
use crate::config::Api;
use crate::conversations::Conversation;
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::headers::{DECISION, MODEL, TASK, UPSTREAM};
use crate::live::{Live, Served};
use crate::plan::plan;
use crate::upstream::{Failure, Upstream, is_of_client};

/// What Envoy is told.
pub(super) enum Reply {
    /// More messages follow.
    More(ProcessingResponse),
    /// Nothing else of this request concerns the router: the stream ends, and Envoy goes on alone.
    Last(ProcessingResponse),
}

/// A request and its answer. Dropped before the end of an answer, it says that the client went away.
pub(super) struct Exchange {
    gateway: Arc<Gateway>,
    modes: Modes,
    stage: Stage,
}

enum Stage {
    /// Nothing has come.
    New,
    /// The head of a request has come.
    Head(Box<Begun>),
    /// The request was decided, and Envoy sends it.
    Sent(Box<Asked>),
    /// An answer comes.
    Answer(Box<Asked>, Box<Reading>),
    /// What comes of an answer says nothing new.
    Rest,
    /// Nothing is to come.
    Over,
}

/// A request of which the head has come.
struct Begun {
    api: Api,
    live: Arc<Live>,
    client: Option<Arc<Client>>,
    head: Head,
}

/// A request that was decided.
struct Asked {
    account: Account,
    served: Arc<Served>,
    upstream: Arc<Upstream>,
    told: Vec<(HeaderName, HeaderValue)>,
    conversation: Option<Conversation>,
    time: Instant,
}

impl Asked {
    /// Notes how the call of the upstream went.
    fn went(&mut self, outcome: &'static str) {
        self.account.attempted(&self.served, &self.upstream.config.name, outcome, self.time.elapsed());
    }

    /// The upstream answers.
    fn answered(&mut self, gateway: &Gateway) {
        self.went(ANSWERED);
        if let Some(conversation) = self.conversation.take() {
            gateway.conversations.answered(conversation, &self.served.model.name);
        }
    }

    /// Notes what is wrong with an answer.
    fn failed(&mut self, failure: &Failure, reading: &Reading) {
        tracing::warn!(decision = %self.account.id(), %failure, "an answer broke off");
        if !reading.has_begun() {
            self.went(failure.label());
        }
        self.account.finish(Outcome::Broken(failure.label()), StatusCode::OK, reading.heard().usage);
    }
}

impl Exchange {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, modes: Modes::default(), stage: Stage::New }
    }

    /// Takes what Envoy says.
    ///
    /// # Errors
    /// A status for what is out of order, and for modes by which nothing can be decided.
    pub(super) async fn take(&mut self, message: ProcessingRequest) -> Result<Reply, Status> {
        if message.observability_mode {
            return Err(Status::failed_precondition("observability_mode has to be off: answers are needed"));
        }
        if let Some(told) = &message.protocol_config {
            self.modes = Modes::read(told);
        }
        let Some(message) = message.request else {
            return Err(Status::invalid_argument("a message without a part of a request"));
        };
        match (std::mem::replace(&mut self.stage, Stage::Over), message) {
            (Stage::New, Request::RequestHeaders(head)) => self.head(Head::read(head)).await,
            (Stage::Head(begun), Request::RequestBody(body)) => {
                if !body.end_of_stream && !self.modes.is_whole() {
                    return Err(Status::failed_precondition("a part of a body: request_body_mode has to be BUFFERED"));
                }
                self.body(*begun, Some(&body.body)).await
            }
            (Stage::Sent(asked), Request::RequestTrailers(_)) => {
                self.stage = Stage::Sent(asked);
                Ok(Reply::More(message::request_trailers()))
            }
            (Stage::Sent(asked), Request::ResponseHeaders(head)) => self.answer_head(asked, Head::read(head)),
            // Another filter answered before the request came here, or Envoy itself while its body was on its way.
            (Stage::New | Stage::Head(_), Request::ResponseHeaders(_)) => {
                Ok(Reply::Last(message::answer_head(Headers::default())))
            }
            (Stage::Answer(asked, reading), Request::ResponseBody(body)) => Ok(self.answer_body(asked, reading, &body)),
            (Stage::Answer(mut asked, mut reading), Request::ResponseTrailers(_)) => {
                self.finish(&mut asked, &mut reading);
                Ok(Reply::Last(message::answer_trailers()))
            }
            (Stage::Rest, Request::ResponseBody(body)) => Ok(self.go_on(Stage::Rest, &body)),
            (Stage::Rest, Request::ResponseTrailers(_)) => Ok(Reply::Last(message::answer_trailers())),
            _ => Err(Status::invalid_argument("a part of a request that is out of order")),
        }
    }

    /// Envoy says nothing more.
    pub(super) fn end(&mut self) {
        // Where trailers follow an answer nobody says that its last part is the last. An answer without its end is one that the
        // client did not wait for, as far as anybody can tell.
        if let Stage::Answer(mut asked, mut reading) = std::mem::replace(&mut self.stage, Stage::Over)
            && let Ok(outcome) = reading.end()
        {
            asked.account.finish(outcome, StatusCode::OK, reading.heard().usage);
        }
    }

    async fn head(&mut self, head: Head) -> Result<Reply, Status> {
        let Some(api) = api_at(&head) else {
            // What tells of a decision is the router's to say, since routes go by it.
            let ours = [MODEL, UPSTREAM, TASK, DECISION, FALLBACK];
            let forged = ours.into_iter().filter(|name| head.headers.contains_key(name)).collect();
            return Ok(Reply::Last(message::request_head(forged)));
        };
        self.modes.check().inspect_err(|status| tracing::error!(status = status.message(), "Envoy's configuration"))?;
        let live = self.gateway.live();
        let client = match identify(&self.gateway, &live, api.label(), &head.headers) {
            Ok(client) => client,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let begun = Begun { api, live, client, head };
        let length =
            begun.head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.gateway.server.request_bytes as u64) {
            return self.body(begun, None).await;
        }
        if begun.head.is_all {
            return self.body(begun, Some(&[])).await;
        }
        self.stage = Stage::Head(Box::new(begun));
        Ok(Reply::More(message::request_head(Vec::new())))
    }

    /// Decides the request that `begun` with its `body`, `None` for one that is longer than it may be.
    async fn body(&mut self, begun: Begun, body: Option<&[u8]>) -> Result<Reply, Status> {
        let Begun { api, live, client, head } = begun;
        let mut account = match enter(&self.gateway, api.label(), &head.headers, client).await {
            Ok(account) => account,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let sent = async {
            let most = self.gateway.server.request_bytes;
            let body = body.filter(|body| body.len() <= most).ok_or_else(|| too_large(&self.gateway))?;
            let mut plan = plan(&self.gateway, &live, api, &mut account, &head.headers, body).await?;
            let sent = Sent::new(&live, &mut plan, account.id(), &head.path)?;
            Ok((sent, plan.conversation))
        };
        match sent.await {
            Ok((Sent { served, upstream, body, headers, told }, conversation)) => {
                let asked = Asked { account, served, upstream, told, conversation, time: clock::now() };
                self.stage = Stage::Sent(Box::new(asked));
                Ok(Reply::More(message::request(body, headers)))
            }
            Err(refusal) => Ok(refused(&refuse(&mut account, refusal))),
        }
    }

    fn answer_head(&mut self, mut asked: Box<Asked>, head: Head) -> Result<Reply, Status> {
        let Some(status) = head.status else { return Err(Status::invalid_argument("an answer without a status")) };
        let set = std::mem::take(&mut asked.told).into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        let reply = message::answer_head(Headers { set, removed: Vec::new() });
        if !status.is_success() {
            let failure = Failure::Status { status, retry_after: None };
            asked.went(if is_of_client(status) { ANSWERED } else { failure.label() });
            asked.account.finish(Outcome::Refused, status, None);
            return Ok(Reply::Last(reply));
        }
        let mut reading = Reading::new(&head.headers, &asked.upstream.config);
        if head.is_all {
            self.finish(&mut asked, &mut reading);
            return Ok(Reply::Last(reply));
        }
        if self.modes.hides_answers() {
            asked.answered(&self.gateway);
            asked.account.finish(Outcome::Answered, status, None);
            return Ok(Reply::Last(reply));
        }
        if reading.has_begun() {
            asked.answered(&self.gateway);
        }
        self.stage = Stage::Answer(asked, Box::new(reading));
        Ok(Reply::More(reply))
    }

    fn answer_body(&mut self, mut asked: Box<Asked>, mut reading: Box<Reading>, body: &HttpBody) -> Reply {
        let had_begun = reading.has_begun();
        let taken = reading.take(&body.body);
        if reading.has_begun() && !had_begun {
            asked.answered(&self.gateway);
        }
        match taken {
            Ok(None) if body.end_of_stream => self.finish(&mut asked, &mut reading),
            Ok(None) => return self.go_on(Stage::Answer(asked, reading), body),
            // Who has seen the mark may speak of the answer at once.
            Ok(Some(outcome)) => asked.account.finish(outcome, StatusCode::OK, reading.heard().usage),
            Err(failure) => asked.failed(&failure, &reading),
        }
        self.go_on(Stage::Rest, body)
    }

    /// Passes a part of an answer on, and is at `stage` if it is not the last.
    fn go_on(&mut self, stage: Stage, body: &HttpBody) -> Reply {
        if body.end_of_stream {
            return Reply::Last(message::answer_body());
        }
        self.stage = stage;
        Reply::More(message::answer_body())
    }

    /// The answer has come to its end.
    fn finish(&self, asked: &mut Asked, reading: &mut Reading) {
        let had_begun = reading.has_begun();
        match reading.end() {
            Ok(outcome) => {
                if !had_begun {
                    asked.answered(&self.gateway);
                }
                asked.account.finish(outcome, StatusCode::OK, reading.heard().usage);
            }
            Err(failure) => asked.failed(&failure, reading),
        }
    }
}

/// What the request at `head` asks for, if that is for the router to decide.
fn api_at(head: &Head) -> Option<Api> {
    let path = head.path.split('?').next()?.strip_prefix("/v1/")?;
    Api::ALL.into_iter().find(|api| api.path() == path).filter(|_| head.method == Method::POST.as_str())
}

fn refused(refusal: &Refusal) -> Reply {
    Reply::Last(message::refusal(refusal))
}
