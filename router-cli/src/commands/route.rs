//! `router route`: a decision, an explanation, or a stream of them.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, IsTerminal as _};

use router_core::{Constraints, Decision, Error, ErrorKind, Explanation, Prompt, Result, Router};
use serde::Serialize;
use serde_json::{Value, json};

use super::requests::{READ_AHEAD, STDIN, request_of};
use super::{BAD_INPUT, Session};
use crate::arguments::Route;
use crate::table::{Align, Table, percent, score, usd};

/// Most lines of input that are decided together.
const BATCH: usize = router_core::pipeline::BATCH;

pub(super) fn run(arguments: &Route, session: &mut Session) -> Result<u8> {
    let constraints = constraints(arguments);
    let from_stdin = match arguments.prompt.as_deref() {
        Some(prompt) => prompt == STDIN,
        None if std::io::stdin().is_terminal() => {
            return Err(Error::new(ErrorKind::Usage, "there is no prompt")
                .help("give it as an argument, or `-` to read JSON Lines from stdin"));
        }
        None => true,
    };
    if from_stdin && constraints != Constraints::default() {
        return Err(Error::new(ErrorKind::Usage, "constraint options go with a single prompt")
            .help("with `-`, put them into the lines: allowed_models, unavailable_models, required_tags, ..."));
    }
    let router = Router::load(&arguments.router, &session.registry)?;
    if from_stdin {
        stream(&router, arguments.explain, session)?;
        return Ok(0);
    }
    constraints.check(router.models())?;
    let prompt = Prompt::new("prompt", arguments.prompt.as_deref().unwrap_or_default());
    single(&router, &prompt, &constraints, arguments.explain, session)
}

fn constraints(arguments: &Route) -> Constraints {
    Constraints {
        allowed_models: (!arguments.allow.is_empty()).then(|| arguments.allow.clone()),
        unavailable_models: arguments.unavailable.clone(),
        required_tags: arguments.require_tag.clone(),
        prompt_tokens: arguments.prompt_tokens,
        maximum_output_tokens: arguments.maximum_output_tokens,
        maximum_cost_usd: arguments.maximum_cost,
        minimum_quality: arguments.minimum_quality,
    }
}

fn single(
    router: &Router,
    prompt: &Prompt,
    constraints: &Constraints,
    explain: bool,
    session: &mut Session,
) -> Result<u8> {
    let output = &mut session.output;
    let decision;
    if explain {
        let explanation = router.explain_blocking(prompt, constraints)?;
        output.document(&explanation)?;
        output.line(describe(&explanation))?;
        if explanation.model.is_some() {
            return Ok(0);
        }
        decision = Decision::default();
    } else {
        let mut decisions = router.route_blocking(std::slice::from_ref(prompt), std::slice::from_ref(constraints))?;
        decision = decisions.pop().unwrap_or_default();
        output.document(&Line::new(router, prompt, &decision))?;
    }
    match router.require_model(&decision) {
        Ok(model) => output.line(model).map(|()| 0),
        Err(error) => {
            // With --json the document has said it with a null; the error goes to stderr alone.
            output.error(&error);
            Ok(BAD_INPUT)
        }
    }
}

/// A decision as a line of output.
#[derive(Debug, Serialize)]
struct Line<'a> {
    prompt_id: &'a str,
    model: Option<&'a str>,
    plan: Vec<&'a str>,
    fallback: Vec<&'a str>,
    score: Option<f32>,
    reasons: Vec<String>,
}

impl<'a> Line<'a> {
    fn new(router: &'a Router, prompt: &'a Prompt, decision: &Decision) -> Self {
        let name = |model: usize| router.models().name(model);
        Self {
            prompt_id: &prompt.id,
            model: decision.model().map(name),
            plan: decision.plan.models().into_iter().map(name).collect(),
            fallback: decision.fallback.iter().copied().map(name).collect(),
            score: decision.model().map(|_| decision.score),
            reasons: decision.reasons.iter().map(|reason| router.describe(reason)).collect(),
        }
    }
}

/// Answers the lines of stdin in order, as many together as are there already.
fn stream(router: &Router, explain: bool, session: &mut Session) -> Result<()> {
    let mut input = BufReader::with_capacity(READ_AHEAD, std::io::stdin().lock());
    let mut answers = Answers { router, explain, session, documents: Vec::new() };
    let mut requests: Vec<(Prompt, Constraints)> = Vec::new();
    let mut text = Vec::new();
    let mut number = 0;
    loop {
        text.clear();
        let read = input.read_until(b'\n', &mut text).map_err(|source| Error::io(STDIN, source))?;
        if read == 0 {
            break;
        }
        number += 1;
        match request_of(&text, number, router.models()) {
            Ok(None) => {}
            Ok(Some(request)) => requests.push(request),
            Err(error) => {
                // What came before the bad line is decided and written first.
                answers.give(&mut requests)?;
                return Err(error.in_file(STDIN).at_line(number));
            }
        }
        // Whoever sends a line and waits for the answer gets it now; a file is taken in full batches.
        if requests.len() == BATCH || !input.buffer().contains(&b'\n') {
            answers.give(&mut requests)?;
            if answers.session.output.is_closed() {
                return Ok(());
            }
        }
    }
    answers.give(&mut requests)?;
    let document = json!({ "decisions": answers.documents });
    session.output.document(&document)
}

/// Decides and writes.
struct Answers<'a> {
    router: &'a Router,
    explain: bool,
    session: &'a mut Session,
    /// The decisions so far, where they become one document.
    documents: Vec<Value>,
}

impl Answers<'_> {
    /// Answers `requests` in order and empties them.
    fn give(&mut self, requests: &mut Vec<(Prompt, Constraints)>) -> Result<()> {
        if requests.is_empty() {
            return Ok(());
        }
        let (prompts, constraints): (Vec<Prompt>, Vec<Constraints>) = requests.drain(..).unzip();
        if self.explain {
            for (prompt, constraints) in prompts.iter().zip(&constraints) {
                let explanation = self.router.explain_blocking(prompt, constraints)?;
                self.write(&explanation)?;
            }
        } else {
            let decisions = self.router.route_blocking(&prompts, &constraints)?;
            for (prompt, decision) in prompts.iter().zip(&decisions) {
                self.write(&Line::new(self.router, prompt, decision))?;
            }
        }
        self.session.output.flush()
    }

    fn write(&mut self, answer: &impl Serialize) -> Result<()> {
        if self.session.output.json() {
            let answer = serde_json::to_value(answer)
                .map_err(|source| Error::new(ErrorKind::Internal, "a decision is not JSON").caused_by(source))?;
            self.documents.push(answer);
            return Ok(());
        }
        self.session.output.json_line(answer)
    }
}

/// An explanation to read.
fn describe(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<10}{value}");
    };
    match explanation.plan.as_slice() {
        [] => fact("model", "none is eligible"),
        [only] => fact("model", only),
        several => fact("models", &several.join(", then ")),
    }
    for (at, reason) in explanation.reasons.iter().enumerate() {
        fact(if at == 0 { "because" } else { "" }, reason);
    }
    if explanation.model.is_some() {
        fact("score", &score(f64::from(explanation.score)));
    }
    if !explanation.fallback.is_empty() {
        fact("fallback", &explanation.fallback.join(", "));
    }
    if let Some(none) = explanation.probability_of_no_task {
        match explanation.task {
            Some(task) => fact("task", &format!("{task}; no task: {}", percent(f64::from(none)))),
            None => fact("task", &format!("none ({})", percent(f64::from(none)))),
        }
        for task in &explanation.tasks {
            let probability = percent(f64::from(task.probability));
            fact("", &format!("{:>3} {probability:>6}  {}", task.task.to_string(), task.keywords.join(", ")));
        }
    }
    let uncertain = explanation.models.iter().any(|model| model.standard_error.is_some());
    let excluded = explanation.models.iter().any(|model| model.ineligible.is_some());
    let mut columns = vec![("model".to_owned(), Align::Left), ("quality".to_owned(), Align::Right)];
    if uncertain {
        columns.push(("error".to_owned(), Align::Right));
    }
    for (at, part) in explanation.parts.iter().enumerate() {
        let weight = explanation.weights.as_ref().and_then(|weights| weights.get(at));
        let name = match weight {
            Some(weight) => format!("{weight:.2} x {part}"),
            None => part.clone(),
        };
        columns.push((name, Align::Right));
    }
    columns.push(("cost".to_owned(), Align::Right));
    if excluded {
        columns.push(("not eligible".to_owned(), Align::Left));
    }
    let mut table = Table::new(columns);
    for model in &explanation.models {
        let mut row = vec![model.model.clone(), score(f64::from(model.quality))];
        if uncertain {
            row.push(model.standard_error.map_or_else(|| "-".to_owned(), |error| score(f64::from(error))));
        }
        row.extend(model.parts.iter().map(|&part| score(f64::from(part))));
        row.push(usd(model.cost_usd.map(f64::from)));
        if excluded {
            let why = model.ineligible.and_then(|why| serde_json::to_value(why).ok());
            row.push(why.and_then(|why| why.as_str().map(str::to_owned)).unwrap_or_default());
        }
        table.row(row);
    }
    format!("{text}\n{}", table.render())
}
