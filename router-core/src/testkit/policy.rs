//! The cases of policies.

use crate::registry::PolicyRole;
use crate::testkit::case::{Case, Subject, Verdict, ensure, told};
use crate::testkit::shared::{easy, refuses_damage, same_bytes, stored_again, worlds};
use crate::testkit::world::MinimalWorld;
use crate::traits::{PolicyEvidence, StoredPolicy};
use crate::types::constraints::{Choice, Eligibility};
use crate::types::decision::{Decision, Plan};
use crate::types::matrix::Matrix;

pub(super) const CASES: &[Case] = &[
    Case { name: "a decision for every prompt of every world", run: every_world },
    Case { name: "only eligible models appear", run: only_eligible },
    Case { name: "no eligible model is a plan of its own", run: none_eligible },
    Case { name: "the fallback names every other eligible model once", run: fallback },
    Case { name: "ties go to the cheaper model, then to the lowest index", run: ties },
    Case { name: "a decision does not depend on its batch or on what was decided before", run: batches },
    Case { name: "save and load give the same decisions", run: saved },
    Case { name: "the same seed gives the same bytes at 1 and 2 threads", run: bytes },
    Case { name: "a damaged slot is refused", run: damaged },
];

/// What a policy is asked in these cases.
struct Question {
    quality: Matrix,
    cost: Matrix,
    known: Vec<bool>,
    eligible: Eligibility,
}

impl Question {
    /// Qualities that lean to the outcomes, a rising cost.
    fn of(world: &MinimalWorld) -> Self {
        let (n, m) = (world.dataset.prompts().len(), world.dataset.models().len());
        let (mut quality, mut cost) = (Matrix::zeros(n, m), Matrix::zeros(n, m));
        for row in 0..n {
            for model in 0..m {
                let seen = world.dataset.outcomes().get(row, model).map_or(0.5, |outcome| outcome.quality);
                quality.set(row, model, 0.4 + 0.2 * seen + 0.001 * ((row * 7 + model * 3) % 11) as f32);
                cost.set(row, model, 0.001 * (model + 1) as f32);
            }
        }
        let mut eligible = Eligibility::default();
        eligible.reset(n, m);
        Self { quality, cost, known: vec![true; m], eligible }
    }

    fn choice(&self) -> Choice<'_> {
        Choice {
            quality: self.quality.view(),
            variance: None,
            cost_usd: self.cost.view(),
            known_cost: &self.known,
            eligible: &self.eligible,
        }
    }
}

fn fitted(subject: &Subject<'_>, world: &MinimalWorld) -> Result<Box<dyn StoredPolicy>, String> {
    let set = told(world.name, world.training_set())?;
    let question = Question::of(world);
    let mut estimates = crate::types::estimates::Estimates::new();
    estimates.reset(question.quality.rows(), question.quality.cols());
    estimates.quality_mut().as_mut_slice().copy_from_slice(question.quality.as_slice());
    let evidence = PolicyEvidence {
        set: &set,
        cross_fitted: Some(estimates.view()),
        cost_usd: question.cost.view(),
        known_cost: &question.known,
    };
    told(world.name, subject.build::<PolicyRole>()?.fit(&evidence, &Subject::context(1)))
}

fn choose(policy: &dyn StoredPolicy, question: &Question) -> Result<Vec<Decision>, String> {
    let mut out = vec![Decision::default(); question.quality.rows()];
    told("choosing", policy.choose(&question.choice(), &mut out))?;
    Ok(out)
}

/// The models that a plan asks.
fn planned(decision: &Decision) -> Vec<usize> {
    match &decision.plan {
        Plan::NoEligibleModel => Vec::new(),
        Plan::One(model) => vec![*model],
        Plan::Set(models) => models.clone(),
        Plan::Cascade(steps) => steps.iter().map(|step| step.model).collect(),
    }
}

fn every_world(subject: &Subject<'_>) -> Verdict {
    for world in worlds()? {
        for decision in choose(&*fitted(subject, &world)?, &Question::of(&world))? {
            ensure(decision.model().is_some() && decision.score.is_finite(), || {
                format!("{}: {decision:?}", world.name)
            })?;
            ensure(!decision.reasons.is_empty(), || format!("{}: a decision without a reason", world.name))?;
        }
    }
    Ok(())
}

fn only_eligible(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let policy = fitted(subject, &world)?;
    let mut question = Question::of(&other);
    for row in 0..question.quality.rows() {
        if let Some(first) = question.eligible.row_mut(row).get_mut(row % 4) {
            *first = false;
        }
    }
    for (row, decision) in choose(&*policy, &question)?.iter().enumerate() {
        let named = planned(decision).into_iter().chain(decision.fallback.iter().copied());
        let wrong = named.into_iter().find(|&model| model == row % 4);
        ensure(wrong.is_none(), || format!("row {row} names ineligible model {}", row % 4))?;
        ensure(decision.model().is_some(), || format!("row {row} names no model"))?;
    }
    Ok(())
}

fn none_eligible(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let policy = fitted(subject, &world)?;
    let mut question = Question::of(&other);
    question.eligible.row_mut(1).fill(false);
    let decisions = choose(&*policy, &question)?;
    let refused = decisions.get(1).is_some_and(|d| d.plan == Plan::NoEligibleModel && d.fallback.is_empty());
    ensure(refused, || format!("{:?}", decisions.get(1)))?;
    ensure(decisions.first().is_some_and(|d| d.model().is_some()), || "its neighbor was refused too".to_owned())
}

fn fallback(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    for decision in choose(&*fitted(subject, &world)?, &Question::of(&other))? {
        let mut named: Vec<usize> = planned(&decision).into_iter().chain(decision.fallback.iter().copied()).collect();
        named.sort_unstable();
        ensure(named == [0, 1, 2, 3], || format!("plan and fallback name {named:?}"))?;
    }
    Ok(())
}

fn ties(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let policy = fitted(subject, &world)?;
    let mut question = Question::of(&other);
    question.quality.as_mut_slice().fill(0.5);
    for row in 0..question.cost.rows() {
        question.cost.row_mut(row).copy_from_slice(&[0.002, 0.001, 0.001, 0.003]);
    }
    let decisions = choose(&*policy, &question)?;
    let wrong = decisions.iter().find(|decision| decision.model() != Some(1));
    ensure(wrong.is_none(), || {
        format!("equal qualities at costs 2, 1, 1, 3 go to {:?}", wrong.and_then(Decision::model))
    })
}

fn batches(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let policy = fitted(subject, &world)?;
    let question = Question::of(&other);
    let mut all = choose(&*policy, &question)?;
    let first = all.clone();
    told("choosing", policy.choose(&question.choice(), &mut all))?;
    ensure(first == all, || "buffers that held decisions give others".to_owned())?;
    for (row, decision) in all.iter().enumerate() {
        let mut alone = Question {
            quality: question.quality.gather(&[row]),
            cost: question.cost.gather(&[row]),
            known: question.known.clone(),
            eligible: Eligibility::default(),
        };
        alone.eligible.reset(1, question.quality.cols());
        ensure(choose(&*policy, &alone)?.first() == Some(decision), || {
            format!("row {row} alone is decided otherwise")
        })?;
    }
    Ok(())
}

fn saved(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let policy = fitted(subject, &world)?;
    let again = stored_again::<PolicyRole>(subject, &*policy)?;
    let question = Question::of(&other);
    ensure(choose(&*policy, &question)? == choose(&*again, &question)?, || {
        "the loaded policy decides otherwise".to_owned()
    })
}

fn bytes(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    same_bytes(|| fitted(subject, &world))
}

fn damaged(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    refuses_damage::<PolicyRole>(subject, &*fitted(subject, &world)?)
}
