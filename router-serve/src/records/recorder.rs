//! The queue of what is to be recorded, and the thread that writes it.
//!
//! A request never waits for a record: what does not fit the queue is lost, counted in the metrics and logged. Feedback waits until it is
//! committed, and is refused where that takes too long. What waits is committed together, so that batches grow with the load.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use router_core::{Error, ErrorKind, Model, Result};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::store::Entry;
use super::{Address, Feedback, Record, Records, Shadow};
use crate::config::RecordsConfig;
use crate::metrics::Metrics;

/// Most entries of a transaction.
const BATCH: usize = 512;

/// How long the writer waits before it tries again, at first and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What became of feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is committed.
    Kept,
    /// There is no such decision.
    Unknown,
    /// It could not be written in time, or not at all.
    NotWritten,
}

enum Job {
    Write(Entry, Option<oneshot::Sender<Fate>>),
    Models(Vec<Model>),
    Flush(oneshot::Sender<()>),
}

/// Takes what is to be recorded. The thread that writes ends when all of these are dropped and the queue is empty.
#[derive(Clone)]
pub(crate) struct Recorder {
    jobs: mpsc::Sender<Job>,
    bytes: Arc<AtomicUsize>,
    most_bytes: usize,
    metrics: Arc<Metrics>,
    /// Whether prompts are to be kept.
    pub(crate) store_prompts: bool,
    /// Whether comments of feedback are to be kept.
    pub(crate) store_comments: bool,
    /// How long feedback waits to be committed.
    pub(crate) feedback_seconds: f64,
}

impl Recorder {
    /// Opens the records, and starts the thread that writes. Gives what was charged to each client since `since`, too.
    ///
    /// # Errors
    /// What [`Records::open`] reports.
    pub(crate) async fn start(config: &RecordsConfig, metrics: &Arc<Metrics>, since: i64) -> Result<(Self, Charged)> {
        let address = config.address()?;
        let (jobs, queue) = mpsc::channel(config.queue);
        let (opened, is_open) = oneshot::channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let writer = Writer { bytes: Arc::clone(&bytes), metrics: Arc::clone(metrics) };
        // A connection of PostgreSQL stays on the thread on which it was made.
        std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || writer.run(&address, since, queue, opened))
            .map_err(|source| Error::new(ErrorKind::Internal, "cannot start a thread").caused_by(source))?;
        let charged =
            is_open.await.map_err(|_| Error::new(ErrorKind::Internal, "the thread of the records has ended"))??;
        let recorder = Self {
            jobs,
            bytes,
            most_bytes: config.queue_bytes,
            metrics: Arc::clone(metrics),
            store_prompts: config.store_prompts,
            store_comments: config.store_comments,
            feedback_seconds: config.feedback_seconds,
        };
        Ok((recorder, charged))
    }

    /// Records a decision, soon.
    pub(crate) fn record(&self, record: Record) {
        let size = record.bytes();
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > self.most_bytes {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            self.metrics.recorded("lost", 1);
            return;
        }
        if self.jobs.try_send(Job::Write(Entry::Decision(Box::new(record)), None)).is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            self.metrics.recorded("lost", 1);
        }
    }

    /// Records what another router chose, soon.
    pub(crate) fn shadow(&self, decision: Uuid, shadow: Shadow) {
        if self.jobs.try_send(Job::Write(Entry::Shadow(decision, shadow), None)).is_err() {
            self.metrics.recorded("lost", 1);
        }
    }

    /// Records feedback, and waits at most `patience` until that is committed.
    pub(crate) async fn feedback(&self, feedback: Feedback, patience: Duration) -> Fate {
        let (answer, receiver) = oneshot::channel();
        let kept = async {
            self.jobs.send(Job::Write(Entry::Feedback(feedback), Some(answer))).await.ok()?;
            receiver.await.ok()
        };
        tokio::time::timeout(patience, kept).await.ok().flatten().unwrap_or(Fate::NotWritten)
    }

    /// Keeps what is known of `models`.
    pub(crate) async fn models(&self, models: Vec<Model>) {
        // Ended, the thread has said why.
        let _ = self.jobs.send(Job::Models(models)).await;
    }

    /// Waits until everything so far is written, at most `patience`; false if it is not.
    pub(crate) async fn flush(&self, patience: Duration) -> bool {
        let (done, is_done) = oneshot::channel();
        let flushed = async {
            self.jobs.send(Job::Flush(done)).await.ok()?;
            is_done.await.ok()
        };
        matches!(tokio::time::timeout(patience, flushed).await, Ok(Some(())))
    }

    /// Entries that wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

struct Writer {
    bytes: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

/// What was charged to each client, in US dollars.
type Charged = HashMap<String, f64>;

type Entries = Vec<(Entry, Option<oneshot::Sender<Fate>>)>;

impl Writer {
    fn run(
        self,
        address: &Address,
        since: i64,
        mut queue: mpsc::Receiver<Job>,
        opened: oneshot::Sender<Result<Charged>>,
    ) {
        let open = || {
            let mut records = Records::open(address)?;
            let charged = records.charged(since)?;
            Ok((records, charged))
        };
        let mut records = match open() {
            Ok((records, charged)) => {
                if opened.send(Ok(charged)).is_err() {
                    return;
                }
                records
            }
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        let mut jobs = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut jobs, BATCH) > 0 {
            let mut entries: Entries = Vec::new();
            for job in jobs.drain(..) {
                match job {
                    Job::Write(entry, answer) => entries.push((entry, answer)),
                    Job::Models(models) => self.retry(|| records.write_models(&models)).map_or_else(tell, drop),
                    Job::Flush(done) => {
                        self.write(&mut records, std::mem::take(&mut entries));
                        let _ = done.send(());
                    }
                }
            }
            self.write(&mut records, entries);
        }
    }

    /// Writes `entries` together; if the database takes exception to one of them, each alone.
    fn write(&self, records: &mut Records, entries: Entries) {
        if entries.is_empty() {
            return;
        }
        let is_one = entries.len() == 1;
        match self.retry(|| records.write(entries.iter().map(|(entry, _)| entry))) {
            Ok(known) => self.answer(entries, known),
            Err(error) if is_one => {
                tell(error);
                self.settle(&entries, "lost");
                for answer in entries.into_iter().filter_map(|(_, answer)| answer) {
                    let _ = answer.send(Fate::NotWritten);
                }
            }
            Err(_) => {
                for entry in entries {
                    self.write(records, vec![entry]);
                }
            }
        }
    }

    fn answer(&self, entries: Entries, known: Vec<bool>) {
        self.settle(&entries, "written");
        for (answer, is_known) in entries.into_iter().filter_map(|(_, answer)| answer).zip(known) {
            self.metrics.fed_back(is_known);
            // Nobody waits any more for a client that went away.
            let _ = answer.send(if is_known { Fate::Kept } else { Fate::Unknown });
        }
    }

    /// Counts the decisions of `entries`, and gives their room in the queue back.
    fn settle(&self, entries: &Entries, fate: &'static str) {
        let mut count = 0;
        for (entry, _) in entries {
            if let Entry::Decision(record) = entry {
                self.bytes.fetch_sub(record.bytes(), Ordering::Relaxed);
                count += 1;
            }
        }
        self.metrics.recorded(fate, count);
    }

    /// Tries until it is done, or fails for good. While the database is away the queue fills, and what comes then is lost.
    fn retry<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        let (mut wait, longest) = WAIT;
        loop {
            match work() {
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "the records could not be written; trying again");
                    self.metrics.record_failed();
                    std::thread::sleep(wait);
                    wait = (wait * 2).min(longest);
                }
                done => return done,
            }
        }
    }
}

fn tell(error: Error) {
    tracing::error!(%error, "a record is lost");
}
