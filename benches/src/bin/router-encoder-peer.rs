//! Our side of `benches/peers/encoders`: embeds the texts of every line of stdin, a JSON list, and answers with a line
//! `{"seconds", "count"}`. Tokenization counts; reading and answering do not.
//!
//! `router-encoder-peer --model DIR --precision f32|int8 --engine native|candle --threads N`

use std::io::{BufRead, Write, stdout};
use std::process::ExitCode;
use std::time::Instant;

use router_core::prelude::*;
use router_plugins::models::ModelDirectory;
use serde_json::{Map, Value, json};

use router_plugins as _;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done if even that cannot be written.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

/// The embedder that the arguments ask for, and the number of threads.
fn arguments() -> Result<(Map<String, Value>, usize)> {
    let usage = |what: String| {
        Error::new(ErrorKind::Usage, what).help("--model DIR --precision f32|int8 --engine native|candle --threads N")
    };
    let (mut parameters, mut threads) = (Map::new(), 1);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| usage(format!("`{name}` has no value")))?;
        match name.as_str() {
            "--threads" => threads = value.parse().map_err(|_| usage(format!("`{value}` is no number")))?,
            "--model" | "--precision" | "--engine" => {
                parameters.insert(name.trim_start_matches('-').to_owned(), value.into());
            }
            _ => return Err(usage(format!("`{name}` is not an option"))),
        }
    }
    Ok((parameters, threads))
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn run() -> Result<()> {
    let (mut parameters, threads) = arguments()?;
    let model = parameters.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
    let plugin = match ModelDirectory::open(&model)?.architecture() {
        "mpnet" => "mpnet",
        "bert" | "roberta" | "xlm-roberta" => "bert",
        _ => "static",
    };
    if plugin == "static" {
        parameters.retain(|name, _| name == "model");
    } else {
        // The peers cut what is longer.
        parameters.insert("windows".to_owned(), json!({ "most": 1 }));
    }
    let failed = |error: std::io::Error| Error::io("standard input or output", error);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    let (embedder, _) = Registry::collected()?.build::<EmbedderRole>(plugin, Value::Object(parameters))?;
    let embedder = pollster::block_on(embedder.fit(&[], &FitContext::new(0)))?;
    for line in std::io::stdin().lock().lines() {
        let texts: Vec<String> = serde_json::from_str(&line.map_err(failed)?)
            .map_err(|error| Error::new(ErrorKind::Data, "a line is no list of texts").caused_by(error))?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let start = Instant::now();
        let embeddings = pool.install(|| pollster::block_on(embedder.embed(&texts)))?;
        let seconds = start.elapsed().as_secs_f64();
        let answer = json!({ "seconds": seconds, "count": embeddings.vectors.rows() });
        writeln!(stdout(), "{answer}").map_err(failed)?;
        stdout().flush().map_err(failed)?;
    }
    Ok(())
}
