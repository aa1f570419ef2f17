//! Threads for decisions that take long. What waits is embedded together.

use std::sync::Arc;

use router_core::{Error, ErrorKind, FitContext, Prompt, Result, Router};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::config::DecisionsConfig;
use crate::decide::Decided;
use crate::decide::compute::{Batch, compute, decide};

/// What came of a question.
pub(super) enum Answer {
    Decided(Result<Vec<Decided>>),
    /// The queue is full.
    Full,
}

/// The threads. They end when this is dropped and what they were asked is answered.
pub(super) struct Workers {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    batch: Batch,
    answer: oneshot::Sender<Result<Vec<Decided>>>,
}

impl Workers {
    pub(super) fn start(router: &Arc<Router>, context: &FitContext, config: &DecisionsConfig) -> Result<Self> {
        let (jobs, queue) = mpsc::channel(config.queue);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..config.threads {
            let (router, context, queue) = (Arc::clone(router), context.clone(), Arc::clone(&queue));
            let most = config.batch;
            std::thread::Builder::new()
                .name(format!("decide {number}"))
                .spawn(move || work(&router, &context, &queue, most))
                .map_err(|source| Error::new(ErrorKind::Internal, "cannot start a thread").caused_by(source))?;
        }
        Ok(Self { jobs })
    }

    pub(super) async fn ask(&self, batch: Batch) -> Answer {
        let (answer, receiver) = oneshot::channel();
        match self.jobs.try_send(Job { batch, answer }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Answer::Full,
            Err(mpsc::error::TrySendError::Closed(_)) => return Answer::Decided(Err(ended())),
        }
        Answer::Decided(receiver.await.unwrap_or_else(|_| Err(ended())))
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "the thread of a decision has ended")
}

fn work(router: &Router, context: &FitContext, queue: &Mutex<mpsc::Receiver<Job>>, most: usize) {
    loop {
        let jobs = {
            let mut queue = queue.blocking_lock();
            let Some(first) = queue.blocking_recv() else { return };
            let mut prompts = first.batch.prompts.len();
            let mut jobs = vec![first];
            while prompts < most
                && let Ok(job) = queue.try_recv()
            {
                prompts += job.batch.prompts.len();
                jobs.push(job);
            }
            jobs
        };
        // Nobody waits any more for a client that went away.
        let mut jobs: Vec<Job> = jobs.into_iter().filter(|job| !job.answer.is_closed()).collect();
        if jobs.len() > 1 {
            jobs = together(router, context, jobs);
        }
        for Job { batch, answer } in jobs {
            let _ = answer.send(pollster::block_on(compute(router, context, &batch)));
        }
    }
}

/// Answers `jobs` out of one embedding. Gives back those that are to be tried one by one, since together they failed.
fn together(router: &Router, context: &FitContext, mut jobs: Vec<Job>) -> Vec<Job> {
    let counts: Vec<usize> = jobs.iter().map(|job| job.batch.prompts.len()).collect();
    let prompts: Vec<Prompt> = jobs.iter_mut().flat_map(|job| job.batch.prompts.drain(..)).collect();
    let embedded = pollster::block_on(router.embed_with(&prompts, context));
    let mut prompts = prompts.into_iter();
    for (job, &count) in jobs.iter_mut().zip(&counts) {
        job.batch.prompts.extend(prompts.by_ref().take(count));
    }
    let Ok(embeddings) = embedded else { return jobs };
    let mut start = 0;
    for (Job { batch, answer }, count) in jobs.into_iter().zip(counts) {
        let rows: Vec<usize> = (start..start + count).collect();
        let answered = decide(router, &batch, &embeddings.gather(&rows));
        let _ = answer.send(answered);
        start += count;
    }
    Vec::new()
}
