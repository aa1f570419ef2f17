//! The cases of embedders.

use crate::registry::EmbedderRole;
use crate::testkit::cache::MemoryCache;
use crate::testkit::case::{Case, Subject, Verdict, ensure, told};
use crate::testkit::shared::{ROUNDING, near, refuses_damage, same_bytes, stored_again};
use crate::traits::StoredEmbedder;
use crate::types::matrix::Embeddings;
use crate::types::prompt::{Message, MessageRole, Prompt};

pub(super) const CASES: &[Case] = &[
    Case { name: "shape, order and finite numbers", run: shape },
    Case { name: "a text's vector does not depend on its batch", run: batches },
    Case { name: "odd texts have vectors", run: odd_texts },
    Case { name: "a prompt's vector depends on its content alone", run: content_alone },
    Case { name: "a cache changes no bit", run: cached },
    Case { name: "save and load give the same numbers and fingerprint", run: saved },
    Case { name: "the same seed gives the same bytes at 1 and 2 threads", run: bytes },
    Case { name: "a damaged slot is refused", run: damaged },
];

const TEXTS: [&str; 6] = [
    "Solve the equation 3x + 4 = 10.",
    "Write a function that returns the longest string of an array.",
    "Translate this sentence into French: where is the station?",
    "What is the capital of Mongolia?",
    "Solve the equation 5x - 1 = 9.",
    "List three causes of the French Revolution and say which mattered most.",
];

fn fitted(subject: &Subject<'_>, seed: u64) -> Result<Box<dyn StoredEmbedder>, String> {
    let embedder = subject.build::<EmbedderRole>()?;
    told("fitting", pollster::block_on(embedder.fit(&TEXTS, &Subject::context(seed))))
}

fn embed(embedder: &dyn StoredEmbedder, texts: &[&str]) -> Result<Embeddings, String> {
    told("embedding", pollster::block_on(embedder.embed(texts)))
}

fn shape(subject: &Subject<'_>) -> Verdict {
    let embedder = fitted(subject, 1)?;
    let all = embed(&*embedder, &TEXTS)?.vectors;
    ensure(all.rows() == TEXTS.len() && all.cols() == embedder.dimension(), || {
        format!("{} x {} where {} x {} belongs", all.rows(), all.cols(), TEXTS.len(), embedder.dimension())
    })?;
    told("embeddings", all.view().check_finite("embeddings"))?;
    let mut reversed = TEXTS;
    reversed.reverse();
    let back: Vec<usize> = (0..TEXTS.len()).rev().collect();
    near("reversed texts", embed(&*embedder, &reversed)?.vectors.gather(&back).view(), all.view(), ROUNDING)?;
    ensure(embed(&*embedder, &[])?.vectors.rows() == 0, || "no text has a vector".to_owned())
}

fn batches(subject: &Subject<'_>) -> Verdict {
    let embedder = fitted(subject, 1)?;
    let all = embed(&*embedder, &TEXTS)?.vectors;
    for (row, text) in TEXTS.iter().enumerate() {
        let alone = embed(&*embedder, &[text])?.vectors;
        near("one text alone", alone.view(), all.view().slice_rows(row, row + 1), ROUNDING)?;
    }
    Ok(())
}

fn odd_texts(subject: &Subject<'_>) -> Verdict {
    let embedder = fitted(subject, 1)?;
    let long = "a long text of many words ".repeat(40_000);
    let odd = ["", " ", "\u{0}", "\u{200d}\u{fe0f}", "日本語のプロンプト", "🙂🙃", "e\u{301}", long.as_str()];
    let embeddings = embed(&*embedder, &odd)?;
    ensure(embeddings.vectors.rows() == odd.len(), || "a text got lost".to_owned())?;
    told("embeddings", embeddings.vectors.view().check_finite("embeddings"))?;
    ensure(embeddings.truncated.iter().all(|&row| row < odd.len()) && embeddings.truncated.is_sorted(), || {
        format!("the truncated rows {:?} are not ascending rows of the batch", embeddings.truncated)
    })
}

fn content_alone(subject: &Subject<'_>) -> Verdict {
    let embedder = fitted(subject, 1)?;
    let plain: Vec<Prompt> = conversations();
    let dressed: Vec<Prompt> = plain
        .iter()
        .enumerate()
        .map(|(at, prompt)| Prompt {
            id: format!("another {at}"),
            benchmark: Some("benchmark".to_owned()),
            description: Some("Asks for something else.".to_owned()),
            tags: vec!["tag".to_owned()],
            ..prompt.clone()
        })
        .collect();
    let embed = |prompts: &[Prompt]| {
        told("embedding", pollster::block_on(embedder.embed_prompts(&prompts.iter().collect::<Vec<_>>())))
    };
    near("other labels", embed(&dressed)?.vectors.view(), embed(&plain)?.vectors.view(), 0.0)
}

fn cached(subject: &Subject<'_>) -> Verdict {
    let embedder = fitted(subject, 1)?;
    let mut prompts = conversations();
    prompts.push(Prompt::new("long", "a long text of many words ".repeat(40_000)));
    let prompts: Vec<&Prompt> = prompts.iter().collect();
    let plain = told("embedding", pollster::block_on(embedder.embed_prompts(&prompts)))?;
    let cache = MemoryCache::new();
    let through = |prompts: &[&Prompt]| {
        told("embedding through a cache", pollster::block_on(embedder.embed_through(&cache, prompts)))
    };
    // Some first, so that the others are computed in another batch; then all, twice.
    through(prompts.split_at(prompts.len() - 2).1)?;
    for what in ["partly known", "known"] {
        let found = through(&prompts)?;
        near(what, found.vectors.view(), plain.vectors.view(), 0.0)?;
        ensure(found.truncated == plain.truncated, || {
            format!("{what}: rows {:?} are said to be cut where {:?} are", found.truncated, plain.truncated)
        })?;
    }
    ensure(cache.is_empty() != embedder.worth_caching(), || {
        format!("{} rows are kept where `worth_caching` is {}", cache.len(), embedder.worth_caching())
    })
}

/// The texts, and conversations of the same.
fn conversations() -> Vec<Prompt> {
    let mut prompts: Vec<Prompt> = TEXTS.iter().map(|text| Prompt::new(*text, *text)).collect();
    let say = |role, content: &str| Message::new(role, content);
    for pair in TEXTS.windows(2) {
        if let [first, second] = pair {
            let turns = [(MessageRole::System, "Be brief."), (MessageRole::User, first), (MessageRole::User, second)];
            prompts.push(Prompt::chat(*first, turns.map(|(role, content)| say(role, content)).to_vec()));
        }
    }
    prompts
}

fn saved(subject: &Subject<'_>) -> Verdict {
    let embedder = fitted(subject, 1)?;
    let again = stored_again::<EmbedderRole>(subject, &*embedder)?;
    ensure(again.fingerprint() == embedder.fingerprint(), || "the fingerprint changed".to_owned())?;
    ensure(again.dimension() == embedder.dimension(), || "the dimension changed".to_owned())?;
    near("loaded", embed(&*again, &TEXTS)?.vectors.view(), embed(&*embedder, &TEXTS)?.vectors.view(), 0.0)
}

fn bytes(subject: &Subject<'_>) -> Verdict {
    same_bytes(|| fitted(subject, 1))
}

fn damaged(subject: &Subject<'_>) -> Verdict {
    refuses_damage::<EmbedderRole>(subject, &*fitted(subject, 1)?)
}
